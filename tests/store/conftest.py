"""A small workspace with two connections, and a store that takes items as the sync step gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest

from segserver import identity
from segserver.clock import FixedClock
from segserver.errors import Span
from segserver.records import ContactRecord, Cursor, EventRecord, SourceItem
from segserver.specs.catalog import Catalog, Event, Trait
from segserver.specs.connections import ConnectionSpec, ConsentSpec, ContactsSpec, EventSpec, PropertySpec, TraitSpec
from segserver.specs.types import NUMBER, TEXT, TEXTS
from segserver.store.db import Store
from segserver.store.identities import known_identities
from segserver.store.ingest import Ingested, ingest
from segserver.store.session import Session, compose

PLACE = Span("connectors/crm.yml", 1, 1, 1, 2)
NOW = datetime(2026, 3, 1, 12)
CREATED = datetime(2025, 1, 1)
EARLY = datetime(2026, 2, 1)


def _trait(name: str, kind: object = TEXT, *, history: bool = False) -> TraitSpec:
    return TraitSpec(name, name, kind, PLACE, history=history)


CRM = ConnectionSpec(
    name="crm",
    kind="hubspot",
    contacts=ContactsSpec(
        identities={"email": "email", "phone": "phone"},
        traits=(_trait("country"), _trait("stage", history=True), _trait("mrr", NUMBER), _trait("tags", TEXTS)),
        created="createdate",
        consent=(ConsentSpec("email", "optout", "opted out", PLACE), ConsentSpec("sms", "sms", "granted", PLACE)),
        options={},
        place=PLACE,
    ),
    events=(EventSpec("purchase", "closedate", (PropertySpec("amount", "amount", NUMBER, PLACE),), None, {}, PLACE),),
    audiences=True,
    every=timedelta(minutes=15),
    latency=timedelta(minutes=10),
    quota=0.5,
    secrets={},
    options={},
    place=PLACE,
)
ENGAGE = replace(
    CRM,
    name="engage",
    kind="marketo",
    contacts=ContactsSpec(
        identities={"email": "email"},
        traits=(_trait("country"),),
        created=None,
        consent=(ConsentSpec("email", "unsubscribed", "opted out", PLACE),),
        options={},
        place=PLACE,
    ),
    events=(
        EventSpec("page_view", None, (PropertySpec("path", "path", TEXT, PLACE),), None, {}, PLACE),
        EventSpec("email_sent", None, (), "email", {}, PLACE),
    ),
)
CATALOG = Catalog(
    traits={
        "country": Trait("country", TEXT, history=False, sources=("crm", "engage")),
        "stage": Trait("stage", TEXT, history=True, sources=("crm",)),
        "mrr": Trait("mrr", NUMBER, history=False, sources=("crm",)),
        "tags": Trait("tags", TEXTS, history=False, sources=("crm",)),
    },
    events={
        "purchase": Event("purchase", {"amount": NUMBER}, ("crm",)),
        "page_view": Event("page_view", {"path": TEXT}, ("engage",)),
        "email_sent": Event("email_sent", {}, ("engage",), counts_as="email"),
    },
    channels=("email", "sms"),
    destinations={"crm": "hubspot", "engage": "marketo"},
    connections={"crm": "hubspot", "engage": "marketo"},
)
SPECS = {"crm": CRM, "engage": ENGAGE}


def person(source_id: str, email: str | None = None, at: datetime | None = EARLY, **more: Any) -> ContactRecord:
    """A record of the crm, a French lead unless `traits` says otherwise."""
    traits = {"country": "FR", "stage": "lead", "mrr": Decimal(5), "tags": ("a",)} | more.pop("traits", {})
    identities = {"email": email} if email else {}
    return ContactRecord(source_id, identities, traits, created_at=CREATED, updated_at=at, **more)


def bought(key: str, source_id: str | None, amount: int = 10, at: datetime = EARLY, **more: Any) -> EventRecord:
    """A purchase."""
    properties = {"amount": Decimal(amount)}
    return EventRecord("purchase", key, source_id, more.get("identity"), at, more.get("known_at"), properties)


@dataclass
class Bench:
    """A store under test with one writer session and a clock that is moved by hand."""

    store: Store
    session: Session
    clock: FixedClock
    person: ClassVar = staticmethod(person)
    bought: ClassVar = staticmethod(bought)

    def take(
        self,
        connection: str,
        *items: SourceItem,
        cursor: Cursor | None = None,
        complete_through: datetime | None = None,
    ) -> Ingested:
        """One group of items, the way the sync step stores it."""
        claims = identity.claims(items, connection)
        known = known_identities(self.session, connection, claims)
        resolution = identity.resolve(known.contacts, known.created, items, connection, known.apart, known.differing)
        return ingest(
            self.session,
            SPECS[connection],
            resolution,
            items,
            stream="all",
            cursor=cursor,
            complete_through=complete_through,
            now=self.clock.now(),
        )

    def rows(self, sql: str, *params: object) -> list[dict[str, object]]:
        """Rows of a query."""
        return self.session.rows(sql, list(params))

    def contact(self, where: str = "true") -> dict[str, object]:
        """The one contact of a condition."""
        (row,) = self.rows(f"SELECT * FROM contacts WHERE {where}")
        return row

    def dump(self, *leave_out: str) -> dict[str, Sequence[object]]:
        """Every row of every table, sorted."""
        names = self.rows("SELECT table_name FROM duckdb_tables() WHERE NOT temporary ORDER BY table_name")
        return {
            str(row["table_name"]): sorted(
                repr(sorted((k, v) for k, v in found.items() if k not in leave_out))
                for found in self.rows(compose("SELECT * FROM {t}", t=str(row["table_name"])))
            )
            for row in names
        }


@pytest.fixture
def clock() -> FixedClock:
    """Noon of the first of March."""
    return FixedClock(NOW)


@pytest.fixture
def bench(clock: FixedClock) -> Iterator[Bench]:
    """A prepared store in memory."""
    with Store.open(None, clock=clock) as store:
        store.prepare(CATALOG, SPECS.values())
        with store.session() as session:
            yield Bench(store, session, clock)


@pytest.fixture
def catalog() -> Catalog:
    """The catalog of the two connections."""
    return CATALOG


@pytest.fixture
def specs() -> Mapping[str, ConnectionSpec]:
    """The two connections by name."""
    return dict(SPECS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store's file would be."""
    return tmp_path / ".segserver" / "store.duckdb"
