"""Verdicts read off a contact's row of what was observed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from segserver.compiler import finishing
from segserver.compiler.inner import Candidate, Listed, Placed, Reaches, Stored, TrueSince
from segserver.compiler.ranking import Cut, key
from segserver.compiler.standing import Standing
from segserver.compiler.walk import Node, children
from segserver.compiler.windows import to_local
from segserver.explain.verdicts import Observed, Verdict
from segserver.explain.words import words
from segserver.explain.written import length, literal
from segserver.rules.expressions import (
    AccountAny,
    All,
    AnyOf,
    Arithmetic,
    AtLeast,
    Condition,
    InSegment,
    Instant,
    Likely,
    Literal,
    Not,
    Percentile,
    Points,
    Score,
    Top,
    Value,
)
from segserver.rules.program import Limit, SegmentBlock
from segserver.specs import Kind

if TYPE_CHECKING:
    from segserver.explain.questions import Questions

_COMPOSED = (All, AnyOf, Not, AtLeast)
Row = Mapping[str, object]


def claim(rival: InSegment, standing: Standing) -> Node:
    """Whether a segment that comes before in an exclusive group has the contact; its stored members will do."""
    return Stored(rival.segment) if rival.segment in standing.kept else rival


def parts_of(node: Node) -> Iterator[Node]:
    """What a node looks at directly."""
    if isinstance(node, Likely):
        yield Score(node.model)
    if isinstance(node, Top | Percentile) and node.among is not None:
        yield InSegment(node.among)
    yield from children(node)


class Judge:
    """Reads verdicts out of a contact's row."""

    def __init__(self, questions: Questions, row: Row) -> None:
        self._questions = questions
        self._program = questions.program
        self._row = row
        self._shown: set[str] = set()

    def verdict(self, node: Condition) -> Verdict:
        """A condition with all below it."""
        observed, parts = self._observed(node), tuple(self._inside(node))
        text, note = self._text(node), self._note(node)
        if node in self._questions.missing:
            note = f"model {self._questions.missing[node]} has no serving version"
            return Verdict(text, None, observed, parts, note, node, _needed(node))
        turned = self._outranking(node, observed, parts) if isinstance(node, Top) else None
        return Verdict(text, bool(self._read(node)), observed, parts, note, node, _needed(node), turned=turned)

    def _outranking(self, node: Top, observed: Sequence[Observed], parts: Sequence[Verdict]) -> tuple[str, str] | None:
        """What it takes to be, and not to be, among the best."""
        seen = _told(observed)
        leaving = f"no longer {words(node)} ({seen})"
        if parts and parts[0].holds is False:
            return f"in segment {node.among}, whose contacts alone are ranked", leaving
        cutoff = self._questions.cutoffs.get(key(self._program, node))
        if cutoff is None or cutoff.value is None:
            return None
        bound = self._amount(_counted(cutoff.value, node.by), node.by)
        return f"{words(node.by)} above {bound}, which the last one in has (now {seen})", leaving

    def _read(self, node: Node) -> object:
        return self._row[self._questions.observed.columns[node]]

    def _text(self, node: Condition) -> str:
        match node:
            case All():
                return "all of"
            case AnyOf():
                return "any of"
            case Not():
                return "not"
            case AtLeast(n=n):
                return f"at least {n} of"
            case _:
                return words(node)

    def _note(self, node: Condition) -> str | None:
        if isinstance(node, Likely) and node.model in self._questions.thresholds:
            return f"from {self._questions.thresholds[node.model]:.6g}"
        if isinstance(node, Top):
            return self._cut(node, node.by, "the last one in has {}")
        if isinstance(node, Percentile):
            return self._cut(Reaches(node.by, node.bound, node.op in (">", "<="), node.among), node.by, "{} reaches it")
        return None

    def _cut(self, node: Cut, by: Value, said: str) -> str | None:
        """Where the last full run cut a ranking, if it is known."""
        cutoff = self._questions.cutoffs.get(key(self._program, node))
        if cutoff is None or (cutoff.value is None and not cutoff.everyone):
            return None
        if cutoff.everyone or cutoff.value is None:
            return "there is room for all"
        return said.format(self._amount(_counted(cutoff.value, by), by))

    def _inside(self, node: Condition) -> Iterator[Verdict]:
        """The verdicts shown below a condition."""
        match node:
            case InSegment(segment=segment):
                if segment not in self._shown:
                    self._shown.add(segment)
                    yield from self._segment(self._program.segments[segment])
            case All(items=items) | AnyOf(items=items) | AtLeast(items=items):
                yield from (self.verdict(item) for item in items)
            case Not(item=item):
                yield self.verdict(item)
            case Top(among=str(among)) | Percentile(among=str(among)):
                yield self.verdict(InSegment(among))
            case AccountAny():
                return
            case _:
                yield from (self.verdict(item) for value in children(node) for item in _criteria(value))

    # ---- segments

    def _segment(self, block: SegmentBlock) -> Iterator[Verdict]:
        where = self.verdict(block.where)
        clauses = list(self._clauses(block))
        if not clauses:
            yield where
            return
        if block.name not in self._questions.standing.frozen:
            yield Verdict("where", where.holds, parts=(where,), needed=1, role="where")
        yield from clauses

    def _clauses(self, block: SegmentBlock) -> Iterator[Verdict]:
        """Besides `where`: what else decides, in the order in which it is applied."""
        name, standing = block.name, self._questions.standing
        if name in standing.kept:
            at = block.frozen_at
            note = "members are kept" if at is None else f"evaluated once, as of {self._show(at)}"
            yield Verdict("a member before", bool(self._read(Stored(name))), note=note, role="kept")
            return
        if block.stay is not None or standing.waits(block):
            yield Verdict("a member before", bool(self._read(Stored(name))), role="before")
        if block.stay is not None:
            stay = self.verdict(block.stay)
            yield Verdict("stay while", stay.holds, parts=(stay,), needed=1, role="stay")
        if block.enter_after is not None and standing.waits(block):
            yield self._waiting(name, block.enter_after)
        for rival in finishing.rivals(self._program, name):
            claimed = bool(self._read(claim(rival, standing)))
            turned = (f"no longer in {rival.segment}", f"in {rival.segment}")
            yield Verdict(f"not claimed by {rival.segment}", not claimed, role="rival", turned=turned)
        if block.limit is not None:
            yield self._limit(name, block.limit)
        if block.manual is not None:
            turned = (f'listed in "{block.manual}"', f'removed from "{block.manual}"')
            yield Verdict(turned[0], bool(self._read(Listed(name))), role="manual", turned=turned)

    def _waiting(self, name: str, wait: timedelta) -> Verdict:
        since = self._read(TrueSince(name))
        text, note, done = f"`where` true for {length(wait)}", "it is not true now", False
        if isinstance(since, datetime):
            done = self._questions.as_of - since >= wait
            note = f"true at every run since {self._show(since)}"
        return Verdict(text, done, note=note, role="wait", turned=(text, f"not yet {text}"))

    def _limit(self, name: str, limit: Limit) -> Verdict:
        places = f"{limit.count}" if limit.share is None else f"{literal(limit.share * 100)}%"
        text, by = f"among the first {places} by {words(limit.by)}", words(limit.by)
        observed = tuple(self._observe(value) for value in dict.fromkeys(_values(limit.by)))
        cutoff = self._questions.cutoffs.get(key(self._program, Placed(name)))
        placed, note = bool(self._read(Placed(name))), self._cut(Placed(name), limit.by, "the last one in has {}")
        known = all(item.value is not None for item in observed)
        if not placed and known and cutoff is not None and cutoff.everyone and not self._read(Candidate(name)):
            return Verdict(text, True, observed, note=note, role="limit", turned=("", ""))
        free = f"a free place among the first {places}: members keep theirs, the next one goes to the highest {by}"
        enters = f"{free} ({_told(observed)})" if known else f"{by} known, and {free}"
        keeps = bool(self._read(Stored(name))) and limit.share is None
        leaves = "" if keeps else f"no longer {text} ({_told(observed)})"
        if not placed:
            why = "members keep their places" if known else "who is ranked by something unknown has no place"
            note = why if note is None else f"{note}; {why}"
        return Verdict(text, placed, observed, note=note, role="limit", turned=(enters, leaves))

    # ---- values

    def _observed(self, node: Condition) -> tuple[Observed, ...]:
        if isinstance(node, (*_COMPOSED, InSegment, AccountAny)):
            return ()
        values = dict.fromkeys(value for part in parts_of(node) for value in _values(part))
        return tuple(self._observe(value) for value in values if value not in self._questions.missing)

    def _observe(self, node: Value) -> Observed:
        value = self._read(node)
        if node.type.kind is Kind.DURATION and value is not None:
            value = timedelta(microseconds=int(str(value)))
        return Observed(words(node), value, self._amount(value, node))

    def _amount(self, value: object, of: Value) -> str:
        """A value with its unit."""
        return f"{self._show(value)} {of.type.unit}" if of.type.unit and value is not None else self._show(value)

    def _show(self, value: object) -> str:
        match value:
            case datetime():
                return f"{to_local(value, self._program.zone):%Y-%m-%d %H:%M}"
            case timedelta():
                return length(value)
            case float():
                return f"{value:.6g}"
            case {"latitude": latitude, "longitude": longitude}:
                return f"({latitude:.6g}, {longitude:.6g})"
            case _:
                return literal(value)


def _told(observed: Sequence[Observed]) -> str:
    return "; ".join(f"{item.text} is {item.shown}" for item in observed)


def _counted(text: str, by: Value) -> object:
    """A stored bound as the values it bounds."""
    if by.type.kind is Kind.DURATION:
        return timedelta(microseconds=int(text))
    return float(text) if "e" in text else Decimal(text)


def _needed(node: Condition) -> int | None:
    match node:
        case All(items=items):
            return len(items)
        case AnyOf():
            return 1
        case AtLeast(n=n):
            return n
        case _:
            return None


def _values(node: Node) -> Iterator[Value]:
    """The values of a condition that are not written out in it."""
    match node:
        case Literal() | Instant():
            return
        case Arithmetic():
            for side in children(node):
                yield from _values(side)
        case _ if isinstance(node, Value):
            yield node


def _criteria(node: Node) -> Iterator[Condition]:
    """The conditions inside a value: the criteria of `points`."""
    if isinstance(node, Points):
        yield from (condition for _, condition in node.criteria)
    elif isinstance(node, Arithmetic):
        for side in children(node):
            yield from _criteria(side)
