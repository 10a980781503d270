"""Written numbers with units, as what a place calls for: lengths of time, whole numbers, shares."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from segserver.rules.findings import Findings
from segserver.rules.reading import nodes
from segserver.rules.suggest import did_you_mean
from segserver.rules.times import Unit

LONGEST = timedelta(days=200 * 366)
"""No length of time in a rule is longer, so that instants stay inside the calendar."""

UNITS = {unit.value: unit for unit in Unit} | {unit.value.removesuffix("s"): unit for unit in Unit}
"""Words for units of time, plural and singular."""

ABOUT = {
    Unit.MINUTES: timedelta(minutes=1),
    Unit.HOURS: timedelta(hours=1),
    Unit.DAYS: timedelta(days=1),
    Unit.WEEKS: timedelta(weeks=1),
    Unit.MONTHS: timedelta(days=31),
    Unit.YEARS: timedelta(days=366),
}
"""The longest that one of each unit can be."""


def unit_of(quantity: nodes.Quantity, findings: Findings) -> Unit | None:
    """The unit of time that a length of time is written in; None, with a finding, if it has none."""
    if quantity.unit is None:
        example = f"for example `{quantity.number:f} {'day' if quantity.number == 1 else 'days'}`"
        findings.error("duration-needs-unit", quantity.span, "a length of time needs its unit", example)
        return None
    unit = UNITS.get(quantity.unit.text)
    if unit is None:
        hint = did_you_mean(quantity.unit.text, UNITS, otherwise="write minutes, hours, days, weeks, months or years")
        findings.error("duration-needs-unit", quantity.unit.span, f"`{quantity.unit.text}` is not a unit of time", hint)
    return unit


def length(quantity: nodes.Quantity, findings: Findings, *, zero: bool = False) -> tuple[int, Unit] | None:
    """A window's length in whole units.

    Args:
        quantity: as written.
        findings: takes what is wrong with it.
        zero: whether 0 makes sense here.
    """
    unit = unit_of(quantity, findings)
    if unit is None:
        return None
    if quantity.number < 0 or (quantity.number == 0 and not zero):
        findings.error("empty-window", quantity.span, "this window is empty", "write a length above 0")
        return None
    amount = whole(quantity, findings)
    return None if amount is None or _too_long(amount, unit, quantity, findings) else (amount, unit)


def exact(quantity: nodes.Quantity, findings: Findings, *, zero: bool = False) -> timedelta | None:
    """An exact length of time; months and years have none, which is a finding."""
    unit = unit_of(quantity, findings)
    if unit is None:
        return None
    if unit in (Unit.MONTHS, Unit.YEARS):
        days = 365 if unit is Unit.YEARS else 30
        findings.error(
            "calendar-duration",
            quantity.span,
            f"{unit} have no exact length, which is needed here",
            f"for example `{int(quantity.number) * days} days`",
        )
        return None
    if quantity.number < 0 or (quantity.number == 0 and not zero):
        hint = f"for example `1 {unit.value.removesuffix('s')}`"
        findings.error("bad-number", quantity.span, "this length of time must be above 0", hint)
        return None
    if _too_long(quantity.number, unit, quantity, findings):
        return None
    microseconds = quantity.number * (ABOUT[unit] // timedelta(microseconds=1))
    return timedelta(microseconds=int(microseconds))


def _too_long(number: Decimal | int, unit: Unit, quantity: nodes.Quantity, findings: Findings) -> bool:
    if number * (ABOUT[unit] // timedelta(minutes=1)) <= LONGEST // timedelta(minutes=1):
        return False
    findings.error("bad-number", quantity.span, "a length of time is 200 years at most")
    return True


def whole(quantity: nodes.Quantity, findings: Findings, *, least: int = 0) -> int | None:
    """A whole number of at least `least`."""
    number = quantity.number
    if quantity.percent or number != int(number):
        findings.error(
            "bad-number", quantity.span, "a whole number is needed here", f"for example `{max(int(number), 1)}`"
        )
        return None
    if number < least:
        findings.error("bad-number", quantity.span, f"this must be at least {least}", f"write {least} or more")
        return None
    return int(number)


def share(quantity: nodes.Quantity, findings: Findings, *, most: Decimal | None = Decimal(1)) -> Decimal | None:
    """A percentage as a share of 1, above 0 and up to `most` (None: no bound)."""
    value = quantity.number / 100 if quantity.percent else quantity.number
    if value <= 0 or (most is not None and value > most):
        bound = "" if most is None else f" and at most {most * 100:f}%"
        findings.error("bad-number", quantity.span, f"this must be above 0%{bound}", "for example `10%`")
        return None
    return value
