"""Whatever sources tell, in whatever order and however it is cut: properties of taking items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segserver.records import (
    AccountGone,
    AccountRecord,
    Change,
    ContactRecord,
    Deletion,
    EventGone,
    EventRecord,
    Merge,
    SourceItem,
)
from segserver.specs.catalog import Trait
from segserver.specs.types import TEXT
from segserver.store.contacts import recompute_all
from segserver.store.db import Store

pytestmark = pytest.mark.long

EARLY = datetime(2026, 2, 1)
LATE = datetime(2026, 2, 10)
INSTANTS = st.sampled_from([EARLY, LATE, LATE + timedelta(days=3)])
SOURCES = st.sampled_from(["1", "2", "3"])
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def person(source_id: str, email: str | None, country: str | None, stage: str | None, **more: Any) -> ContactRecord:
    identities = {"email": email} if email else {}
    return ContactRecord(source_id, identities, {"country": country, "stage": stage}, created_at=EARLY, **more)


def bought(number: int, source_id: str, amount: int, at: datetime) -> EventRecord:
    return EventRecord("purchase", f"{source_id} {number}", source_id, None, at, None, {"amount": Decimal(amount)})


def changed(value: str, at: datetime) -> dict[str, tuple[Change]]:
    return {"stage": (Change(value, at),)}


PEOPLE = st.builds(
    person,
    SOURCES,
    st.sampled_from([None, "ada@x.org", "bob@x.org"]),
    st.sampled_from([None, "FR", "BE"]),
    st.sampled_from([None, "lead", "mql"]),
    updated_at=st.one_of(INSTANTS, st.none()),
    consent=st.dictionaries(st.sampled_from(["email", "sms"]), st.booleans()),
    suppressed=st.booleans(),
    partial=st.booleans(),
    history=st.one_of(st.just({}), st.builds(changed, st.sampled_from(["lead", "mql"]), INSTANTS)),
    account=st.sampled_from([None, "7", "8"]),
)
ACCOUNTS = st.builds(
    AccountRecord,
    st.sampled_from(["7", "8"]),
    st.sampled_from([{}, {"industry": "Retail"}, {"industry": "Trade"}]),
    st.one_of(INSTANTS, st.none()),
)
ITEMS = st.lists(
    st.one_of(
        PEOPLE,
        st.builds(bought, st.integers(0, 1), SOURCES, st.integers(0, 3), INSTANTS),
        st.builds(EventGone, st.just("purchase"), st.sampled_from(["1 0", "2 0", "3 1"])),
        ACCOUNTS,
        st.builds(AccountGone, st.sampled_from(["7", "8"])),
        st.builds(Deletion, SOURCES, INSTANTS),
        st.builds(Merge, st.just("1"), st.sampled_from([("2",), ("3",)]), INSTANTS),
    ),
    max_size=10,
)


@contextmanager
def another(bench: Any, catalog: Any, specs: Any) -> Iterator[Any]:
    """An empty store like the bench's, with accounts."""
    traits = {"industry": Trait("industry", TEXT, False, ("crm",))}
    b2b = replace(catalog, account_traits=traits, account_sources=("crm",))
    with Store.open(None, clock=bench.clock) as store:
        store.prepare(b2b, specs.values())
        with store.session() as session:
            yield type(bench)(store, session, bench.clock)


@SLOW
@given(items=ITEMS)
def test_contacts_are_always_what_records_and_events_say(
    bench: Any, catalog: Any, specs: Any, items: Sequence[SourceItem]
) -> None:
    with another(bench, catalog, specs) as fresh:
        for item in items:
            fresh.take("crm", item)
        kept = fresh.dump()
        with fresh.session.transaction():
            recompute_all(fresh.session, fresh.session.layout)
        assert fresh.dump() == kept


@SLOW
@given(items=ITEMS, cut=st.integers(0, 10))
def test_it_does_not_matter_how_items_are_cut_into_groups(
    bench: Any, catalog: Any, specs: Any, items: Sequence[SourceItem], cut: int
) -> None:
    """As long as no record gives up an address, and no event is taken back, inside a group."""
    addresses = {"1": {"email": "ada@x.org"}, "2": {"email": "bob@x.org"}, "3": {"email": "ada@x.org"}}
    items = [
        replace(i, identities=addresses[i.source_id]) if isinstance(i, ContactRecord) else i
        for i in items
        if not isinstance(i, EventGone)
    ]
    with another(bench, catalog, specs) as whole, another(bench, catalog, specs) as parts:
        whole.take("crm", *items)
        parts.take("crm", *items[:cut])
        parts.take("crm", *items[cut:])
        assert parts.dump() == whole.dump()


@SLOW
@given(items=ITEMS)
def test_a_repeated_group_changes_nothing(bench: Any, catalog: Any, specs: Any, items: Sequence[SourceItem]) -> None:
    """A source shows each record once in a page, and tells what became of records after them."""
    once = {(type(item), getattr(item, "source_id", None) or getattr(item, "key", None)): item for item in items}
    items = sorted(once.values(), key=lambda item: isinstance(item, Merge | Deletion))
    with another(bench, catalog, specs) as fresh:
        fresh.take("crm", *items)
        kept = fresh.dump()
        fresh.clock.advance(timedelta(hours=1))
        fresh.take("crm", *items)
        assert fresh.dump() == kept
