"""Invocations of Marketo's flow steps: kept when they come, answered later in one callback each.

Marketo knows no answer at once. An invocation is durable before it is acknowledged; one that comes again (same
subscription, batch and token) is the same. Its token admits one callback, which therefore holds every lead.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from importlib.metadata import version
from typing import cast
from urllib.parse import urlsplit

from segserver import services
from segserver.connectors.batches import batches
from segserver.connectors.declarations import setting
from segserver.connectors.marketo import Marketo
from segserver.connectors.marketo_callbacks import Callback
from segserver.connectors.signatures import BadPayload
from segserver.engine import Engine
from segserver.errors import SegserverError
from segserver.plugin.marketo import ANY_CHANNEL, CHECK, MAY_CONTACT, NO_SCENARIO, REFRESH, SERVICES, Service
from segserver.plugin.marketo_answers import NOT_READ, callback_object
from segserver.plugin.marketo_invocations import Group, Invocation, read
from segserver.services import Answer, Asked, CheckSegment, Choice, MayContact, Question, RefreshContact
from segserver.specs.connections import ConnectionSpec
from segserver.store import questions
from segserver.store.questions import Done, Waiting

log = logging.getLogger(__name__)

SURFACE = "marketo flow step"
PATIENCE = timedelta(days=1)
"""How long an answer is kept for a Marketo that does not take it."""

READING = timedelta(minutes=30)
"""How long leads may take to be read; then those that were not get no answer, and the others theirs."""

GRACE = timedelta(minutes=10)
"""How long a refused callback is tried again: it may be faster than our own answer to the invocation."""

MOST_WAITING = 200
"""Invocations that may wait at once."""

PORTION = 1_000
"""Leads that are answered together."""

MOST_CHOICES = 1_000
"""Of a picklist."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MUNCHKIN = re.compile(r"(\d{3}-[a-z]{3}-\d{3})\.mktorest\.com")


class TooMuchWaiting(SegserverError):
    """Nothing was kept; Marketo should try again later."""


class WrongSubscription(SegserverError):
    """The service is installed in another instance than the one the connection reads: its leads are other people."""


# ---- when it comes -------------------------------------------------------------------------------------------------


def accept(engine: Engine, spec: ConnectionSpec, service: Service, body: bytes) -> bool:
    """Keep an invocation durably; says whether leads have to be read first, for which a notified run is needed.

    Raises:
        BadPayload: the body does not keep to the interface.
        WrongSubscription: it is about another instance's leads.
        TooMuchWaiting: too many wait already.
    """
    invocation = read(body, spec)
    munchkin = _check_origin(engine, spec, invocation)
    with engine.store.session() as session:
        if questions.waiting_count(session, SURFACE) >= MOST_WAITING:
            raise TooMuchWaiting(f"{MOST_WAITING} invocations wait already; try again later")
    unread = _to_read(engine, spec, service, invocation)
    content = {
        "service": service.name,
        "munchkin": munchkin,
        "url": invocation.callback_url,
        "key": invocation.callback_key,
        "token": invocation.token,
        "groups": [[dict(one.settings), list(one.refused), list(one.leads)] for one in invocation.groups],
        "unread": unread,
    }
    if unread:
        services.request_refresh(engine, spec.name, unread, invocation.key)
    with engine.store.session() as session:
        questions.ask(session, SURFACE, spec.name, {invocation.key: content}, engine.clock.now())
    return bool(unread)


def _check_origin(engine: Engine, spec: ConnectionSpec, invocation: Invocation) -> str:
    """The subscription to answer to."""
    host = urlsplit(setting(spec, "endpoint", engine.environ) or "").hostname or ""
    if host not in _LOOPBACK and urlsplit(invocation.callback_url).scheme != "https":
        raise BadPayload("callbackUrl would carry the token in clear; it has to be https")
    ours = _MUNCHKIN.fullmatch(host)
    own = ours.group(1).upper() if ours else None
    if own and invocation.munchkin and invocation.munchkin.upper() != own:
        raise WrongSubscription(f"connection {spec.name} reads {own}, and this is {invocation.munchkin}")
    munchkin = invocation.munchkin or own
    if munchkin is None:
        raise BadPayload("context.subscription.munchkinId is missing")
    return munchkin


def _to_read(engine: Engine, spec: ConnectionSpec, service: Service, invocation: Invocation) -> list[str]:
    leads = invocation.leads
    if service is REFRESH:
        return leads
    known = services.located(engine, spec.name, leads)
    return [lead for lead in leads if lead not in known]


def choices(engine: Engine, service: Service, body: bytes) -> dict[str, object]:
    """The choices of a setting, for a marketer and for Marketo's nightly look.

    Raises:
        BadPayload: the body asks for no setting with choices.
    """
    try:
        item = json.loads(body)
    except ValueError:
        item = None
    name = item.get("name") if isinstance(item, dict) else None
    if not isinstance(item, dict) or item.get("type") != "flow":
        raise BadPayload("only settings of the flow step have choices; send name and type flow")
    if not any(one.picklist and one.name == name for one in service.settings):
        raise BadPayload(f"{service.title} has no setting {name!r} with choices")
    offered = _choices(engine, str(name))
    if len(offered) > MOST_CHOICES:
        log.warning("Marketo is offered %d of %d choices of %s; it takes no more", MOST_CHOICES, len(offered), name)
    shown = offered[:MOST_CHOICES]
    return {"choices": [{"displayValue": {"en_US": one.label}, "submittedValue": one.value} for one in shown]}


def status(engine: Engine, service: Service, *, broken: bool) -> dict[str, object]:
    """What Marketo notes in its service log.

    Args:
        engine: the process's.
        service: the flow step.
        broken: whether the workspace's files cannot be used as they are now.
    """
    with engine.store.session() as session:
        count = questions.waiting_count(session, SURFACE)
    warnings = ["the rule files have mistakes; their last good version goes on"] if broken else []
    errors = []
    if service is CHECK and not services.segment_choices(engine.workspace):
        errors = ["no segment is declared, so none can be asked for"]
    if service is MAY_CONTACT and (refusal := services.wrong(engine.workspace, MayContact())):
        errors = [refusal.reason]
    info = [f"segserver {version('segserver')}: {count} invocations wait for their answer"]
    return {"info": info, "warnings": warnings, "errors": errors}


def _choices(engine: Engine, name: str) -> list[Choice]:
    workspace = engine.workspace
    if name == "segment":
        return services.segment_choices(workspace)
    if name == "scenario":
        return [Choice(NO_SCENARIO, "no scenario"), *services.scenario_choices(workspace)]
    return [Choice(ANY_CHANNEL, "any channel with consent"), *services.channel_choices(workspace)]


# ---- later ---------------------------------------------------------------------------------------------------------


class MarketoFlowSteps:
    """Answers invocations."""

    name = SURFACE
    patience = PATIENCE

    def work_off(self, engine: Engine, connection: str, waiting: Sequence[Waiting]) -> Sequence[Done]:
        """Answer each invocation whose leads are read, in one callback; an address that does not answer is left."""
        side = engine.connectors()[connection].source
        done: list[Done] = []
        silent: set[str] = set()
        for one in waiting:
            host = urlsplit(str(one.content["url"])).netloc
            unread = _unread(engine, one)
            if host in silent or not isinstance(side, Marketo) or (unread and not _late(engine, one, READING)):
                continue
            try:
                objects = [answered for portion in _answers(engine, one, unread) for answered in portion]
                taken = side.call_back(_callback(one, objects))
            except SegserverError as error:  # those that were answered before it must be noted all the same
                log.warning("an invocation of %s waits for its answer: %s", connection, error)
                silent.add(host)
                continue
            if taken or _late(engine, one, GRACE):
                done.append(Done(one.id, "delivered" if taken else "refused", {"leads": len(objects)}))
        return done


def question_of(service: Service, settings: Mapping[str, str], refused: Sequence[str]) -> Question | services.Refusal:
    """What a flow step asks about leads, or why that cannot be answered."""
    if service is CHECK:
        segment = settings.get("segment")
        return CheckSegment(segment) if segment else services.Refusal("no segment is chosen in the flow step")
    if service is MAY_CONTACT:
        channel, scenario = settings.get("channel", ANY_CHANNEL), settings.get("scenario", NO_SCENARIO)
        return MayContact(
            None if channel == ANY_CHANNEL else channel,
            None if scenario == NO_SCENARIO else scenario,
            frozenset(refused),
        )
    return RefreshContact()


def _late(engine: Engine, one: Waiting, patience: timedelta) -> bool:
    return one.received_at < engine.clock.now() - patience


def _unread(engine: Engine, one: Waiting) -> set[str]:
    """Leads that are still to be read."""
    keys = {services.refresh_key(one.key, lead): lead for lead in cast("list[str]", one.content["unread"])}
    return {keys[key] for key in services.unrefreshed(engine, one.connection, keys)} if keys else set()


def _answers(engine: Engine, one: Waiting, unread: set[str]) -> Iterator[list[dict[str, object]]]:
    """What the callback says of each lead, a portion at a time."""
    service = SERVICES[str(one.content["service"])]
    for group in _groups(one.content):
        question = question_of(service, group.settings, group.refused)
        for leads in batches(group.leads, PORTION):
            answers = _answer(engine, one.connection, question, leads)
            now = engine.clock.now()
            yield [
                callback_object(lead, NOT_READ if lead in unread else answer, now)
                for lead, answer in zip(leads, answers, strict=True)
            ]


def _answer(
    engine: Engine, connection: str, question: Question | services.Refusal, leads: Sequence[str]
) -> Sequence[Answer]:
    if isinstance(question, services.Refusal):
        return [question] * len(leads)
    contacts = services.located(engine, connection, leads)
    return services.answer(engine, [Asked(contacts.get(lead), question) for lead in leads])


def _groups(content: Mapping[str, object]) -> Iterator[Group]:
    for settings, refused, leads in cast("list[tuple[dict[str, str], list[str], list[str]]]", content["groups"]):
        yield Group(settings, tuple(refused), tuple(leads))


def _callback(one: Waiting, objects: Sequence[Mapping[str, object]]) -> Callback:
    body = {"munchkinId": one.content["munchkin"], "objectData": list(objects)}
    return Callback(str(one.content["url"]), str(one.content["key"]), str(one.content["token"]), body)
