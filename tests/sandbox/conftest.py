"""A small sandbox with five people, clients for its platforms, and a check against HubSpot's OpenAPI description."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from segserver.clock import FixedClock
from segserver.sandbox.population import CLOSED_LOST, Activity, Person, Population, Purchase
from segserver.sandbox.server import Sandbox

NOW = datetime(2026, 3, 1, 12)
OPENAPI = Path(__file__).parents[1] / "contracts" / "openapi" / "hubspot" / "hubspot-2026-03.openapi.json"


def _person(name, days_ago, **more):
    created = NOW - timedelta(days=days_ago)
    stages = ((created, "subscriber"), (created + timedelta(days=3), "customer"))
    return Person(
        f"{name}@example.com",
        created,
        {"firstname": name.title(), "country": "FR"},
        {"firstName": name.title(), "unsubscribed": False},
        stages,
        **more,
    )


@pytest.fixture
def population():
    """Ada, Ben, Cleo, Dan (Marketo only) and Eve (spelt otherwise at Marketo)."""
    people = (
        _person("ada", 100),
        _person("ben", 80),
        _person("cleo", 60),
        _person("dan", 40, in_hubspot=False),
        _person("eve", 20, lead_email="EVE@example.com"),
    )
    purchases = (
        Purchase(0, NOW - timedelta(days=50), Decimal("19.90"), ("COFFEE", "MILK"), 3),
        Purchase(0, NOW - timedelta(days=10), Decimal("25.00"), ("COFFEE",), 1),
        Purchase(1, NOW - timedelta(days=5), Decimal("99.00"), ("WINE",), 2, CLOSED_LOST),
    )
    activities = (
        Activity(0, 1, NOW - timedelta(days=11), "/coffee", (("Webpage URL", "/coffee"),)),
        Activity(0, 10, NOW - timedelta(days=9), "Newsletter.Issue 1"),
        Activity(4, 6, NOW - timedelta(days=2), "Newsletter.Issue 2"),
    )
    return Population(people, purchases, activities)


@pytest.fixture
def clock():
    """A clock that stands at the first of March until a test moves it."""
    return FixedClock(NOW)


@pytest.fixture
def sandbox(clock, population):
    """The three stand-ins without limits or faults."""
    return Sandbox(clock, population)


class Client:
    """Calls one platform and keeps its key."""

    def __init__(self, sandbox, prefix, token):
        self._client = sandbox.app.test_client()
        self._prefix = prefix
        self._headers = {"Authorization": f"Bearer {token}"}

    def __call__(self, method, path, **more):
        """Make one call."""
        headers = {**self._headers, **more.pop("headers", {})}
        return self._client.open(self._prefix + path, method=method, headers=headers, **more)

    def get(self, path, **query):
        """Read something that is there."""
        answer = self("GET", path, query_string=query)
        assert answer.status_code == 200, answer.text
        return answer.json


@pytest.fixture
def connect():
    """Makes further clients: `connect(sandbox, "/hubspot", token)`."""
    return Client


@pytest.fixture
def hubspot(sandbox):
    """A client with HubSpot's key."""
    return Client(sandbox, "/hubspot", sandbox.hubspot.token)


@pytest.fixture
def marketo(sandbox):
    """A client with a fresh Marketo token."""
    return Client(sandbox, "/marketo", sandbox.marketo.access_token()[0])


@pytest.fixture(scope="session")
def openapi():
    """HubSpot's own description of its answers."""
    return json.loads(OPENAPI.read_text(encoding="utf-8"))


@pytest.fixture
def conforms(openapi):
    """A check that a value has the shape of a named schema: required keys, known keys, types."""

    def named(name, value):
        check(openapi["components"]["schemas"][name], value, name)

    def check(schema, value, place):
        if "$ref" in schema:
            named(schema["$ref"].rsplit("/", 1)[-1], value)
        elif schema.get("type") == "object" and "properties" in schema:
            assert isinstance(value, dict), place
            assert not set(schema.get("required", ())) - set(value), place
            assert not set(value) - set(schema["properties"]), place
            for key, part in value.items():
                check(schema["properties"][key], part, f"{place}.{key}")
        elif schema.get("type") == "array":
            for number, part in enumerate(value):
                check(schema["items"], part, f"{place}[{number}]")
        elif schema.get("type") in _TYPES and value is not None:
            assert isinstance(value, _TYPES[schema["type"]]), (place, value)

    return named


_TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict}
