"""What Google's answers mean: a full quota and a busy service are no lack of permission."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from segserver.connectors.calls import Answer, Call, Move
from segserver.connectors.ga4_answers import judge

NOW = datetime(2026, 11, 22, 12, 0)


def answer(status: int, grpc: str, reason: str = "") -> Answer:
    error: dict[str, object] = {"code": status, "message": "in Google's words", "status": grpc}
    if reason:
        error["errors"] = [{"reason": reason, "domain": "global", "message": "in Google's words"}]
    return Answer(status, {}, json.dumps({"error": error}).encode())


@pytest.mark.parametrize(
    ("given", "move", "code"),
    [
        (answer(400, "INVALID_ARGUMENT", "invalidQuery"), Move.REFUSED, "invalidQuery"),
        (answer(400, "INVALID_ARGUMENT", "jobBackendError"), Move.RETRY, "jobBackendError"),
        (answer(401, "UNAUTHENTICATED"), Move.RENEW, "UNAUTHENTICATED"),
        (answer(403, "PERMISSION_DENIED", "accessDenied"), Move.STOP, "accessDenied"),
        (answer(403, "PERMISSION_DENIED", "rateLimitExceeded"), Move.RETRY, "rateLimitExceeded"),
        (answer(403, "PERMISSION_DENIED", "quotaExceeded"), Move.EXHAUSTED, "quotaExceeded"),
        (answer(404, "NOT_FOUND", "notFound"), Move.REFUSED, "notFound"),
        (answer(429, "RESOURCE_EXHAUSTED"), Move.RETRY, "RESOURCE_EXHAUSTED"),
        (answer(500, "INTERNAL", "backendError"), Move.RETRY, "backendError"),
        (answer(503, "UNAVAILABLE"), Move.RETRY, "UNAVAILABLE"),
    ],
)
def test_the_reason_decides_and_is_handed_on(given: Answer, move: Move, code: str) -> None:
    verdict = judge(Call("POST", "/x"), given, NOW)
    assert (verdict.move, verdict.code, verdict.reason) == (move, code, "in Google's words")


def test_an_error_page_of_a_proxy_is_read_by_its_status() -> None:
    assert judge(Call("GET", "/x"), Answer(502, {}, b"<html>"), NOW).move is Move.RETRY


def test_a_good_answer_is_taken() -> None:
    assert judge(Call("GET", "/x"), Answer(200, {}, b"{}"), NOW).move is Move.ACCEPT
