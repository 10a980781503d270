"""`did` in its plain forms: from the syntax tree to the checked program."""

from __future__ import annotations

from dataclasses import replace

from segserver.rules.checking.quantities import length, whole
from segserver.rules.checking.scope import Scope
from segserver.rules.checking.values import count
from segserver.rules.checking.windows import CALENDAR_STEPS, exact_unit, refuse_zone, required_window
from segserver.rules.expressions.conditions import Condition, Not
from segserver.rules.expressions.history import Did, FirstDid, Regular
from segserver.rules.expressions.values import Aggregate, Measure
from segserver.rules.reading import condition_nodes
from segserver.rules.times import Unit
from segserver.specs.types import DURATION

MOST_PERIODS = 366


def did(node: condition_nodes.DidEvent, scope: Scope, *, ahead: bool = False) -> Did | Not | None:
    """`did` and `did not`; `ahead` as in `check_values.count`."""
    bounds = _bounds(node.times, scope)
    events = count(node.events, scope, scope.find_event(node.events.event), ahead=ahead)
    if bounds is None or events is None:
        return None
    return _negated(events, *bounds, node) if node.negated else Did(events, *bounds, span=node.span)


def _negated(events: Aggregate, low: int, high: int | None, node: condition_nodes.DidEvent) -> Did | Not:
    if high is None:
        return Did(events, 0, low - 1, span=node.span)
    if low == 0:
        return Did(events, high + 1, None, span=node.span)
    return Not(Did(events, low, high, span=node.span), span=node.span)


def _bounds(times: condition_nodes.Times | None, scope: Scope) -> tuple[int, int | None] | None:
    if times is None:
        return 1, None
    only_low = times.high is None
    low = whole(times.low, scope.findings, least=1 if only_low else 0) if times.low else 0
    high = whole(times.high, scope.findings) if times.high else None
    if low is None or (times.high is not None and high is None):
        return None
    if high is not None and low > high:
        message = f"no number is between {low} and {high}"
        scope.findings.error("reversed-between", times.span, message, f"write `between {high} and {low} times`")
        return None
    return low, high


# ---- the first time ------------------------------------------------------------------------------------------------


def first_did(node: condition_nodes.FirstDidEvent, scope: Scope) -> Condition | None:
    """`first did x where ... in last 30 days`."""
    refuse_times(node.times, "there is one first time", scope)
    name = node.events.event.text
    frame = required_window(node.events.window, node, f"first did {name} in last 30 days", scope)
    events = count(replace(node.events, window=None), scope, scope.find_event(node.events.event))
    if frame is None or events is None or node.times is not None:
        return None
    return FirstDid(replace(events, measure=Measure.SINCE_FIRST, type=DURATION), frame, span=node.span)


# ---- in so many periods --------------------------------------------------------------------------------------------


def regular(node: condition_nodes.RegularNode, scope: Scope) -> Condition | None:
    """`did x in at least 3 of last 4 weeks`."""
    refuse_times(node.times, "one event makes a period count, so nothing else is counted", scope)
    events = count(node.events, scope, scope.find_event(node.events.event))
    size = _periods(node, scope)
    low = whole(node.low, scope.findings, least=1)
    if low is not None and size is not None and low > size[0]:
        message = f"at least {low} of {size[0]} can never be"
        scope.findings.error("bad-number", node.low.span, message, f"write {size[0]} or less")
        return None
    if events is None or size is None or low is None or node.times is not None:
        return None
    found = Regular(events, low, *size, in_contact_zone=node.zone is not None, span=node.span)
    return Not(found, span=node.span) if node.negated else found


def _periods(node: condition_nodes.RegularNode, scope: Scope) -> tuple[int, Unit] | None:
    size = length(node.periods, scope.findings)
    if size is None:
        return None
    periods, unit = size
    if periods > MOST_PERIODS:
        message = f"at most {MOST_PERIODS} periods can be looked at"
        scope.findings.error("bad-number", node.periods.span, message, "write a longer unit: weeks, months or years")
        return None
    if node.zone is not None and unit not in CALENDAR_STEPS:
        refuse_zone(node.zone, exact_unit(unit), scope)
        return None
    return size


def refuse_times(times: condition_nodes.Times | None, why: str, scope: Scope) -> None:
    """Report a number of times where none is taken."""
    if times is not None:
        hint = "leave it out, or ask for it in a condition of its own: `and did ... at least 3 times`"
        scope.findings.error("surplus-count", times.span, why, hint)
