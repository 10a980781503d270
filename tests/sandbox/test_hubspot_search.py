"""Search: operators, the window of 10,000, and the index that lags."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from segserver.clock import to_epoch_ms
from segserver.sandbox.population import Person, Population
from segserver.sandbox.server import Sandbox

SEARCH = "/crm/objects/2026-03/contacts/search"
NOW = datetime(2026, 3, 1, 12)


def _filtered(hubspot, *filters, **more):
    body = {"filterGroups": [{"filters": list(filters)}], "properties": ["email"], **more}
    answer = hubspot("POST", SEARCH, json=body)
    assert answer.status_code == 200, answer.text
    return [record["properties"]["email"].split("@")[0] for record in answer.json["results"]]


def _by(name, operator, value=None, **more):
    return {"propertyName": name, "operator": operator, **({} if value is None else {"value": value}), **more}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (_by("firstname", "EQ", "ada"), ["ada"]),
        (_by("firstname", "NEQ", "ada"), ["ben", "cleo", "eve"]),
        (_by("firstname", "IN", values=["Ben", "Eve"]), ["ben", "eve"]),
        (_by("firstname", "NOT_IN", values=["Ben", "Eve"]), ["ada", "cleo"]),
        (_by("email", "CONTAINS_TOKEN", "*cleo*"), ["cleo"]),
        (_by("email", "NOT_CONTAINS_TOKEN", "cleo"), ["ada", "ben", "eve"]),
        (_by("city", "HAS_PROPERTY"), []),
        (_by("city", "NOT_HAS_PROPERTY"), ["ada", "ben", "cleo", "eve"]),
        (_by("hs_object_id", "GTE", "100003"), ["cleo", "eve"]),
        (_by("hs_object_id", "LT", "100003"), ["ada", "ben"]),
        (_by("hs_object_id", "BETWEEN", "100002", highValue="100003"), ["ben", "cleo"]),
        (_by("createdate", "GT", str(to_epoch_ms(NOW - timedelta(days=70)))), ["cleo", "eve"]),
        (_by("createdate", "LTE", "2025-12-01T00:00:00Z"), ["ada"]),
    ],
)
def test_operators(hubspot, wanted, found):
    """Each operator finds what it says, numbers and dates by their own order."""
    assert _filtered(hubspot, wanted) == found


def test_filters_of_a_group_must_all_hold_and_groups_are_alternatives(hubspot):
    """And inside a group, or between groups."""
    groups = [
        {"filters": [_by("firstname", "EQ", "ada"), _by("country", "EQ", "FR")]},
        {"filters": [_by("firstname", "EQ", "ben"), _by("country", "EQ", "DE")]},
    ]
    answer = hubspot("POST", SEARCH, json={"filterGroups": groups, "properties": ["email"]})
    assert [record["properties"]["email"] for record in answer.json["results"]] == ["ada@example.com"]


def test_results_are_sorted_as_asked(hubspot):
    """Both spellings of a sort are understood."""
    newest = [{"propertyName": "createdate", "direction": "DESCENDING"}]
    assert _filtered(hubspot, sorts=newest) == ["eve", "cleo", "ben", "ada"]
    assert _filtered(hubspot, sorts=["-createdate"]) == ["eve", "cleo", "ben", "ada"]


def test_only_what_changed_since_the_cursor_is_found(hubspot, sandbox, clock):
    """The incremental filter sees a change and nothing else."""
    clock.advance(timedelta(minutes=5))
    sandbox.change_contact("ben@example.com", {"city": "Lille"})
    assert _filtered(hubspot, _by("lastmodifieddate", "GTE", str(to_epoch_ms(NOW)))) == ["ben"]


def test_the_index_lags_behind_if_told_to(hubspot, sandbox, clock):
    """A fresh change is not found until the lag has passed."""
    sandbox.hubspot.search_lag = timedelta(seconds=30)
    sandbox.change_contact("ben@example.com", {"city": "Lille"})
    changed = _by("city", "EQ", "Lille")
    assert _filtered(hubspot, changed) == []
    clock.advance(timedelta(seconds=31))
    assert _filtered(hubspot, changed) == ["ben"]


def test_nothing_is_shown_beyond_ten_thousand_results(clock, connect):
    """The window ends with 400; a filter on the id goes on behind it."""
    people = tuple(Person(f"p{number}@example.com", NOW - timedelta(days=1)) for number in range(10_050))
    sandbox = Sandbox(clock, Population(people, (), ()))
    hubspot = connect(sandbox, "/hubspot", sandbox.hubspot.token)
    last = hubspot("POST", SEARCH, json={"limit": 200, "after": "9800"}).json
    assert (last["total"], last["paging"]["next"]["after"]) == (10_050, "10000")
    assert hubspot("POST", SEARCH, json={"limit": 200, "after": "10000"}).status_code == 400
    behind = str(int(last["results"][-1]["id"]) + 1)
    assert len(_filtered(hubspot, _by("hs_object_id", "GTE", behind), limit=200)) == 50


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"after": "x"},
        {"sorts": ["email", "city"]},
        {"sorts": ["nonsense"]},
        {"filterGroups": [{"filters": [_by("nonsense", "EQ", "x")]}]},
        {"filterGroups": [{"filters": [_by("email", "LIKE", "x")]}]},
        {"filterGroups": [{"filters": [_by("createdate", "GT", "soon")]}]},
        {"filterGroups": [{"filters": []}] * 6},
        {"filterGroups": [{"filters": [_by("email", "HAS_PROPERTY")] * 7}]},
        {"query": "x" * 3_000},
    ],
)
def test_searches_beyond_the_contract_are_refused(hubspot, body):
    """Each of these is a 400."""
    assert hubspot("POST", SEARCH, json=body).status_code == 400


def test_search_replies_carry_no_limit_headers(hubspot):
    """All other replies do."""
    assert "X-HubSpot-RateLimit-Max" not in hubspot("POST", SEARCH, json={}).headers
    assert "X-HubSpot-RateLimit-Max" in hubspot("GET", "/crm/objects/2026-03/contacts").headers
