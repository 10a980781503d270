"""The server against the platforms as the sandbox serves them: a run, a webhook, and the change that follows."""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal

import pytest

from segserver.cli import execute
from segserver.cli.serving import running
from segserver.sandbox import webhooks
from segserver.sandbox.population import Purchase
from segserver.settings import Settings

PATIENCE = 120.0


@contextmanager
def _server(world):
    settings = Settings(workspace=world.directory, store=world.store_path, port=0)

    def sleep(seconds):
        world.pass_time(seconds=seconds)

    with running(settings, world.environ, execute, clock=world.clock, sleep=sleep) as server:
        server.settle(PATIENCE)
        yield server


def _lapsed(world):
    return world.sandbox.state()["hubspot"]["lists"]["Lapsed big spenders"]


def _deliver(world, server, events):
    """Send what happened as HubSpot does, among it our own writing that comes back."""
    url = f"http://{server.address}/hooks/crm"
    for start in range(0, len(events), webhooks.BATCH):
        request = world.sandbox.webhook(events[start : start + webhooks.BATCH], url)
        assert webhooks.deliver(request) == 200
    server.settle(PATIENCE)


def test_the_first_run_pushes_and_a_webhook_changes_the_list_at_the_platform(world):
    with _server(world) as server:
        contact = _lapsed(world)[0]
        world.pass_time(minutes=5)
        events = world.sandbox.change_contact(contact, {"hs_email_optout": "true"})
        _deliver(world, server, events)
        assert contact not in _lapsed(world)
        runs = [one["kind"] for one in server.runs(10)]
        assert sorted(runs) == ["run", "webhook"]
        assert server.health()["inbox"] == 0


@pytest.mark.long
def test_a_webhook_that_is_repeated_is_worked_off_once(world):
    with _server(world) as server:
        contact = _lapsed(world)[0]
        world.pass_time(minutes=5)
        events = world.sandbox.change_contact(contact, {"hs_email_optout": "true"})
        for _ in range(3):
            _deliver(world, server, events)
        assert [one["kind"] for one in server.runs(10)].count("webhook") == 1


def test_a_forged_webhook_is_refused_and_nothing_is_kept(world):
    with _server(world) as server:
        contact = _lapsed(world)[0]
        events = world.sandbox.change_contact(contact, {"hs_email_optout": "true"})
        forged = world.sandbox.webhook(events[-1:], f"http://{server.address}/hooks/crm", secret="guessed")
        assert webhooks.deliver(forged) == 401
        server.settle(PATIENCE)
        assert contact in _lapsed(world)
    assert world.ask("SELECT count(*) FROM inbox") == [(0,)]


def test_a_webhook_kept_before_a_crash_is_worked_off_at_the_next_start(world, monkeypatch):
    with _server(world) as server:
        contact = _lapsed(world)[0]
        world.pass_time(minutes=5)
        events = world.sandbox.change_contact(contact, {"hs_email_optout": "true"})
        monkeypatch.setattr(server.worker, "request_notified", lambda: None)
        _deliver(world, server, events)
        assert contact in _lapsed(world)
    with _server(world):
        assert contact not in _lapsed(world)
    assert world.ask("SELECT count(*) FROM runs WHERE kind = 'run'") == [(1,)]


@pytest.mark.long
def test_a_platform_that_does_not_answer_keeps_the_webhook_for_the_next_run(world):
    with _server(world) as server:
        contact = _lapsed(world)[0]
        world.pass_time(minutes=5)
        events = world.sandbox.change_contact(contact, {"hs_email_optout": "true"})
        world.sandbox.faults(rate=1.0, kinds=["503"])
        _deliver(world, server, events)
        assert server.health()["inbox"] == 1
        assert contact in _lapsed(world)
        world.sandbox.faults(rate=0.0)
        server.request_run()
        server.settle(PATIENCE)
        assert server.health()["inbox"] == 0
        assert contact not in _lapsed(world)


def test_our_own_writing_that_comes_back_starts_nothing(world):
    with _server(world) as server:
        echoes = world.sandbox.hubspot.outbox
        assert echoes
        _deliver(world, server, list(echoes))
        assert [one["kind"] for one in server.runs(10)] == ["run"]
        assert server.health()["inbox"] == 0


def test_a_purchase_reaches_the_platform_with_a_run_that_was_asked_for(world):
    with _server(world) as server:
        contact = _lapsed(world)[0]
        world.pass_time(hours=1)
        purchase = Purchase(0, world.clock.now(), Decimal("20.00"), ("COFFEE",), 1)
        world.sandbox.add_purchase(contact, purchase)
        world.pass_time(hours=1)
        server.request_run()
        server.settle(PATIENCE)
        assert contact not in _lapsed(world)
