"""The Measurement Protocol: always 204, and only good requests are kept."""

from __future__ import annotations

import pytest

GOOD = {
    "client_id": "1.2",
    "user_properties": {"seg_vip": {"value": "1"}},
    "events": [{"name": "segserver_segment_update", "params": {"segment_key": "vip", "action": "enter"}}],
}


@pytest.fixture
def collect(sandbox):
    """Sends a body with the property's own keys, or with others."""
    client = sandbox.app.test_client()

    def send(body, path="/ga4/mp/collect", **keys):
        own = {"measurement_id": sandbox.ga4.measurement_id, "api_secret": sandbox.ga4.api_secret}
        return client.post(path, query_string=own | keys, json=body)

    return send


def test_user_properties_are_kept_by_client(collect, sandbox):
    """The newest value wins, other properties stay."""
    assert collect(GOOD).status_code == 204
    collect({**GOOD, "user_properties": {"seg_vip": {"value": "0"}, "seg_coffee": {"value": "1"}}})
    assert sandbox.ga4.user_properties == {"1.2": {"seg_vip": "0", "seg_coffee": "1"}}
    assert sandbox.state()["ga4"]["user_properties"] == {"1.2": {"seg_vip": "0", "seg_coffee": "1"}}


def test_a_wrong_secret_is_answered_like_a_good_one_and_kept_nowhere(collect, sandbox):
    """204 is no proof of success."""
    assert collect(GOOD, api_secret="guessed").status_code == 204
    assert (dict(sandbox.ga4.user_properties), sandbox.ga4.ignored) == ({}, 1)


BAD = [
    ({"client_id": ""}, "VALUE_REQUIRED"),
    ({"events": []}, "VALUE_REQUIRED"),
    ({"events": [{"name": "x"}] * 26}, "EXCEEDED_MAX_ENTITIES"),
    ({"events": [{"name": "session_start"}]}, "NAME_RESERVED"),
    ({"events": [{"name": "1st"}]}, "NAME_INVALID"),
    ({"events": [{"name": "x", "params": {f"p{n}": 1 for n in range(26)}}]}, "EXCEEDED_MAX_ENTITIES"),
    ({"events": [{"name": "x", "params": {"p": "v" * 101}}]}, "VALUE_OUT_OF_BOUNDS"),
    ({"user_properties": {"a" * 25: {"value": "1"}}}, "NAME_INVALID"),
    ({"user_properties": {"user_id": {"value": "1"}}}, "NAME_RESERVED"),
    ({"user_properties": {"seg": {"value": "v" * 37}}}, "VALUE_OUT_OF_BOUNDS"),
    ({"user_properties": {"seg": {}}}, "VALUE_REQUIRED"),
    ({"user_properties": {f"p{n}": {"value": "1"} for n in range(26)}}, "EXCEEDED_MAX_ENTITIES"),
]


@pytest.mark.parametrize(("change", "code"), BAD)
def test_what_ga4_would_drop_is_not_kept_and_the_debug_address_says_why(collect, sandbox, change, code):
    """Names, lengths and counts are those of the protocol."""
    assert collect(GOOD | change).status_code == 204
    assert sandbox.ga4.ignored == 1
    messages = collect(GOOD | change, path="/ga4/debug/mp/collect").json["validationMessages"]
    assert [message["validationCode"] for message in messages] == [code]


def test_the_debug_address_records_nothing_and_checks_no_secret(collect, sandbox):
    """A good body has no messages."""
    assert collect(GOOD, path="/ga4/debug/mp/collect", api_secret="guessed").json == {"validationMessages": []}
    assert dict(sandbox.ga4.user_properties) == {}
