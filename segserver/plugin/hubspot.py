"""HubSpot's custom workflow actions as files: for a project of the developer platform, and for the REST API.

The actions are described once, in `ACTIONS`; both forms are written from it. HubSpot takes the address of an action
once for all, so the public address must be right before the first upload.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from segserver.connectors import hubspot_scopes
from segserver.connectors.mapping import consent_fields, contact_fields
from segserver.specs.connections import ConnectionSpec

PREFIX = "/plugin/hubspot"
APP = "segserver"
UID = "segserver"
PLATFORM_VERSION = "2026.03"
CONCURRENT = 10
"""Webhook calls at once; HubSpot's own default."""


@dataclass(frozen=True, slots=True)
class Input:
    """A setting of an action that a person chooses from a list we serve."""

    name: str
    label: str
    description: str
    required: bool


@dataclass(frozen=True, slots=True)
class Output:
    """A value that later steps of a workflow can use; `options` for an enumeration."""

    name: str
    label: str
    type: str
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """One custom workflow action.

    Attributes:
        name: in addresses and file names.
        card: what a workflow shows of the step; `{{field}}` stands for a setting.
    """

    name: str
    title: str
    description: str
    card: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]

    @property
    def uid(self) -> str:
        """HubSpot's key of the action within the project."""
        return f"{UID}_{self.name.replace('-', '_')}"


REASON = Output("reason", "Reason", "string")
_YES_NO = (("yes", "Yes"), ("no", "No"))

CHECK = Action(
    name="check-segment",
    title="Check segment",
    description="Finds out whether the contact is in a segment now, and since when.",
    card="Is the contact in {{segment}}?",
    inputs=(Input("segment", "Segment", "The segment, as the rule files declare it.", required=True),),
    outputs=(
        Output("in_segment", "In the segment", "enumeration", _YES_NO),
        Output("since", "In the segment since", "datetime"),
        REASON,
    ),
)
MAY_CONTACT = Action(
    name="may-we-contact",
    title="May we contact now?",
    description="Asks consent, suppression and frequency caps whether a message may go to the contact now.",
    card="May we contact by {{channel}}?",
    inputs=(
        Input("channel", "Channel", "Only this channel; empty for any channel with consent.", required=False),
        Input("scenario", "Scenario", "As the next touch of this scenario, with its steps and hours.", required=False),
    ),
    outputs=(
        Output("decision", "May be contacted", "enumeration", _YES_NO),
        Output("channel", "Channel", "string"),
        Output("next_at", "Next possible instant", "datetime"),
        REASON,
    ),
)
REFRESH = Action(
    name="refresh-contact",
    title="Refresh contact",
    description="Reads the contact again, evaluates every segment for it, and pushes what has changed.",
    card="Read and evaluate the contact again",
    inputs=(),
    outputs=(Output("segments", "Segments", "string"), Output("refreshed_at", "Evaluated at", "datetime"), REASON),
)
ACTIONS: Mapping[str, Action] = {action.name: action for action in (CHECK, MAY_CONTACT, REFRESH)}


@dataclass(frozen=True, slots=True)
class Addresses:
    """What HubSpot calls, from the server's public address and the connection's name."""

    public_url: str
    connection: str

    @property
    def webhook(self) -> str:
        """Where notifications go."""
        return f"{self.public_url.rstrip('/')}/hooks/{self.connection}"

    def action(self, action: Action) -> str:
        """Where an action is executed."""
        return f"{self.public_url.rstrip('/')}{PREFIX}/{self.connection}/{action.name}"

    def options(self, action: Action) -> str:
        """Where the choices of an action's settings are read."""
        return f"{self.action(action)}/options"


def files(spec: ConnectionSpec, public_url: str) -> dict[str, object]:
    """Every file of the plug-in: path to JSON content.

    Args:
        spec: the HubSpot connection that answers.
        public_url: how HubSpot reaches this server.
    """
    addresses = Addresses(public_url, spec.name)
    found: dict[str, object] = {
        "hsproject.json": {"name": APP, "srcDir": "src", "platformVersion": PLATFORM_VERSION},
        "src/app/app-hsmeta.json": _app(spec),
        "src/app/webhooks/webhooks-hsmeta.json": _webhooks(spec, addresses),
        "rest/webhook-settings.json": {
            "targetUrl": addresses.webhook,
            "throttling": {"maxConcurrentRequests": CONCURRENT},
        },
        "rest/webhook-subscriptions.json": list(_rest_subscriptions(spec)),
    }
    for action in ACTIONS.values():
        found[f"src/app/workflow-actions/{action.name}-hsmeta.json"] = project_form(action, spec, addresses)
        found[f"rest/{action.name}.json"] = rest_form(action, spec, addresses)
    return found


def write(directory: Path, contents: Mapping[str, object]) -> list[Path]:
    """Write the files, replacing those that are there; returns their paths."""
    paths = []
    for name, content in sorted(contents.items()):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


# ---- actions -------------------------------------------------------------------------------------------------------


def project_form(action: Action, spec: ConnectionSpec, addresses: Addresses) -> dict[str, object]:
    """The file of an action in a project."""
    return {
        "uid": action.uid,
        "type": "workflow-action",
        "config": {
            "actionUrl": addresses.action(action),
            "isPublished": True,
            "supportedClients": [{"client": "WORKFLOWS"}],
            **_fields(action, spec, addresses),
            "outputFields": [{"typeDefinition": _output_type(one)} for one in action.outputs],
        },
    }


def rest_form(action: Action, spec: ConnectionSpec, addresses: Addresses) -> dict[str, object]:
    """The body of `POST /automation/actions/2026-03/{appId}`."""
    return {
        "actionUrl": addresses.action(action),
        "published": True,
        "functions": [],
        **_fields(action, spec, addresses),
        "outputFields": [{"typeDefinition": _rest_output_type(one)} for one in action.outputs],
    }


def _fields(action: Action, spec: ConnectionSpec, addresses: Addresses) -> dict[str, object]:
    return {
        "inputFields": [_input(one, addresses.options(action)) for one in action.inputs],
        "labels": {"en": _labels(action)},
        "objectTypes": ["CONTACT"],
        "objectRequestOptions": {"properties": consent_properties(spec)},
    }


def consent_properties(spec: ConnectionSpec) -> list[str]:
    """What HubSpot is to send with each execution, so that a refusal given a moment ago is heeded."""
    return consent_fields(spec.contacts)


def _input(one: Input, options_url: str) -> dict[str, object]:
    return {
        "typeDefinition": {
            "name": one.name,
            "type": "enumeration",
            "fieldType": "select",
            "options": [],
            "optionsUrl": options_url,
        },
        "supportedValueTypes": ["STATIC_VALUE"],
        "isRequired": one.required,
    }


def _output_type(one: Output) -> dict[str, object]:
    choices = [{"value": value, "label": label} for value, label in one.options]
    return {"name": one.name, "type": one.type, "fieldType": _FORMS[one.type], "options": choices}


def _rest_output_type(one: Output) -> dict[str, object]:
    """As the API describes it, which asks for more than a project does."""
    more = {"description": "", "doubleData": 0, "hidden": False, "readOnly": False}
    return {
        **_output_type(one),
        "options": [
            {"value": value, "label": label, "displayOrder": order, **more}
            for order, (value, label) in enumerate(one.options)
        ],
        "externalOptions": False,
        "schema": {"type": "STRING"},
        "useChirp": False,
    }


_FORMS = {"enumeration": "select", "datetime": "date", "string": "text"}


def _labels(action: Action) -> dict[str, object]:
    return {
        "actionName": action.title,
        "actionDescription": action.description,
        "actionCardContent": action.card,
        "appDisplayName": APP,
        "inputFieldLabels": {one.name: one.label for one in action.inputs},
        "inputFieldDescriptions": {one.name: one.description for one in action.inputs},
        "outputFieldLabels": {one.name: one.label for one in action.outputs},
    }


# ---- the app and its webhooks --------------------------------------------------------------------------------------


def _app(spec: ConnectionSpec) -> dict[str, object]:
    return {
        "uid": UID,
        "type": "app",
        "config": {
            "name": APP,
            "description": "Segments, frequency caps and fresh evaluations inside workflows.",
            "distribution": "private",
            "auth": {
                "type": "static",
                "requiredScopes": sorted([hubspot_scopes.WORKFLOWS, *hubspot_scopes.required(spec)]),
                "optionalScopes": hubspot_scopes.optional(spec),
                "conditionallyRequiredScopes": [],
            },
            "permittedUrls": {"fetch": [], "iframe": [], "img": []},
        },
    }


_WHOLE = ("object.creation", "object.deletion", "object.merge", "object.restore", "object.associationChange")


def _webhooks(spec: ConnectionSpec, addresses: Addresses) -> dict[str, object]:
    whole = [{"subscriptionType": kind, "objectType": "contact", "active": True} for kind in _WHOLE]
    changes = [
        {"subscriptionType": "object.propertyChange", "objectType": "contact", "propertyName": name, "active": True}
        for name in _read_properties(spec)
    ]
    return {
        "uid": f"{UID}_webhooks",
        "type": "webhooks",
        "config": {
            "settings": {"targetUrl": addresses.webhook, "maxConcurrentRequests": CONCURRENT},
            "subscriptions": {
                "crmObjects": [*whole, *changes],
                "legacyCrmObjects": [],
                "hubEvents": [{"subscriptionType": "contact.privacyDeletion", "active": True}],
            },
        },
    }


def _rest_subscriptions(spec: ConnectionSpec) -> Iterator[dict[str, object]]:
    for kind in _WHOLE:
        yield {"eventType": kind.replace("object.", "contact."), "active": True}
    for name in _read_properties(spec):
        yield {"eventType": "contact.propertyChange", "propertyName": name, "active": True}
    yield {"eventType": "contact.privacyDeletion", "active": True}


def _read_properties(spec: ConnectionSpec) -> list[str]:
    return contact_fields(spec.contacts) if spec.contacts else []
