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
