"""One change in words: what would have to happen for a single condition to turn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from segserver.compiler.windows import edge, to_local
from segserver.explain.evidence import starts_unseen, zone_of
from segserver.explain.moves import Waiting
from segserver.explain.showing import turning
from segserver.explain.verdicts import Observed, Verdict
from segserver.explain.words import words
from segserver.explain.written import counted, literal, window
from segserver.rules.expressions.conditions import (
    AccountAny,
    Anniversary,
    Comparison,
    InBucket,
    Likely,
    Near,
    OnDay,
)
from segserver.rules.expressions.history import Changed, Did, FirstDid, HasBeen, Regular, SegmentChange, WasIn
from segserver.rules.expressions.history import Sequence as Steps
from segserver.rules.expressions.values import Aggregate, CreatedAt, Literal, Measure, Points
from segserver.rules.program import Program
from segserver.rules.times import ALL_TIME, CalendarStart
from segserver.specs.types import NUMBER

BOUNDS = {"<": "below", "<=": "at most", ">": "above", ">=": "at least"}
_OPPOSITES = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


@dataclass(frozen=True, slots=True)
class Changes:
    """What turns conditions, seen from an instant."""

    program: Program
    as_of: datetime

    def to(self, leaf: Verdict, wanted: bool) -> str:
        """The change, or the passing of time, that makes a condition hold or not hold; empty if nothing does."""
        return self._happening(leaf, wanted) or self._waiting(leaf, wanted)

    def takes_only_time(self, leaf: Verdict, wanted: bool) -> bool:
        """Whether nothing that happens to a contact turns a condition."""
        return not self._happening(leaf, wanted)

    def _waiting(self, leaf: Verdict, wanted: bool) -> str:
        moves = Waiting(self.program, self.as_of).moves(leaf)
        at = next((at for at, now in moves if now is wanted), None)
        turns = "holds" if wanted else "no longer holds"
        return "" if at is None else f"`{leaf.called}` {turns} {turning(at, self.program.zone, self.as_of)}"

    def _happening(self, leaf: Verdict, wanted: bool) -> str:
        """What would have to happen; empty if nothing but time turns the condition."""
        if leaf.turned is not None:
            return leaf.turned[0 if wanted else 1]
        match leaf.node:
            case Did() as node:
                return self._events(leaf, node, wanted)
            case FirstDid() as node:
                return _first(leaf, node, wanted)
            case Regular() as node:
                return _regular(leaf, node, wanted)
            case Steps():
                return ""
            case Comparison() as node:
                return self._compared(leaf, node, wanted)
            case Likely(model=model):
                bound = leaf.note.removeprefix("from ").partition(";")[0] if leaf.note else "its threshold"
                return f"score({model}) from {leaf.observed[0].shown} to {'at least' if wanted else 'below'} {bound}"
            case AccountAny(item=item):
                of = "an account with some" if not leaf.colleagues else "some" if wanted else "no"
                return f"{of} contact {'of the account ' if leaf.colleagues else ''}for whom `{words(item)}`"
            case HasBeen() | Changed() as node:
                return _of_history(leaf, node, wanted)
            case Near() as node if len(leaf.observed) > 1:
                bound = f"{'at most' if wanted else 'above'} {literal(node.kilometres)} km"
                return f"{leaf.observed[0].text} from {leaf.observed[1].shown} away to {bound}"
            case SegmentChange() | WasIn() as node:
                return _membership(node, wanted)
            case InBucket() | OnDay(value=CreatedAt()) | Anniversary(value=CreatedAt()):
                return ""
            case Anniversary() | OnDay() if self._waiting(leaf, wanted):
                return ""
            case _:
                return _plainly(leaf, wanted)

    # ---- events

    def _events(self, leaf: Verdict, node: Did, wanted: bool) -> str:
        """So many events more, or fewer; a window that is over takes no more."""
        of, low, high = node.count, node.low, node.high
        times = int(Decimal(str(leaf.observed[0].value)))
        enough = times < low if wanted else high is not None
        more = (low if wanted else (high or 0) + 1) - times
        if of.window.end is not None:
            return self._in_a_coming_window(leaf, of, low) if enough and wanted else ""
        happens = f"`{words(Did(of, 1, None)).removeprefix('did ')}`"
        if enough:
            return f"{more} more {happens} (now {times})"
        if of.window.start is None:
            return ""
        most = (high or 0) if wanted else low - 1
        return f"{'no' if most == 0 else f'at most {most}'} {happens} (now {times})"

    def _in_a_coming_window(self, leaf: Verdict, of: Aggregate, low: int) -> str:
        """What happens now counts once `yesterday` or `last month` means the present day or month."""
        start, times = of.window.start, len(leaf.coming)
        if not isinstance(start, CalendarStart) or times >= low:
            return ""
        zone = zone_of(leaf, self.program)
        present = replace(of, window=replace(of.window, start=CalendarStart(start.unit, 0), end=None))
        since = edge(CalendarStart(start.unit, -start.offset), self.as_of, zone)
        happens = f"`{words(Did(present, 1, None)).removeprefix('did ')}`"
        counts = f"which counts from {to_local(since, zone):%Y-%m-%d} on"
        return f"{low - times} more {happens} (now {times}), {counts}"

    # ---- values

    def _compared(self, leaf: Verdict, node: Comparison, wanted: bool) -> str:
        match node:
            case Comparison(left=Literal(), right=Literal()) | Comparison(left=CreatedAt()):
                return ""
            case Comparison(left=Aggregate(measure=Measure.SINCE_LAST | Measure.SINCE_FIRST, window=since) as of):
                return _since(leaf, node, of, wanted) if since == ALL_TIME else _plainly(leaf, wanted)
            case Comparison(op=op) if op in BOUNDS:
                return self._to_bound(leaf, op, node, wanted)
            case _:
                return _plainly(leaf, wanted)

    def _to_bound(self, leaf: Verdict, op: str, node: Comparison, wanted: bool) -> str:
        if not leaf.observed or not isinstance(node.right, Literal):
            return _plainly(leaf, wanted)
        seen, bound = leaf.observed[0], node.right
        if seen.value is None:
            return _plainly(leaf, wanted)
        reached = BOUNDS[op if wanted else _OPPOSITES[op]]
        return f"{_called(seen, node)} from {seen.shown} to {reached} {words(bound)}"


def _called(seen: Observed, node: Comparison) -> str:
    return "points" if isinstance(node.left, Points) else seen.text


def _first(leaf: Verdict, node: FirstDid, wanted: bool) -> str:
    """Who did something once does it for the first time no more."""
    if not wanted or leaf.observed[0].value is not None:
        return ""
    return f"a first `{words(replace(node, window=ALL_TIME)).removeprefix('first did ')}`"


def _regular(leaf: Verdict, node: Regular, wanted: bool) -> str:
    event = words(Did(replace(node.count, window=ALL_TIME), 1, None)).removeprefix("did ")
    if not wanted:
        most = f"at most {node.low - 1} of last {counted(node.periods, node.unit)}"
        return f"`{event}` in {most} (now {leaf.observed[0].shown})"
    seen = leaf.observed[0].value if leaf.observed else 0
    missing = node.low - seen if isinstance(seen, int) else node.low
    return f"`{event}` in {counted(missing, f'more {node.unit}')} (now {leaf.observed[0].shown})"


def _since(leaf: Verdict, node: Comparison, of: Aggregate, wanted: bool) -> str:
    """The time since an event grows by itself; only another event, the first or the last, makes it begin again."""
    event = words(Did(replace(of, measure=Measure.COUNT, type=NUMBER), 1, None)).removeprefix("did ")
    seen, text = leaf.observed[0], words(of)
    if node.op not in BOUNDS or not isinstance(node.right, Literal):
        return _plainly(leaf, wanted)
    op = node.op if wanted else _OPPOSITES[node.op]
    bound = words(node.right)
    grows = op in (">", ">=")
    if seen.value is None:
        first = f"a first `{event}`"
        return f"{first}, until {text} is {BOUNDS[op]} {bound}" if grows else first
    if grows and of.measure is Measure.SINCE_LAST:
        return f"no `{event}` until {text} is {BOUNDS[op]} {bound} (now {seen.shown})"
    return "" if of.measure is Measure.SINCE_FIRST else f"1 more `{event}` ({text} is {seen.shown})"


# ---- what was before -----------------------------------------------------------------------------------------------


def _of_history(leaf: Verdict, node: HasBeen | Changed, wanted: bool) -> str:
    trait = words(node.trait)
    if isinstance(node, Changed):
        made = words(replace(node, window=ALL_TIME)).removeprefix(f"{trait} changed")
        when = "" if wanted else window(node.window)
        return f"{'a' if wanted else 'no'} change of {trait}{made}{when}{_now(leaf)}"
    value = words(node.value)
    if not wanted:
        return f"{trait} other than {value}{_now(leaf)}"
    lasting = counted(node.start.amount, node.start.unit)
    if starts_unseen(leaf, node, leaf.witnesses):
        unseen = f"since when it is {value} now is not known"
        return f"{trait} to become another value, then {value} again and to stay so for {lasting}: {unseen}"
    if any(item.value == node.value.value for item in leaf.observed):
        return f"{trait} to stay {value} until it has been so for {lasting}"
    return f"{trait} to become {value} and to stay so for {lasting}{_now(leaf)}"


def _membership(node: SegmentChange | WasIn, wanted: bool) -> str:
    """What a later run would have to record; what it recorded is not taken back."""
    if node.window.end is not None:
        return ""
    if isinstance(node, WasIn) and not wanted:
        return "" if node.window.start is None else f"out of segment {node.segment} at every run{window(node.window)}"
    if not wanted:
        return ""
    if isinstance(node, WasIn):
        return f"in segment {node.segment} in some run"
    return f"{'enter' if node.change == 'entered' else 'leave'} segment {node.segment}, by what the contact is or does"


def _plainly(leaf: Verdict, wanted: bool) -> str:
    return f"`{leaf.called}` {'holds' if wanted else 'no longer holds'}{_now(leaf)}"


def _now(leaf: Verdict) -> str:
    facts = "; ".join(f"{item.text} is {item.shown}" for item in leaf.observed)
    return f" (now {facts})" if facts else ""
