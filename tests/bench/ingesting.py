"""How many records a second the sync step takes from a source into a store on disk, with identities resolved."""

from __future__ import annotations

import random
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from segserver import sync
from segserver.clock import FixedClock
from segserver.connectors import declarations
from segserver.connectors.build import Connector
from segserver.progress import silent
from segserver.records import ContactRecord, Cursor, EventRecord, Page, SourceItem
from segserver.rules import catalog
from segserver.store.db import Store
from tests.bench.workload import AS_OF

PAGE = 1_000
DECLARATION = """
kind: files
contacts:
  path: people.csv
  identities: {email: email}
  traits: {country: country, age_band: age_band}
  consent: {email: {from: optout, means: opted out}}
events:
  purchase:
    path: purchases.csv
    key: no
    contact: {email: email}
    at: at
    properties: {amount: {type: number, unit: USD}, categories: {type: list of text}}
"""


@dataclass(frozen=True, slots=True)
class Made:
    """A source that makes its records up.

    Attributes:
        stream: "contacts", or "purchase" for what they buy.
        count: how many records to make.
        people: how many contacts there are.
    """

    stream: str
    count: int
    people: int

    def streams(self) -> Sequence[str]:
        """The one."""
        return (self.stream,)

    def read(self, stream: str, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Everything, again and again."""
        del cursor
        make = _contact if stream == "contacts" else self._purchase
        draw = random.Random(stream)
        for start in range(0, self.count, PAGE):
            end = min(start + PAGE, self.count)
            items: list[SourceItem] = [make(draw, number) for number in range(start, end)]
            yield Page(items, {"at": end}, until if end == self.count else None)

    def read_contacts(self, source_ids: Sequence[str]) -> Sequence[SourceItem]:
        """Some contacts again."""
        draw = random.Random(0)
        return [_contact(draw, int(one)) for one in source_ids]

    def _purchase(self, draw: random.Random, number: int) -> EventRecord:
        return EventRecord(
            event="purchase",
            key=str(number * 7_919 % 1_000_000_007),
            source_id=str(draw.randrange(self.people)),
            identity=None,
            occurred_at=AS_OF - timedelta(seconds=draw.randrange(30_000_000)),
            known_at=None,
            properties={"amount": Decimal(draw.randrange(10_000)) / 100, "categories": ("COFFEE", "MILK")},
        )


def rates(contacts: int, events: int) -> dict[str, float]:
    """Records a second, by what is read; without the time it takes to make them up."""
    found: dict[str, float] = {}
    spec, findings = declarations.load("crm", DECLARATION, "connectors/crm.yml")
    if spec is None:
        raise SystemExit("\n".join(f"{finding.span}: {finding.message}" for finding in findings))
    clock = FixedClock(AS_OF)
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "store.duckdb", clock=clock) as store:
        store.prepare(catalog.build([spec], ["crm"])[0], [spec])
        session = store.session()
        loads = {
            "contacts": Made("contacts", contacts, contacts),
            "events": Made("purchase", events, contacts),
            "the same events again": Made("purchase", min(events, 100_000), contacts),
        }
        for name, source in loads.items():
            start = time.perf_counter()
            deque(source.read(source.stream, None, AS_OF), 0)
            making = time.perf_counter() - start
            connectors = {"crm": Connector(spec, source, None, [])}
            start = time.perf_counter()
            sync.pull(session, connectors, until=AS_OF, clock=clock, progress=silent)
            taken = time.perf_counter() - start
            found[name] = source.count / (taken - making)
    return found


def _contact(draw: random.Random, number: int) -> ContactRecord:
    return ContactRecord(
        source_id=str(number),
        identities={"email": f"person{number}@example.com"},
        traits={"country": draw.choice(("FR", "BE", "CH")), "age_band": draw.choice(("19-24", "25-34"))},
        consent={"email": True},
        created_at=AS_OF - timedelta(days=400),
        updated_at=AS_OF - timedelta(seconds=draw.randrange(30_000_000)),
    )
