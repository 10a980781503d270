"""Marketo as the caller of Self-Service Flow Steps: installs services, submits batches of leads, takes callbacks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request

from segserver.clock import Clock
from segserver.sandbox.faults import ENVIRON_KEY
from segserver.sandbox.marketo.account import MarketoAccount
from segserver.sandbox.marketo.errors import MarketoError
from segserver.sandbox.marketo.fields import Field, typed
from segserver.sandbox.marketo.flow_step_rules import ServiceFault, activity, check_definition, demand, held
from segserver.sandbox.routing import made_up
from segserver.sandbox.webhooks import JSON, Reply, Send, SignedRequest, exchange

MUNCHKIN = "123-ABC-456"
CALLBACKS = "/marketo/flow-steps/callbacks"
_CREATED = 201

RETRIES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
"""Gaps after a submission that was not taken; Marketo does not publish its own."""


@dataclass(slots=True)
class Installed:
    """A service as an administrator installed it.

    Attributes:
        base: its address.
        key: what is sent as `x-api-key`.
        definition: as the service told it.
        incoming: names of callback fields to the lead fields they are mapped to.
        outgoing: lead fields that are sent along, by the service's name.
    """

    base: str
    key: str
    definition: Mapping[str, Any]
    incoming: dict[str, str]
    outgoing: dict[str, str]


@dataclass(slots=True)
class Submission:
    """One batch of a campaign that waits at a flow step.

    Attributes:
        state: "due", "submitted" (waits for the callback), "done", "failed" (no lead goes on with an answer).
        statuses: of each try; 0 where nobody answered.
        activities: by lead id, what the callback said of it.
        error: of the whole batch.
    """

    service: Installed
    payload: dict[str, Any]
    next_at: datetime
    state: str = "due"
    statuses: list[int] = field(default_factory=list)
    activities: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    error: str | None = None


class FlowSteps:
    """The flow steps of one instance.

    Attributes:
        carry: brings requests to the services.
        submissions: by the token that admits the callback.
        refused: why callbacks were refused, oldest first.
    """

    def __init__(self, account: MarketoAccount, clock: Clock, send: Send = exchange) -> None:
        self._account = account
        self._clock = clock
        self.carry = send
        self.submissions: dict[str, Submission] = {}
        self.refused: list[str] = []

    # ---- what an administrator does

    def install(self, url: str, key: str) -> Installed:
        """Read a service's document and definition, and map its fields to those of the same name that it suggests.

        Raises:
            ServiceFault: something is missing or not as the interface wants it.
        """
        document = _object(self._exchange(SignedRequest(url, {}, b"", "GET")), "the document")
        for name in ("x-providerName", "x-schemaVersion", "x-supportContact"):
            demand(document["info"].get(name), f"info.{name} is missing")
        scheme = document["components"]["securitySchemes"]["apiKey"]
        demand((scheme["in"], scheme["name"]) == ("header", "x-api-key"), "only a key in x-api-key is tried here")
        servers = document.get("servers") or [{"url": url.rsplit("/", 1)[0]}]
        service = Installed(servers[0]["url"], key, {}, {}, {})
        service.definition = _object(self._get(service, "getServiceDefinition"), "the definition")
        check_definition(service.definition)
        _object(self._get(service, "status"), "the status")
        for icon in ("brandIcon", "serviceIcon"):
            demand(self._get(service, icon).body[:4] == b"\x89PNG", f"{icon} is no image")
        service.incoming = self._mapping(service.definition["callbackPayloadDef"]["fields"])
        service.outgoing = self._mapping(service.definition["invocationPayloadDef"]["fields"])
        return service

    def create_fields(self, service: Installed) -> None:
        """Create the lead fields that a service suggests and map them."""
        wanted = service.definition["callbackPayloadDef"]["fields"]
        for one in wanted:
            name, number = one["suggestedMarketoAttribute"], len(self._account.fields) + 1
            self._account.fields.setdefault(name, Field(number, name, name, one["dataType"], custom=True))
        service.incoming = self._mapping(wanted)

    def picklist(self, service: Installed, name: str) -> list[Mapping[str, Any]]:
        """What a marketer may choose.

        Raises:
            ServiceFault: the service does not say.
        """
        mapped = {"invocation": _mapped(service.outgoing), "callback": _mapped(service.incoming)}
        asked = {"name": name, "type": "flow", "fieldMappingContext": mapped}
        body = _object(self._exchange(_post(service, "getPicklist", asked)), "the picklist")
        demand(len(body["choices"]) <= 1_000, "a picklist has at most 1,000 choices")
        return list(body["choices"])

    def _mapping(self, wanted: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        known = self._account.fields
        pairs = ((one["serviceAttribute"], one["suggestedMarketoAttribute"], one["dataType"]) for one in wanted)
        return {ours: theirs for ours, theirs, kind in pairs if theirs in known and known[theirs].type == kind}

    # ---- what a campaign does

    def run(self, service: Installed, leads: Sequence[int | str], callback_base: str, **settings: str) -> Submission:
        """Let leads reach the step of a campaign; `send_due` submits them as one batch.

        Args:
            service: what `install` gave.
            leads: by number, or by e-mail.
            callback_base: where this sandbox is reached: `http://127.0.0.1:1234`.
            settings: what the marketer filled in.
        """
        token = made_up(f"flow step {len(self.submissions)}", self._account.seed)
        found = [self._account.leads[one] if isinstance(one, int) else self._account.lead(one) for one in leads]
        payload = {
            "token": token,
            "batchid": f"batch-{len(self.submissions)}",
            "apiCallBackKey": made_up("flow step callback key", self._account.seed),
            "campaignId": 1_204,
            "callbackUrl": f"{callback_base}{CALLBACKS}/{len(self.submissions)}",
            "context": {"subscription": {"munchkinId": MUNCHKIN, "prefix": "sandbox"}, "admin": {}},
            "objectData": [
                {
                    "objectType": "lead",
                    "objectContext": {
                        "id": lead.number,
                        **{ours: lead.shown(theirs) for ours, theirs in service.outgoing.items()},
                    },
                    "flowStepContext": dict(settings),
                }
                for lead in found
            ],
        }
        self.submissions[token] = Submission(service, payload, self._clock.now())
        return self.submissions[token]

    def send_due(self) -> None:
        """Submit what is due by the clock, each once."""
        now = self._clock.now()
        for one in list(self.submissions.values()):
            if one.state == "due" and one.next_at <= now:
                self.send(one)

    def send(self, one: Submission) -> None:
        """Submit a batch now, as Marketo does again where an answer was lost."""
        was, one.state = one.state, "submitted" if one.state == "due" else one.state
        try:
            status = self.carry(_post(one.service, "submitAsyncAction", one.payload)).status
        except OSError:
            status = 0
        one.statuses.append(status)
        if status == _CREATED or was != "due" or one.state != "submitted":
            return
        again = status in (0, 429) or status >= 500
        one.state = "due" if again and len(one.statuses) <= len(RETRIES) else "failed"
        if one.state == "due":
            one.next_at = self._clock.now() + RETRIES[len(one.statuses) - 1]

    # ---- what the service calls back

    def take(self, number: str, key: str, token: str, body: object) -> int:
        """Take a callback; returns its status: 404 where nothing waits for it, 405 where it cannot be read."""
        one = self.submissions.get(token)
        if one is None or not one.payload["callbackUrl"].endswith(f"/{number}"):
            return self._refuse(404, "no submission has this token")
        if key != one.payload["apiCallBackKey"]:
            return self._refuse(404, "the key is not the one that was sent")
        if one.state not in ("submitted", "due"):
            return self._refuse(404, "the token was used")
        try:
            self._apply(one, body)
        except (ServiceFault, MarketoError, KeyError, TypeError) as error:
            return self._refuse(405, str(error))
        return 200

    def _apply(self, one: Submission, body: object) -> None:
        if not isinstance(body, dict) or body.get("munchkinId") != MUNCHKIN:
            raise ServiceFault("the munchkinId is not this instance's")
        if body.get("errorCode"):
            one.state, one.error = "failed", f"{body['errorCode']}: {body.get('errorMessage')}"
            return
        waiting = {item["objectContext"]["id"] for item in one.payload["objectData"]}
        told = {item["leadData"]["id"]: item for item in body["objectData"]}
        demand(set(told) <= waiting, "a lead was not in the batch")
        demand(len(told) == len(body["objectData"]), "a lead is there twice")
        declared = one.service.definition["callbackPayloadDef"]
        attributes = {item["apiName"]: item["dataType"] for item in declared["attributes"]}
        kinds = {item["serviceAttribute"]: item["dataType"] for item in declared["fields"]}
        for number, item in told.items():
            one.activities[number] = activity(item.get("activityData", {}), attributes)
            self._write(one.service, number, item["leadData"], kinds)
        one.state = "done"

    def _write(self, service: Installed, number: int, data: Mapping[str, Any], kinds: Mapping[str, str]) -> None:
        lead = self._account.leads.get(number)
        if lead is None:
            return
        values = {}
        for name, value in data.items():
            if name in service.incoming and name in kinds and value is not None:
                target = self._account.fields[service.incoming[name]]
                values[target.name] = None if value == "null" else typed(target, held(kinds[name], value))
        self._account.change_lead(lead, values, reason=f"{service.definition['i18n']['en_US']['name']} (1204)")

    def _refuse(self, status: int, reason: str) -> int:
        self.refused.append(reason)
        return status

    # ---- calls

    def _get(self, service: Installed, name: str) -> Reply:
        return self._exchange(SignedRequest(f"{service.base}/{name}", {"x-api-key": service.key}, b"", "GET"))

    def _exchange(self, asked: SignedRequest) -> Reply:
        reply = self.carry(asked)
        if reply.status != 200:
            raise ServiceFault(f"{asked.url.rsplit('/', 1)[-1]} was answered with {reply.status}")
        return reply


def blueprint(steps: FlowSteps) -> Blueprint:
    """Where callbacks arrive."""
    made = Blueprint("flow-steps", __name__, url_prefix=CALLBACKS)

    @made.post("/<number>")
    def take(number: str) -> Response:
        fault = request.environ.get(ENVIRON_KEY)
        if fault is not None and str(fault).isdecimal():
            return Response(status=int(str(fault)))
        headers = request.headers
        body = request.get_json(silent=True)
        status = steps.take(number, headers.get("x-api-key", ""), headers.get("x-callback-token", ""), body)
        return Response(status=status)

    return made


def _mapped(mapping: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"serviceAttribute": ours, "marketoAttribute": theirs} for ours, theirs in mapping.items()]


def _post(service: Installed, name: str, body: Mapping[str, Any]) -> SignedRequest:
    headers = {"Content-Type": JSON, "x-api-key": service.key}
    return SignedRequest(f"{service.base}/{name}", headers, json.dumps(body).encode())


def _object(reply: Reply, what: str) -> dict[str, Any]:
    try:
        body = json.loads(reply.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ServiceFault(f"{what} is not a JSON object")
    return body
