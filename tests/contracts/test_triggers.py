"""What every destination promises about touches that are started by a call: never twice, and the truth afterwards."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from segserver.connectors.base import VALUE, Status, Trigger
from segserver.connectors.calls import Lost
from segserver.connectors.http import HttpClient

CAMPAIGN = "Win back"


def triggers(addresses, campaign=CAMPAIGN, template="winback_1"):
    return [
        Trigger(f"{campaign} {template} {one}", f"c-{one}", one, campaign, {"template": template}) for one in addresses
    ]


def told(destination, wanted):
    outcomes = destination.trigger(wanted)
    assert Counter(outcome.item.key for outcome in outcomes) == Counter(one.key for one in wanted)
    return outcomes


def by_status(outcomes):
    found = {}
    for outcome in outcomes:
        found.setdefault(outcome.status, []).append(outcome.item.address)
    return found


def requested(subject, campaign=CAMPAIGN):
    """How often a campaign was really requested for each lead."""
    return {str(lead): count for (name, lead), count in subject.sandbox.marketo.requests.items() if name == campaign}


@pytest.fixture
def lose_answers(monkeypatch):
    """Lets answers to triggers get lost: after the platform worked, before it, or before anything was sent."""
    exchange = HttpClient.exchange

    def losing(how, times=1):
        left = [times]

        def broken(self, call, headers):
            if "/trigger.json" not in call.path or left[0] == 0:
                return exchange(self, call, headers)
            left[0] -= 1
            if how == "after":
                exchange(self, call, headers)
            return Lost("the connection broke", sent=how != "unsent")

        monkeypatch.setattr(HttpClient, "exchange", broken)

    return losing


def test_each_trigger_has_one_outcome(writable):
    known, strangers = writable.known()[:3], list(writable.bad_addresses)
    outcomes = told(writable.destination(), triggers([*known, *strangers]))
    if writable.destination().trigger_batch == 0:
        assert {outcome.status for outcome in outcomes} == {Status.REJECTED}
    else:
        found = {status: sorted(who) for status, who in by_status(outcomes).items()}
        assert found == {Status.CONFIRMED: sorted(known), Status.REJECTED: sorted(strangers)}
    assert all(outcome.reason for outcome in outcomes if outcome.status is Status.REJECTED)


def test_nothing_to_trigger_is_no_work(writable, traffic):
    assert list(writable.destination().trigger([])) == []
    assert list(writable.destination().read_back([])) == []
    assert traffic.calls == []


def test_a_campaign_that_is_not_there_or_takes_no_requests_is_rejected(marketo):
    wanted = [one for name in ("Nobody's", "Newsletter", "") for one in triggers(marketo.known()[:2], name)]
    outcomes = told(marketo.destination(), [*wanted, *triggers(marketo.known()[:2])])
    assert Counter(outcome.status for outcome in outcomes) == {Status.REJECTED: 6, Status.CONFIRMED: 2}


def test_the_same_lead_in_two_touches_gets_both(marketo):
    (one,) = marketo.known()[:1]
    told(marketo.destination(), [*triggers([one], template="a"), *triggers([one], template="b")])
    assert requested(marketo) == {one: 2}


@pytest.mark.parametrize("how", ["after", "before"])
def test_a_lost_answer_is_unknown_and_never_a_second_call(marketo, traffic, lose_answers, how):
    lose_answers(how)
    wanted = triggers(marketo.known()[:40])
    outcomes = told(marketo.destination(), wanted)
    assert {outcome.status for outcome in outcomes} == {Status.UNKNOWN}
    assert set(requested(marketo).values()) == ({1} if how == "after" else set())


def test_a_call_that_was_never_sent_is_made_again(marketo, lose_answers):
    lose_answers("unsent")
    outcomes = told(marketo.destination(), triggers(marketo.known()[:40]))
    assert {outcome.status for outcome in outcomes} == {Status.CONFIRMED}
    assert set(requested(marketo).values()) == {1}


def test_a_call_refused_before_anything_was_done_is_made_again(marketo):
    marketo.sandbox.faults(rate=0.5, kinds=["429", "expired-token"], seed=3)
    outcomes = told(marketo.destination(), triggers(marketo.known()[:200]))
    assert marketo.sandbox.plan.tally
    assert {outcome.status for outcome in outcomes} == {Status.CONFIRMED}
    assert set(requested(marketo).values()) == {1}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_fails_nobody_is_touched_twice_and_outcomes_are_true(marketo, seed):
    known = marketo.known()[:400]
    marketo.sandbox.faults(rate=0.3, seed=seed)
    destination = marketo.destination()
    outcomes = []
    for start in range(0, len(known), 20):
        outcomes += told(destination, triggers(known[start : start + 20]))
    found, really = by_status(outcomes), requested(marketo)
    assert max(really.values()) == 1
    assert set(found.get(Status.CONFIRMED, [])) <= set(really)
    assert not {*found.get(Status.FAILED, []), *found.get(Status.REJECTED, [])} & set(really)


@pytest.mark.parametrize("how", ["after", "before"])
def test_reading_back_tells_what_became_of_a_lost_answer(marketo, lose_answers, how):
    at = marketo.now
    lose_answers(how)
    wanted = triggers(marketo.known()[:45])
    told(marketo.destination(), wanted)
    early = marketo.destination().read_back([(one, at) for one in wanted])
    assert Counter(outcome.item.key for outcome in early) == Counter(one.key for one in wanted)
    assert {outcome.status for outcome in early} == {Status.CONFIRMED if how == "after" else Status.UNKNOWN}
    marketo.clock.advance(timedelta(minutes=30))
    late = marketo.destination().read_back([(one, at) for one in wanted])
    assert {outcome.status for outcome in late} == {Status.CONFIRMED if how == "after" else Status.FAILED}
    assert set(requested(marketo).values()) <= {1}


def test_an_earlier_request_of_the_same_campaign_does_not_speak_for_a_lost_one(marketo, lose_answers):
    (one,) = marketo.known()[:1]
    told(marketo.destination(), triggers([one], template="first"))
    marketo.clock.advance(timedelta(hours=3))
    at = marketo.now
    lose_answers("before")
    lost = triggers([one], template="second")
    told(marketo.destination(), lost)
    marketo.clock.advance(timedelta(minutes=30))
    (outcome,) = marketo.destination().read_back([(lost[0], at)])
    assert outcome.status is Status.FAILED


def test_reading_back_while_the_platform_is_down_leaves_it_unknown(marketo):
    marketo.sandbox.faults(rate=1, kinds=["503"])
    outcomes = marketo.destination().read_back([(one, marketo.now) for one in triggers(marketo.known()[:3])])
    assert [outcome.status for outcome in outcomes] == [Status.UNKNOWN] * 3


def test_hubspot_tells_touches_by_the_history_of_the_property_that_starts_them(hubspot):
    place, (one, other, stranger) = hubspot.places[1], (*hubspot.known()[:2], hubspot.bad_addresses[0])
    hubspot.sandbox.change_contact(one, {"city": "winback 1"})
    hubspot.sandbox.change_contact(one, {"city": "winback 2"})
    asked = [Trigger(who, f"c-{who}", who, "city", {VALUE: "winback 1"}) for who in (one, other, stranger)]
    outcomes = hubspot.destination().read_back([(trigger, hubspot.now) for trigger in asked])
    assert [outcome.status for outcome in outcomes] == [Status.CONFIRMED, Status.FAILED, Status.REJECTED]
    assert place.kind == "property"


@pytest.mark.parametrize("kind", ["ga4", "files"])
def test_where_no_touch_can_start_none_was_started(open_subject, population, kind):
    subject = open_subject(kind, population)
    asked = [(one, subject.now) for one in triggers(subject.known()[:2])]
    assert [outcome.status for outcome in subject.destination().read_back(asked)] == [Status.FAILED] * 2
