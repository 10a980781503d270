"""What is asked about contacts to explain conditions, and the verdicts read off the answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from segserver.compiler import finishing
from segserver.compiler.inner import Candidate, Listed, Placed, Rank, Stored, TrueSince
from segserver.compiler.observations import Observations, compile_observations
from segserver.compiler.requirements import Requirements
from segserver.compiler.standing import Standing
from segserver.compiler.walk import Node
from segserver.explain.judging import Judge, claim, cut_of, parts_of
from segserver.explain.observing import OWN_ZONE, Row, reads_own_zone, values
from segserver.explain.verdicts import Verdict
from segserver.relations import Cutoff
from segserver.rules.expressions.conditions import AccountAny, Condition, InSegment, Percentile, Top
from segserver.rules.expressions.values import AccountCount
from segserver.rules.program import Program, SegmentBlock
from segserver.rules.quoting import Quotes


@dataclass(frozen=True, slots=True)
class Questions:
    """What was compiled for some conditions at one instant.

    Attributes:
        observed: the steps to run, the table they end in, and its columns.
        missing: what cannot be answered, each with the model that does not serve.
        thresholds: of the models that serve.
        standing: what is taken over from earlier evaluations.
        cutoffs: where the last full run cut its rankings, by key.
        quotes: the rules as they were written.
    """

    program: Program
    as_of: datetime
    observed: Observations
    missing: Mapping[Node, str]
    thresholds: Mapping[str, float]
    standing: Standing
    cutoffs: Mapping[str, Cutoff]
    quotes: Quotes

    def verdict(self, condition: Condition, row: Row) -> Verdict:
        """Whether a condition that was asked about holds for the contact of a row, with all that decides it."""
        return Judge(self, row).verdict(condition)

    def is_listed(self, segment: str, row: Row) -> bool:
        """Whether the contact of a row is on a segment's manual list."""
        column = self.observed.columns.get(Listed(segment))
        return column is not None and bool(row[column])


def ask(
    program: Program,
    roots: Sequence[Node],
    as_of: datetime,
    *,
    thresholds: Mapping[str, float],
    among: str | None,
    historical: bool = False,
    cutoffs: Mapping[str, Cutoff] | None = None,
    prefix: str = "explain_",
) -> Questions:
    """Compile everything that some conditions look at.

    Args:
        program: the checked workspace.
        roots: the conditions, `InSegment` for a whole segment, and values wanted besides.
        as_of: naive UTC.
        thresholds: of the models that have a serving version.
        among: table whose `contact_id` column holds the contacts; None: all.
        historical: `as_of` lies in the past.
        cutoffs: where the last full run cut its rankings, by key; None: nothing is known.
        prefix: begins the name of every table made.
    """
    frozen = frozenset(name for name, block in program.segments.items() if block.frozen_at is not None)
    unserved = Requirements(program, [InSegment(name) for name in program.segments]).missing_models(thresholds)
    kept = frozen | {node.segment for node in unserved if isinstance(node, InSegment)}
    standing = Standing(frozenset(kept), frozen, None, historical)
    seen: set[str] = set()
    asked = list(dict.fromkeys(node for root in roots for node in _looked_at(program, standing, root, seen)))
    observed = compile_observations(
        program,
        as_of,
        [node for node in asked if (node.of if isinstance(node, Rank) else node) not in unserved],
        serving=thresholds,
        table=f"{prefix}observed",
        among=among,
        historical=historical,
        prefix=prefix,
        standing=standing,
    )
    quotes = Quotes(program.sources)
    return Questions(program, as_of, observed, unserved, thresholds, standing, cutoffs or {}, quotes)


def _looked_at(program: Program, standing: Standing, node: Node, seen: set[str]) -> Iterator[Node]:
    """Every condition of a rule and every value that its conditions look at, those of segments it reads included."""
    if isinstance(node, Condition) or any(True for _ in values(node)):
        yield node
    if reads_own_zone(node, program.traits):
        yield OWN_ZONE
    if isinstance(node, Top | Percentile):
        yield Rank(cut_of(node))
    if isinstance(node, AccountAny | AccountCount):
        return
    if isinstance(node, InSegment) and node.segment not in seen:
        seen.add(node.segment)
        block = program.segments[node.segment]
        yield from _state(program, standing, block)
        rules: list[Node] = [block.where]
        rules += [block.stay] if block.stay is not None else []
        rules += [block.limit.by] if block.limit is not None else []
        for rule in rules:
            yield from _looked_at(program, standing, rule, seen)
    for child in parts_of(node):
        yield from _looked_at(program, standing, child, seen)


def _state(program: Program, standing: Standing, block: SegmentBlock) -> Iterator[Node]:
    """What decides on a membership besides the rules."""
    name = block.name
    if name in standing.kept or block.stay is not None or block.limit is not None or standing.waits(block):
        yield Stored(name)
    if name in standing.kept:
        return
    if standing.waits(block):
        yield TrueSince(name)
    yield from (claim(rival, standing) for rival in finishing.rivals(program, name))
    if block.limit is not None:
        yield from (Candidate(name), Placed(name))
    if block.manual is not None:
        yield Listed(name)
