"""Pairs of contacts that may be one person, compared and judged inside the engine.

match_people   a row for each contact: its values in one spelling, how common each is, its blocks
match_pairs    a row for each pair that some blocking rule gives: the rules, and the level of each field
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from segserver.relations import CONTACTS, trait_column
from segserver.specs.matching import BlockPart, MatchSpec
from segserver.store.layout import Layout
from segserver.store.match_expressions import Weighing, column, level_of, pair_bits, spelling, weight_of
from segserver.store.session import Session, Sql, compose, literal

Pattern = tuple[int, ...]

DRAWN = 1_000_000
"""Pairs drawn at random at most."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair and what speaks for it.

    Attributes:
        bits: log2 of the odds that the two are one person.
        levels: the level of each field.
        field_bits: what each field adds.
    """

    first: str
    second: str
    bits: float
    levels: Pattern
    field_bits: tuple[float, ...]


def contacts_to_match(layout: Layout, spec: MatchSpec) -> Sql:
    """Every living contact: the fields' values, and what no other contact with the same may be joined with.

    A kind of identity gives its first value in the order of the alphabet.
    """
    traits = layout.catalog.traits
    values = [
        compose("c.{column} AS {name}", column=trait_column(field.name), name=field.name)
        if field.name in traits
        else compose(
            "(SELECT min(value) FROM identities i WHERE i.contact_id = c.contact_id AND i.kind = {kind}) AS {name}",
            kind=literal(field.name),
            name=field.name,
        )
        for field in spec.fields
    ]
    kinds = [*spec.never_across, *(name for name in layout.catalog.connections if name not in spec.within)]
    return compose(
        "SELECT c.contact_id, {values}, coalesce((SELECT list_sort(list(DISTINCT i.kind)) FROM identities i "
        "WHERE i.contact_id = c.contact_id AND i.kind IN ({kinds})), []) AS parted "
        "FROM {contacts} c WHERE c.deleted_at IS NULL",
        values=values,
        kinds=[literal(kind) for kind in kinds] or [Sql("NULL")],
        contacts=CONTACTS,
    )


def compare(session: Session, spec: MatchSpec, people: str, *, matched: str | None = None) -> int:
    """Make `match_people` and `match_pairs`.

    Args:
        session: of the store.
        spec: what is declared.
        people: query with `contact_id`, each field by its name, and `parted`, a list of texts: contacts that have one
            of them in common are different people.
        matched: table with `contact_id` and `digest` of those that were compared before: only pairs with one that is
            new or has changed are looked at. None: all.

    Returns:
        How many blocks had too many contacts to be compared.
    """
    session.create_temp("match_values", _spelt(spec, people))
    session.create_temp("match_people", _people(spec, matched))
    session.drop_temp("match_values")
    sizes = [
        compose("SELECT {block} AS block FROM match_people WHERE {block} IS NOT NULL", block=_block(rule))
        for rule in range(len(spec.blocking))
    ]
    crowded = sum(
        session.count(
            compose("SELECT count(*) FROM (SELECT block FROM ({of}) GROUP BY block HAVING count(*) > ?)", of=size),
            [spec.largest_block],
        )
        for size in sizes
    )
    session.create_temp("match_pairs", _pairs(spec))
    return crowded


def fresh_count(session: Session) -> int:
    """How many contacts are new or have changed since they were compared last."""
    return session.count("SELECT count(*) FROM match_people WHERE fresh")


def keep_matched(session: Session) -> None:
    """Note that every contact was compared as it is; the caller holds the transaction."""
    session.execute("DELETE FROM matched")
    session.execute("INSERT INTO matched SELECT contact_id, digest FROM match_people")


def parted_by(session: Session, contacts: Collection[str]) -> dict[str, frozenset[str]]:
    """What no two of some compared contacts may have in common to be one."""
    rows = session.rows(
        "SELECT contact_id, parted FROM match_people WHERE contact_id IN (SELECT unnest(?))", [list(contacts)]
    )
    return {str(row["contact_id"]): frozenset(cast("list[str]", row["parted"])) for row in rows}


def forget(session: Session) -> None:
    """Drop what `compare` made."""
    session.drop_temp("match_people", "match_pairs")


def people_count(session: Session) -> int:
    """How many contacts were compared."""
    return session.count("SELECT count(*) FROM match_people")


def patterns(session: Session, spec: MatchSpec, rule: int | None = None) -> dict[Pattern, int]:
    """How many pairs have each pattern, of all rules or of one."""
    where = Sql("true" if rule is None else f"list_contains(rules, {rule:d})")
    return _counted(session, spec, compose("SELECT * FROM match_pairs WHERE {where}", where=where))


def drawn_patterns(session: Session, spec: MatchSpec) -> dict[Pattern, int]:
    """Patterns of pairs taken at random, the same at each call.

    Contacts stand in the order of a hash, and each is compared with some that follow.
    """
    people = people_count(session)
    steps = min(-(-DRAWN // max(people, 1)), max((people - 1) // 2, 0))
    levels = [level_of(field, "a", "b", place) for place, field in enumerate(spec.fields)]
    query = compose(
        "SELECT {levels} FROM match_people a CROSS JOIN range(1, {end}) s(step) "
        "JOIN match_people b ON b.place = (a.place + s.step) % {people}",
        levels=levels,
        end=Sql(str(steps + 1)),
        people=Sql(str(max(people, 1))),
    )
    return _counted(session, spec, query)


def judged(
    session: Session, spec: MatchSpec, weighing: Weighing, least: float, below: float, limit: int | None
) -> list[Judged]:
    """Pairs from so many bits up and below others, the most certain first.

    Equal values weigh by how common the value is: an agreement on a rare name says more than one on a common name.
    """
    weights = [weight_of(field, place, weighing) for place, field in enumerate(spec.fields)]
    query = compose(
        "SELECT * FROM (SELECT a.contact_id AS first, b.contact_id AS second, {levels}, {weights}, {bits} AS bits "
        "FROM match_pairs p JOIN match_people a ON a.place = p.a "
        "JOIN match_people b ON b.place = p.b) WHERE bits >= ? AND bits < ? ORDER BY bits DESC, first, second {limit}",
        levels=[compose("p.{name}", name=column("level", place)) for place in range(len(spec.fields))],
        weights=[
            compose("{weight} AS {name}", weight=weight, name=column("bits", place))
            for place, weight in enumerate(weights)
        ],
        bits=pair_bits(spec, weighing),
        limit=Sql("" if limit is None else f"LIMIT {limit:d}"),
    )
    return [_judged(row, len(spec.fields)) for row in session.rows(query, [least, below])]


def counted(session: Session, spec: MatchSpec, weighing: Weighing, least: float) -> int:
    """How many pairs there are from so many bits up."""
    query = compose(
        "SELECT count(*) FROM match_pairs p JOIN match_people a ON a.place = p.a WHERE {bits} >= ?",
        bits=pair_bits(spec, weighing),
    )
    return session.count(query, [least])


def _judged(row: Mapping[str, object], fields: int) -> Judged:
    return Judged(
        first=str(row["first"]),
        second=str(row["second"]),
        bits=float(str(row["bits"])),
        levels=tuple(int(str(row[column("level", place)])) for place in range(fields)),
        field_bits=tuple(float(str(row[column("bits", place)])) for place in range(fields)),
    )


def _block(rule: int) -> str:
    return f"block_{rule}"


def _spelt(spec: MatchSpec, people: str) -> Sql:
    """Values in one spelling: without case, accents and punctuation; dates and numbers as digits."""
    values = [
        compose(
            "{spelling} AS {name}",
            spelling=spelling(field, compose("w.{name}", name=field.name)),
            name=column("value", place),
        )
        for place, field in enumerate(spec.fields)
    ]
    return compose(
        "SELECT *, md5(to_json([{names}, parted::VARCHAR])::VARCHAR) AS digest FROM (SELECT contact_id, parted, "
        "row_number() OVER (ORDER BY md5(contact_id), contact_id) - 1 AS place, {values} FROM ({people}) w)",
        names=[Sql(f'"{column("value", place)}"::VARCHAR') for place in range(len(spec.fields))],
        values=values,
        people=Sql(people),
    )


def _people(spec: MatchSpec, matched: str | None) -> Sql:
    """The same with whether each is new, how common a value is, and the rules' blocks; none where a part is unknown."""
    places = {field.name: place for place, field in enumerate(spec.fields)}
    common = [
        compose(
            "count(*) OVER (PARTITION BY {value}) / greatest(count({value}) OVER (), 1) AS {name}",
            value=column("value", place),
            name=column("common", place),
        )
        for place in range(len(spec.fields))
    ]
    blocks = [
        compose(
            "{parts} AS {name}",
            parts=Sql(" || chr(31) || ".join(_part(part, places) for part in rule)),
            name=_block(number),
        )
        for number, rule in enumerate(spec.blocking)
    ]
    return compose(
        "SELECT *, {fresh} AS fresh, {common}, {blocks} FROM match_values",
        fresh=Sql("true")
        if matched is None
        else compose("(contact_id, digest) NOT IN (SELECT (contact_id, digest) FROM {matched})", matched=matched),
        common=common,
        blocks=blocks,
    )


def _part(part: BlockPart, places: Mapping[str, int]) -> Sql:
    value = compose("{value}", value=column("value", places[part.field]))
    return value if part.first is None else Sql(f"left({value}, {part.first:d})")


def _pairs(spec: MatchSpec) -> Sql:
    rules = [
        compose(
            "SELECT least(a.place, b.place) AS a, greatest(a.place, b.place) AS b, {rule} AS rule FROM match_people a "
            "JOIN match_people b ON b.{block} = a.{block} AND a.fresh AND a.place <> b.place "
            "AND (NOT b.fresh OR a.place < b.place) "
            "SEMI JOIN (SELECT {block} AS block FROM match_people GROUP BY ALL HAVING count(*) <= {largest}) s "
            "ON s.block = a.{block} WHERE NOT list_has_any(a.parted, b.parted)",
            rule=Sql(str(rule)),
            block=_block(rule),
            largest=Sql(str(spec.largest_block)),
        )
        for rule in range(len(spec.blocking))
    ]
    return compose(
        "SELECT p.a, p.b, p.rules, {levels} FROM (SELECT a, b, list(rule) AS rules FROM ({rules}) GROUP BY a, b) p "
        "JOIN match_people a ON a.place = p.a JOIN match_people b ON b.place = p.b",
        levels=[level_of(field, "a", "b", place) for place, field in enumerate(spec.fields)],
        rules=Sql(" UNION ALL ".join(rules)),
    )


def _counted(session: Session, spec: MatchSpec, query: str) -> dict[Pattern, int]:
    names: Sequence[str] = [column("level", place) for place in range(len(spec.fields))]
    found = session.rows(
        compose(
            "SELECT {names}, count(*) AS number FROM ({query}) GROUP BY {names}",
            names=names,
            query=Sql(query),
        )
    )
    return {tuple(int(str(row[name])) for name in names): int(str(row["number"])) for row in found}
