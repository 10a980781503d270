"""The check of exchanges against HubSpot's description: what it finds, and that each correction of it is needed."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from segserver.sandbox.recording import Exchange, Recorded
from tests import openapi

NOW = datetime(2026, 11, 22, 12)
CONTACTS = "/crm/objects/2026-03/contacts"
CONTACT = {
    "id": "1",
    "properties": {"email": "ada@example.com"},
    "createdAt": "2026-01-01T00:00:00Z",
    "updatedAt": "2026-01-01T00:00:00Z",
    "archived": False,
}
TIMES = {"startedAt": "2026-01-01T00:00:00Z", "completedAt": "2026-01-01T00:00:00Z", "status": "COMPLETE"}


def exchange(method: str, path: str, *, query=(), body=None, status: int = 200, answer: object = None) -> Exchange:
    text = "" if body is None else json.dumps(body)
    recorded = Recorded(1, NOW, "hubspot", method, path, query, {"User-Agent": "us"}, text, status, None)
    told = b"" if answer is None else json.dumps(answer).encode()
    return Exchange(recorded, told, "" if answer is None else "application/json")


def searching(**body) -> Exchange:
    return exchange("POST", f"{CONTACTS}/search", body=body, answer={"total": 0, "results": []})


GOOD = {
    openapi.requests_need_less: [
        searching(filterGroups=[], limit=5),
        exchange("POST", f"{CONTACTS}/batch/read", body={"inputs": [{"id": "1"}]}, answer={**TIMES, "results": []}),
        exchange("POST", CONTACTS, body={"properties": {}}, status=201, answer=CONTACT),
    ],
    openapi.searches_are_sorted_by_objects: [
        searching(sorts=[{"propertyName": "hs_object_id", "direction": "ASCENDING"}])
    ],
    openapi.batches_may_fail_in_part: [
        exchange(
            "POST",
            f"{CONTACTS}/batch/update",
            body={"inputs": [{"id": "1", "properties": {}}]},
            status=207,
            answer={**TIMES, "results": [], "numErrors": 0, "errors": []},
        )
    ],
    openapi.errors_of_batches_may_lack_parts: [
        exchange(
            "POST",
            f"{CONTACTS}/batch/update",
            body={"inputs": [{"id": "1", "properties": {}}]},
            status=207,
            answer={**TIMES, "results": [], "numErrors": 1, "errors": [{"message": "no such contact"}]},
        )
    ],
    openapi.answers_may_hold_nulls: [
        exchange("GET", f"{CONTACTS}/1", answer={**CONTACT, "properties": {"firstname": None}})
    ],
}


def test_each_correction_has_an_example() -> None:
    assert set(GOOD) == set(openapi.CORRECTIONS)


@pytest.mark.parametrize("correction", openapi.CORRECTIONS, ids=lambda one: one.__name__)
def test_each_correction_is_needed_and_says_why(correction, monkeypatch) -> None:
    assert correction.__doc__
    document = json.loads(openapi.FILE.read_text(encoding="utf-8"))
    for one in GOOD[correction]:
        assert openapi.hubspot().faults(one) == []
    without = tuple(one for one in openapi.CORRECTIONS if one is not correction)
    monkeypatch.setattr(openapi, "CORRECTIONS", without)
    strict = openapi.Description(document)
    assert all(strict.faults(one) for one in GOOD[correction])


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (exchange("GET", "/crm/objects/2026-03/contacts/1/merge"), "not described"),
        (exchange("PUT", CONTACTS, body={}), "not described"),
        (exchange("GET", CONTACTS, query=(("size", "5"),), answer={"results": []}), "the query has no size"),
        (exchange("GET", CONTACTS, query=(("limit", "all"),), answer={"results": []}), "is not of type 'integer'"),
        (exchange("GET", CONTACTS, query=(("archived", "yes"),), answer={"results": []}), "is not of type 'boolean'"),
        (exchange("GET", CONTACTS, body={"a": 1}, answer={"results": []}), "there is a body and should be none"),
        (searching(filterGroups="all"), "request.filterGroups: 'all' is not of type 'array'"),
        (searching(filterGroups=[{"filters": [{"propertyName": "a", "operator": "LIKE"}]}]), "is not one of"),
        (searching(page=3), "Additional properties are not allowed ('page'"),
        (
            exchange("POST", f"{CONTACTS}/batch/archive", body={}, status=204),
            "request: 'inputs' is a required property",
        ),
        (exchange("GET", f"{CONTACTS}/1", answer={**CONTACT, "id": 1}), "answer.id: 1 is not of type 'string'"),
        (exchange("GET", f"{CONTACTS}/1", answer={**CONTACT, "owner": 1}), "('owner' was unexpected)"),
        (exchange("GET", f"{CONTACTS}/1", answer={"id": "1"}), "'archived' is a required property"),
        (exchange("GET", f"{CONTACTS}/1", status=404, answer={"message": 5}), "answer.message: 5 is not of type"),
        (exchange("GET", f"{CONTACTS}/1", answer={**CONTACT, "createdAt": "yesterday"}), "is not a 'date-time'"),
        (exchange("DELETE", f"{CONTACTS}/1", status=204, answer={}), "there is an answer and should be none"),
    ],
)
def test_what_does_not_keep_to_the_description_is_found(bad, fault) -> None:
    assert fault in "\n".join(openapi.hubspot().faults(bad))


def test_a_record_in_the_middle_of_a_long_answer_may_go_unseen_but_not_at_its_ends() -> None:
    for place in (0, 4, 95, 99):
        records = [dict(CONTACT) for _ in range(100)]
        records[place]["id"] = 7
        assert openapi.hubspot().faults(exchange("GET", CONTACTS, answer={"results": records}))


@pytest.mark.parametrize("path", ["/crm/objects/2026-09/contacts/1", "/crm/objects/2026-09/0-1/1"])
def test_the_later_version_has_the_same_shapes(path) -> None:
    assert openapi.hubspot().faults(exchange("GET", path, answer=CONTACT)) == []
    assert openapi.hubspot().faults(exchange("GET", path, answer={}))


def test_what_has_no_date_is_not_described() -> None:
    assert openapi.hubspot().faults(exchange("GET", "/email/public/v1/events", answer={"any": "thing"})) == []
