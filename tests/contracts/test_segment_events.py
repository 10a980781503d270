"""Events that tell of segments, at the platform: sent in the fewest calls, recognised when they are sent again."""

from __future__ import annotations

from math import ceil

import pytest

from segserver.connectors.base import Status, Write
from segserver.specs.targets import Target

PLACE = Target("crm", "event", "hot_leads")
NAME = "pe62515_segment_change"


@pytest.fixture
def telling(hubspot):
    """HubSpot with an event declared."""
    hubspot.declaration = f"{hubspot.declaration.rstrip()}\n        event: {NAME}\n"
    return hubspot


def told(subject, writes):
    return [outcome for batch in subject.destination().write(writes) for outcome in batch]


def happened(subject):
    told = subject.sandbox.hubspot.occurrences.get(NAME, ())
    return [(str(one.contact), one.properties["segment"], one.properties["action"]) for one in told]


def test_entering_and_leaving_arrive_as_occurrences_of_the_declared_event(telling):
    one, other = telling.known()[:2]
    outcomes = told(telling, [Write(PLACE, "c1", one, "member", "k1"), Write(PLACE, "c2", other, None, "k2")])
    assert [outcome.status for outcome in outcomes] == [Status.SENT, Status.SENT]
    assert happened(telling) == [(one, "hot_leads", "entered"), (other, "hot_leads", "left")]


def test_an_event_that_is_sent_again_happens_once(telling):
    writes = [Write(PLACE, "c1", telling.known()[0], "member", "k1")]
    told(telling, writes)
    told(telling, writes)
    assert len(happened(telling)) == 1


def test_five_hundred_go_in_a_call(telling, traffic):
    writes = [Write(PLACE, f"c{one}", one, "member", f"k{one}") for one in telling.known()]
    told(telling, writes)
    assert len(traffic.to("/send/batch")) == ceil(len(writes) / 500)
    assert len(happened(telling)) == len(writes)


def test_an_address_that_is_no_id_is_rejected_alone(telling):
    good = Write(PLACE, "c1", telling.known()[0], "member", "k1")
    outcomes = told(telling, [Write(PLACE, "c2", "ada@example.com", "member", "k2"), good])
    assert {outcome.item.contact_id: outcome.status for outcome in outcomes} == {
        "c1": Status.SENT,
        "c2": Status.REJECTED,
    }


def test_the_version_of_the_endpoint_moves_with_its_prefix(telling, traffic):
    telling.declaration += "        versions: {custom_events: 2026-09}\n"
    told(telling, [Write(PLACE, "c1", telling.known()[0], "member", "k1")])
    assert [call.path for call in traffic.to("/send/batch")] == ["/events/custom/2026-09/send/batch"]
    assert len(happened(telling)) == 1


def test_without_a_declared_event_the_reason_says_what_to_add(hubspot):
    (outcome,) = told(hubspot, [Write(PLACE, "c1", hubspot.known()[0], "member", "k1")])
    assert (outcome.status, outcome.reason) == (Status.REJECTED, "the connection names no event; add event: to it")
