"""The limiter against platforms that enforce their limits: never refused, and hardly slower than allowed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count, takewhile
from pathlib import Path
from textwrap import dedent

import pytest

from segserver.connectors import declarations
from segserver.connectors.base import Status, Write
from segserver.connectors.build import build
from segserver.connectors.calls import Answer
from segserver.connectors.limits import Budgets
from segserver.sandbox.limits import Limits
from segserver.sandbox.server import Sandbox
from tests.simulation import Simulation

QUOTA = 0.1
MINUTES = 10

HUBSPOT, MARKETO = (100, 10), (100, 20)
"""Calls of the whole account, and the seconds they are for."""

MARKETO_LIMITS = ("606", "607", "615")


def refused(answer):
    """Whether a platform refused a call for its limits."""
    if not isinstance(answer, Answer):
        return False
    body = answer.json()
    codes = [error.get("code") for error in body.get("errors") or ()] if isinstance(body, dict) else []
    return answer.status == 429 or any(code in MARKETO_LIMITS for code in codes)


def push(subject, destination, until):
    """Write new values for everybody, again and again, until an instant; the outcomes' statuses."""
    place, known = subject.places[1], subject.known()
    turns = ([Write(place, f"c-{one}", one, f"turn {turn}") for one in known] for turn in count())
    batches = (batch for writes in turns for batch in destination.write(writes))
    return {outcome.status for batch in takewhile(lambda _: subject.now < until, batches) for outcome in batch}


@pytest.mark.long
@pytest.mark.parametrize(("kind", "allowance"), [("hubspot", HUBSPOT), ("marketo", MARKETO)])
def test_ten_minutes_of_pushing_are_never_refused_and_use_our_share(open_subject, crowd, traffic, kind, allowance):
    subject = open_subject(kind, crowd, Limits())
    destination = subject.connector(limits=True).destination
    statuses = push(subject, destination, subject.now + timedelta(minutes=MINUTES))
    assert statuses == {Status.CONFIRMED}
    assert not [call for call, answer in traffic.seen if refused(answer)]
    calls, seconds = allowance
    share = calls * QUOTA * MINUTES * 60 / seconds
    assert 0.95 * share <= len(traffic.calls) <= 1.02 * share + calls * QUOTA


def test_searches_keep_their_own_limit(open_subject, crowd, traffic):
    subject = open_subject("hubspot", crowd, Limits())
    connector = subject.connector(limits=True)
    place = subject.places[1]
    list(connector.destination.write([Write(place, one, one, "x") for one in subject.known()]))
    subject.pass_time(seconds=10)
    traffic.forget()
    began = subject.now
    for _ in range(5):
        assert sum(map(len, connector.destination.holds(place).pages)) == len(subject.known())
    searches = traffic.to("/search")
    assert len(searches) >= 30
    assert not [call for call, answer in traffic.seen if refused(answer)]
    lasted = (subject.now - began).total_seconds()
    assert 0.95 * lasted <= len(searches) / (5 * QUOTA) <= lasted + 2 / (5 * QUOTA)


@pytest.mark.parametrize("kind", ["hubspot", "marketo"])
def test_when_others_use_up_the_account_the_work_waits_and_is_done(open_subject, population, traffic, kind):
    subject = open_subject(kind, population, Limits(hubspot_burst=6, marketo_burst=6))
    account = getattr(subject.sandbox, kind)
    place = subject.places[1]
    connector = subject.connector(limits=True)
    for turn in range(12):
        while account.burst.take(subject.now):
            pass
        left = [Write(place, one, one, f"turn {turn}") for one in subject.known()[:3]]
        for _ in range(5):
            outcomes = [one for batch in connector.destination.write(left) for one in batch]
            left = [one.item for one in outcomes if one.status is Status.FAILED]
        assert left == []
        assert set(subject.held(place).values()) == {f"turn {turn}"}
    assert [call for call, answer in traffic.seen if refused(answer)]


# ---- one account, many callers --------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 22, 12, 0)
LARGE, SMALL = "15%", "5%"


def connectors(subject, environ, simulation):
    """Two connections to one account, of which they may use a different share."""
    budgets = Budgets(simulation, simulation.sleep)
    made = []
    for name, quota in (("one", LARGE), ("other", SMALL)):
        text = dedent(subject.declaration).replace("quota: 10%", f"quota: {quota}")
        spec, findings = declarations.load(name, text, f"connectors/{name}.yml")
        assert spec is not None, findings
        made.append(
            build(
                spec,
                clock=simulation,
                sleep=simulation.sleep,
                environ=environ,
                workspace_dir=Path(),
                limits=True,
                budgets=budgets,
            )
        )
    return made


@pytest.mark.long
@pytest.mark.parametrize(("kind", "allowance"), [("hubspot", HUBSPOT), ("marketo", MARKETO)])
def test_two_connections_and_webhooks_share_one_account(open_subject, crowd, traffic, kind, allowance):
    simulation = Simulation(NOW)
    sandbox = Sandbox(simulation, crowd, limits=Limits())
    subject = open_subject(kind, crowd)
    known = subject.known()

    def pushing(connector, until):
        place = replace(subject.places[1], connection=connector.spec.name)
        for turn in count():
            writes = [Write(place, one, one, f"turn {turn}") for one in known]
            for outcomes in connector.destination.write(writes):
                assert {outcome.status for outcome in outcomes} == {Status.CONFIRMED}
                if simulation.now() >= until:
                    return

    def notified(connector, until):
        """Fresh copies of a few contacts, as webhooks ask for them."""
        while simulation.now() < until:
            simulation.sleep(7)
            assert len(connector.source.read_contacts(known[:3])) == 3

    with sandbox.serve() as server:
        one, other = connectors(subject, server.environ, simulation)
        for connector in (one, other):
            connector.source.read_contacts(known[:1])
            place = replace(subject.places[1], connection=connector.spec.name)
            list(connector.destination.write([Write(place, "c", known[0], "x")]))
        simulation.sleep(30)
        traffic.forget()
        until = simulation.now() + timedelta(minutes=MINUTES)
        simulation.run(lambda: pushing(one, until), lambda: pushing(other, until), lambda: notified(other, until))
    assert not [call for call, answer in traffic.seen if refused(answer)]
    calls, seconds = allowance
    share = calls * 0.15 * MINUTES * 60 / seconds
    assert 0.9 * share <= len(traffic.calls) <= 1.02 * share + calls * 0.15
