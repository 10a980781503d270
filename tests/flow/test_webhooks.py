"""Webhooks come repeated, late and in any order, and are answered whatever the server is doing."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import pytest

from segserver.cli import execute
from segserver.cli.serving import running
from segserver.clock import to_epoch_ms
from segserver.connectors.notifications import signature
from segserver.sandbox import webhooks
from segserver.sandbox.webhooks import Deliveries
from segserver.settings import Settings

PATIENCE = 120.0
SENDERS = 10
"""How many calls HubSpot makes at once."""


@contextmanager
def _server(world):
    settings = Settings(workspace=world.directory, store=world.store_path, port=0)

    def sleep(seconds):
        world.pass_time(seconds=seconds)

    with running(settings, world.environ, execute, clock=world.clock, sleep=sleep) as server:
        server.settle(PATIENCE)
        yield server


def _url(server):
    return f"http://{server.address}/hooks/crm"


def _what_happens(world):
    """Changes, a new contact, deletions of both kinds and a merge; in the order of the events."""
    sandbox, events = world.sandbox, []
    contacts = [str(one.id) for one in sandbox.hubspot.contacts][:12]
    for one in contacts[:4]:
        events += sandbox.change_contact(one, {"country": "FR"})
        events += sandbox.change_contact(one, {"hs_email_optout": "true"})
    new = sandbox.hubspot.contacts.create({"email": "new@example.com"}, world.clock.now())
    sandbox.hubspot.emit("contact.creation", new.id)
    events += sandbox.change_contact(str(new.id), {"country": "DE"})
    events += sandbox.delete_contact(contacts[4])
    events += sandbox.change_contact(contacts[5], {"country": "BE"})
    events += sandbox.delete_contact(contacts[5])
    events += sandbox.delete_contact(contacts[6], for_privacy=True)
    events += sandbox.merge_contacts(contacts[7], contacts[8])
    return events


def _memberships(server):
    with server.engine.store.session() as session:
        found = session.rows("SELECT segment, contact_id FROM memberships ORDER BY ALL")
        living = session.rows("SELECT source_id, deleted_at IS NULL AS living FROM source_crm ORDER BY ALL")
    return found, living


def test_whatever_their_order_webhooks_lead_to_where_a_full_run_leads(world):
    with _server(world) as server:
        world.pass_time(minutes=5)
        events = _what_happens(world)
        shuffled = [*events, *events]
        random.Random(7).shuffle(shuffled)
        for start in range(0, len(shuffled), 3):
            request = world.sandbox.webhook(shuffled[start : start + 3], _url(server))
            assert webhooks.deliver(request) == 200
        server.settle(PATIENCE)
        by_webhooks = _memberships(server)
        server.request_run()
        server.settle(PATIENCE)
        assert _memberships(server) == by_webhooks
        assert server.health()["inbox"] == 0


@pytest.mark.long
def test_the_answer_does_not_wait_for_the_writer(world):
    with _server(world) as server:
        world.pass_time(minutes=5)
        contacts = [str(one.id) for one in world.sandbox.hubspot.contacts][:60]
        world.sandbox.hubspot.outbox.clear()
        events = [event for one in contacts for event in world.sandbox.change_contact(one, {"city": "Here"})]
        portions = [events[start : start + 3] for start in range(0, len(events), 3)]
        started, go_on = Event(), Event()

        def hold(_):
            started.set()
            return int(not go_on.wait(PATIENCE))

        held = server.worker.in_turn(hold)
        assert started.wait(PATIENCE)
        with ThreadPoolExecutor(SENDERS) as senders:
            requests = [world.sandbox.webhook(portion, _url(server)) for portion in portions]
            answers = list(senders.map(webhooks.deliver, requests))
        assert (set(answers), held.done()) == ({200}, False)
        assert server.health()["inbox"] == len(events)
        go_on.set()
        server.settle(PATIENCE)
        assert server.health()["inbox"] == 0
        assert [one["kind"] for one in server.runs(10)].count("webhook") == 1


def test_what_arrives_while_the_server_is_down_is_sent_again(world):
    with _server(world) as server:
        url = _url(server)
        contact = world.sandbox.state()["hubspot"]["lists"]["Lapsed big spenders"][0]
    world.sandbox.hubspot.outbox.clear()
    deliveries = Deliveries(url, world.sandbox.hubspot.client_secret, world.clock)
    deliveries.add(world.sandbox.change_contact(contact, {"hs_email_optout": "true"}))
    deliveries.send_due()
    assert (len(deliveries), deliveries.statuses) == (1, [0])
    port = int(url.split(":")[2].split("/")[0])
    settings = Settings(workspace=world.directory, store=world.store_path, port=port)
    with running(settings, world.environ, execute, clock=world.clock) as server:
        world.pass_time(minutes=1)
        deliveries.send_due()
        server.settle(PATIENCE)
        assert (len(deliveries), deliveries.statuses) == (0, [0, 200])
        assert contact not in world.sandbox.state()["hubspot"]["lists"]["Lapsed big spenders"]


@pytest.mark.long
def test_data_that_has_grown_asks_for_a_full_run(world):
    (world.directory / "connectors" / "shop.yml").write_text(
        "kind: files\naudiences: true\nwebhook_secret: env:SHOP_WEBHOOK_SECRET\n", encoding="utf-8"
    )
    world.environ = {**world.environ, "SHOP_WEBHOOK_SECRET": "shared"}
    with _server(world) as server:
        world.pass_time(minutes=5)
        assert _notify(world, server, b'{"id": "d1", "streams": ["orders"]}') == 200
        server.settle(PATIENCE)
        assert [one["kind"] for one in server.runs(10)] == ["run", "run"]
        assert _notify(world, server, b'{"id": "d1", "streams": ["orders"]}') == 200
        server.settle(PATIENCE)
        assert server.health()["inbox"] == 0


def _notify(world, server, body):

    timestamp = str(to_epoch_ms(world.clock.now()))
    headers = {"X-Segserver-Timestamp": timestamp, "X-Segserver-Signature": signature(timestamp, body, "shared")}
    return webhooks.deliver(webhooks.SignedRequest(f"http://{server.address}/hooks/shop", headers, body))
