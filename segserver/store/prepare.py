"""Bringing the declared tables in line with the workspace when its catalog changes.

The store holds what the workspace declares, as a copy of what the sources hold: what is no longer declared is dropped,
and comes back with a new pull if it is declared again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from segserver.relations import ACCOUNTS, CONTACTS, Relation, sql_kind, trait_column
from segserver.store import schema, state
from segserver.store.contacts import recompute_all
from segserver.store.history import seed
from segserver.store.layout import Layout, event_name, history_name, source_table
from segserver.store.session import Session, Sql, compose

_PREFIXES = ("source_", "event_", "history_")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What preparing did.

    Attributes:
        changes: in words, one for each table or column.
        reset: connections whose cursors were forgotten: their next pull reads everything.
    """

    changes: tuple[str, ...]
    reset: tuple[str, ...]


def prepare(session: Session, layout: Layout) -> Prepared:
    """Create, alter and drop tables in one transaction, forget cursors, and recompute contacts where it matters."""
    present = _present(session)
    remembered = schema.meta(session, "layout")
    described = _described(layout)
    with session.transaction():
        changes = [*_drop_tables(session, layout, present), *_bring_in_line(session, layout, present)]
        _seed_histories(session, layout, present)
        if not changes and remembered == described:
            return Prepared((), ())
        known = json.loads(remembered) if remembered else {}
        reset = _reset(session, layout, known.get("readings", {}), _nameless(layout, present))
        _follow_streams(session, layout, known)
        _forget_undeclared(session, layout)
        recompute_all(session, layout)
        schema.set_meta(session, "layout", described)
    return Prepared(tuple(changes), reset)


def _present(session: Session) -> dict[str, dict[str, str]]:
    """Declared tables as they are: columns with their types."""
    tables: dict[str, dict[str, str]] = {}
    for row in session.rows(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal ORDER BY column_index"
    ):
        name = str(row["table_name"])
        if name in (CONTACTS, ACCOUNTS) or name.startswith(_PREFIXES):
            tables.setdefault(name, {})[str(row["column_name"])] = str(row["data_type"])
    return tables


def _drop_tables(session: Session, layout: Layout, present: dict[str, dict[str, str]]) -> list[str]:
    gone = sorted(set(present) - {relation.name for relation in layout.tables()})
    for name in gone:
        session.execute(compose("DROP TABLE {name}", name=name))
    return [f"dropped {name}" for name in gone]


def _bring_in_line(session: Session, layout: Layout, present: dict[str, dict[str, str]]) -> list[str]:
    changes: list[str] = []
    spelt = _spellings(session, layout)
    for relation in layout.tables():
        if relation.name in present:
            changes += _alter(session, relation, present[relation.name], spelt)
        else:
            columns = [
                compose("{name} {kind}", name=name, kind=Sql(sql_kind(kind))) for name, kind in relation.columns.items()
            ]
            session.execute(compose("CREATE TABLE {name} ({columns})", name=relation.name, columns=columns))
            changes.append(f"created {relation.name}")
    return changes


def _alter(session: Session, relation: Relation, columns: dict[str, str], spelt: Mapping[str, str]) -> list[str]:
    changes: list[str] = []
    wanted = {name: sql_kind(kind) for name, kind in relation.columns.items()}
    for name in [column for column in columns if column not in wanted]:
        session.execute(compose("ALTER TABLE {table} DROP COLUMN {name}", table=relation.name, name=name))
        changes.append(f"dropped {relation.name}.{name}")
    for name, kind in wanted.items():
        parts = {"table": relation.name, "name": name, "kind": Sql(kind)}
        if name not in columns:
            session.execute(compose("ALTER TABLE {table} ADD COLUMN {name} {kind}", **parts))
            changes.append(f"added {relation.name}.{name}")
        elif columns[name] != spelt[kind]:
            session.execute(
                compose(
                    "ALTER TABLE {table} ALTER COLUMN {name} SET DATA TYPE {kind} "
                    "USING TRY_CAST(CAST({name} AS VARCHAR) AS {kind})",
                    **parts,
                )
            )
            changes.append(f"{relation.name}.{name} is now {kind}")
    return changes


def _seed_histories(session: Session, layout: Layout, present: dict[str, dict[str, str]]) -> None:
    """A trait that was stored without history begins it with the values it has."""
    for trait in layout.histories():
        for connection in trait.sources:
            stored = trait_column(trait.name) in present.get(source_table(connection), {})
            if stored and history_name(trait.name) not in present:
                seed(session, trait, connection)


def _spellings(session: Session, layout: Layout) -> dict[str, str]:
    """Each type that columns have, as the engine spells it."""
    kinds = sorted({sql_kind(kind) for relation in layout.tables() for kind in relation.columns.values()})
    asked = [compose("typeof(CAST(NULL AS {kind})) AS {name}", kind=Sql(kind), name=kind) for kind in kinds]
    (row,) = session.rows(compose("SELECT {asked}", asked=asked))
    return {kind: str(row[kind]) for kind in kinds}


def _nameless(layout: Layout, present: dict[str, dict[str, str]]) -> set[str]:
    """Connections of which there are events from the time when it was not kept by which key each names its contact."""
    tables = {event.name: present.get(event_name(event.name)) for event in layout.events()}
    return {
        source
        for event in layout.events()
        if (columns := tables[event.name]) is not None and "named_kind" not in columns
        for source in event.sources
    }


def _reset(
    session: Session, layout: Layout, remembered: dict[str, list[str]], anew: Collection[str]
) -> tuple[str, ...]:
    """Forget the cursors of connections that read something new, or were taken away.

    A stream that knows by which declaration it read each event keeps its place, unless all is to be read `anew`.
    """
    stale = [
        name
        for name, lines in layout.readings.items()
        if name in remembered and (name in anew or not set(lines) <= set(remembered[name]))
    ]
    gone = [name for name in remembered if name not in layout.readings]
    for name in (*stale, *gone):
        own = layout.own_places.get(name, {})
        kept = [] if name in anew else sorted({layout.streams[name][event] for event in own})
        for table in ("cursors", "watermarks"):
            session.execute(
                compose("DELETE FROM {t} WHERE connection = ? AND NOT list_contains(?::VARCHAR[], stream)", t=table),
                [name, kept],
            )
    return tuple(stale)


def _follow_streams(session: Session, layout: Layout, known: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Where another stream gives an event now, or none, what there was of it goes with the place of its reading.

    A stream with an event that is declared in another way is not read to its end yet.
    """
    if "own_places" not in known:
        return
    for name, before in known["streams"].items():
        now = layout.streams.get(name, {})
        for event in [event for event, stream in before.items() if now.get(event) != stream]:
            if event in known["own_places"][name]:
                state.forget_place(session, name, before[event], event)
            if event in now:
                session.execute(compose("DELETE FROM {t} WHERE connection = ?", t=event_name(event)), [name])
    for name, own in layout.own_places.items():
        for event, lines in own.items():
            if list(lines) != known["own_places"].get(name, {}).get(event):
                session.execute(
                    "DELETE FROM watermarks WHERE connection = ? AND stream = ?", [name, layout.streams[name][event]]
                )


def _forget_undeclared(session: Session, layout: Layout) -> None:
    """Drop events, histories, accounts and identities of connections that no longer give them."""
    for event in layout.events():
        session.execute(
            compose("DELETE FROM {table} WHERE NOT list_contains(?, connection)", table=event_name(event.name)),
            [list(event.sources)],
        )
    for trait in layout.histories():
        session.execute(
            compose("DELETE FROM {table} WHERE NOT list_contains(?, connection)", table=history_name(trait.name)),
            [list(trait.sources)],
        )
    session.execute(
        compose("DELETE FROM {table} WHERE NOT list_contains(?, connection)", table=ACCOUNTS),
        [list(layout.account_connections())],
    )
    known = list(layout.catalog.connections)
    session.execute("DELETE FROM identities WHERE NOT list_contains(?, connection)", [known])


def _described(layout: Layout) -> str:
    """Everything contacts are computed from, beside the records themselves."""
    traits = {trait.name: trait.sources for trait in layout.catalog.traits.values()}
    computed_from = {
        "readings": layout.readings,
        "streams": layout.streams,
        "own_places": layout.own_places,
        "traits": traits,
        "accounts": layout.catalog.account_sources,
        "allowed": layout.allowed,
    }
    return json.dumps(computed_from, sort_keys=True)
