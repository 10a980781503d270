"""Every code that Marketo documents, and what is done about it."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from segserver.connectors.calls import Answer, Call, Move, Verdict
from segserver.connectors.marketo_codes import PASSING, judge, splits

NOW = datetime(2026, 11, 22, 12, 0)
READ = Call("GET", "/rest/v1/leads.json")
TRIGGER = Call("POST", "/rest/v1/campaigns/4/trigger.json", json={"input": {}}, repeatable=False)

RENEWS = ("601", "602")
WAITS = ("606", "615")
RETRIES = ("604", "608", "611", "614", "713", "719")
STOPS = ("603", "616")
REFUSALS = (
    *("605", "609", "610", "612", "613"),
    *("701", "702", "703", "704", "709", "710", "711", "712", "714", "718"),
    *("1001", "1002", "1003", "1004", "1005", "1006", "1007", "1008", "1009", "1010", "1011", "1012", "1013", "1014"),
    *("1015", "1016", "1017", "1018", "1019", "1020", "1021", "1022", "1025", "1026", "1027", "1028", "1029", "1035"),
    *("1036", "1037", "1042", "1048", "1049", "1076", "1077", "1078", "1079", "1080"),
)
MOVES = (
    dict.fromkeys(RENEWS, Move.RENEW)
    | dict.fromkeys((*WAITS, *RETRIES), Move.RETRY)
    | dict.fromkeys(STOPS, Move.STOP)
    | {"607": Move.EXHAUSTED}
    | dict.fromkeys(REFUSALS, Move.REFUSED)
)


def judged(code: str, call: Call = READ, message: str = "words of Marketo") -> Verdict:
    body = {"requestId": "1#2", "success": False, "errors": [{"code": code, "message": message}]}
    return judge(call, Answer(200, {"Content-Type": "application/json"}, json.dumps(body).encode()), NOW)


@pytest.mark.parametrize(("code", "move"), MOVES.items())
def test_each_code_has_its_move(code: str, move: Move) -> None:
    verdict = judged(code)
    assert (verdict.move, verdict.code) == (move, code)


@pytest.mark.parametrize("code", MOVES)
def test_only_what_was_surely_not_carried_out_may_be_sent_again(code: str) -> None:
    assert judged(code, TRIGGER).unprocessed is (code in RENEWS + WAITS)


@pytest.mark.parametrize("code", WAITS)
def test_too_many_calls_hold_back_everybody(code: str) -> None:
    verdict = judged(code)
    assert verdict.shared
    assert verdict.after is not None
    assert 0 < verdict.after <= 20


def test_a_batch_that_takes_too_long_is_halved_and_a_single_record_is_sent_again() -> None:
    many, one = ({"input": [{"id": n} for n in range(size)]} for size in (2, 1))
    assert judged("604", Call("POST", "/rest/v1/leads.json", json=many)).move is Move.REFUSED
    assert judged("604", Call("POST", "/rest/v1/leads.json", json=one)).move is Move.RETRY
    assert judged("604", Call("DELETE", "/rest/v1/lists/1/leads.json", params={"id": ["1", "2"]})).move is Move.REFUSED
    assert splits(200, "604")


@pytest.mark.parametrize(
    ("status", "code", "halves"),
    [(413, "", True), (200, "1001", True), (200, "1003", True), (200, "1036", True), (200, "1013", False)],
)
def test_a_batch_is_halved_where_one_record_may_be_at_fault(status: int, code: str, halves: bool) -> None:
    assert splits(status, code) is halves


@pytest.mark.parametrize(("status", "move"), [(500, Move.RETRY), (502, Move.RETRY), (414, Move.REFUSED)])
def test_real_failures_of_http_are_judged_by_their_status(status: int, move: Move) -> None:
    assert judge(READ, Answer(status, {}, b"<html>"), NOW).move is move


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("GET", "/rest/v1/leads.json", "Read-Write Person"),
        ("POST", "/bulk/v1/leads/export/create.json", "Read-Write Person"),
        ("POST", "/rest/v1/lists/9/leads.json", "Read-Write Person"),
        ("GET", "/rest/v1/activities.json", "Read-Only Activity"),
        ("POST", "/rest/v1/activities/external.json", "Read-Write Activity"),
        ("POST", "/rest/asset/v1/staticLists.json", "Read-Write Assets"),
        ("POST", "/rest/v1/campaigns/4/trigger.json", "Execute Campaign"),
        ("POST", "/rest/v1/leads/schema/fields.json", "Read-Write Schema Custom Field"),
    ],
)
def test_denied_access_names_the_permission_that_is_missing(method: str, path: str, permission: str) -> None:
    reason = judged("603", Call(method, path)).reason
    assert f"the role of the API user lacks {permission}, or the IP allow-list keeps us out" in reason


def test_the_words_of_marketo_are_kept() -> None:
    assert (
        judged("1003", message="Too many results match the filter").reason == "1003: Too many results match the filter"
    )


def test_success_with_failed_records_is_an_answer() -> None:
    body = {"success": True, "result": [{"status": "skipped", "reasons": [{"code": "1004"}]}]}
    assert judge(READ, Answer(200, {}, json.dumps(body).encode()), NOW).move is Move.ACCEPT


def test_codes_that_pass_for_a_call_pass_for_a_record() -> None:
    assert set(RETRIES + WAITS) <= PASSING
    assert not PASSING & set(REFUSALS)
