"""What happened behind each condition: the last few events it counts, the changes it speaks of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from segserver.compiler.windows import edge
from segserver.compiler.witnesses import Became, Happened, Passed, Sight
from segserver.explain.judging import parts_of
from segserver.explain.observing import ZONE_TEXT, values
from segserver.explain.passing import stay
from segserver.explain.sequences import Chain, all_steps, at_of, broken, earliest_chain, latest_chain
from segserver.explain.showing import instant, show
from segserver.explain.sights import of_step, seen_by, single, window_of
from segserver.explain.verdicts import Observed, Verdict, Witness
from segserver.explain.words import words
from segserver.relations import UNDATED, property_column
from segserver.rules.expressions.conditions import Condition
from segserver.rules.expressions.history import HasBeen, Regular
from segserver.rules.expressions.history import Sequence as Steps
from segserver.rules.program import Program
from segserver.rules.times import Ago
from segserver.specs.types import TEXT, Kind, Type

READ = 200
"""Rows of each kind that are read."""

Rows = Sequence[Mapping[str, object]]

_CAUSES = {
    "rule": ", as the rule was new or changed",
    "model": ", as a model was new or changed",
    "deleted": ", as the contact was deleted",
}
"""Why somebody entered or left, but for the data."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What happened to one contact.

    Attributes:
        as_of: naive UTC.
        rows: by what is looked at; of each the last few.
    """

    program: Program
    as_of: datetime
    rows: Mapping[Sight, Rows]

    def of(self, sight: Sight) -> Rows:
        """The rows of a sight in the order of time."""
        return sorted(self.rows.get(sight, ()), key=lambda row: (at_of(row), str(row["key"])))


def witnessed(verdict: Verdict, seen: Seen) -> Verdict:
    """The same verdict with what happened beside each single condition."""
    parts = tuple(witnessed(part, seen) for part in verdict.parts)
    verdict = replace(verdict, parts=parts)
    node = single(verdict)
    if node is None:
        return verdict
    if isinstance(node, Steps):
        return _sequence(verdict, node, seen)
    looked_at = dict.fromkeys(seen_by(seen.program, node))
    zone = zone_of(verdict, seen.program)
    found = [_reached(sight, seen, zone) for sight in looked_at]
    now, coming = (_together(some) for some in zip(*found, strict=True)) if found else ((), ())
    dated = tuple(item for item in now if item.at > UNDATED)
    verdict = replace(verdict, witnesses=dated, coming=coming, observed=_told(verdict, node, now, seen.program))
    match node:
        case Regular():
            return _periods(verdict, node, seen)
        case HasBeen() if since := _since(verdict, node, now, seen.program.zone):
            shown = f"{verdict.observed[0].shown}{since}"
            return replace(verdict, observed=(replace(verdict.observed[0], shown=shown), *verdict.observed[1:]))
        case _:
            return verdict


def _since(verdict: Verdict, node: HasBeen, took: Sequence[Witness], zone: str) -> str:
    """Since when a trait has had the value that is asked for, in words."""
    at = held_since(node, took)
    if verdict.observed[0].value == node.value.value and at is not None:
        return f" since {instant(at, zone)}"
    return ", since when is not known: no change to it is recorded" if starts_unseen(verdict, node, took) else ""


def zone_of(verdict: Verdict, program: Program) -> str:
    """The time zone in which a condition means days and months."""
    own = [item.value for item in verdict.observed if item.text == ZONE_TEXT]
    return str(own[0]) if own else program.zone


def held_since(node: HasBeen, took: Sequence[Witness]) -> datetime | None:
    """The change to the value that is asked for; None if it has another, did not change, or several sources tell it."""
    if len({witness.details["source"] for witness in took}) != 1:
        return None
    since = None
    for before, after in pairwise(took):
        same = after.details["value"] == node.value.value
        came = before.details["value"] != node.value.value
        since = (after.at if came else since) if same else None
    return since


def starts_unseen(verdict: Verdict, node: HasBeen, took: Sequence[Witness]) -> bool:
    """Whether a trait has the value that is asked for and no change to it is recorded: the first value is none."""
    told_by_one = len({witness.details["source"] for witness in took}) <= 1
    has_it = verdict.observed[0].value == node.value.value
    return not verdict.holds and has_it and told_by_one and held_since(node, took) is None


# ---- single things -------------------------------------------------------------------------------------------------


def _witnesses(sight: Sight, seen: Seen) -> Iterator[Witness]:
    for row in seen.of(sight):
        match sight:
            case Happened(count=count):
                yield _event(count.event, row, seen.program)
            case Became(trait=trait):
                value = show(row["value"], seen.program.catalog.traits[trait].type, seen.program.zone)
                text = f"{trait} became {value} ({row['connection']})"
                yield Witness(trait, at_of(row), {"value": row["value"], "source": row["connection"]}, text)
            case Passed(segment=segment):
                what = f"{'left' if row['change'] == 'exited' else row['change']} {segment}"
                text = f"{what}{_CAUSES.get(str(row['cause']), '')}"
                yield Witness(what, at_of(row), {"cause": row["cause"]}, text)


def _event(name: str, row: Mapping[str, object], program: Program) -> Witness:
    types = program.catalog.events[name].properties
    read = {key.removeprefix(_PROPERTY): value for key, value in row.items() if key.startswith(_PROPERTY)}
    details = {key: _stored(value, types.get(key, TEXT)) for key, value in read.items()}
    told = ", ".join(f"{key} {show(value, types.get(key, TEXT), program.zone)}" for key, value in details.items())
    return Witness(name, at_of(row), details, f"{name}: {told}" if told else name)


_PROPERTY = property_column("")


def _stored(value: object, of: Type) -> object:
    return timedelta(microseconds=value) if of.kind is Kind.DURATION and isinstance(value, int) else value


def _together(found: Sequence[Sequence[Witness]]) -> tuple[Witness, ...]:
    """What several figures look at, in the order of time; the same events with fewer details stand there once."""
    kept: list[Witness] = []
    for some in sorted(found, key=lambda some: -max((len(item.details) for item in some), default=0)):
        known = {(item.what, item.at) for item in kept}
        kept += [item for item in some if (item.what, item.at) not in known]
    return tuple(sorted(kept, key=lambda item: item.at))


def _reached(sight: Sight, seen: Seen, zone: str) -> tuple[list[Witness], list[Witness]]:
    """What is seen in a window, and what it comes to reach only later."""
    found = list(_witnesses(sight, seen))
    if not isinstance(sight, Happened) or sight.until is None:
        return found, []
    end = edge(sight.until, seen.as_of, zone)
    return [item for item in found if item.at < end], [item for item in found if item.at >= end]


def _told(verdict: Verdict, node: Condition, found: Sequence[Witness], program: Program) -> tuple[Observed, ...]:
    """What was observed; a figure over events that is unknown because there is none says so."""
    if found or all(item.value is not None for item in verdict.observed):
        return verdict.observed
    looked_at = {value for part in parts_of(node) for value in values(part)}
    figures = {words(value) for value in looked_at if window_of(program, value) is not None}
    return tuple(
        replace(item, shown="unknown: no such event") if item.value is None and item.text in figures else item
        for item in verdict.observed
    )


# ---- sequences and regularity --------------------------------------------------------------------------------------


def _sequence(verdict: Verdict, node: Steps, seen: Seen) -> Verdict:
    """The events that are the sequence; where there are none, how far it came and the last events of each step."""
    read = [seen.of(of_step(node, place)) for place in range(len(all_steps(node)))]
    chain = latest_chain(node, read, seen.as_of) if verdict.holds else earliest_chain(node, read)
    events = [_event(step.event, row, seen.program) for step, row in zip(node.steps, chain.rows, strict=False)]
    if verdict.holds:
        ends = _chain_ends(node, chain, read, seen, zone_of(verdict, seen.program))
        return replace(verdict, witnesses=tuple(events), turns_at=ends)
    note, cure = broken(node, chain, seen.program.zone)
    tails = [
        _event(step.event, row, seen.program)
        for step, rows in zip(all_steps(node), read, strict=True)
        for row in rows[-2:]
    ]
    waits = chain.complete and node.absent is not None
    over = events[-1].at + node.absent.within if waits and node.absent and node.absent.within else None
    shown = tuple(sorted({(item.what, item.at): item for item in (*tails, *events)}.values(), key=lambda item: item.at))
    return replace(verdict, witnesses=shown, note=note, turned=(cure, ""), turns_at=over)


def _chain_ends(node: Steps, chain: Chain, read: Sequence[Rows], seen: Seen, zone: str) -> datetime | None:
    """When a sequence leaves its window; not known where a later one may still come to hold."""
    last = read[len(node.steps) - 1]
    pending = node.absent is not None and bool(last) and at_of(last[-1]) > at_of(chain.rows[-1])
    if not chain.complete or pending:
        return None
    found = stay(node.window, at_of(chain.rows[0]), seen.as_of, zone)
    return None if found is None else found[1]


def _periods(verdict: Verdict, node: Regular, seen: Seen) -> Verdict:
    """In how many of the last periods something happened."""
    zone = zone_of(verdict, seen.program)
    edges = [edge(Ago(place, node.unit), seen.as_of, zone) for place in range(node.periods, -1, -1)]
    met = [any(start <= item.at < end for item in verdict.witnesses) for start, end in pairwise(edges)]
    unit = str(node.unit if node.periods > 1 else node.unit.removesuffix("s"))
    some = "at least " if len(verdict.witnesses) >= READ and not all(met) else ""
    told = Observed(f"{unit} with {node.count.event}", sum(met), f"{some}{sum(met)} of {node.periods}")
    return replace(verdict, observed=(told, *verdict.observed))
