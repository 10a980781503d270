"""Conditions on the past mean the same wherever they stand: in a full run, in one of some contacts, in training."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal

import ibis
import pytest
from ibis.backends.sql.compilers.pyspark import compiler as spark
from ibis.config import Config

from segserver.compiler.features import compile_training
from segserver.compiler.plan import Materialise
from segserver.compiler.segments import compile_segments
from segserver.rules.expressions.conditions import Anniversary, Comparison, Condition, InBucket, Near, OnDay
from segserver.rules.expressions.history import (
    Changed,
    Did,
    FirstDid,
    HasBeen,
    Link,
    Regular,
    SegmentChange,
    Sequence,
    SequenceStep,
    WasIn,
)
from segserver.rules.expressions.values import Aggregate, CreatedAt, Measure, TraitValue
from segserver.rules.program import Feature
from segserver.rules.times import ALL_TIME, Ago, CalendarStart, Unit, Window
from segserver.specs.types import DURATION

from .conftest import AS_OF, World, count, model, program, text, trait


class SparkOptions(Config):
    """What Ibis sets where Spark is installed."""

    treat_nan_as_null: bool = False


CUTOFFS = (AS_OF - timedelta(days=40), AS_OF - timedelta(days=5))
MONTH = Window(Ago(1, Unit.MONTHS))
WEEKS = Window(Ago(3, Unit.WEEKS))
STAGE = trait("stage")
LINKED = SequenceStep("purchase", None, (Link("sku", "path"),), timedelta(days=9))

PAST: dict[str, Condition] = {
    "first": FirstDid(Aggregate(Measure.SINCE_FIRST, "visit", None, None, ALL_TIME, DURATION), MONTH),
    "regular": Regular(count("visit"), 2, 3, Unit.WEEKS),
    "monthly": Regular(count("visit"), 2, 3, Unit.MONTHS),
    "sequence": Sequence((SequenceStep("visit"), LINKED), None, MONTH),
    "abandoned": Sequence((SequenceStep("visit"),), LINKED, MONTH),
    "changed": Changed(STAGE, None, None, MONTH),
    "became": Changed(STAGE, text("x"), text("y"), ALL_TIME),
    "been": HasBeen(STAGE, text("x"), Ago(6, Unit.DAYS)),
    "entered": SegmentChange("entered", "trial", WEEKS),
    "left": SegmentChange("left", "trial", ALL_TIME),
    "was": WasIn("trial", WEEKS),
    "birthday": Anniversary(TraitValue("signup", trait("signup").type, current=True), 200),
    "joined": Anniversary(CreatedAt(), 200),
    "near": Near(TraitValue("home", trait("home").type, current=True), Decimal(4000), Decimal(0), Decimal(0)),
    "bucket": InBucket("x", 0, 4999),
    "early": Comparison("<", TraitValue("signup", trait("signup").type, current=True), CreatedAt()),
}

OWN_DAYS = Window(CalendarStart(Unit.MONTHS, -1), CalendarStart(Unit.DAYS, 0), in_contact_zone=True)
OWN_CLOCK: dict[str, Condition] = {
    "window": Did(count("visit", window=OWN_DAYS), 1, None),
    "own first": FirstDid(Aggregate(Measure.SINCE_FIRST, "visit", None, None, ALL_TIME, DURATION), OWN_DAYS),
    "own months": Regular(count("visit"), 2, 3, Unit.MONTHS, in_contact_zone=True),
    "own steps": Sequence((SequenceStep("visit"), SequenceStep("visit")), None, OWN_DAYS),
    "own change": Changed(STAGE, None, None, OWN_DAYS),
    "own entry": SegmentChange("entered", "trial", OWN_DAYS),
    "own stay": WasIn("trial", OWN_DAYS),
    "own day": OnDay(trait("renewal"), CalendarStart(Unit.DAYS, 0), in_contact_zone=True),
    "own birthday": Anniversary(trait("signup"), 100, in_contact_zone=True),
    "own joined": Anniversary(CreatedAt(), 100, in_contact_zone=True),
}


@pytest.fixture
def crowd(world: World) -> World:
    draw = random.Random(7)

    def instant() -> datetime:
        return AS_OF - timedelta(hours=draw.randrange(1, 24 * 90))

    for place in range(60):
        name = f"c{place}"
        world.contact(
            name,
            created_at=datetime(2020, 1, 1) + timedelta(hours=draw.randrange(24 * 900)),
            signup=date(2020, 1, 1) + timedelta(days=draw.randrange(900)),
            renewal=AS_OF - timedelta(hours=draw.randrange(-20, 20)),
            home={"latitude": float(draw.randrange(-60, 60)), "longitude": float(draw.randrange(-60, 60))},
            home_zone=draw.choice(("Asia/Kathmandu", "America/Los_Angeles", None)),
        )
        for _ in range(draw.randrange(8)):
            at = instant()
            known_at = at + timedelta(hours=draw.choice((0, 0, 300)))
            world.event(name, "visit", at, known_at=known_at, path=draw.choice("xy"))
            world.event(name, "purchase", instant(), sku=draw.choice("xy"))
        starts = sorted(instant() for _ in range(draw.randrange(4)))
        for start, end in zip(starts, [*starts[1:], None], strict=True) if starts else ():
            world.took(name, "stage", draw.choice(("x", "y", None)), start, end)
        for place_, at in enumerate(sorted(instant() for _ in range(draw.randrange(4)))):
            world.change(name, "exited" if place_ % 2 else "entered", "trial", at)
    return world


def test_training_sees_at_each_cutoff_what_a_run_then_would_have_seen(crowd: World) -> None:
    features = [Feature(name, condition) for name, condition in PAST.items()]
    rules = program({}, models=[model("m", *features)])
    training = compile_training(rules, "m", CUTOFFS, gap=timedelta(days=1), horizon=timedelta(days=2), as_of=AS_OF)
    crowd.run(training.steps)
    rows = crowd.rows(f'select * from "{training.table}"')
    for cutoff in CUTOFFS:
        then = crowd.members(program(PAST), cutoff, historical=True)
        for name in PAST:
            learnt = {str(row["contact_id"]) for row in rows if row["cutoff"] == cutoff and row[name] == 1.0}
            assert learnt == then[name], (name, cutoff)
            assert 0 < len(learnt) < 60 or name in ("joined", "early", "first"), name


def test_a_run_over_some_contacts_finds_what_the_full_run_finds_of_them(crowd: World) -> None:
    everything = program({**PAST, **OWN_CLOCK})
    full = crowd.members(everything)
    assert all(full.values()), [name for name, members in full.items() if not members]
    chosen = {f"c{place}" for place in range(0, 60, 7)}
    crowd.connection.execute("create temp table chosen (contact_id varchar)")
    for name in chosen:
        crowd.connection.execute("insert into chosen values (?)", [name])
    assert crowd.members(everything, among="chosen") == {name: members & chosen for name, members in full.items()}


def test_a_condition_alone_is_what_it_is_among_all(crowd: World) -> None:
    everything = {**PAST, **OWN_CLOCK}
    together = crowd.members(program(everything))
    for name, condition in everything.items():
        assert crowd.members(program({name: condition}))[name] == together[name], name


def test_every_condition_can_be_written_for_another_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ibis.options, "pyspark", SparkOptions())
    steps = compile_segments(program({**PAST, **OWN_CLOCK}), AS_OF, serving={}).steps
    written = " ".join(spark.to_sqlglot(step.query).sql("spark") for step in steps if isinstance(step, Materialise))
    assert "SHA2(" in written and "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING" in written


def test_training_has_no_clocks_of_contacts() -> None:
    rules = program({}, models=[model("m", Feature("own", OWN_CLOCK["window"]))])
    with pytest.raises(LookupError, match="no clocks of contacts"):
        compile_training(rules, "m", CUTOFFS, gap=timedelta(days=1), horizon=timedelta(days=2), as_of=AS_OF)
