"""The application on a server that is only pretended, and a client that calls it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from segserver.clock import FixedClock
from segserver.connectors.declarations import load
from segserver.connectors.signatures import BadPayload
from segserver.errors import MissingSecret, RetryLater, SettingsError
from segserver.web.app import create_app

NOW = datetime(2026, 3, 1, 12)
SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
OWNER_TOKEN = "owner-token"
CONNECTIONS = Path(__file__).parents[2] / "connectors"


def _spec(name):
    if name == "shop":
        source = "kind: files\naudiences: true\nwebhook_secret: env:SHOP_WEBHOOK_SECRET\n"
        spec, findings = load(name, source, "connectors/shop.yml")
        assert not findings
        return spec
    source = (CONNECTIONS / f"{name}.yml").read_text(encoding="utf-8")
    source += "\nwebhook_secret: env:MARKETO_WEBHOOK_SECRET\n" if name == "engage" else ""
    spec, findings = load(name, source, f"connectors/{name}.yml")
    assert not findings
    return spec


@dataclass
class PretendedServer:
    """Answers from memory and remembers what it was asked to do."""

    api_token: str | None = None
    public_url: str | None = None
    trusted_hosts: frozenset[str] | None = frozenset({"localhost", "127.0.0.1"})
    owner_token: str = OWNER_TOKEN
    status: str = "ok"
    client_secret: str | None = SECRET
    contacts: list[str] = field(default_factory=lambda: [f"c{number:02}" for number in range(25)])
    inbox: dict[tuple[str, str], object] = field(default_factory=dict)
    requested: int = 0
    executed: list[tuple] = field(default_factory=list)
    commands: list[tuple[list[str], int]] = field(default_factory=list)
    connections: dict = field(default_factory=lambda: {name: _spec(name) for name in ("crm", "engage", "web", "shop")})

    def health(self):
        return {"status": self.status, "workspace": {"problem": "rules/a.seg:1:1: error"}}

    def segments(self):
        return [{"name": "vip", "size": len(self.contacts)}]

    def members(self, segment, *, after, limit):
        if segment != "vip":
            return None
        found = [one for one in self.contacts if after is None or one > after]
        return [{"contact_id": one} for one in found[:limit]]

    def contact(self, key):
        return {"contact_id": "c01"} if key in ("c01", "ada/b@example.com") else None

    def ask(self, key, question):
        if key != "c01":
            return None
        return {"contact_id": key, "question": repr(question)} if "vip" in repr(question) else "there is no segment"

    def refresh(self, key):
        return key == "c01"

    def runs(self, limit):
        return [{"run_id": str(number)} for number in range(limit)]

    def request_run(self):
        self.requested += 1

    def connection(self, name):
        return self.connections.get(name)

    def secret(self, spec, key):
        if key not in spec.secrets:
            raise SettingsError(f"{spec.place}: no {key}")
        if self.client_secret is None:
            raise MissingSecret(spec.name, spec.secrets[key].variable, spec.place)
        return self.client_secret

    def accept(self, connection, events):
        before = len(self.inbox)
        self.inbox |= {(connection, event.key): event for event in events}
        return len(self.inbox) - before

    def google_key(self, kid):
        raise RetryLater(f"Google does not answer when it is asked for {kid}")

    def execute_action(self, spec, action, execution):
        self.executed.append((spec.name, action.name, execution))
        return {"hs_execution_state": "SUCCESS"}

    def action_choices(self, body):
        if not json.loads(body):
            raise BadPayload("nothing is asked")
        return {"options": [], "searchable": True}

    def command(self, arguments, write, *, columns):
        self.commands.append((list(arguments), columns))
        if arguments == ["fail"]:
            raise ZeroDivisionError
        write("Zoë\n")
        write("done\n")
        return 3


@pytest.fixture
def backend():
    """A pretended server on loopback, without a token."""
    return PretendedServer()


@pytest.fixture
def clock():
    """Noon of the first of March."""
    return FixedClock(NOW)


@pytest.fixture
def client(backend, clock):
    """Calls the application."""
    return create_app(backend, clock).test_client()
