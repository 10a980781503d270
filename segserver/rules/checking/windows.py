"""Windows of time, and dates that come round every year: from the syntax tree to the checked program."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from segserver.rules.checking.quantities import ABOUT, UNITS, exact, length
from segserver.rules.checking.scope import Scope
from segserver.rules.checking.types import INSTANTS
from segserver.rules.expressions.conditions import Anniversary, Condition
from segserver.rules.expressions.values import Aggregate, CreatedAt, Value
from segserver.rules.reading import condition_nodes, nodes
from segserver.rules.times import ALL_TIME, Ago, CalendarStart, Fixed, Unit, Window

WRITTEN_DATES = "written dates are meant in the workspace's time zone"


def window(node: nodes.WindowNode | None, scope: Scope, *, ahead: bool = False) -> Window | None:
    """The checked window; ALL_TIME if none is written, or if it lies `ahead` as it must in `predicts`."""
    match node:
        case None:
            return ALL_TIME
        case nodes.LastWindow(ahead=True) if not ahead:
            message = "`in next` looks into the future, which only `predicts` of a model may do"
            scope.findings.error("future-window", node.span, message, "write `in last ...`")
            return None
        case nodes.LastWindow(ahead=True):
            return ALL_TIME
        case nodes.LastWindow():
            size = length(node.quantity, scope.findings)
            return None if size is None else Window(Ago(*size))
        case nodes.CalendarWindow():
            return _CALENDAR[node.words]
        case nodes.WrittenWindow():
            return _written(node, scope)
        case nodes.ZonedWindow():
            return _zoned(node, scope)


def required_window(node: nodes.WindowNode | None, whole: nodes.Node, example: str, scope: Scope) -> Window | None:
    """The checked window of something that means little without one; None, with a finding, if it has none."""
    if node is not None:
        return window(node, scope)
    scope.findings.error("missing-window", whole.span, "this needs to say when", f"for example `{example}`")
    return None


def _whole(unit: Unit, offset: int) -> Window:
    return Window(CalendarStart(unit, offset), CalendarStart(unit, offset + 1) if offset else None)


_CALENDAR = {
    "today": _whole(Unit.DAYS, 0),
    "yesterday": _whole(Unit.DAYS, -1),
    "this week": _whole(Unit.WEEKS, 0),
    "last week": _whole(Unit.WEEKS, -1),
    "this month": _whole(Unit.MONTHS, 0),
    "last month": _whole(Unit.MONTHS, -1),
    "this year": _whole(Unit.YEARS, 0),
    "last year": _whole(Unit.YEARS, -1),
}


def _written(node: nodes.WrittenWindow, scope: Scope) -> Window | None:
    if isinstance(node.start, nodes.Broken) or isinstance(node.end, nodes.Broken):
        return None
    if node.end is None:
        return Window(None if node.start is None else Fixed(node.start.at), None)
    end = node.end.at + timedelta(days=1) if node.inclusive and not node.end.timed else node.end.at
    if node.start is None:
        return Window(None, Fixed(end))
    if node.start.at >= end:
        code, message = (
            ("reversed-between", "its start is after its end")
            if node.start.at > node.end.at
            else ("empty-window", "it is empty")
        )
        scope.findings.error(code, node.span, f"this window holds nothing: {message}", "write the earlier date first")
        return None
    return Window(Fixed(node.start.at), Fixed(end))


# ---- the contact's time zone ---------------------------------------------------------------------------------------

CALENDAR_STEPS = frozenset({Unit.MONTHS, Unit.YEARS})
"""Units whose length depends on the calendar, and so on the time zone."""


def refuse_zone(zone: nodes.Name, why: str, scope: Scope) -> None:
    """Report `in contact's time zone` where no time zone plays a part."""
    hint = "leave `in contact's time zone` out, or write calendar words: `today`, `this week`, `in last 2 months`"
    scope.findings.error("zone-without-calendar", zone.span, why, hint)


def _zoned(node: nodes.ZonedWindow, scope: Scope) -> Window | None:
    frame = window(node.window, scope)
    if frame is None:
        return None
    if isinstance(frame.start, Fixed) or isinstance(frame.end, Fixed):
        refuse_zone(node.zone, WRITTEN_DATES, scope)
        return None
    if isinstance(frame.start, Ago) and frame.start.unit not in CALENDAR_STEPS:
        refuse_zone(node.zone, exact_unit(frame.start.unit), scope)
        return None
    return replace(frame, in_contact_zone=True)


def exact_unit(unit: Unit) -> str:
    """Why a unit has nothing to do with time zones."""
    return f"{unit} before now are the same in every time zone"


# ---- anniversaries -------------------------------------------------------------------------------------------------

LONGEST_YEAR = timedelta(days=366)
_MINUTES_OF_A_DAY = 24 * 60
_NO_WINDOW = "leave the window out; `changed in last 30 days` asks when a trait changed"

_BIRTHDAY = "birthday"
"""The one trait that is known to come round every year without `anniversary of` before it."""


def anniversary(node: condition_nodes.AnniversaryNode, checked: Value | None, scope: Scope) -> Condition | None:
    """`birthday in next 7 days`, `anniversary of v in next 7 days`, over the checked value."""
    zone = node.window if isinstance(node.window, nodes.ZonedWindow) else None
    plain = zone.window if zone else node.window
    if checked is None or not isinstance(plain, nodes.LastWindow):
        return None
    if checked.type.kind not in INSTANTS:
        words = "in next" if plain.ahead else "in last"
        message = f"`{words}` behind a value needs a date or an instant, and this is {checked.type}"
        over_events = isinstance(checked, Aggregate)
        hint = "the window stands inside: `count(purchase in last 30 days)`" if over_events else _NO_WINDOW
        scope.findings.error("type-mismatch", node.value.span, message, hint)
        return None
    if not plain.ahead:
        message = f"`in last` is a window of events, and this is a value: {checked.type}"
        unit = plain.quantity.unit.text if plain.quantity.unit else "days"
        hint = f"write `after {plain.quantity.number:f} {unit} ago`"
        scope.findings.error("type-mismatch", plain.span, message, hint)
        return None
    if not node.named and _named(node.value) != _BIRTHDAY:
        _refuse_bare(node.value, checked, plain, scope)
        return None
    size = exact(plain.quantity, scope.findings)
    if size is None or not _whole_days(size, plain.quantity, scope):
        return None
    return Anniversary(checked, size.days, zone is not None, span=node.span)


def _named(value: nodes.Value) -> str | None:
    """The trait that a value is, by its bare name."""
    match value:
        case nodes.Reference(name=name) | nodes.CurrentValue(trait=nodes.Reference(name=name)):
            return name.text
        case _:
            return None


def _refuse_bare(written: nodes.Value, checked: Value, ahead: nodes.LastWindow, scope: Scope) -> None:
    """Report `renewal in next 30 days`: whether this year's or every year's day is meant cannot be known."""
    name = _named(written) or "..."
    number = max(int(ahead.quantity.number), 1)
    unit = UNITS.get(ahead.quantity.unit.text if ahead.quantity.unit else "", Unit.DAYS)
    days = min(-(-number * (ABOUT[unit] // timedelta(minutes=1)) // _MINUTES_OF_A_DAY), LONGEST_YEAR.days)
    hint = f"write `anniversary of {name} in next {days} days` for the day of every year"
    if not isinstance(checked, CreatedAt | Aggregate):
        hint += f", or `{name} between today and {number} {unit} from now` for this one date"
    message = f"`in next` behind a value means its day in every year, and stands alone only behind `{_BIRTHDAY}`"
    scope.findings.error("future-window", ahead.span, message, hint)


def _whole_days(size: timedelta, written: nodes.Quantity, scope: Scope) -> bool:
    if size % timedelta(days=1) == timedelta(0) and size <= LONGEST_YEAR:
        return True
    message = "anniversaries are looked for in whole days, 366 at most"
    scope.findings.error("bad-number", written.span, message, "for example `in next 7 days`")
    return False
