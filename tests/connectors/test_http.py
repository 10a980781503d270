"""One way out: retries, classification, silence about secrets."""

from __future__ import annotations

import gzip
import json
import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from urllib3.exceptions import NewConnectionError

from segserver.clock import FixedClock
from segserver.connectors.auth import Bearer
from segserver.connectors.calls import Answer, AnswerLost, ApiError, Call, Move, Verdict
from segserver.connectors.http import ATTEMPTS, HttpClient
from segserver.connectors.limits import AccountLimits, Allowance, Budgets
from segserver.errors import RetryLater, SettingsError

BASE = "https://api.example.com"
URL = f"{BASE}/things"


@pytest.fixture
def client(clock: FixedClock, sleep: Callable[[float], None]) -> HttpClient:
    return HttpClient(
        BASE,
        account="crm",
        clock=clock,
        sleep=sleep,
        auth=Bearer("pat-secret"),
        cure="check the key in CRM_TOKEN",
        jitter=random.Random(1),
    )


def test_json_goes_out_and_comes_back(client: HttpClient, platform: responses.RequestsMock) -> None:
    platform.post(URL, json={"id": 7})
    answer = client.request(Call("POST", "/things", params={"id": [1, 2]}, json={"name": "x"}))
    assert answer.json() == {"id": 7}
    request = platform.calls[0].request
    assert request.headers["Authorization"] == "Bearer pat-secret"
    assert request.url == f"{URL}?id=1&id=2"
    assert request.body == b'{"name": "x"}'


def test_a_compressed_answer_is_read(client: HttpClient, platform: responses.RequestsMock) -> None:
    body = gzip.compress(json.dumps({"id": 7}).encode())
    platform.get(URL, body=body, headers={"Content-Encoding": "gzip"}, auto_calculate_content_length=True)
    assert client.request(Call("GET", "/things")).json() == {"id": 7}
    assert "gzip" in platform.calls[0].request.headers["Accept-Encoding"]


def test_a_very_long_key_goes_out_whole(
    clock: FixedClock, sleep: Callable[[float], None], platform: responses.RequestsMock
) -> None:
    key = "k" * 2_000
    platform.get(URL, json={})
    HttpClient(BASE, account="crm", clock=clock, sleep=sleep, auth=Bearer(key)).request(Call("GET", "/things"))
    assert platform.calls[0].request.headers["Authorization"] == f"Bearer {key}"


@pytest.mark.parametrize("status", [408, 423, 429, 477, 500, 502, 503, 504])
def test_what_passes_is_tried_again(
    client: HttpClient, platform: responses.RequestsMock, sleep: Any, status: int
) -> None:
    platform.get(URL, status=status)
    platform.get(URL, json={"ok": True})
    assert client.request(Call("GET", "/things")).json() == {"ok": True}
    assert len(sleep.naps) == 1


@pytest.mark.parametrize(
    ("header", "least", "most"), [("7", 7, 8), ("Sun, 22 Nov 2026 12:00:20 GMT", 20, 21), ("soon", 0, 1)]
)
def test_retry_after_is_kept_in_seconds_and_as_a_date(
    client: HttpClient, platform: responses.RequestsMock, sleep: Any, header: str, least: float, most: float
) -> None:
    platform.get(URL, status=429, headers={"Retry-After": header})
    platform.get(URL, json={})
    client.request(Call("GET", "/things"))
    assert least <= sleep.naps[0] <= most


def test_a_longer_wait_than_our_patience_is_left_to_the_next_run(
    client: HttpClient, platform: responses.RequestsMock, sleep: Any
) -> None:
    platform.get(URL, status=477, headers={"Retry-After": "86400"})
    with pytest.raises(RetryLater) as caught:
        client.request(Call("GET", "/things"))
    assert caught.value.after_seconds is not None
    assert caught.value.after_seconds >= 86_400
    assert sleep.naps == []


def test_attempts_are_bounded_and_their_waits_grow_under_a_ceiling(
    client: HttpClient, platform: responses.RequestsMock, sleep: Any
) -> None:
    platform.get(URL, status=503)
    with pytest.raises(RetryLater, match="connection crm: GET /things failed 8 times, last with: HTTP 503"):
        client.request(Call("GET", "/things"))
    assert len(platform.calls) == ATTEMPTS
    assert all(nap <= min(30, 2**number) for number, nap in enumerate(sleep.naps))
    assert len(set(sleep.naps)) == len(sleep.naps)


def test_a_broken_connection_is_tried_again(client: HttpClient, platform: responses.RequestsMock) -> None:
    platform.get(URL, body=requests.ConnectionError("reset"))
    platform.get(URL, body=requests.ReadTimeout("slow"))
    platform.get(URL, json={"ok": True})
    assert client.request(Call("GET", "/things")).json() == {"ok": True}


def test_an_answer_that_is_not_json_is_tried_again(client: HttpClient, platform: responses.RequestsMock) -> None:
    platform.get(URL, body="<html>proxy</html>")
    platform.get(URL, json={"ok": True})
    assert client.request(Call("GET", "/things")).json() == {"ok": True}


def test_a_refused_key_is_tried_once_more_and_then_named(
    client: HttpClient, platform: responses.RequestsMock, sleep: Any
) -> None:
    platform.get(URL, status=401)
    with pytest.raises(SettingsError, match=r"connection crm: GET /things was refused: .*; check the key in CRM_TOKEN"):
        client.request(Call("GET", "/things"))
    assert len(platform.calls) == 2
    assert sleep.naps == []


@pytest.mark.parametrize("status", [400, 404, 409, 414])
def test_a_refusal_is_for_the_connector_to_read(
    client: HttpClient, platform: responses.RequestsMock, status: int
) -> None:
    platform.get(URL, status=status, json={"message": "jane@example.com is not valid"})
    with pytest.raises(ApiError) as caught:
        client.request(Call("GET", "/things"))
    assert caught.value.status == status
    assert caught.value.body == {"message": "jane@example.com is not valid"}
    assert "jane" not in str(caught.value)


class TestCallsThatMustNotBeRepeated:
    call = Call("POST", "/things", json={}, repeatable=False)

    @pytest.mark.parametrize("broken", [requests.ConnectionError("reset"), requests.ReadTimeout("slow")])
    def test_a_lost_answer_is_reported_and_not_asked_again(
        self, client: HttpClient, platform: responses.RequestsMock, broken: Exception
    ) -> None:
        platform.post(URL, body=broken)
        with pytest.raises(AnswerLost, match="POST /things may have been carried out"):
            client.request(self.call)
        assert len(platform.calls) == 1

    def test_a_server_error_may_come_after_the_deed(self, client: HttpClient, platform: responses.RequestsMock) -> None:
        platform.post(URL, status=502)
        with pytest.raises(AnswerLost):
            client.request(self.call)
        assert len(platform.calls) == 1

    @pytest.mark.parametrize("status", [429, 401])
    def test_a_refusal_before_processing_may_be_repeated(
        self, client: HttpClient, platform: responses.RequestsMock, status: int
    ) -> None:
        platform.post(URL, status=status)
        platform.post(URL, json={"ok": True})
        assert client.request(self.call).json() == {"ok": True}

    def test_a_connection_that_never_came_about_may_be_repeated(
        self, client: HttpClient, platform: responses.RequestsMock
    ) -> None:
        refused = requests.ConnectionError(NewConnectionError(None, "refused"))
        platform.post(URL, body=refused)
        platform.post(URL, body=requests.ConnectTimeout("slow"))
        platform.post(URL, json={"ok": True})
        assert client.request(self.call).json() == {"ok": True}


def test_neither_errors_nor_logs_show_query_headers_or_body(
    client: HttpClient, platform: responses.RequestsMock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    platform.post(URL, body=requests.ConnectionError(f"{URL}?api_secret=hidden failed"))
    with pytest.raises(RetryLater) as caught:
        client.request(Call("POST", "/things", params={"api_secret": "hidden"}, json={"email": "hidden@example.com"}))
    told = f"{caught.value!r} {caught.value.__context__!r} {client!r} {caplog.text}"
    assert "hidden" not in told
    assert "pat-secret" not in told


def test_redirects_are_not_followed_with_the_key(client: HttpClient, platform: responses.RequestsMock) -> None:
    platform.get(URL, status=302, headers={"Location": "https://elsewhere.example.com/"})
    with pytest.raises(ApiError):
        client.request(Call("GET", "/things"))


def test_a_password_of_netrc_does_not_take_the_place_of_our_key(
    client: HttpClient, platform: responses.RequestsMock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine api.example.com login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    platform.get(URL, json={})
    client.request(Call("GET", "/things"))
    assert platform.calls[0].request.headers["Authorization"] == "Bearer pat-secret"


def test_what_has_to_come_first_is_done_once_and_again_only_if_it_failed(
    clock: FixedClock, sleep: Any, platform: responses.RequestsMock
) -> None:
    platform.get(URL, json={})
    done: list[bool] = []

    def introduce() -> None:
        done.append(len(platform.calls) == 0)
        if len(done) == 1:
            raise RetryLater("not now")

    client = HttpClient(BASE, account="crm", clock=clock, sleep=sleep, before_first=introduce)
    with pytest.raises(RetryLater):
        client.request(Call("GET", "/things"))
    for _ in range(3):
        client.request(Call("GET", "/things"))
    assert done == [True, True]


def test_waits_grow_with_the_attempts_where_the_platform_counts_so(
    clock: FixedClock, sleep: Any, platform: responses.RequestsMock
) -> None:
    platform.get(URL, status=429)

    def judge(call: Call, answer: Answer) -> Verdict:
        return Verdict(Move.RETRY, "429", "too many", per_attempt=10.0)

    client = HttpClient(BASE, account="crm", clock=clock, sleep=sleep, judge=judge)
    with pytest.raises(RetryLater):
        client.request(Call("GET", "/things"))
    assert [round(nap // 10) for nap in sleep.naps] == [1, 2, 3, 4]


def test_a_refusal_of_the_account_holds_back_its_other_callers(
    clock: FixedClock, sleep: Any, platform: responses.RequestsMock
) -> None:
    platform.get(URL, status=429, headers={"Retry-After": "7"})
    platform.get(URL, json={})
    limits = AccountLimits(Allowance(100, 10), {}, None, "UTC")
    budgets = Budgets(clock, sleep)
    one, other = (budgets.budget(name, "account 1", limits, 0.5) for name in "ab")
    began = clock.now()
    HttpClient(BASE, account="a", clock=clock, sleep=sleep, budget=one).request(Call("GET", "/things"))
    assert 7 <= (clock.now() - began).total_seconds() <= 8
    one.refused(60)
    with other.spend():
        assert (clock.now() - began).total_seconds() >= 67
