"""What the tests of connectors share: a clock that sleeping moves, answers by `responses`, connections from YAML."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import responses

from segserver.clock import FixedClock
from segserver.connectors import declarations
from segserver.connectors.build import Connector, build
from segserver.records import Cursor, SourceItem
from segserver.sandbox.population import Person, Population
from segserver.sandbox.recording import Recorded
from segserver.sandbox.server import Sandbox
from segserver.sandbox.serving import Server

NOW = datetime(2026, 11, 22, 12, 0)

ENVIRON = {
    "HUBSPOT_TOKEN": "pat-secret",
    "MARKETO_CLIENT_ID": "client-id",
    "MARKETO_CLIENT_SECRET": "client-secret",
    "GA4_API_SECRET": "api-secret",
}


class Sleeper:
    """A sleep that moves the clock and remembers how long it slept."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.naps: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.clock.advance(timedelta(seconds=seconds))


@pytest.fixture
def clock() -> FixedClock:
    """Noon of the day the contract sheets were written."""
    return FixedClock(NOW)


@pytest.fixture
def sleep(clock: FixedClock) -> Sleeper:
    """A sleep that costs nothing."""
    return Sleeper(clock)


@pytest.fixture
def platform() -> Iterator[responses.RequestsMock]:
    """The other side; every answer that is registered has to be asked for."""
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def connect(clock: FixedClock, sleep: Sleeper) -> Callable[..., Connector]:
    """Makes a connector from the text of its file."""

    def from_text(name: str, text: str, *, limits: bool = False, **environ: str) -> Connector:
        spec, findings = declarations.load(name, dedent(text), f"connectors/{name}.yml")
        assert spec is not None, findings
        return build(spec, clock=clock, sleep=sleep, environ=ENVIRON | environ, workspace_dir=Path(), limits=limits)

    return from_text


def sent(call: responses.Call) -> Any:
    """The JSON body of a request."""
    return json.loads(call.request.body)


@pytest.fixture(name="sent")
def sent_fixture() -> Callable[[responses.Call], Any]:
    """Reads the JSON body of a request."""
    return sent


# ---- HubSpot's stand-in --------------------------------------------------------------------------------------------


class HubSpotStage:
    """A HubSpot account of a few contacts, and connections to it.

    Attributes:
        account: the stand-in's state.
        clock: of both sides.
    """

    def __init__(self, clock: FixedClock, sandbox: Sandbox, server: Server) -> None:
        self.clock = clock
        self.sandbox = sandbox
        self.account = sandbox.hubspot
        self._server = server
        self._cursors: dict[str, Cursor] = {}

    def connect(self, text: str) -> Connector:
        """A connection from the text of its file."""
        spec, findings = declarations.load("crm", dedent(text), "connectors/crm.yml")
        assert spec is not None, findings
        environ = self._server.environ
        sleep = Sleeper(self.clock)
        return build(spec, clock=self.clock, sleep=sleep, environ=environ, workspace_dir=Path(), limits=False)

    def pull(self, connector: Connector, stream: str) -> list[SourceItem]:
        """What the next pull of a stream brings; it goes on where the last one ended."""
        assert connector.source is not None
        pages = list(connector.source.read(stream, self._cursors.get(stream), self.clock.now()))
        assert [page.complete_through for page in pages][-1] == self.clock.now()
        assert {page.complete_through for page in pages[:-1]} <= {None}
        self._cursors[stream] = json.loads(json.dumps(pages[-1].cursor))
        return [item for page in pages for item in page.items]

    def cursor(self, stream: str) -> Cursor:
        """Where the next pull of a stream begins."""
        return self._cursors[stream]

    def forget(self, stream: str) -> None:
        """Let the next pull of a stream begin at the beginning."""
        del self._cursors[stream]

    def later(self, **by: float) -> None:
        """Move the clock."""
        self.clock.advance(timedelta(**by))

    def asked(self, part: str) -> list[Recorded]:
        """The requests so far whose path holds a text."""
        return self.sandbox.requests.to(part)


@pytest.fixture
def hubspot() -> Iterator[HubSpotStage]:
    """Three contacts, 100001 Ada, 100002 Ben and 100003 Cleo, without deals or companies."""
    clock = FixedClock(NOW)
    people = tuple(
        Person(f"{name}@example.com", NOW - timedelta(days=days), {"country": "FR"}, in_marketo=False)
        for name, days in (("ada", 3), ("ben", 2), ("cleo", 1))
    )
    sandbox = Sandbox(clock, Population(people, (), ()))
    with sandbox.serve() as server:
        yield HubSpotStage(clock, sandbox, server)
