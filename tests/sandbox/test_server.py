"""The sandbox behind a port, what happens at it, and the webhooks that follow."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests

from segserver.connectors.signatures import BadSignature, verify_hubspot
from segserver.sandbox import webhooks
from segserver.sandbox.population import Purchase

ADA, BEN = "100001", "100002"
RECEIVER = "https://segments.example/hooks/crm?from=hubspot"


def test_a_served_sandbox_answers_at_its_address_until_it_stops(sandbox):
    """The variables it hands out are enough to call all three platforms."""
    with sandbox.serve() as server:
        variables = server.environ
        bearer = {"Authorization": f"Bearer {variables['HUBSPOT_TOKEN']}"}
        path = f"{variables['HUBSPOT_ENDPOINT']}/crm/objects/2026-03/contacts"
        assert len(requests.get(path, headers=bearer, timeout=5).json()["results"]) == 4
        grant = {
            "grant_type": "client_credentials",
            "client_id": variables["MARKETO_CLIENT_ID"],
            "client_secret": variables["MARKETO_CLIENT_SECRET"],
        }
        identity = f"{variables['MARKETO_ENDPOINT']}/identity/oauth/token"
        assert requests.get(identity, params=grant, timeout=5).json()["expires_in"] == 3_600
        keys = {"measurement_id": variables["GA4_MEASUREMENT_ID"], "api_secret": variables["GA4_API_SECRET"]}
        collect = f"{variables['GA4_ENDPOINT']}/mp/collect"
        body = {"client_id": "100.200", "events": [{"name": "seen"}]}
        assert requests.post(collect, params=keys, json=body, timeout=5).status_code == 204
        assert requests.get(f"{server.url}/_sandbox/state", timeout=5).json()["hubspot"]["contacts"] == 4
    with pytest.raises(requests.ConnectionError):
        requests.get(path, headers=bearer, timeout=5)


@pytest.mark.parametrize("kind", ["dropped-before", "dropped-after"])
def test_dropped_connections_are_really_dropped(sandbox, kind):
    """The caller gets no answer at all."""
    with sandbox.serve() as server:
        sandbox.faults(rate=1, kinds=[kind])
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{server.url}/hubspot/crm/objects/2026-03/contacts", timeout=5)


def test_requests_from_many_threads_do_not_disturb_each_other(sandbox):
    """Every created contact is there once."""
    with sandbox.serve() as server:
        bearer = {"Authorization": f"Bearer {sandbox.hubspot.token}"}
        path = f"{server.url}/hubspot/crm/objects/2026-03/contacts"

        def create(number):
            body = {"properties": {"email": f"thread-{number}@example.com"}}
            assert requests.post(path, headers=bearer, json=body, timeout=5).status_code == 201

        threads = [threading.Thread(target=create, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(sandbox.hubspot.contacts) == 24


def test_a_change_makes_the_webhook_event_hubspot_would_send(sandbox):
    """With the keys of the contract."""
    events = sandbox.change_contact("ada@example.com", {"lifecyclestage": "evangelist"})
    assert len(events) == 1
    event = events[0]
    assert (event["subscriptionType"], event["objectId"]) == ("contact.propertyChange", int(ADA))
    assert (event["propertyName"], event["propertyValue"]) == ("lifecyclestage", "evangelist")
    assert {"eventId", "subscriptionId", "portalId", "appId", "occurredAt", "attemptNumber", "changeSource"} <= set(
        event
    )
    assert sandbox.change_contact("ada@example.com", {"lifecyclestage": "evangelist"}) == []


def test_opting_out_at_the_platform_is_possible_although_callers_may_not(sandbox):
    """`hs_email_optout` is read-only for the API, not for the person."""
    events = sandbox.change_contact(ADA, {"hs_email_optout": "true"})
    assert events[0]["propertyName"] == "hs_email_optout"
    assert sandbox.hubspot.properties(ADA)["hs_email_optout"] == "true"


def test_a_purchase_makes_a_won_deal_and_moves_the_contacts_figures(sandbox, clock):
    """So an incremental read finds both."""
    clock.advance(timedelta(minutes=1))
    events = sandbox.add_purchase(ADA, Purchase(0, clock.now(), Decimal("12.50"), ("TEA",), 1))
    assert [event["subscriptionType"] for event in events][:2] == ["object.creation", "contact.propertyChange"]
    assert sandbox.hubspot.properties(ADA)["num_associated_deals"] == "3"
    assert len(sandbox.hubspot.deals) == 4


def test_deleting_erasing_and_merging_have_events_of_their_own(sandbox):
    """The merge names both records."""
    assert [e["subscriptionType"] for e in sandbox.delete_contact("cleo@example.com")] == ["contact.deletion"]
    erased = sandbox.delete_contact("eve@example.com", for_privacy=True)
    assert [event["subscriptionType"] for event in erased] == ["contact.privacyDeletion"]
    merged = [e for e in sandbox.merge_contacts(ADA, BEN) if e["subscriptionType"] == "contact.merge"]
    assert (merged[0]["primaryObjectId"], merged[0]["mergedObjectIds"]) == (int(ADA), [int(BEN)])


def test_unknown_people_are_named(sandbox):
    """The error says who is missing."""
    with pytest.raises(KeyError, match=r"nobody@example\.com"):
        sandbox.change_contact("nobody@example.com", {"city": "Lyon"})


def test_a_signed_request_verifies_and_a_tampered_one_does_not(sandbox, clock):
    """The signature covers address, body and time."""
    events = sandbox.change_contact(ADA, {"city": "Lyon"})
    request = sandbox.webhook(events, RECEIVER)
    assert json.loads(request.body) == events
    secret = sandbox.hubspot.client_secret
    verify_hubspot(request.headers, "POST", RECEIVER, request.body, secret, clock.now())
    with pytest.raises(BadSignature):
        verify_hubspot(request.headers, "POST", RECEIVER, request.body + b" ", secret, clock.now())
    with pytest.raises(BadSignature):
        verify_hubspot(request.headers, "POST", RECEIVER, request.body, secret, clock.now() + timedelta(minutes=6))


def test_no_more_than_a_hundred_events_go_at_once(sandbox):
    """Nor none at all."""
    for events in ([], [{"eventId": 1}] * 101):
        with pytest.raises(ValueError, match="1 to 100"):
            sandbox.webhook(events, RECEIVER)


def test_keys_do_not_show_in_reprs(sandbox):
    """Neither signature nor body."""
    shown = repr(sandbox.webhook([{"eventId": 1}], RECEIVER))
    assert "Signature" not in shown
    assert "eventId" not in shown


def test_a_webhook_is_delivered_with_its_headers_and_the_status_comes_back(sandbox):
    """The receiver sees exactly the bytes that were signed."""
    seen = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, self.headers["X-HubSpot-Signature-v3"], body))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    request = sandbox.webhook([{"eventId": 1}], f"http://127.0.0.1:{server.server_port}/hooks/crm?a=b")
    try:
        assert webhooks.deliver(request) == 202
    finally:
        thread.join()
        server.server_close()
    signature = {name.lower(): value for name, value in request.headers.items()}["x-hubspot-signature-v3"]
    assert seen == [("/hooks/crm?a=b", signature, request.body)]


def test_campaigns_can_be_added_over_http(sandbox, marketo):
    """For workspaces with campaigns of other names."""
    control = sandbox.app.test_client()
    assert control.post("/_sandbox/campaigns", json={"name": "Spring"}).status_code == 201
    assert marketo.get("/rest/v1/campaigns.json", name="Spring")["result"][0]["active"] is True
    assert control.post("/_sandbox/campaigns", json={}).status_code == 400
