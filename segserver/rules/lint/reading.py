"""Conditions to formulas."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from segserver.rules.expressions.conditions import (
    All,
    AnyOf,
    AtLeast,
    Between,
    Comparison,
    Condition,
    InBucket,
    InSegment,
    Known,
    Likely,
    ListTest,
    Near,
    Not,
    OnDay,
    OneOf,
    Percentile,
    TextTest,
    Top,
)
from segserver.rules.expressions.history import Did, FirstDid, HasBeen, Regular, Sequence
from segserver.rules.expressions.values import Aggregate, Instant, Literal, Measure, Score, Value
from segserver.rules.lint.formulas import (
    FALSE,
    TRUE,
    Atom,
    Compared,
    Formula,
    Holds,
    Predicate,
    Present,
    Threshold,
    Timed,
    Worded,
    conjunction,
    disjunction,
)
from segserver.rules.lint.spans import EXACT, Moment, longest, next_day
from segserver.rules.lint.subjects import Sort, Subject, bucket, is_never_unknown, number, percentile, resolved, subject
from segserver.rules.program import Program, SegmentBlock
from segserver.rules.times import Ago, Fixed, Window
from segserver.specs.types import NUMBER, Kind


def _same(one: str, other: str, ignoring_case: bool) -> bool:
    return one.lower() == other.lower() if ignoring_case else one == other


_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}


class Reader:
    """Reads conditions of one program.

    Args:
        program: where traits and segments are.
        implying: whether a flag also brings what follows from it (`first did x` that x was done); without, a formula
            means exactly its condition.
    """

    def __init__(self, program: Program, *, implying: bool) -> None:
        self._program = program
        self._implying = implying
        self._segments: dict[tuple[str, bool], Formula] = {}
        self._grouped = {name for block in program.exclusives.values() for name in block.segments}

    def formula(self, node: Condition, *, positive: bool = True) -> Formula:
        """The condition, or its complement, as a formula."""
        match node:
            case Not(item=item):
                return self.formula(item, positive=not positive)
            case All(items=items) | AnyOf(items=items):
                read = [self.formula(item, positive=positive) for item in items]
                return conjunction(read) if isinstance(node, All) is positive else disjunction(read)
            case AtLeast():
                return self._at_least(node, positive)
            case InSegment():
                return self._member(node, positive)
            case Comparison():
                return self._comparison(node, positive)
            case Between(value=value, low=low, high=high):
                both = All((Comparison(">=", value, low), Comparison("<=", value, high)))
                return self.formula(both, positive=positive)
            case OneOf():
                return self._one_of(node, positive)
            case Known(value=value, negated=negated):
                return self._presence(value, positive is not negated)
            case TextTest():
                return self._text(node.value, node.test, node.pattern, node.ignoring_case, positive)
            case ListTest():
                return self._list(node, positive)
            case OnDay():
                return self._on_day(node, positive)
            case _:
                return self._single(node, positive)

    def _at_least(self, node: AtLeast, positive: bool) -> Formula:
        needed = node.n if positive else len(node.items) - node.n + 1
        read = tuple(self.formula(item, positive=positive) for item in node.items)
        if needed <= 1:
            return disjunction(read) if needed == 1 else TRUE
        return conjunction(read) if needed == len(read) else FALSE if needed > len(read) else Threshold(needed, read)

    # ---- segments

    def _member(self, node: InSegment, positive: bool) -> Formula:
        key = (node.segment, positive)
        if key not in self._segments:
            block = self._program.segments.get(node.segment)
            flag = Atom(Subject(Sort.FLAG, InSegment(node.segment)), Holds(), positive)
            self._segments[key] = flag if block is None else self._membership(block, flag)
        return self._segments[key]

    def _membership(self, block: SegmentBlock, flag: Atom) -> Formula:
        if self.is_plain(block):
            return self.formula(block.where, positive=flag.positive)
        if not (flag.positive and self._implying) or block.manual is not None or block.frozen_at is not None:
            return flag
        held = [block.where] if block.stay is None else [block.where, block.stay]
        return conjunction((flag, disjunction(self.formula(item) for item in held)))

    def is_plain(self, block: SegmentBlock) -> bool:
        """Whether a segment's members are exactly those for whom its `where` holds."""
        kept = block.stay is not None or block.manual is not None or block.frozen_at is not None
        chosen = block.enter_after is not None or block.limit is not None or block.name in self._grouped
        return not kept and not chosen

    # ---- comparisons

    def _comparison(self, node: Comparison, positive: bool) -> Formula:
        left, right = resolved(node.left, self._program), resolved(node.right, self._program)
        op = node.op
        if isinstance(left, Condition) or isinstance(right, Condition):
            return self._truth(left, op, right, positive)
        if isinstance(left, Literal | Instant) and not isinstance(right, Literal | Instant):
            left, right, op = right, left, _FLIPPED[op]
        if op == "!=":
            op, positive = "=", not positive
        if left.type.kind is Kind.TEXT and isinstance(left, Literal) and isinstance(right, Literal):
            return TRUE if _same(str(left.value), str(right.value), node.ignoring_case) is positive else FALSE
        if left.type.kind is Kind.TEXT and isinstance(right, Literal):
            return self._text(left, "=", str(right.value), node.ignoring_case, positive)
        predicate = self._against(left, op, right)
        if predicate is not None:
            return Atom(subject(left), predicate, positive)
        return self._two_values(left, op, right, node.ignoring_case, positive)

    def _truth(self, left: Value | Condition, op: str, right: Value | Condition, positive: bool) -> Formula:
        """A boolean trait made of a condition: it is never unknown."""
        sides = (left, right) if isinstance(left, Condition) else (right, left)
        match sides:
            case condition, Literal(value=bool(wanted)) if isinstance(condition, Condition) and op in ("=", "!="):
                return self.formula(condition, positive=(positive is wanted) is (op == "="))
            case _:
                return Atom(Subject(Sort.FLAG, (op, left, right)), Holds(), positive)

    def _against(self, left: Value, op: str, right: Value) -> Predicate | None:
        """The predicate of a value and a written one."""
        match right:
            case Literal(type=kind) if kind.kind in (Kind.NUMBER, Kind.DURATION, Kind.BOOLEAN):
                return Compared(op, number(right, left))
            case Literal(type=kind) if kind.kind is Kind.DATE:
                return Timed(op, Moment(Fixed(datetime.fromisoformat(str(right.value)))))
            case Instant(edge=edge):
                return Timed(op, Moment(edge))
            case _:
                return None

    def _two_values(self, left: Value, op: str, right: Value, ignoring_case: bool, positive: bool) -> Formula:
        """The order of two values, a subject of its own."""
        if repr(right) < repr(left):
            left, right, op = right, left, _FLIPPED[op]
        if left.type.kind in (Kind.TEXT, Kind.BOOLEAN, Kind.TEXTS, Kind.PLACE):
            return Atom(Subject(Sort.FLAG, (op, left, right, ignoring_case)), Holds(), positive)
        return Atom(Subject(Sort.NUMBER, ("order", left, right)), Compared(op, 0), positive)

    def _one_of(self, node: OneOf, positive: bool) -> Formula:
        equal = (Comparison("=", node.value, option, node.ignoring_case) for option in node.options)
        return self.formula(AnyOf(tuple(equal)), positive=positive is not node.negated)

    def _presence(self, value: Value, positive: bool) -> Formula:
        inner = resolved(value, self._program)
        if isinstance(inner, Condition) or is_never_unknown(inner):
            return TRUE if positive else FALSE
        return Atom(subject(inner), Present(), positive)

    # ---- texts, lists, days

    def _text(self, value: Value, test: str, pattern: str, ignoring_case: bool, positive: bool) -> Formula:
        inner = resolved(value, self._program)
        if isinstance(inner, Condition):
            return Atom(Subject(Sort.FLAG, (test, inner, pattern)), Holds(), positive)
        about = subject(inner)
        if test == "like":
            if not pattern.strip("*"):
                return Atom(about, Present(), positive)
            test, pattern = _plain_like(pattern)
        return Atom(about, Worded(test, pattern, ignoring_case), positive)

    def _list(self, node: ListTest, positive: bool) -> Formula:
        negated = node.quantifier == "none of"
        items = [self._contains(node, option, positive is not negated) for option in dict.fromkeys(node.options)]
        every = node.quantifier == "all of"
        return conjunction(items) if every is (positive is not negated) else disjunction(items)

    def _contains(self, node: ListTest, option: str, positive: bool) -> Formula:
        folded = option.lower() if node.ignoring_case and option.isascii() else option
        flag = Atom(Subject(Sort.FLAG, ("contains", node.value, folded, node.ignoring_case)), Holds(), positive)
        if not positive or not self._implying:
            return flag
        return conjunction((flag, self._presence(node.value, True)))

    def _on_day(self, node: OnDay, positive: bool) -> Formula:
        value = resolved(node.value, self._program)
        if isinstance(value, Condition):
            return Atom(Subject(Sort.FLAG, replace(node, value=node.value)), Holds(), positive)
        about, local = subject(value), node.in_contact_zone
        first = Atom(about, Timed(">=", Moment(node.day, local)), positive)
        last = Atom(about, Timed("<", Moment(next_day(node.day), local)), positive)
        return conjunction((first, last)) if positive else disjunction((first, last))

    # ---- everything else: a flag or a number, with what follows from it

    def _single(self, node: Condition, positive: bool) -> Formula:
        match node:
            case Did(count=count, low=low, high=high):
                least = Comparison(">=", count, Literal(Decimal(low), NUMBER))
                most = Comparison("<=", count, Literal(Decimal(high or 0), NUMBER))
                bounds = ([least] if low else []) + ([most] if high is not None else [])
                return self.formula(All(tuple(bounds)), positive=positive)
            case InBucket(low=low, high=high):
                inside = [Atom(bucket(node), Compared(op, at), positive) for op, at in ((">=", low), ("<=", high))]
                return conjunction(inside) if positive else disjunction(inside)
            case Percentile(op=op, bound=bound):
                return Atom(percentile(node), Compared(op, float(bound)), positive)
            case Near(value=value, kilometres=kilometres, latitude=latitude, longitude=longitude):
                about = Subject(Sort.NUMBER, ("distance", value, latitude, longitude))
                return Atom(about, Compared("<=", float(kilometres)), positive)
            case Sequence(absent=absent, window=window) if absent is not None and _is_too_short(window, absent.within):
                return FALSE if positive else TRUE
            case _:
                flag = Atom(Subject(Sort.FLAG, node), Holds(), positive)
                if not positive or not self._implying:
                    return flag
                return conjunction((flag, *(self.formula(item) for item in implied(node))))


def implied(node: Condition) -> tuple[Condition, ...]:
    """What holds whenever a condition of the single kinds does."""
    match node:
        case FirstDid(since=since, window=window):
            return (Did(replace(since, measure=Measure.COUNT, type=NUMBER, window=window), 1, None),)
        case Regular(count=count, low=low, periods=periods, unit=unit) if unit in EXACT:
            return (Did(replace(count, window=Window(Ago(periods, unit))), low, None),)
        case Sequence(steps=steps, window=window):
            return tuple(_did(step.event, step.where, window) for step in steps)
        case HasBeen(trait=trait, value=value):
            return (Comparison("=", trait, value),)
        case Likely(model=model):
            return (Known(Score(model)),)
        case Top(by=by):
            return (Known(by),)
        case _:
            return ()


def _is_too_short(window: Window, wait: timedelta | None) -> bool:
    """Whether no step in a window lies so far back that the wait after it is over."""
    most = longest(window)
    return most is not None and wait is not None and wait > most


def _did(event: str, where: Condition | None, window: Window) -> Condition:
    return Did(Aggregate(Measure.COUNT, event, None, where, window, NUMBER), 1, None)


def _plain_like(pattern: str) -> tuple[str, str]:
    """A pattern of `like` as the plainest test that means the same."""
    inner = pattern.strip("*")
    if "*" in inner:
        return "like", pattern
    ends = (pattern.startswith("*"), pattern.endswith("*"))
    return {(False, False): "=", (False, True): "starts with", (True, False): "ends with"}.get(ends, "contains"), inner
