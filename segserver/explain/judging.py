"""Verdicts read off a contact's row of what was observed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from segserver.compiler import finishing
from segserver.compiler.inner import Candidate, Listed, Placed, Rank, Reaches, Stored, TrueSince
from segserver.compiler.ranking import key
from segserver.compiler.standing import Standing
from segserver.compiler.walk import Node, children
from segserver.explain.observing import COMPOSED, Observer, Row, bound_notes, counted, criteria, values
from segserver.explain.showing import figure, instant
from segserver.explain.verdicts import Observed, Verdict
from segserver.explain.words import words
from segserver.explain.written import length, literal
from segserver.rules.expressions.conditions import (
    AccountAny,
    All,
    AnyOf,
    AtLeast,
    Condition,
    InSegment,
    Likely,
    Not,
    Percentile,
    Top,
)
from segserver.rules.expressions.values import Score, Value
from segserver.rules.program import Limit, SegmentBlock
from segserver.specs.types import Kind

if TYPE_CHECKING:
    from segserver.explain.questions import Questions


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


def cut_of(node: Top | Percentile) -> Top | Reaches:
    """The cut in a ranking that a condition asks about."""
    return node if isinstance(node, Top) else Reaches(node.by, node.bound, node.op in (">", "<="), node.among)


class Judge:
    """Reads verdicts out of a contact's row."""

    def __init__(self, questions: Questions, row: Row) -> None:
        self._questions = questions
        self._program = questions.program
        self._observer = Observer(questions, row)
        self._read = self._observer.read
        self._shown: set[str] = set()

    def verdict(self, node: Condition) -> Verdict:
        """A condition with all below it."""
        parts = tuple(self._inside(node))
        composed = isinstance(node, (*COMPOSED, InSegment, AccountAny))
        observed = () if composed else tuple(self._observer.of_condition(node, parts_of(node)))
        if isinstance(node, Top | Percentile) and node not in self._questions.missing and self._rank(node)["known"]:
            observed = (*observed, standing_of(node, self._rank(node)))
        text, written = self._text(node), self._written(node)
        if node in self._questions.missing:
            why = f"model {self._questions.missing[node]} has no serving version"
            return Verdict(text, None, observed, parts, why, node, _needed(node), written=written)
        note = self._note(node, parts)
        turned = self._ranked(node, observed, parts) if isinstance(node, Top | Percentile) else None
        holds, needed = bool(self._read(node)), _needed(node)
        return Verdict(text, holds, observed, parts, note, node, needed, turned=turned, written=written)

    def _ranked(
        self, node: Top | Percentile, observed: Sequence[Observed], parts: Sequence[Verdict]
    ) -> tuple[str, str] | None:
        """What it takes to be, and not to be, where a ranking wants a contact."""
        if parts and parts[0].holds is False:
            return f"in segment {node.among}, whose contacts alone are ranked", f"no longer {words(node)}"
        by, seen, rank = words(node.by), f"(now {_told(observed)})", self._rank(node)
        last, following = self._bound(node, "last"), self._bound(node, "next")
        enters, leaves = f"`{words(node)}` holds {seen}", f"no longer {words(node)} {seen}"
        if isinstance(node, Top):
            if following is not None:
                leaves = f"{by} below {following}, which the next one has {seen}"
            if node.count is not None and rank["number"] < node.count:
                enters = f"{by} known, as there is room for all"
            elif last is not None:
                enters = f"{by} above {last}, which the last one in has {seen}"
            return enters, leaves
        reached = None if last is None else f"{by} at least {last} {seen}"
        missed = None if following is None else f"{by} below {following} {seen}"
        ways = (reached, missed) if node.op in (">", ">=") else (missed, reached)
        return ways[0] or enters, ways[1] or leaves

    def _rank(self, node: Top | Percentile) -> Mapping[str, Any]:
        """Where the contact stands in a ranking."""
        return cast("Mapping[str, Any]", self._read(Rank(cut_of(node))))

    def _bound(self, node: Top | Percentile, side: str) -> str | None:
        """The value beside the cut in a ranking."""
        value = self._rank(node)[side]
        if value is not None and node.by.type.kind is Kind.DURATION:
            value = timedelta(microseconds=value)
        return None if value is None else self._observer.amount(value, node.by)

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

    def _written(self, node: Condition) -> str | None:
        composed = isinstance(node, All | AnyOf | AtLeast)
        return None if composed else self._questions.quotes.at(node.span) or None

    def _note(self, node: Condition, parts: Sequence[Verdict]) -> str | None:
        if isinstance(node, All | AnyOf | AtLeast):
            met = sum(part.holds is True for part in parts)
            return f"{met} of {len(parts)} {'holds' if met == 1 else 'hold'}"
        if isinstance(node, Likely) and node.model in self._questions.thresholds:
            return f"from {figure(self._questions.thresholds[node.model])}"
        if isinstance(node, Top):
            last = self._bound(node, "last")
            return None if last is None else f"the last one in has {last}"
        if isinstance(node, Percentile):
            last, how = self._bound(node, "last"), "is above it" if node.op in (">", "<=") else "reaches it"
            return None if last is None else f"{last} {how}"
        if isinstance(node, Not | InSegment):
            return None
        return "; ".join(bound_notes(node, self._questions.as_of, self._program.zone)) or None

    def _cut(self, node: Placed, by: Value, said: str) -> str | None:
        """Where the last full run cut a ranking, if it is known."""
        cutoff = self._questions.cutoffs.get(key(self._program, node))
        if cutoff is None or (cutoff.value is None and not cutoff.everyone):
            return None
        if cutoff.everyone or cutoff.value is None:
            return "there is room for all"
        return said.format(self._observer.amount(counted(cutoff.value, by), by))

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
                for weight, item in (found for value in children(node) for found in criteria(value)):
                    part = self.verdict(item)
                    worth = f"worth {literal(weight)} {'point' if weight == 1 else 'points'}"
                    yield replace(part, note=worth if part.note is None else f"{part.note}; {worth}")

    # ---- segments

    def _segment(self, block: SegmentBlock) -> Iterator[Verdict]:
        where = self.verdict(block.where)
        clauses = list(self._clauses(block))
        if not clauses:
            yield where
            return
        if block.name not in self._questions.standing.frozen:
            yield Verdict("where", where.holds, parts=(where,), note=self._unless(block), needed=1, role="where")
        yield from clauses

    def _unless(self, block: SegmentBlock) -> str | None:
        """Why `where` does not decide."""
        stays = block.stay is not None and bool(self._read(Stored(block.name)))
        return "does not decide: a member stays by `stay while`" if stays else None

    def _clauses(self, block: SegmentBlock) -> Iterator[Verdict]:
        """Besides `where`: what else decides, in the order in which it is applied."""
        name, standing = block.name, self._questions.standing
        if name in standing.kept:
            at = block.frozen_at
            kept = "members are kept" if at is None else f"evaluated once, as of {instant(at, self._program.zone)}"
            yield Verdict("already a member", bool(self._read(Stored(name))), note=kept, role="kept")
            return
        if block.stay is not None or standing.waits(block):
            yield Verdict("already a member", bool(self._read(Stored(name))), role="before")
        if block.stay is not None:
            stay = self.verdict(block.stay)
            note = None if self._read(Stored(name)) else "does not decide: only a member stays by it"
            yield Verdict("stay while", stay.holds, parts=(stay,), note=note, needed=1, role="stay")
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
        text, turned = f"`where` true for {length(wait)}", f"`where` true at every run for {length(wait)}"
        if self._read(Stored(name)):
            note, done, at = "does not decide: a member need not wait", True, None
        elif isinstance(since, datetime):
            note = f"true at every run since {instant(since, self._program.zone)}"
            done, at = self._questions.as_of - since >= wait, since + wait
        else:
            note, done, at = "it is not true now", False, None
        return Verdict(text, done, note=note, role="wait", turned=(turned, f"not yet {turned}"), turns_at=at)

    def _limit(self, name: str, limit: Limit) -> Verdict:
        places = f"{limit.count}" if limit.share is None else f"{literal(limit.share * 100)}%"
        text, by = f"among the first {places} by {words(limit.by)}", words(limit.by)
        observed = tuple(self._observer.value(value) for value in dict.fromkeys(values(limit.by)))
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


def standing_of(node: Top | Percentile, rank: Mapping[str, Any]) -> Observed:
    """The place, or the percentile, of a contact that competes."""
    place, number = rank["before"] + 1, rank["number"]
    if isinstance(node, Top):
        return Observed("the place", place, f"{place} of {number}")
    value = Decimal(100 * (number - rank["before"])) / number
    shown = f"{value:.1f}".removesuffix(".0")
    if value != node.bound and Decimal(shown) == node.bound:
        shown = f"just {'above' if value > node.bound else 'below'} {shown}"
    return Observed("the percentile", float(value), shown)


def _told(observed: Sequence[Observed]) -> str:
    return "; ".join(f"{item.text} is {item.shown}" for item in observed)


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
