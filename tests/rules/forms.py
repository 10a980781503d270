"""What the tests of conditions share: their normal forms, and where their findings are."""

from __future__ import annotations

from decimal import Decimal

from segserver.errors import render
from segserver.rules.check import check
from segserver.rules.expressions.conditions import Condition
from segserver.rules.expressions.values import Aggregate, Literal, Measure, TraitValue
from segserver.rules.times import ALL_TIME, Ago, Unit, Window
from segserver.specs.catalog import Catalog
from segserver.specs.types import NUMBER, TEXT

AROUND = """\
segment other where country is known
model hot
  predicts did purchase in next 30 days
  features household_size
trait spend = count(purchase)
segment s where """
"""What every condition here may name, and the segment `s` that holds it."""

LINE = AROUND.count("\n") + 1
COLUMN = len("segment s where ") + 1

COUNTRY = TraitValue("country", TEXT)
SIZE = TraitValue("household_size", NUMBER)
STAGE = TraitValue("lifecycle_stage", TEXT)


def written(text: str, catalog: Catalog) -> Condition:
    """The normal form of a condition."""
    source = {"x.seg": AROUND + text}
    program, found = check(source, catalog, zone="Europe/Paris")
    assert program is not None, render(found, source)
    assert not found
    return program.segments["s"].where


def faults(text: str, catalog: Catalog) -> list[tuple[str, str, str | None]]:
    """The findings of a condition on one line, each with its code, the text under its caret, and its hint."""
    program, found = check({"x.seg": AROUND + text}, catalog, zone="Europe/Paris")
    assert program is None
    assert {item.span.line for item in found} == {LINE}
    return [(item.code, text[item.span.column - COLUMN : item.span.end_column - COLUMN], item.hint) for item in found]


def has_one_fault(condition: str, catalog: Catalog, code: str, place: str, hint: str | None) -> None:
    """Check the one finding of a condition: its code, the text under its caret, and its hint unless that is None."""
    ((found, under, cure),) = faults(condition, catalog)
    assert (found, under) == (code, place)
    if hint is not None:
        assert cure == hint


def text(value: str) -> Literal:
    """A written text."""
    return Literal(value, TEXT)


def number(value: str) -> Literal:
    """A written number."""
    return Literal(Decimal(value), NUMBER)


def last(amount: int, unit: Unit = Unit.DAYS, *, zoned: bool = False) -> Window:
    """The window `in last n`."""
    return Window(Ago(amount, unit), None, zoned)


def count(event: str, where: Condition | None = None) -> Aggregate:
    """The number of events of all time."""
    return Aggregate(Measure.COUNT, event, None, where, ALL_TIME, NUMBER)
