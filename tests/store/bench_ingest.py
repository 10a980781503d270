"""How fast a store takes contacts and events: `python tests/store/bench_ingest.py [CONTACTS] [EVENTS]`.

Prints rows per second for loading, for a repeated load and for the identity resolution within.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from conftest import CATALOG, NOW, SPECS, Bench

from segserver.clock import FixedClock
from segserver.records import ContactRecord, EventRecord, SourceItem
from segserver.store.db import Store

PAGE = 10_000


def contacts(count: int, start: int = 0) -> Iterator[SourceItem]:
    """Contacts with an address and four traits."""
    draw = random.Random(1)
    for number in range(start, count):
        yield ContactRecord(
            source_id=str(1000 + number),
            identities={"email": f"person{number}@example.org"},
            traits={
                "country": draw.choice(("FR", "BE", "CH")),
                "stage": draw.choice(("lead", "mql", "customer")),
                "mrr": Decimal(draw.randrange(10_000)) / 100,
                "tags": ("a", "b"),
            },
            consent={"email": True, "sms": False},
            created_at=NOW - timedelta(days=400),
            updated_at=NOW - timedelta(minutes=draw.randrange(500_000)),
        )


def events(count: int, people: int) -> Iterator[SourceItem]:
    """Purchases of known contacts."""
    draw = random.Random(2)
    for number in range(count):
        yield EventRecord(
            event="purchase",
            key=str(number * 7919 % 1_000_000_007),
            source_id=str(1000 + draw.randrange(people)),
            identity=None,
            occurred_at=datetime(2025, 1, 1) + timedelta(seconds=number),
            known_at=None,
            properties={"amount": Decimal(draw.randrange(10_000)) / 100},
        )


def load(bench: Bench, items: Iterator[SourceItem], label: str) -> None:
    """Feed pages and print the pace."""
    start, total, page = time.perf_counter(), 0, []
    for item in items:
        page.append(item)
        if len(page) == PAGE:
            bench.take("crm", *page, cursor={"n": total})
            total, page = total + len(page), []
    took = time.perf_counter() - start
    sys.stdout.write(f"{label}: {total:,} rows in {took:.1f} s, {total / took:,.0f} per second\n")


def main(people: int, count: int) -> None:
    """Load, and load again."""
    clock = FixedClock(NOW)
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "s.duckdb", clock=clock) as store:
        store.prepare(CATALOG, SPECS.values())
        bench = Bench(store, store.session(), clock)
        load(bench, contacts(people), "contacts")
        load(bench, contacts(people), "contacts again")
        load(bench, events(count, people), "events")
        load(bench, events(min(count, 200_000), people), "events again")


if __name__ == "__main__":
    main(*(int(argument) for argument in (*sys.argv[1:], "200000", "1000000")[:2]))
