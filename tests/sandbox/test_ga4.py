"""The Measurement Protocol: always 204, and only good requests are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from segserver.connectors import ga4_account

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


STAMP = 1_772_366_400_000_000
"""The sandbox's noon, in microseconds."""


def test_an_older_value_that_arrives_later_changes_nothing(collect, sandbox):
    """The stamp of the request decides, and none is further back than 72 hours."""
    old = {"user_properties": {"seg_vip": {"value": "0"}}}
    collect(GOOD | {"timestamp_micros": STAMP})
    collect(GOOD | old | {"timestamp_micros": STAMP - 1})
    assert sandbox.ga4.user_properties["1.2"] == {"seg_vip": "1"}
    collect(GOOD | {"client_id": "3.4", "timestamp_micros": 1})
    assert sandbox.ga4.set_at["3.4"] == {"seg_vip": STAMP - 72 * 3_600_000_000}


@pytest.mark.parametrize("bad", [{"consent": {"ad_user_data": "yes"}}, {"timestamp_micros": "now"}])
def test_consent_and_stamps_are_of_the_protocols_words(collect, sandbox, bad):
    """What is not is thrown away."""
    collect(GOOD | {"consent": {"ad_user_data": "GRANTED"}})
    collect(GOOD | bad)
    assert (sandbox.ga4.consents, sandbox.ga4.ignored) == ({"1.2": {"ad_user_data": "GRANTED"}}, 1)


DIMENSIONS = "/ga4/v1beta/properties/424242/customDimensions"


@pytest.fixture
def token(sandbox):
    """Buys a token of a scope."""
    account = ga4_account.read_account(sandbox.ga4.google.key_file(), Path(), "here")

    def buy(scope):
        claim = account.assertion(f"https://www.googleapis.com/auth/{scope}", sandbox.ga4.clock.now())
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": claim}
        answer = sandbox.app.test_client().post("/ga4/token", data=form)
        return {"Authorization": f"Bearer {answer.json['access_token']}"}

    return buy


def test_a_token_opens_what_its_scope_names_and_nothing_else(sandbox, token):
    """Reading needs less than making; BigQuery's scope opens no settings."""
    client, body = sandbox.app.test_client(), {"parameterName": "a", "displayName": "a", "scope": "USER"}
    answers = {
        scope: (
            client.get(DIMENSIONS, headers=token(scope)).status_code,
            client.post(DIMENSIONS, headers=token(scope), json=body).status_code,
            client.get("/ga4/bigquery/v2/projects/p/datasets/d/tables", headers=token(scope)).json["error"]["message"],
        )
        for scope in ("bigquery.readonly", "analytics.readonly", "analytics.edit")
    }
    refused = "Request had insufficient authentication scopes."
    assert answers == {
        "bigquery.readonly": (403, 403, "Access Denied: Project p"),
        "analytics.readonly": (200, 403, refused),
        "analytics.edit": (200, 200, refused),
    }


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"scope": "CLIENT"}, 400),
        ({"parameterName": "a" * 25}, 400),
        ({"parameterName": "1st"}, 400),
        ({"displayName": "[a]"}, 400),
        ({"parameterName": "taken"}, 409),
        ({"parameterName": "taken", "scope": "EVENT"}, 200),
        ({}, 200),
    ],
)
def test_a_dimension_is_made_once_and_by_the_rules(sandbox, token, change, status):
    """Names, lengths and scopes are those of the Admin API."""
    sandbox.ga4.add_dimension("424242", "taken", "Taken", "USER")
    body = {"parameterName": "a", "displayName": "a", "scope": "USER"} | change
    answer = sandbox.app.test_client().post(DIMENSIONS, headers=token("analytics.edit"), json=body)
    assert answer.status_code == status
    assert len(sandbox.ga4.dimensions) == (2 if status == 200 else 1)


def test_a_property_has_25_slots_for_users(sandbox, token):
    """The next one is refused; events have slots of their own."""
    for number in range(25):
        sandbox.ga4.add_dimension("424242", f"a{number}", "A", "USER")
    client, headers = sandbox.app.test_client(), token("analytics.edit")
    bodies = ({"parameterName": "a", "displayName": "a", "scope": scope} for scope in ("USER", "EVENT"))
    assert [client.post(DIMENSIONS, headers=headers, json=body).status_code for body in bodies] == [400, 200]
