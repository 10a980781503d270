"""The store as it was at an instant: views that stand before the tables, for one session."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime

from segserver.relations import CONTACTS, MEMBERSHIP_CHANGES, MEMBERSHIPS, SCORES, trait_column
from segserver.specs.catalog import Catalog
from segserver.store.layout import event_name, history_name
from segserver.store.session import Session, Sql, compose, literal


@contextmanager
def nothing_later(session: Session, instant: datetime, *, today: Collection[str] = ()) -> Iterator[None]:
    """See nothing of what happened or became known after an instant.

    Who is a contact, and which events are whose, stays as it is today.

    Args:
        session: whose queries read the views meanwhile.
        instant: naive UTC.
        today: traits that stay what they are today; of the others only the history says what they were.
    """
    views = _views(session.layout.catalog)
    database = str(session.value("SELECT current_database()"))
    try:
        for name, template in views.items():
            query = compose(
                template,
                table=compose("{database}.main.{name}", database=database, name=name),
                instant=compose("TIMESTAMP {at}", at=literal(instant.isoformat(sep=" "))),
                unknown=_unknown(session.layout.catalog, today),
            )
            session.execute(compose("CREATE TEMP VIEW {name} AS {query}", name=name, query=query))
        yield
    finally:
        for name in views:
            session.execute(compose("DROP VIEW IF EXISTS temp.main.{name}", name=name))


_EVENTS = "SELECT * FROM {table} WHERE occurred_at < {instant} AND known_at <= {instant}"

_HISTORY = """SELECT * REPLACE (if(valid_to < {instant}, valid_to, NULL) AS valid_to) FROM {table}
    WHERE valid_from < {instant} AND known_at <= {instant}"""

_CONTACTS = "SELECT * REPLACE (if(deleted_at < {instant}, deleted_at, NULL) AS deleted_at{unknown}) FROM {table}"


def _views(catalog: Catalog) -> dict[str, str]:
    """Names of tables, each with a query for what there was of it."""
    return {
        **{event_name(name): _EVENTS for name in catalog.events},
        **{history_name(trait.name): _HISTORY for trait in catalog.traits.values() if trait.history},
        CONTACTS: _CONTACTS,
        MEMBERSHIP_CHANGES: "SELECT * FROM {table} WHERE as_of < {instant}",
        MEMBERSHIPS: "SELECT * FROM {table} WHERE false",
        SCORES: "SELECT * FROM {table} WHERE false",
    }


def _unknown(catalog: Catalog, today: Collection[str]) -> Sql:
    names = [trait_column(name) for name in catalog.traits if name not in today]
    return Sql("".join(compose(", NULL AS {name}", name=name) for name in names))
