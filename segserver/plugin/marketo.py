"""Marketo's Self-Service Flow Steps: what each service takes and gives, and the documents that install it.

Marketo installs one service per document, so each of the three has its own address, under which all its endpoints are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from segserver.specs.connections import ConnectionSpec

PREFIX = "/plugin/marketo"
PROVIDER = "segserver"
SCHEMA_VERSION = "1.0.0"
"""Of the Service Provider Interface that is kept."""

KEY_HEADER = "x-api-key"
KEY_SETTING = "flow_step_key"
"""The setting of the connection that names what Marketo must send in that header."""

INSTALLER = "https://app.marketo.com/custAdmin/addServiceProvider?url="
ANY_CHANNEL, NO_SCENARIO = "*", "-"
"""Choices that stand for no choice; neither can be a name."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A setting of the flow step, or a value that is kept with its activity.

    Attributes:
        picklist: whether the choices are ours; nothing else may be entered then.
    """

    name: str
    label: str
    description: str
    type: str = "string"
    picklist: bool = False

    def definition(self) -> dict[str, object]:
        """As a service definition has it."""
        labels = {"name": self.label, "description": self.description, "uiTooltip": self.description}
        return {"apiName": self.name, "i18n": {"en_US": labels}, "dataType": self.type}


@dataclass(frozen=True, slots=True)
class Field:
    """A value that is written to a lead, once an administrator has mapped it to one of Marketo's fields."""

    name: str
    suggested: str
    description: str
    type: str

    def definition(self) -> dict[str, object]:
        """As a service definition has it."""
        return {
            "serviceAttribute": self.name,
            "suggestedMarketoAttribute": self.suggested,
            "description": {"en_US": self.description},
            "dataType": self.type,
        }


@dataclass(frozen=True, slots=True)
class Service:
    """One flow step.

    Attributes:
        name: in addresses.
        api_name: Marketo's default name of the service and of its activity.
        settings: what a marketer fills in; the first one is what the activity is about.
        attributes: what is kept with the activity.
        fields: what is written to the lead.
        sees_consent: whether Marketo sends the fields with consent along.
    """

    name: str
    api_name: str
    title: str
    description: str
    settings: tuple[Attribute, ...]
    attributes: tuple[Attribute, ...]
    fields: tuple[Field, ...]
    sees_consent: bool = False


CHECK = Service(
    name="check-segment",
    api_name="segserverCheckSegment",
    title="Check segment",
    description="Finds out whether the person is in a segment now, and since when.",
    settings=(Attribute("segment", "Segment", "The segment, as the rule files declare it.", picklist=True),),
    attributes=(
        Attribute("member", "In the segment", "Whether the person is in the segment.", "boolean"),
        Attribute("memberSince", "In the segment since", "When the person entered it.", "datetime"),
        Attribute("heldOut", "Held out", "In the segment, but kept back for comparison.", "boolean"),
    ),
    fields=(
        Field("inSegment", "segserverInSegment", "Whether the person is in the segment asked for last", "boolean"),
        Field("inSegmentSince", "segserverInSegmentSince", "When the person entered that segment", "datetime"),
    ),
)
MAY_CONTACT = Service(
    name="may-we-contact",
    api_name="segserverMayWeContact",
    title="May we contact now?",
    description="Asks consent, suppression and frequency caps whether a message may go to the person now.",
    settings=(
        Attribute("channel", "Channel", "The channel of the message, or any with consent.", picklist=True),
        Attribute("scenario", "Scenario", "As the next touch of this scenario, or of none.", picklist=True),
    ),
    attributes=(
        Attribute("allowed", "Allowed", "Whether a message may go now.", "boolean"),
        Attribute("allowedChannel", "By channel", "The channel that is free now, or first."),
        Attribute("possibleAt", "Possible at", "The first instant at which a message may go.", "datetime"),
        Attribute("explanation", "Explanation", "What stands against a message, or that nothing does."),
    ),
    fields=(
        Field("mayContact", "segserverMayContact", "Whether a message may go now", "boolean"),
        Field("mayChannel", "segserverMayChannel", "The channel that is free now, or first", "string"),
        Field("mayContactAt", "segserverMayContactAt", "The first instant at which a message may go", "datetime"),
        Field("mayReason", "segserverMayReason", "What stands against a message, or that nothing does", "string"),
    ),
    sees_consent=True,
)
REFRESH = Service(
    name="refresh-contact",
    api_name="segserverRefreshContact",
    title="Refresh contact",
    description="Reads the person again, evaluates every segment, and pushes what has changed.",
    settings=(Attribute("purpose", "Purpose", "Why the person is read again; shown with the activity."),),
    attributes=(
        Attribute("segmentNames", "Segments", "The segments the person is in.", "text"),
        Attribute("evaluatedAt", "Evaluated at", "When the segments were asked.", "datetime"),
    ),
    fields=(Field("segments", "segserverSegments", "The segments the person is in, as far as they fit", "string"),),
)
SERVICES: Mapping[str, Service] = {one.name: one for one in (CHECK, MAY_CONTACT, REFRESH)}


# ---- addresses -----------------------------------------------------------------------------------------------------


def base_url(public_url: str, connection: str, service: Service) -> str:
    """The address before the name of an endpoint."""
    return f"{public_url.rstrip('/')}{PREFIX}/{connection}/{service.name}"


def install_url(public_url: str, connection: str, service: Service) -> str:
    """What an administrator adds as a service provider."""
    return f"{base_url(public_url, connection, service)}/install"


def installer(url: str) -> str:
    """The page of Marketo that adds a service by its document."""
    return INSTALLER + quote(url, safe="")


def mapping(service: Service) -> str:
    """Fields of a service and the lead fields, with types, that they are best mapped to."""
    return ", ".join(f"{one.name} -> {one.suggested} ({one.type})" for one in service.fields)


# ---- the service definition ----------------------------------------------------------------------------------------


def service_definition(service: Service, spec: ConnectionSpec) -> dict[str, object]:
    """What `getServiceDefinition` answers."""
    name, text = service.title, service.description
    labels = {"name": name, "filterName": f"{name} was asked", "triggerName": f"Asks {name}", "description": text}
    return {
        "apiName": service.api_name,
        "i18n": {"en_US": labels},
        "primaryAttribute": service.settings[0].name,
        "invocationPayloadDef": {
            "globalAttributes": [],
            "flowAttributes": [_setting(one) for one in service.settings],
            "fields": _sent_along(spec) if service.sees_consent else [],
            "headers": [],
            "userDrivenMapping": False,
            "programContext": False,
            "campaignContext": False,
            "triggerContext": False,
            "programMemberContext": False,
            "subscriptionContext": True,
            "myTokenContext": [],
        },
        "callbackPayloadDef": {
            "attributes": [one.definition() for one in service.attributes],
            "fields": [one.definition() for one in service.fields],
            "userDrivenMapping": False,
        },
    }


def _setting(one: Attribute) -> dict[str, object]:
    return {**one.definition(), "hasPicklist": one.picklist, "enforcePicklistSelect": one.picklist}


def _sent_along(spec: ConnectionSpec) -> list[dict[str, object]]:
    """Fields with consent, so that a refusal given a moment ago is heeded."""
    lines = spec.contacts.consent if spec.contacts else ()
    text = "Consent to {}; a refusal given here counts at once"
    described = {line.field: Field(line.field, line.field, text.format(line.channel), "boolean") for line in lines}
    return [{**field.definition(), "required": False} for _, field in sorted(described.items())]
