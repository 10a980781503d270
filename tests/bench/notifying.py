"""How long a webhook waits for its answer while a full run is going on; HubSpot gives up after five seconds."""

from __future__ import annotations

import shutil
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from segserver.cli import execute
from segserver.cli.serving import running
from segserver.clock import ShiftedClock
from segserver.sandbox import people, webhooks
from segserver.sandbox.server import Sandbox
from segserver.settings import Settings

WORKSPACE = Path(__file__).parents[2]
START = datetime(2026, 3, 2, 9, 30)
SENDERS = 10
"""How many calls HubSpot makes at once."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds until the answer of each call, and whether the run was still going on at the last."""

    median: float
    percentile: float
    longest: float
    run_went_on: bool


def answering(folder: Path, contacts: int, calls: int) -> Waits:
    """Send calls of 100 events each from ten senders while a run reads so many contacts."""
    for name in ("segserver.yml", "connectors", "rules", "scenarios"):
        source = WORKSPACE / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    clock = ShiftedClock(START)
    sandbox = Sandbox(clock, people.generate(START, people=contacts, seed=0))
    ids = [str(one.id) for one in sandbox.hubspot.contacts]
    with sandbox.serve() as served:
        settings = Settings(workspace=folder, store=folder / "store.duckdb", port=0)
        with running(settings, served.environ, execute, clock=clock) as server:
            url = f"http://{server.address}/hooks/crm"
            portions = [_events(ids, number) for number in range(calls)]
            with ThreadPoolExecutor(SENDERS) as senders:
                taken = sorted(senders.map(lambda events: _deliver(sandbox, events, url), portions))
            went_on = server.health()["running"] is not None
            server.settle(600)
    return Waits(statistics.median(taken), taken[int(len(taken) * 0.99)], taken[-1], went_on)


def _events(ids: list[str], number: int) -> list[dict[str, object]]:
    return [
        {
            "eventId": place,
            "subscriptionId": 1,
            "portalId": 1,
            "occurredAt": number,
            "subscriptionType": "contact.propertyChange",
            "objectId": int(ids[(number * 100 + place) % len(ids)]),
            "propertyName": "country",
            "propertyValue": "FR",
        }
        for place in range(100)
    ]


def _deliver(sandbox: Sandbox, events: list[dict[str, object]], url: str) -> float:
    request = sandbox.webhook(events, url)
    start = time.perf_counter()
    status = webhooks.deliver(request)
    taken = time.perf_counter() - start
    if status != 200:
        raise SystemExit(f"a webhook was answered {status}")
    return taken
