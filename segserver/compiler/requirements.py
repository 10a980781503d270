"""What a set of nodes needs, over the whole workspace: which columns are read, which are made, and in which order.

Equal nodes are one node wherever they were written, so everything is computed once. A node gets a column of its own
(a *cell*) when it has a name (trait, segment, score), when it is used more than once, or when the expression it tops
would become too deep for an engine's parser.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from segserver.compiler import finishing, inner, ranking
from segserver.compiler.accounts import ACCOUNT, OVER_ACCOUNT
from segserver.compiler.derived import ContactClock, Falls, Midnight, derived
from segserver.compiler.standing import AFRESH, Standing
from segserver.compiler.walk import Node, children
from segserver.rules.expressions.conditions import (
    AccountAny,
    Condition,
    Consents,
    InSegment,
    Known,
    Likely,
    Percentile,
    Top,
)
from segserver.rules.expressions.history import Changed, Did, HasBeen, Regular, SegmentChange, WasIn
from segserver.rules.expressions.history import Sequence as Steps
from segserver.rules.expressions.values import (
    AccountCount,
    AccountTrait,
    Aggregate,
    Arithmetic,
    ComputedTrait,
    CreatedAt,
    Points,
    Score,
    TraitValue,
)
from segserver.rules.program import Program

LEAVES: tuple[type, ...] = (
    TraitValue,
    AccountTrait,
    CreatedAt,
    Consents,
    Aggregate,
    Regular,
    Steps,
    Changed,
    HasBeen,
    SegmentChange,
    WasIn,
    ContactClock,
    Midnight,
    Falls,
    *inner.READ,
)
"""Nodes that are read from the store."""

NAMED: tuple[type, ...] = (ComputedTrait, InSegment, Score)
"""Nodes that stand for a block."""

_ALWAYS_CELLS = NAMED + OVER_ACCOUNT + ranking.RANKING + inner.MADE

_CHEAP: tuple[type, ...] = (Did, Known, Consents, InSegment, Likely)
_DEEPEST = 24


@dataclass(frozen=True, slots=True, order=True)
class Stage:
    """When a node's column is there.

    Attributes:
        phase: how many rounds of scoring come before it.
        level: how many projections in its phase; 0 is at the phase's start.
    """

    phase: int
    level: int


class Requirements:
    """Everything that some nodes need, in dependency order.

    Args:
        program: where the blocks are.
        roots: what is wanted in the end.
        given: kinds of node that are columns of the store in this evaluation, besides `LEAVES`.
        standing: what is taken over from earlier evaluations.
    """

    def __init__(
        self,
        program: Program,
        roots: Sequence[Node],
        given: tuple[type, ...] = (),
        standing: Standing = AFRESH,
    ) -> None:
        self._program = program
        self.standing = standing
        self._given = LEAVES + given
        self._order = self._dependency_order(roots)
        uses = Counter(used for node in self._order for used in self.uses(node))
        uses.update(roots)
        self._cells: set[Node] = set()
        self._choose_cells(uses)
        self.stages = self._staged()

    def uses(self, node: Node) -> tuple[Node, ...]:
        """The nodes a node is computed from; none for what is read from the store."""
        if isinstance(node, self._given):
            return ()
        match node:
            case ComputedTrait(name=name):
                return (self._program.traits[name].value,)
            case InSegment() | inner.Candidate() | inner.TrueSince():
                return finishing.uses(self._program, self.standing, node)
            case Top() | Percentile() | inner.Placed() | inner.Reaches():
                return ranking.uses(self._program, node)
            case inner.Rank(of=of):
                return (of, *ranking.uses(self._program, of))
            case inner.ContactHash():
                return ()
            case Score(model=model):
                block = self._program.models[model]
                features = tuple(feature.value for feature in block.features)
                return features if block.population is None else (*features, block.population)
            case Likely(model=model):
                return (Score(model),)
            case AccountAny() | AccountCount():
                return (ACCOUNT, *children(node))
            case _:
                return (*children(node), *derived(node))

    def definition(self, cell: Node) -> Node:
        """What is computed for a cell: the body of its block, or the cell itself."""
        return self.uses(cell)[0] if isinstance(cell, ComputedTrait) else cell

    @cached_property
    def leaves(self) -> tuple[Node, ...]:
        """What has to be read from the store, in a stable order."""
        return tuple(node for node in self._order if isinstance(node, self._given))

    @cached_property
    def cells(self) -> tuple[Node, ...]:
        """What gets a column by computation, without scores, in dependency order."""
        return tuple(node for node in self._order if node in self._cells and not isinstance(node, Score))

    @cached_property
    def scores(self) -> tuple[Score, ...]:
        """The models that have to be scored, in dependency order."""
        return tuple(node for node in self._order if isinstance(node, Score) and not isinstance(node, self._given))

    def columns_read(self, nodes: Iterable[Node]) -> set[Node]:
        """The leaves and cells whose columns are read when these nodes are built."""
        found: set[Node] = set()
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            if isinstance(node, self._given) or node in self._cells:
                found.add(node)
            else:
                waiting.extend(self.uses(node))
        return found

    def read_by(self, cell: Node) -> set[Node]:
        """The leaves and cells that computing a cell reads."""
        return self.columns_read(self.uses(cell))

    def missing_models(self, serving: Container[str]) -> dict[Node, str]:
        """The nodes that cannot be computed, each with the first model it needs that does not serve."""
        return self.missing(lambda node: node.model if isinstance(node, Score) and node.model not in serving else None)

    def missing(self, why: Callable[[Node], str | None]) -> dict[Node, str]:
        """The nodes that cannot be computed, each with the first reason found at it or at what it needs.

        A segment does not need those before it in its exclusive group: their stored members will do.
        """
        missing: dict[Node, str] = {}
        for node in self._order:
            reason = why(node)
            if reason is None:
                reason = next((missing[used] for used in self._needed(node) if used in missing), None)
            if reason is not None:
                missing[node] = reason
        return missing

    def _needed(self, node: Node) -> Sequence[Node]:
        needed = list(self.uses(node))
        if isinstance(node, InSegment | inner.Candidate):
            for rival in finishing.rivals(self._program, node.segment):
                if rival in needed:
                    needed.remove(rival)  # once: the rule itself may ask for its members too
        return needed

    def _dependency_order(self, roots: Sequence[Node]) -> list[Node]:
        """Every node needed, once, after all it uses; without recursion, as rules may be long."""
        order: list[Node] = []
        seen: set[Node] = set()
        waiting: list[tuple[tuple[Node, ...], Iterator[Node]]] = [((), iter(roots))]
        while waiting:
            done, rest = waiting[-1]
            following = next((used for used in rest if used not in seen), None)
            if following is None:
                order += done
                waiting.pop()
            else:
                seen.add(following)
                waiting.append(((following,), iter(self.uses(following))))
        return order

    def _choose_cells(self, uses: Counter[Node]) -> None:
        depths: dict[Node, float] = {}
        for node in self._order:
            used = self.uses(node)
            depth = max((depths[item] for item in used), default=0) + 1 + math.log2(max(len(used), 1))
            if self._deserves_column(node, uses[node], depth):
                self._cells.add(node)
                depth = 0
            depths[node] = 0 if isinstance(node, self._given) else depth

    def _deserves_column(self, node: Node, uses: int, depth: float) -> bool:
        if isinstance(node, self._given):
            return False
        if isinstance(node, _ALWAYS_CELLS):
            return True
        if not isinstance(node, Condition | Points | Arithmetic):
            return False
        return depth > _DEEPEST or (uses > 1 and not isinstance(node, _CHEAP))

    def _staged(self) -> dict[Node, Stage]:
        stages: dict[Node, Stage] = {}
        for node in self._order:
            stage = max((stages[item] for item in self.uses(node)), default=Stage(0, 0))
            if isinstance(node, Score) and not isinstance(node, self._given):
                stage = Stage(stage.phase + 1, 0)
            elif node in self._cells:
                stage = Stage(stage.phase, stage.level + 1)
            stages[node] = stage
        return stages
