"""Executions of HubSpot's workflow actions: what they ask, and what they are answered.

"Check segment" is answered at once. The other two, and whatever is asked about a contact we have not read yet, would
keep the workflow's call open: it is told to wait (BLOCK), the question is kept, and the desk completes it by callback.
An execution that is repeated (same `callbackId`) is the same question.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from segserver import services
from segserver.clock import to_epoch_ms
from segserver.connectors.hubspot import HubSpot
from segserver.connectors.hubspot_callbacks import Completion
from segserver.connectors.signatures import BadPayload
from segserver.engine import Engine
from segserver.plugin.consent import refused
from segserver.plugin.hubspot import ACTIONS, CHECK, MAY_CONTACT, REFRESH, Action
from segserver.scenarios.permission import Permission
from segserver.services import (
    Answer,
    Asked,
    CheckSegment,
    Choice,
    MayContact,
    Question,
    RefreshContact,
    Refreshed,
    Refusal,
    Standing,
)
from segserver.specs.connections import ConnectionSpec
from segserver.store import questions
from segserver.store.questions import Done, Waiting

SURFACE = "hubspot action"
STATE = "hs_execution_state"
PATIENCE = timedelta(days=1)
"""How long a workflow waits for us; HubSpot's own default is a week."""

WAIT = {STATE: "BLOCK", "hs_expiration_duration": "P1D"}
GRACE = timedelta(minutes=10)
"""How long a refused callback is tried again: it may be faster than our own answer that the workflow must wait."""

OPTIONS_PAGE = 100

_OBJECTS = ("CONTACT", "0-1")


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of an action for one contact.

    Attributes:
        callback_id: HubSpot's key of this execution.
        contact: HubSpot's id of the contact.
        inputs: what was chosen in the workflow; empty settings are left out.
        properties: of the contact, as far as the definition asks for them.
    """

    callback_id: str
    contact: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, object] = field(default_factory=dict)


def read(body: bytes) -> Execution:
    """An execution from a verified request; its settings may stand under `inputFields` or under `fields`.

    Raises:
        BadPayload: the body is not an execution for a contact.
    """
    item = _object(body)
    enrolled = item.get("object")
    if not isinstance(enrolled, dict) or str(enrolled.get("objectType", "CONTACT")).upper() not in _OBJECTS:
        raise BadPayload("the action works for contacts only")
    callback, contact = item.get("callbackId"), str(enrolled.get("objectId", ""))
    if not isinstance(callback, str) or not callback or not contact.isdecimal():
        raise BadPayload("the body names no callbackId or no contact")
    inputs = item.get("inputFields") or item.get("fields") or {}
    properties = enrolled.get("properties") or {}
    if not isinstance(inputs, dict) or not isinstance(properties, dict):
        raise BadPayload("inputFields and properties are objects")
    given = {str(name): str(value) for name, value in inputs.items() if value not in (None, "")}
    return Execution(callback, contact, given, properties)


def question_of(action: Action, execution: Execution, spec: ConnectionSpec) -> Question:
    """What an execution asks.

    Raises:
        BadPayload: a setting that the action needs is missing.
    """
    if action is CHECK:
        if "segment" not in execution.inputs:
            raise BadPayload("no segment is chosen")
        return CheckSegment(execution.inputs["segment"])
    if action is MAY_CONTACT:
        refusals = frozenset(refused(spec, execution.properties))
        return MayContact(execution.inputs.get("channel"), execution.inputs.get("scenario"), refusals)
    return RefreshContact()


def execute(engine: Engine, spec: ConnectionSpec, action: Action, execution: Execution) -> dict[str, str]:
    """The output fields for one execution; those of `WAIT` where the answer comes later, which is then kept durably."""
    try:
        question = question_of(action, execution, spec)
    except BadPayload as error:
        return outputs(Refusal(str(error)), engine.clock.now())
    refusal = services.wrong(engine.workspace, question)
    if refusal is not None:
        return outputs(refusal, engine.clock.now())
    with engine.store.session() as session:
        before = questions.answer_to(session, SURFACE, spec.name, execution.callback_id)
    if before:
        return {str(name): str(value) for name, value in before.items()}
    contact = services.located(engine, spec.name, [execution.contact]).get(execution.contact)
    if action is CHECK and contact is not None:
        (answer,) = services.answer(engine, [Asked(contact, question)])
        return outputs(answer, engine.clock.now())
    _keep(engine, spec, action, execution, known=contact is not None)
    return dict(WAIT)


def outputs(answer: Answer, now: datetime) -> dict[str, str]:
    """An answer as output fields; without one the workflow goes on, with the reason."""
    match answer:
        case Refusal():
            return {STATE: "FAIL_CONTINUE", "reason": answer.reason}
        case Standing():
            reason = "held out for comparison" if answer.held_out else ""
            since = {"since": _instant(answer.since)} if answer.since and answer.member else {}
            return {STATE: "SUCCESS", "in_segment": _yes(answer.member), **since, "reason": reason}
        case Permission():
            found = {STATE: "SUCCESS", "decision": _yes(answer.allowed), "reason": answer.reason}
            found |= {"channel": answer.channel} if answer.channel else {}
            return found | ({"next_at": _instant(answer.next_at)} if answer.next_at else {})
        case Refreshed():
            segments = ";".join(answer.segments)
            return {STATE: "SUCCESS", "segments": segments, "refreshed_at": _instant(now), "reason": ""}


def choices(engine: Engine, body: bytes) -> dict[str, object]:
    """A page of the choices of a setting, for the editor of a workflow.

    Raises:
        BadPayload: the body is not a request for options.
    """
    item = _object(body)
    asked = item.get("fetchOptions") or {}
    if not isinstance(asked, dict):
        raise BadPayload("fetchOptions is an object")
    wanted, after = str(asked.get("q") or "").casefold(), str(asked.get("after") or "0")
    start = int(after) if after.isdecimal() else 0
    named = str(item.get("inputFieldName") or "")
    found = [one for one in _choices(engine, named) if wanted in one.label.casefold() or wanted in one.value.casefold()]
    page = found[start : start + OPTIONS_PAGE]
    more = {"after": str(start + OPTIONS_PAGE)} if start + OPTIONS_PAGE < len(found) else {}
    return {"options": [{"label": one.label, "value": one.value} for one in page], "searchable": True, **more}


# ---- later ---------------------------------------------------------------------------------------------------------


class HubSpotActions:
    """Answers what was told to wait."""

    name = SURFACE
    patience = PATIENCE

    def work_off(self, engine: Engine, connection: str, waiting: Sequence[Waiting]) -> Sequence[Done]:
        """Answer what is ready, and complete it at HubSpot in batches; what is still being read stays."""
        ready = self._ready(engine, connection, waiting)
        found = self._answers(engine, connection, ready)
        side = engine.connectors()[connection].source
        if not ready or not isinstance(side, HubSpot):
            return []
        taken = side.complete([Completion(one.key, found[one.id]) for one in ready])
        late = engine.clock.now() - GRACE
        return [
            Done(one.id, "delivered" if one.key in taken else "refused", found[one.id])
            for one in ready
            if one.key in taken or one.received_at < late
        ]

    def _ready(self, engine: Engine, connection: str, waiting: Sequence[Waiting]) -> list[Waiting]:
        keys = {one.id: services.refresh_key(one.key, str(one.content["contact"])) for one in waiting}
        unread = services.unrefreshed(engine, connection, keys.values())
        return [one for one in waiting if keys[one.id] not in unread]

    def _answers(self, engine: Engine, connection: str, ready: Sequence[Waiting]) -> dict[int, dict[str, str]]:
        spec = engine.workspace.connections[connection]
        executions = {one.id: _kept(one.content) for one in ready}
        contacts = services.located(engine, connection, [execution.contact for _, execution in executions.values()])
        asked = [
            Asked(contacts.get(execution.contact), question_of(action, execution, spec))
            for action, execution in executions.values()
        ]
        now = engine.clock.now()
        answers = services.answer(engine, asked)
        return {one.id: outputs(answer, now) for one, answer in zip(ready, answers, strict=True)}


def _keep(engine: Engine, spec: ConnectionSpec, action: Action, execution: Execution, *, known: bool) -> None:
    if action is REFRESH or not known:
        services.request_refresh(engine, spec.name, [execution.contact], execution.callback_id)
    content = {
        "action": action.name,
        "contact": execution.contact,
        "inputs": dict(execution.inputs),
        "properties": dict(execution.properties),
    }
    with engine.store.session() as session:
        questions.ask(session, SURFACE, spec.name, {execution.callback_id: content}, engine.clock.now())


def _kept(content: Mapping[str, object]) -> tuple[Action, Execution]:
    inputs, properties = content["inputs"], content["properties"]
    if not isinstance(inputs, dict) or not isinstance(properties, dict):
        raise TypeError("a kept execution has inputs and properties")
    return ACTIONS[str(content["action"])], Execution("", str(content["contact"]), inputs, properties)


def _choices(engine: Engine, name: str) -> Sequence[Choice]:
    match name:
        case "segment":
            return services.segment_choices(engine.workspace)
        case "scenario":
            return services.scenario_choices(engine.workspace)
        case "channel":
            return services.channel_choices(engine.workspace)
        case _:
            raise BadPayload(f"there is no setting {name!r} with choices")


def _object(body: bytes) -> dict[str, object]:
    try:
        item = json.loads(body)
    except ValueError:
        raise BadPayload("the body is not JSON") from None
    if not isinstance(item, dict):
        raise BadPayload("the body is not a JSON object")
    return item


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _instant(at: datetime) -> str:
    """As HubSpot wants a datetime: milliseconds since 1970."""
    return str(to_epoch_ms(at))
