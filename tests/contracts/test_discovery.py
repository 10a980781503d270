"""The check of exchanges with Google against Google's description: what it finds."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from segserver.sandbox.recording import Exchange, Recorded
from tests import discovery

EXPORTS = "/v1beta/properties/1/audienceExports"
REPORTS = "/v1beta/properties/1:runReport"
EXPORT = {"audience": "properties/1/audiences/7", "dimensions": [{"dimensionName": "deviceId"}]}
PATH = "/v1beta/properties/1/customDimensions"
ASKED = {"parameterName": "seg_a", "displayName": "seg_a", "scope": "USER"}
MADE = {"name": "properties/1/customDimensions/2", **ASKED}
CALL = {
    "client_id": "1.2",
    "user_properties": {"seg_a": {"value": "1"}},
    "events": [{"name": "segserver_segment_update", "params": {"action": "enter"}}],
}
REFUSED = {"error": {"code": 409, "message": "taken", "status": "ALREADY_EXISTS"}}


def exchange(method: str, path: str, *, query=(), body=None, status: int = 200, answer: object = None) -> Exchange:
    text = "" if body is None else json.dumps(body)
    at = datetime(2026, 11, 22, 12)
    recorded = Recorded(1, at, "ga4", method, path, query, {"User-Agent": "us"}, text, status, None)
    return Exchange(recorded, json.dumps(answer).encode(), "application/json")


@pytest.mark.parametrize(
    "good",
    [
        exchange("GET", PATH, query=(("pageSize", "200"),), answer={"customDimensions": [MADE], "nextPageToken": "2"}),
        exchange("GET", PATH, answer={}),
        exchange("POST", PATH, body=ASKED, answer=MADE),
        exchange("POST", PATH, body=ASKED, status=409, answer=REFUSED),
        exchange("POST", "/mp/collect", body=CALL, status=204),
        exchange("POST", EXPORTS, body=EXPORT, answer={"name": "o", "response": {"@type": "t", "name": "e"}}),
        exchange("GET", f"{EXPORTS}/2", answer={**EXPORT, "state": "CREATING"}),
        exchange("POST", f"{EXPORTS}/2:query", body={"offset": "0", "limit": "5"}, answer={"rowCount": 0}),
        exchange("POST", REPORTS, body={"metrics": [{"name": "sessions"}]}, answer={"rowCount": 0, "metadata": {}}),
    ],
)
def test_what_keeps_to_the_description_has_no_faults(good) -> None:
    assert discovery.google().faults(good) == []


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (exchange("PUT", PATH, body=ASKED, answer=MADE), "not described"),
        (exchange("GET", "/v1beta/properties/1/segments", answer={}), "not described"),
        (exchange("GET", PATH, query=(("limit", "5"),), answer={}), "the query has no limit"),
        (exchange("GET", PATH, query=(("pageSize", "all"),), answer={}), "pageSize=all is no whole number"),
        (exchange("GET", PATH, body={"a": 1}, answer={}), "there is a body and should be none"),
        (exchange("POST", PATH, body=ASKED | {"scope": "CLIENT"}, answer=MADE), "'CLIENT' is not one of"),
        (exchange("POST", PATH, body=ASKED | {"title": "A"}, answer=MADE), "('title' was unexpected)"),
        (exchange("POST", PATH, body=ASKED, answer=MADE | {"name": 2}), "answer.name: 2 is not of type 'string'"),
        (exchange("POST", PATH, body=ASKED, status=409, answer={"error": "taken"}), "is not of type 'object'"),
        (exchange("POST", EXPORTS, body={**EXPORT, "dimensions": ["deviceId"]}, answer={}), "is not of type 'object'"),
        (exchange("GET", f"{EXPORTS}/2", answer={**EXPORT, "state": "DONE"}), "'DONE' is not one of"),
        (exchange("POST", REPORTS, body={"metrics": ["sessions"]}, answer={}), "is not of type 'object'"),
        (exchange("POST", REPORTS, body={"limit": "5"}, answer={"rowCount": "0"}), "'0' is not of type 'integer'"),
        (exchange("POST", f"{EXPORTS}/2:query", body={"limit": 5}, answer={}), "5 is not of type 'string'"),
        (exchange("POST", "/mp/collect", body={**CALL, "events": []}, status=204), "request.events: [] "),
        (exchange("POST", "/mp/collect", body={**CALL, "consent": {"ad_storage": "DENIED"}}, status=204), "ad_storage"),
        (
            exchange("POST", "/mp/collect", body={**CALL, "user_properties": {"s": {"value": "v" * 37}}}, status=204),
            "is too long",
        ),
    ],
)
def test_what_does_not_keep_to_the_description_is_found(bad, fault) -> None:
    assert fault in "\n".join(discovery.google().faults(bad))


def test_whole_numbers_of_64_bits_are_texts() -> None:
    assert discovery.json_schema({"type": "string", "format": "int64"})["pattern"] == r"^-?\d+$"
