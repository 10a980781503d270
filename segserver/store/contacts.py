"""The wide `contacts` table, always computed from the sources' records and the first events.

Values and the account: the first known one in the order of the sources; among several records of a contact in one
connection the one updated last, and of a trait with history the one whose value changed last. Consent: refusal wins
over sources; a channel no source speaks of takes the default of its consent lines. Records deleted at the source count
only where a contact has no living one; which refusals count beyond their record says `segserver.store.refusals`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from segserver.relations import consent_column, trait_column
from segserver.specs.catalog import Trait
from segserver.store import refusals
from segserver.store.layout import Layout, event_name, history_name, source_table
from segserver.store.session import Session, Sql, compose, literal

TOUCHED = "touched_contacts"
"""Temporary table with the contacts to compute: one column, contact_id."""

ACCOUNT = "account_id"

_UPDATED = Sql("coalesce(r.updated_at, TIMESTAMP '1970-01-01')")


@contextmanager
def touching(session: Session, first: str = "SELECT NULL::VARCHAR AS contact_id WHERE false") -> Iterator[None]:
    """Keep the tables of touched and of changed contacts, the first of them by a query; within a transaction."""
    session.create_temp(TOUCHED, first)
    session.create_temp("changed_contacts", "SELECT NULL::VARCHAR AS contact_id WHERE false")
    refusals.note_sharing(session)
    yield
    refusals.forget_sharing(session)
    session.drop_temp(TOUCHED, "changed_contacts")


def recompute(session: Session, layout: Layout) -> None:
    """Compute the contacts named in `TOUCHED` anew; rows that stay the same are not written."""
    if not session.count("SELECT count(*) FROM touched_contacts"):
        return
    refusals.stage(session, layout)
    _record_states(session, layout)
    session.create_temp("computed_contacts", _computed(layout))
    names = _columns(layout)
    session.execute(
        "DELETE FROM contacts WHERE contact_id IN (SELECT contact_id FROM touched_contacts) "
        "AND contact_id NOT IN (SELECT contact_id FROM computed_contacts)"
    )
    session.execute(
        compose(
            "MERGE INTO contacts AS c USING computed_contacts AS n ON c.contact_id = n.contact_id "
            "WHEN MATCHED AND ({old}) IS DISTINCT FROM ({new}) THEN UPDATE SET {assignments} "
            "WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values})",
            old=[compose("c.{name}", name=name) for name in names],
            new=[compose("n.{name}", name=name) for name in names],
            assignments=[compose("{name} = n.{name}", name=name) for name in names],
            names=names,
            values=[compose("n.{name}", name=name) for name in names],
        )
    )
    session.drop_temp("computed_contacts", "record_states", refusals.REFUSALS)


def recompute_all(session: Session, layout: Layout) -> None:
    """Compute every contact anew, from the first events on."""
    session.execute("DELETE FROM first_events")
    with touching(session, "SELECT contact_id FROM contacts UNION SELECT contact_id FROM identities"):
        recompute_first_events(session, layout, TOUCHED)
        recompute(session, layout)


def recompute_first_events(session: Session, layout: Layout, contacts: str) -> None:
    """Look up the first event of some contacts in all event tables: needed where an event was taken away."""
    session.execute(
        compose("DELETE FROM first_events WHERE contact_id IN (SELECT contact_id FROM {some})", some=contacts)
    )
    if not layout.events():
        return
    tables = [
        compose(
            "SELECT contact_id, min(occurred_at) AS occurred_at FROM {table} "
            "WHERE contact_id IN (SELECT contact_id FROM {some}) GROUP BY contact_id",
            table=event_name(event.name),
            some=contacts,
        )
        for event in layout.events()
    ]
    session.execute(
        compose(
            "INSERT INTO first_events SELECT contact_id, min(occurred_at) FROM ({tables}) GROUP BY contact_id",
            tables=Sql(" UNION ALL ".join(tables)),
        )
    )


def _columns(layout: Layout) -> list[str]:
    return [
        "contact_id",
        ACCOUNT,
        "created_at",
        "deleted_at",
        "suppressed",
        *(consent_column(channel) for channel in layout.catalog.channels),
        *(trait_column(trait) for trait in layout.catalog.traits),
    ]


def _record_states(session: Session, layout: Layout) -> None:
    """What all records of each contact say together: whether it lives, since when, and what it consents to."""
    channels = [consent_column(channel) for channel in layout.catalog.channels]
    nobody = [
        Sql("NULL::VARCHAR AS contact_id"),
        Sql("NULL::TIMESTAMP AS created_at"),
        Sql("NULL::TIMESTAMP AS deleted_at"),
        Sql("NULL::BOOLEAN AS suppressed"),
        *(compose("NULL::BOOLEAN AS {name}", name=name) for name in channels),
        Sql("NULL::BOOLEAN AS others"),
    ]
    fixed = ("contact_id", "created_at", "deleted_at", "suppressed")
    tables = [compose("SELECT {nobody} WHERE false", nobody=nobody)]
    tables += [
        compose(
            "SELECT {columns}, false FROM {table} WHERE contact_id IN (SELECT contact_id FROM touched_contacts)",
            columns=[*fixed, *channels],
            table=source_table(connection),
        )
        for connection in layout.catalog.connections
    ]
    tables.append(
        compose(
            "SELECT contact_id, NULL, NULL, suppressed, {channels}true FROM {refusals} "
            "WHERE contact_id IN (SELECT contact_id FROM touched_contacts)",
            channels=Sql("".join(compose("{name}, ", name=name) for name in channels)),
            refusals=refusals.REFUSALS,
        )
    )
    living = Sql("bool_or(deleted_at IS NULL) FILTER (WHERE NOT others)")
    said = (
        "CASE WHEN {living} THEN {every}({name}) FILTER (WHERE deleted_at IS NULL) ELSE {every}({name}) END AS {name}"
    )
    verdicts = [
        compose(said, living=living, every=Sql(every), name=name)
        for name, every in (("suppressed", "bool_or"), *((name, "bool_and") for name in channels))
    ]
    session.create_temp(
        "record_states",
        compose(
            "SELECT {columns} FROM ({tables}) GROUP BY contact_id",
            columns=[
                "contact_id",
                Sql("min(created_at) AS created_at"),
                Sql(
                    "CASE WHEN bool_and(deleted_at IS NOT NULL) FILTER (WHERE NOT others) THEN max(deleted_at) END "
                    "AS deleted_at"
                ),
                *verdicts,
            ],
            tables=Sql(" UNION ALL ".join(tables)),
        ),
    )


def _computed(layout: Layout) -> Sql:
    """The rows of `contacts` for the touched ones that still exist."""
    columns = [
        Sql("t.contact_id"),
        _first_known(ACCOUNT, layout.catalog.account_sources),
        Sql("least(s.created_at, f.occurred_at) AS created_at"),
        Sql("s.deleted_at"),
        Sql("coalesce(s.suppressed, false) AS suppressed"),
        *(
            compose(
                "coalesce(s.{name}, {default}) AS {name}",
                name=consent_column(channel),
                default=Sql("true" if layout.allowed[channel] else "false"),
            )
            for channel in layout.catalog.channels
        ),
        *(_first_known(trait_column(trait.name), trait.sources) for trait in layout.catalog.traits.values()),
    ]
    joins = [
        compose(
            "LEFT JOIN ({values}) AS {alias} ON {alias}.contact_id = t.contact_id",
            values=values,
            alias=f"of {connection}",
        )
        for connection in layout.catalog.connections
        if (values := _values(layout, connection)) is not None
    ]
    return compose(
        "SELECT {columns} FROM "
        "(SELECT DISTINCT contact_id FROM touched_contacts SEMI JOIN identities USING (contact_id)) t "
        "LEFT JOIN record_states s ON s.contact_id = t.contact_id "
        "LEFT JOIN first_events f ON f.contact_id = t.contact_id {joins}",
        columns=columns,
        joins=Sql(" ".join(joins)),
    )


def _first_known(column: str, sources: Sequence[str]) -> Sql:
    known = [compose("{source}.{column}", source=f"of {source}", column=column) for source in sources]
    return compose("coalesce({known}) AS {column}", known=known or [Sql("NULL::VARCHAR")], column=column)


def _values(layout: Layout, connection: str) -> Sql | None:
    """Each touched contact's values and account at one connection; None if it gives neither."""
    traits = layout.traits_of(connection)
    columns = {trait_column(trait.name): _since(trait) if trait.history else _UPDATED for trait in traits}
    columns |= {ACCOUNT: _UPDATED} if connection in layout.catalog.account_sources else {}
    if not columns:
        return None
    histories = [
        compose(
            "LEFT JOIN {table} {alias} ON {alias}.connection = {connection} AND {alias}.source_id = r.source_id "
            "AND {alias}.valid_to IS NULL",
            table=history_name(trait.name),
            alias=f"since {trait.name}",
            connection=literal(connection),
        )
        for trait in traits
        if trait.history
    ]
    return compose(
        "SELECT {columns} FROM {table} r JOIN record_states s ON s.contact_id = r.contact_id {histories} "
        "WHERE r.deleted_at IS NULL OR s.deleted_at IS NOT NULL GROUP BY r.contact_id",
        columns=[
            Sql("r.contact_id"),
            *(
                compose(
                    "arg_max(r.{name}, struct_pack(at_ := {since}, id := r.source_id)) "
                    "FILTER (WHERE r.{name} IS NOT NULL) AS {name}",
                    name=name,
                    since=since,
                )
                for name, since in columns.items()
            ),
        ],
        table=source_table(connection),
        histories=Sql(" ".join(histories)),
    )


def _since(trait: Trait) -> Sql:
    """When a record's value of a trait with history was changed last."""
    return compose("coalesce({alias}.valid_from, {updated})", alias=f"since {trait.name}", updated=_UPDATED)
