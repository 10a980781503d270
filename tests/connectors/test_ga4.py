"""Google Analytics 4 as a destination: one call per client id, never confirmed, secrets unseen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import responses

from segserver.connectors.base import Destination, Outcome, Status, Write
from segserver.connectors.build import Connector
from segserver.errors import SettingsError
from segserver.specs.targets import Target

COLLECT = "https://www.google-analytics.com/mp/collect"
TEXT = "{kind: ga4, measurement_id: G-ABC, api_secret: env:GA4_API_SECRET, audiences: true}"


def write(name: str, value: str | None = "1", client: str = "1.2", kind: str = "user property", **more: Any) -> Write:
    return Write(Target("web", kind, name), client, client, value, **more)


def apply(destination: Destination, writes: Sequence[Write]) -> list[Outcome]:
    outcomes = [outcome for batch in destination.write(writes) for outcome in batch]
    assert sorted(map(id, (outcome.item for outcome in outcomes))) == sorted(map(id, writes))
    return outcomes


@pytest.fixture
def web(connect: Callable[..., Connector]) -> Destination:
    connector = connect("web", TEXT)
    assert connector.source is None
    assert connector.destination is not None
    return connector.destination


def test_the_properties_of_a_client_go_in_one_call_of_at_most_twenty_five(
    web: Destination, platform: responses.RequestsMock, sent: Any
) -> None:
    platform.post(COLLECT, status=204)
    writes = [write(f"seg_{n}", client=client) for n in range(30) for client in ("1.2", "3.4")]
    outcomes = apply(web, writes)
    assert {outcome.status for outcome in outcomes} == {Status.SENT}
    bodies = [sent(call) for call in platform.calls]
    assert [(body["client_id"], len(body["user_properties"])) for body in bodies] == [
        ("1.2", 25),
        ("1.2", 5),
        ("3.4", 25),
        ("3.4", 5),
    ]
    assert platform.calls[0].request.url == f"{COLLECT}?measurement_id=G-ABC&api_secret=api-secret"


def test_a_cleared_property_is_set_to_a_neutral_value_and_ads_are_denied(
    web: Destination, platform: responses.RequestsMock, sent: Any
) -> None:
    platform.post(COLLECT, status=204)
    apply(web, [write("seg_channel", None)])
    body = sent(platform.calls[0])
    assert body["user_properties"] == {"seg_channel": {"value": "0"}}
    assert set(body["consent"].values()) == {"DENIED"}


def test_an_event_tells_of_each_property_who_entered_and_who_left(
    web: Destination, platform: responses.RequestsMock, sent: Any
) -> None:
    platform.post(COLLECT, status=204)
    writes = [write("seg_a", segment=True), write("seg_b", None, segment=True), write("seg_channel", "email")]
    apply(web, [*writes, write("seg_next_send", None)])
    events = sent(platform.calls[0])["events"]
    assert {event["name"] for event in events} == {"segserver_segment_update"}
    told = [(event["params"]["segment_key"], event["params"]["action"]) for event in events]
    left = ("seg_next_send", "update")
    assert told == [("seg_a", "enter"), ("seg_b", "exit"), ("seg_channel", "update"), left]


def test_what_is_sent_is_dated_so_that_an_older_value_never_wins(
    web: Destination, platform: responses.RequestsMock, sent: Any
) -> None:
    platform.post(COLLECT, status=503)
    platform.post(COLLECT, status=204)
    apply(web, [write("seg_a")])
    noon = 1795348800000000
    assert [sent(call)["timestamp_micros"] for call in platform.calls] == [noon, noon]


class TestConsent:
    TEXT = f"{TEXT[:-1]}, analytics_consent: web_analytics, ads_consent: web_ads}}"

    def test_nothing_is_sent_about_who_has_not_agreed_to_analytics(
        self, connect: Callable[..., Connector], platform: responses.RequestsMock, sent: Any
    ) -> None:
        platform.post(COLLECT, status=204)
        web = connect("web", self.TEXT).destination
        assert web is not None
        agreed = write("seg_a", client="3.4", agreed=frozenset({"web_analytics"}))
        silent = [write("seg_a", client="1.2"), write("seg_b", None, client="5.6", agreed=frozenset({"web_ads"}))]
        outcomes = {outcome.item: outcome for outcome in apply(web, [*silent, agreed])}
        assert outcomes[agreed].status is Status.SENT
        assert {outcomes[one].reason for one in silent} == {"the contact has not agreed to web_analytics"}
        assert [sent(call)["client_id"] for call in platform.calls] == ["3.4"]

    @pytest.mark.parametrize(("agreed", "word"), [({"web_ads"}, "GRANTED"), (set(), "DENIED")])
    def test_advertising_is_granted_only_by_who_is_known_to_have_agreed(
        self,
        connect: Callable[..., Connector],
        platform: responses.RequestsMock,
        sent: Any,
        agreed: set[str],
        word: str,
    ) -> None:
        platform.post(COLLECT, status=204)
        web = connect("web", self.TEXT).destination
        assert web is not None
        apply(web, [write("seg_a", agreed=frozenset({"web_analytics", *agreed}))])
        assert sent(platform.calls[0])["consent"] == {"ad_user_data": word, "ad_personalization": word}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (write("x" * 25), "is no name of a user property"),
        (write("1st"), "is no name of a user property"),
        (write("ga_segment"), "reserved by Google"),
        (write("user_id"), "reserved by Google"),
        (write("seg_a", "v" * 37), "the value has 37 characters"),
        (write("seg_a", client=""), "no client id"),
        (write("hot", kind="list"), "takes user properties"),
    ],
)
def test_what_google_would_drop_without_a_word_is_rejected_here(web: Destination, bad: Write, reason: str) -> None:
    (outcome,) = apply(web, [bad])
    assert outcome.status is Status.REJECTED
    assert reason in str(outcome.reason)


def test_a_refusal_is_not_sent_again_unchanged(web: Destination, platform: responses.RequestsMock) -> None:
    platform.post(COLLECT, status=413)
    (outcome,) = apply(web, [write("seg_a")])
    assert outcome.status is Status.REJECTED
    assert len(platform.calls) == 1


def test_a_server_that_does_not_answer_fails_without_showing_the_secret(
    web: Destination, platform: responses.RequestsMock
) -> None:
    platform.post(COLLECT, status=503)
    outcomes = apply(web, [write("seg_a"), write("seg_a", client="3.4")])
    assert {outcome.status for outcome in outcomes} == {Status.FAILED}
    assert not any("api-secret" in str(outcome.reason) for outcome in outcomes)
    assert "api-secret" not in repr(web)


def test_nothing_can_be_read_back(web: Destination) -> None:
    assert web.holds(Target("web", "user property", "seg_a")) is None
    assert web.trigger_batch == 0


class TestEndpoints:
    def test_the_variable_of_the_kind_moves_a_connection(
        self, connect: Callable[..., Connector], platform: responses.RequestsMock
    ) -> None:
        web = connect("web", TEXT, GA4_ENDPOINT="http://127.0.0.1:9/ga4").destination
        assert web is not None
        platform.post("http://127.0.0.1:9/ga4/mp/collect", status=204)
        apply(web, [write("seg_a")])

    @pytest.mark.parametrize(
        ("endpoint", "message"), [("http://example.com", "would carry the key in clear"), ("example.com", "no address")]
    )
    def test_an_unsafe_or_broken_endpoint_is_refused(
        self, connect: Callable[..., Connector], endpoint: str, message: str
    ) -> None:
        with pytest.raises(SettingsError, match=message):
            connect("web", TEXT, GA4_ENDPOINT=endpoint)
