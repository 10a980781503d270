"""Workflows and webhooks call again as HubSpot does, by the sandbox's clock, and callbacks end a wait once."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from segserver.clock import FixedClock
from segserver.connectors.signatures import verify_hubspot
from segserver.sandbox import people
from segserver.sandbox.hubspot import workflows
from segserver.sandbox.hubspot.workflows import Workflows
from segserver.sandbox.server import Sandbox
from segserver.sandbox.webhooks import RETRIES, Deliveries, Reply

START = datetime(2026, 3, 1, 12)
URL = "https://segments.example.com/plugin/hubspot/crm/check-segment"
BLOCK = {"hs_execution_state": "BLOCK", "hs_expiration_duration": "P1D"}


class App:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.outputs, self.headers, self.asked = 200, {"in_segment": "yes"}, {}, []

    def __call__(self, request):
        self.asked.append(request)
        if self.status == 0:
            raise OSError
        return Reply(self.status, self.headers, json.dumps({"outputFields": self.outputs}).encode())


@pytest.fixture
def app():
    return App()


@pytest.fixture
def clock():
    return FixedClock(START)


@pytest.fixture
def sandbox(clock):
    return Sandbox(clock, people.generate(START, people=20, seed=0))


@pytest.fixture
def flows(sandbox, clock, app):
    return Workflows(sandbox.hubspot, clock, app)


def _enroll(sandbox, flows):
    contact = str(next(iter(sandbox.hubspot.contacts)).id)
    return flows.enroll(contact, URL, {"segment": "vip"}, ["email"])


def _call_back(sandbox, path, body):
    client = sandbox.app.test_client()
    headers = {"Authorization": f"Bearer {sandbox.hubspot.token}"}
    return client.post(f"/hubspot/automation/actions/callbacks/2026-03/{path}", json=body, headers=headers)


def test_an_execution_is_signed_and_names_contact_and_settings(sandbox, flows, app):
    one = _enroll(sandbox, flows)
    flows.send_due()
    (sent,) = app.asked
    verify_hubspot(sent.headers, "POST", URL, sent.body, sandbox.hubspot.client_secret, START)
    body = json.loads(sent.body)
    assert body["callbackId"] == one.callback_id
    assert (body["inputFields"], list(body["object"]["properties"])) == ({"segment": "vip"}, ["email"])
    assert (one.state, one.outputs) == ("succeeded", {"in_segment": "yes"})


@pytest.mark.parametrize("status", [500, 503, 0])
def test_failures_of_the_app_are_tried_again_for_three_days(sandbox, flows, app, clock, status):
    one = _enroll(sandbox, flows)
    app.status = status
    for gap in workflows.RETRIES:
        flows.send_due()
        clock.advance(gap - timedelta(seconds=1))
        flows.send_due()
        clock.advance(timedelta(seconds=1))
        assert one.state == "due"
    flows.send_due()
    assert (one.state, one.tries, len(app.asked)) == ("failed", 9, 9)
    assert clock.now() - START <= timedelta(days=3)


def test_a_refusal_is_not_tried_again_and_429_is_when_it_says(sandbox, flows, app, clock):
    one, app.status, app.headers = _enroll(sandbox, flows), 429, {"Retry-After": "5000"}
    flows.send_due()
    clock.advance(timedelta(seconds=4))
    flows.send_due()
    assert (one.state, one.tries) == ("due", 1)
    app.status = 401
    clock.advance(timedelta(seconds=1))
    flows.send_due()
    assert (one.state, one.tries) == ("failed", 2)


def test_a_callback_ends_a_wait_once(sandbox, flows, app):
    one, app.outputs = _enroll(sandbox, flows), BLOCK
    flows.send_due()
    assert one.state == "blocked"
    body = {"outputFields": {"in_segment": "no"}, "typedOutputs": {}}
    assert _call_back(sandbox, f"{one.callback_id}/complete", body).status_code == 204
    assert (one.state, one.outputs) == ("succeeded", {"in_segment": "no"})
    assert _call_back(sandbox, f"{one.callback_id}/complete", body).status_code == 400
    assert _call_back(sandbox, "ap-1/complete", body).status_code == 404


def test_a_wait_expires_by_the_duration_it_was_given(sandbox, flows, app, clock):
    one, app.outputs = _enroll(sandbox, flows), BLOCK
    flows.send_due()
    clock.advance(timedelta(days=1))
    flows.send_due()
    assert one.state == "expired"
    body = {"outputFields": {}, "typedOutputs": {}}
    assert _call_back(sandbox, f"{one.callback_id}/complete", body).status_code == 400


@pytest.mark.parametrize(
    "body", [{"outputFields": {}}, {"typedOutputs": {}}, {"outputFields": {"a": 1}, "typedOutputs": {}}]
)
def test_a_callback_without_its_parts_is_refused(sandbox, flows, app, body):
    one, app.outputs = _enroll(sandbox, flows), BLOCK
    flows.send_due()
    assert _call_back(sandbox, f"{one.callback_id}/complete", body).status_code == 400
    assert one.state == "blocked"


def test_a_batch_is_taken_whole_or_not_at_all(sandbox, flows, app):
    app.outputs = BLOCK
    found = [_enroll(sandbox, flows) for _ in range(3)]
    flows.send_due()
    inputs = [{"callbackId": one.callback_id, "outputFields": {}, "typedOutputs": {}} for one in found]
    stranger = {"callbackId": "ap-1", "outputFields": {}, "typedOutputs": {}}
    assert _call_back(sandbox, "complete", {"inputs": [*inputs, stranger]}).status_code == 404
    assert {one.state for one in found} == {"blocked"}
    assert _call_back(sandbox, "complete", {"inputs": inputs}).status_code == 204
    assert {one.state for one in found} == {"succeeded"}


def test_webhooks_are_tried_ten_times_again_within_a_day_and_count_their_attempts(clock, app):
    deliveries = Deliveries("https://segments.example.com/hooks/crm", "secret", clock, app)
    deliveries.add([{"eventId": number, "attemptNumber": 0} for number in range(150)])
    app.status = 503
    deliveries.send_due()
    assert (len(deliveries), deliveries.statuses) == (2, [503, 503])
    app.status = 200
    clock.advance(RETRIES[0])
    deliveries.send_due()
    assert (len(deliveries), deliveries.given_up) == (0, [])
    assert [len(json.loads(one.body)) for one in app.asked] == [100, 50, 100, 50]
    assert {event["attemptNumber"] for one in app.asked[2:] for event in json.loads(one.body)} == {1}


def test_webhooks_that_nobody_takes_are_given_up(clock, app):
    deliveries = Deliveries("https://segments.example.com/hooks/crm", "secret", clock, app)
    deliveries.add([{"eventId": 1}])
    app.status = 0
    for gap in (*RETRIES, timedelta(0)):
        deliveries.send_due()
        clock.advance(gap)
    assert (deliveries.statuses, deliveries.given_up, len(deliveries)) == ([0] * 11, [{"eventId": 1}], 0)
    assert clock.now() - START <= timedelta(days=1)
