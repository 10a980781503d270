"""HubSpot's stand-in: event occurrences and subscription statuses."""

from __future__ import annotations

from datetime import timedelta

import pytest

OCCURRENCES = "/events/event-occurrences/2026-03"
STATUSES = "/communication-preferences/2026-03/statuses"
TIMELINE = "/email/public/v1/subscriptions/timeline"


@pytest.fixture
def seen(sandbox, clock):
    """Ada saw a page each hour for six hours; the latest is only shown in five minutes."""
    ada = sandbox.hubspot.contact("ada@example.com")
    for hours in range(6):
        at = clock.now() - timedelta(hours=hours)
        known = at + timedelta(minutes=5) if hours == 0 else None
        sandbox.hubspot.add_occurrence(ada, "e_visited_page", at, {"hs_url": f"/{hours}", "x": "y"}, known)
    return ada


def test_occurrences_come_oldest_first_in_pages(hubspot, seen, conforms):
    first = hubspot.get(OCCURRENCES, eventType="e_visited_page", limit=3, properties="hs_url")
    conforms("ExternalUnifiedEvent", first["results"][0])
    assert [one["properties"] for one in first["results"]] == [{"hs_url": "/5"}, {"hs_url": "/4"}, {"hs_url": "/3"}]
    after = first["paging"]["next"]["after"]
    second = hubspot.get(OCCURRENCES, eventType="e_visited_page", limit=3, after=after)
    assert [one["properties"]["hs_url"] for one in second["results"]] == ["/2", "/1"]
    assert "paging" not in second


def test_an_occurrence_is_shown_from_when_it_is_known(hubspot, seen, clock):
    clock.advance(timedelta(minutes=5))
    assert len(hubspot.get(OCCURRENCES, objectId=seen.id, objectType="contact")["results"]) == 6


def test_occurrences_are_narrowed_by_time_and_type(hubspot, seen, clock):
    since = (clock.now() - timedelta(hours=3)).isoformat() + "Z"
    until = (clock.now() - timedelta(hours=2)).isoformat() + "Z"
    found = hubspot.get(OCCURRENCES, eventType="e_visited_page", occurredAfter=since, occurredBefore=until)["results"]
    assert [one["properties"]["hs_url"] for one in found] == ["/3", "/2"]
    assert hubspot.get(OCCURRENCES, eventType="e_submitted_form")["results"] == []
    assert hubspot.get(f"{OCCURRENCES}/event-types")["eventTypes"] == ["e_submitted_form", "e_visited_page"]


@pytest.mark.parametrize(
    "query",
    [{}, {"eventType": "e", "limit": 101}, {"eventType": "e", "after": "1"}, {"eventType": "e", "objectType": "x"}],
)
def test_occurrences_beyond_the_contract_are_refused(hubspot, query):
    assert hubspot("GET", OCCURRENCES, query_string=query).status_code == 400


def test_the_latest_word_on_each_subscription_counts(hubspot, sandbox, conforms):
    sandbox.hubspot.set_subscription("Ada@example.com", "77", "SUBSCRIBED")
    sandbox.hubspot.set_subscription("ada@example.com", "77", "UNSUBSCRIBED")
    body = {"inputs": ["ada@example.com", "ben@example.com"]}
    reply = hubspot("POST", f"{STATUSES}/batch/read?channel=EMAIL", json=body).json
    conforms("BatchResponsePublicStatusBulkResponse", reply)
    assert [[one["status"] for one in entry["statuses"]] for entry in reply["results"]] == [["UNSUBSCRIBED"], []]
    single = hubspot.get(f"{STATUSES}/ada@example.com", channel="EMAIL")
    assert [(one["subscriptionId"], one["status"]) for one in single["results"]] == [(77, "UNSUBSCRIBED")]


@pytest.mark.parametrize(
    ("query", "inputs"),
    [("", ["a@b.c"]), ("?channel=EMAIL", []), ("?channel=EMAIL", ["no address"]), ("?channel=EMAIL", ["a@b.c"] * 101)],
)
def test_batches_of_statuses_beyond_the_contract_are_refused(hubspot, query, inputs):
    assert hubspot("POST", f"{STATUSES}/batch/read{query}", json={"inputs": inputs}).status_code == 400


def test_a_lacking_permission_is_named(hubspot, sandbox):
    sandbox.hubspot.lacking = {"communication_preferences.statuses.batch.read"}
    answer = hubspot("POST", f"{STATUSES}/batch/read?channel=EMAIL", json={"inputs": ["ada@example.com"]})
    assert (answer.status_code, answer.json["category"]) == (403, "MISSING_SCOPES")
    scopes = answer.json["errors"][0]["context"]["requiredGranularScopes"]
    assert scopes == ["communication_preferences.statuses.batch.read"]
    assert hubspot("GET", f"{STATUSES}/ada@example.com").status_code == 200


def test_changes_of_subscriptions_are_told_in_pages(hubspot, sandbox):
    for number in range(3):
        sandbox.hubspot.set_subscription("ada@example.com", str(number), "UNSUBSCRIBED")
    first = hubspot.get(TIMELINE, limit=2)
    second = hubspot.get(TIMELINE, limit=2, offset=first["offset"])
    assert (first["hasMore"], second["hasMore"]) == (True, False)
    told = [one["changes"][0]["subscriptionId"] for one in (*first["timeline"], *second["timeline"])]
    assert told == [0, 1, 2]
    assert hubspot.get(TIMELINE, startTimestamp=10**14)["timeline"] == []
