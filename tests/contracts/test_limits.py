"""The limiter against platforms that enforce their limits: never refused, and hardly slower than allowed."""

from __future__ import annotations

from datetime import timedelta
from itertools import count, takewhile

import pytest

from segserver.connectors.base import Status, Write
from segserver.connectors.calls import Answer
from segserver.sandbox.limits import Limits

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
        assert len(connector.destination.holds(place)) == len(subject.known())
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
