"""A small world in DuckDB, and programs over it built by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import duckdb
import pytest

from segserver import relations
from segserver.calendar_tables import calendar_table
from segserver.compiler.observations import compile_observations
from segserver.compiler.plan import Calendar, Evaluation, Materialise, ScoreModel, Step
from segserver.compiler.segments import compile_segments
from segserver.compiler.sql import to_sql
from segserver.compiler.walk import Node
from segserver.relations import Relation
from segserver.rules.expressions.conditions import Condition
from segserver.rules.expressions.history import Did
from segserver.rules.expressions.values import Aggregate, Literal, Measure, TraitValue
from segserver.rules.program import Feature, ModelBlock, Program, SegmentBlock, TraitBlock
from segserver.rules.times import ALL_TIME, Window
from segserver.specs.catalog import Catalog, Event, Trait
from segserver.specs.models import Preparation, PromotionRule
from segserver.specs.types import BOOLEAN, DATE, DURATION, INSTANT, NUMBER, TEXT, TEXTS, Kind, Type

AS_OF = datetime(2026, 3, 1, 8)
"""09:00 on a Sunday in Paris."""

ZONE = "Europe/Paris"

PLACE = Type(Kind.PLACE)

CATALOG = Catalog(
    traits={
        "country": Trait("country", TEXT, False, ("crm",)),
        "stage": Trait("stage", TEXT, True, ("crm", "shop")),
        "mrr": Trait("mrr", NUMBER, False, ("crm",)),
        "seats": Trait("seats", NUMBER, False, ("crm",)),
        "subscribed": Trait("subscribed", BOOLEAN, False, ("crm",)),
        "signup": Trait("signup", DATE, False, ("crm",)),
        "renewal": Trait("renewal", INSTANT, False, ("crm",)),
        "topics": Trait("topics", TEXTS, False, ("crm",)),
        "home": Trait("home", PLACE, False, ("crm",)),
        "home_zone": Trait("home_zone", TEXT, False, ("crm",)),
    },
    events={
        "purchase": Event("purchase", {"amount": NUMBER, "sku": TEXT, "tags": TEXTS}, ("shop",)),
        "visit": Event("visit", {"path": TEXT}, ("web",)),
    },
    channels=("email",),
)


def number(value: str | int) -> Literal:
    return Literal(Decimal(value), NUMBER)


def text(value: str) -> Literal:
    return Literal(value, TEXT)


def truth(value: bool) -> Literal:
    return Literal(value, BOOLEAN)


def day(value: str) -> Literal:
    return Literal(date.fromisoformat(value), DATE)


def lasting(**units: float) -> Literal:
    return Literal(timedelta(**units), DURATION)


def trait(name: str) -> TraitValue:
    return TraitValue(name, CATALOG.traits[name].type)


def aggregate(
    measure: Measure,
    event: str = "purchase",
    prop: str | None = None,
    where: Condition | None = None,
    window: Window = ALL_TIME,
    type: Type = NUMBER,
) -> Aggregate:
    return Aggregate(measure, event, prop, where, window, type)


def count(event: str = "purchase", where: Condition | None = None, window: Window = ALL_TIME) -> Aggregate:
    return aggregate(Measure.COUNT, event, None, where, window)


def model(name: str, *features: Feature, population: Condition | None = None) -> ModelBlock:
    """A model that learns from purchases."""
    return ModelBlock(
        name=name,
        title=None,
        label=Did(count(), 1, None),
        horizon=timedelta(days=30),
        population=population,
        features=features,
        gap=None,
        every=None,
        cutoffs=8,
        algorithm="logistic",
        calibrate="auto",
        threshold=("youden", ()),
        gates=(),
        retrain_every=None,
        expires_after=None,
        preparation=Preparation(),
        promotion=PromotionRule(),
        selection=(),
    )


def program(
    segments: Mapping[str, Condition],
    traits: Iterable[TraitBlock] = (),
    models: Iterable[ModelBlock] = (),
    zone: str = ZONE,
    catalog: Catalog = CATALOG,
) -> Program:
    blocks = {name: SegmentBlock(name, None, where) for name, where in segments.items()}
    return Program(
        catalog, zone, {item.name: item for item in traits}, {item.name: item for item in models}, blocks, {}, None, ()
    )


class World:
    """Tables in memory, filled by name; what is not given is unknown."""

    def __init__(self, catalog: Catalog = CATALOG) -> None:
        self.catalog = catalog
        self.connection = duckdb.connect()
        self._events = 0
        for relation in (
            relations.contacts(catalog),
            relations.accounts(catalog),
            relations.memberships(),
            relations.membership_changes(),
            relations.scores(),
            *(relations.event_table(event) for event in catalog.events.values()),
            *(relations.history_table(item) for item in catalog.traits.values() if item.history),
        ):
            self._create(relation)

    def _create(self, relation: Relation) -> None:
        columns = ", ".join(f'"{name}" {relations.sql_kind(kind)}' for name, kind in relation.columns.items())
        self.connection.execute(f'create table "{relation.name}" ({columns})')

    def insert(self, table: str, **values: object) -> None:
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join("?" for _ in values)
        self.connection.execute(f'insert into "{table}" ({names}) values ({marks})', list(values.values()))

    def contact(
        self,
        contact_id: str,
        *,
        created_at: datetime | None = datetime(2020, 1, 1),
        deleted_at: datetime | None = None,
        email: bool = True,
        account: str | None = None,
        **traits: object,
    ) -> None:
        columns = {relations.trait_column(name): value for name, value in traits.items()}
        self.insert(
            "contacts",
            contact_id=contact_id,
            account_id=account,
            created_at=created_at,
            deleted_at=deleted_at,
            suppressed=False,
            **{relations.consent_column(channel): email for channel in self.catalog.channels},
            **columns,
        )

    def event(
        self,
        contact_id: str,
        event: str,
        occurred_at: datetime,
        *,
        known_at: datetime | None = None,
        key: str | None = None,
        **properties: object,
    ) -> None:
        self._events += 1
        columns = {relations.property_column(name): value for name, value in properties.items()}
        self.insert(
            f"event_{event}",
            contact_id=contact_id,
            connection="shop",
            event_key=key or f"k{self._events:06}",
            occurred_at=occurred_at,
            known_at=known_at or occurred_at,
            recorded_at=occurred_at,
            **columns,
        )

    def change(self, contact_id: str, change: str, segment: str, as_of: datetime, cause: str = "data") -> None:
        self.insert(
            "membership_changes", segment=segment, contact_id=contact_id, change=change, as_of=as_of, cause=cause
        )

    def took(
        self,
        contact_id: str,
        trait: str,
        value: object,
        since: datetime,
        until: datetime | None = None,
        *,
        connection: str = "crm",
        source_id: str = "1",
        known_at: datetime | None = None,
    ) -> None:
        """A trait with history had a value from one instant to another."""
        self.insert(
            f"history_{trait}",
            contact_id=contact_id,
            connection=connection,
            source_id=source_id,
            value=value,
            valid_from=since,
            valid_to=until,
            known_at=known_at or since,
            recorded_at=known_at or since,
        )

    def run(self, steps: Sequence[Step], score: Mapping[str, Callable[..., float | None]] | None = None) -> None:
        """Carry the steps out; `score` says how each model makes a score from its features."""
        for step in steps:
            match step:
                case Materialise(name=name, query=query):
                    self.connection.execute(f'create or replace temp table "{name}" as {to_sql(query)}')
                case ScoreModel(model=model, inputs=inputs, output=output):
                    self._score((score or {})[model], inputs, output)
                case Calendar():
                    homes = [] if step.homes is None else self.rows(to_sql(step.homes))
                    self.connection.register("calendar", calendar_table(step, homes))
                    name = step.relation.name
                    self.connection.execute(f'create or replace temp table "{name}" as from calendar')

    def _score(self, score: Callable[..., float | None], inputs: str, output: str) -> None:
        self.connection.execute(f'create or replace temp table "{output}" (contact_id varchar, score double)')
        for row in self.rows(f'select * from "{inputs}"'):
            contact = row.pop("contact_id")
            self.connection.execute(f'insert into "{output}" values (?, ?)', [contact, score(**row)])

    def rows(self, sql: str) -> list[dict[str, object]]:
        cursor = self.connection.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def members(
        self,
        rules: Program,
        as_of: datetime = AS_OF,
        *,
        serving: Mapping[str, float] | None = None,
        score: Mapping[str, Callable[..., float | None]] | None = None,
        **options: object,
    ) -> dict[str, set[str]]:
        """Who is in each evaluated segment."""
        evaluation = compile_segments(rules, as_of, serving=serving or {}, **options)
        self.run(evaluation.steps, score)
        return self.found(evaluation, evaluation.columns)

    def found(self, evaluation: Evaluation, columns: Mapping[str, str]) -> dict[str, set[str]]:
        """The contacts of each column of an evaluation; checks that every row is there once and never unknown."""
        rows = self.rows(f'select * from "{evaluation.segments}"')
        assert len({row["contact_id"] for row in rows}) == len(rows)
        assert all(value is not None for row in rows for value in row.values())
        return {name: {str(row["contact_id"]) for row in rows if row[column]} for name, column in columns.items()}

    def values(self, value: Node, as_of: datetime = AS_OF, rules: Program | None = None) -> dict[str, object]:
        """What a value is for each contact."""
        observed = compile_observations(rules or program({}), as_of, [value], serving={}, table="observed")
        self.run(observed.steps)
        return {str(row["contact_id"]): row[observed.columns[value]] for row in self.rows('select * from "observed"')}

    def where(self, condition: Condition, as_of: datetime = AS_OF, zone: str = ZONE) -> str:
        """The contacts that meet one condition, their ids joined in order: "a c"."""
        return " ".join(sorted(self.members(program({"s": condition}, zone=zone), as_of)["s"]))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def people(world: World) -> World:
    """Four contacts: a knows everything, b differs, c is unknown everywhere, d has empty values."""
    world.contact(
        "a",
        country="FR",
        stage="lead",
        mrr=Decimal("99.5"),
        seats=Decimal(10),
        subscribed=True,
        signup=date(2026, 2, 1),
        renewal=datetime(2026, 3, 29, 0, 30),
        topics=["Coffee", "tea"],
    )
    world.contact(
        "b",
        country="be",
        stage="customer",
        mrr=Decimal("-0.000001"),
        seats=Decimal(0),
        subscribed=False,
        signup=date(2025, 2, 28),
        renewal=datetime(2026, 2, 28, 23),
        topics=["coffee"],
    )
    world.contact("c", email=False)
    world.contact(
        "d",
        country="",
        stage="Head of 100% _x",
        mrr=Decimal(0),
        seats=Decimal(3),
        subscribed=False,
        signup=date(2026, 3, 1),
        renewal=datetime(2026, 2, 28, 22, 59, 59, 999999),
        topics=[],
    )
    return world
