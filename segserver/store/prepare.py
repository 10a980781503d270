"""Bringing the declared tables in line with the workspace when its catalog changes.

The store holds what the workspace declares, as a copy of what the sources hold: what is no longer declared is dropped,
and comes back with a new pull if it is declared again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from segserver.relations import ACCOUNTS, CONTACTS, Relation, sql_kind, trait_column
from segserver.store import schema
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
        reset = _reset(session, layout, json.loads(remembered)["readings"] if remembered else {})
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
    for relation in layout.tables():
        if relation.name in present:
            changes += _alter(session, relation, present[relation.name])
        else:
            columns = [
                compose("{name} {kind}", name=name, kind=Sql(sql_kind(kind))) for name, kind in relation.columns.items()
            ]
            session.execute(compose("CREATE TABLE {name} ({columns})", name=relation.name, columns=columns))
            changes.append(f"created {relation.name}")
    return changes


def _alter(session: Session, relation: Relation, columns: dict[str, str]) -> list[str]:
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
        elif columns[name] != _canonical(session, kind):
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


def _canonical(session: Session, kind: str) -> str:
    """A type as the engine spells it."""
    return str(session.value(compose("SELECT typeof(CAST(NULL AS {kind}))", kind=Sql(kind))))


def _reset(session: Session, layout: Layout, remembered: dict[str, list[str]]) -> tuple[str, ...]:
    """Forget the cursors of connections that read something new, or were taken away."""
    stale = [
        name
        for name, lines in layout.readings.items()
        if name in remembered and not set(lines) <= set(remembered[name])
    ]
    gone = [name for name in remembered if name not in layout.readings]
    for name in (*stale, *gone):
        session.execute("DELETE FROM cursors WHERE connection = ?", [name])
        session.execute("DELETE FROM watermarks WHERE connection = ?", [name])
    return tuple(stale)


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
        "traits": traits,
        "accounts": layout.catalog.account_sources,
        "allowed": layout.allowed,
    }
    return json.dumps(computed_from, sort_keys=True)
