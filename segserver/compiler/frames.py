"""From the first table to the wanted columns: projections in dependency order, with models scored in between.

Each level of dependencies is one projection over the one before; a few of them share a statement, so that neither the
number of statements nor their depth grows with the size of the workspace. Every projection carries only what is still
read later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from segserver.compiler import finishing, hashes, inner, ranking
from segserver.compiler.plan import Materialise, ScoreModel, Step
from segserver.compiler.requirements import Requirements, Stage
from segserver.compiler.translate import Moment, Translator
from segserver.compiler.walk import Node
from segserver.rules.expressions.conditions import InSegment, Percentile, Top
from segserver.rules.expressions.values import ComputedTrait, Score
from segserver.rules.program import Feature, Program

_LEVELS_PER_STATEMENT = 6


def unique_names(wanted: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """The names wanted, made to differ from each other and from those taken, whatever their case, as SQL wants it."""
    used = {name.casefold() for name in taken}
    names = []
    for name in wanted:
        while name.casefold() in used:
            name += "_"
        used.add(name.casefold())
        names.append(name)
    return names


def cell_columns(cells: Sequence[Node], taken: Iterable[str]) -> dict[Node, str]:
    """A column name for each cell: by its block where it has one."""
    wanted = [_wanted_name(cell, place) for place, cell in enumerate(cells)]
    return dict(zip(cells, unique_names(wanted, taken), strict=True))


def _wanted_name(cell: Node, place: int) -> str:
    match cell:
        case InSegment(segment=segment):
            return f"s_{segment}"
        case ComputedTrait(name=name):
            return f"c_{name}"
        case Score(model=model):
            return f"score_{model}"
        case _:
            return f"x{place}"


def _in_stages(cells: Iterable[Node], needs: Requirements) -> dict[Stage, list[Node]]:
    """What is made at each stage, in order."""
    stages: dict[Stage, list[Node]] = {}
    for cell in cells:
        stages.setdefault(needs.stages[cell], []).append(cell)
    return dict(sorted(stages.items()))


def _live_after(
    stages: dict[Stage, list[Node]], needs: Requirements, outputs: Iterable[Node]
) -> dict[Stage, set[Node]]:
    """What is read after each stage: by later ones, or in the end."""
    live = needs.columns_read(outputs)
    after: dict[Stage, set[Node]] = {}
    for stage, cells in reversed(stages.items()):
        after[stage] = set(live)
        for cell in cells:
            live |= needs.read_by(cell)
    return after


class FrameBuilder:
    """Adds the cells of some requirements to a first table, level by level.

    Args:
        program: where the models are.
        needs: what is computed.
        moment: when.
        thresholds: for `likely`.
        leaves: node to its column in the first table.
        outputs: nodes whose columns must be there in the end.
        prefix: begins the name of every table made.
    """

    def __init__(
        self,
        program: Program,
        needs: Requirements,
        moment: Moment,
        thresholds: Mapping[str, float],
        leaves: Mapping[Node, str],
        outputs: Iterable[Node],
        prefix: str,
    ) -> None:
        self._program = program
        self._needs = needs
        self._moment = moment
        self._thresholds = thresholds
        self._prefix = prefix
        made: list[Node] = [*needs.cells, *needs.scores]
        self._stages = _in_stages(made, needs)
        self._live = _live_after(self._stages, needs, outputs)
        self.columns: dict[Node, str] = {**leaves, **cell_columns(made, leaves.values())}
        self.steps: list[Step] = []
        self.scores: dict[str, str] = {}

    def build(self, first: ir.Table) -> ir.Table:
        """All levels and all scoring; fills `steps` and returns the last table, which may still be unmaterialised.

        It holds `contact_id` and the columns of the outputs.
        """
        table = first
        depth = 0
        for stage, cells in self._stages.items():
            if stage.level == 0:
                table, depth = self._score(table, [cell for cell in cells if isinstance(cell, Score)], stage), 0
                continue
            if depth == _LEVELS_PER_STATEMENT:
                table, depth = self.materialise(table, self._name("frame", stage)), 0
            table, depth = self._project(table, cells, stage), depth + 1
        return table

    def translator(self, table: ir.Table) -> Translator:
        """Builds expressions over a table made here."""
        held = set(table.columns)

        def read(node: Node) -> ir.Value | None:
            column = self.columns.get(node)
            return table[column] if column in held else None

        return Translator(self._moment, read, self._thresholds, table.contact_id)

    def materialise(self, query: ir.Table, name: str) -> ir.Table:
        """Have a table made, and the table to read it by."""
        self.steps.append(Materialise(name, query))
        return ibis.table(query.schema(), name=name)

    def _name(self, kind: str, stage: Stage) -> str:
        return f"{self._prefix}{kind}_{stage.phase}_{stage.level}"

    def _project(self, table: ir.Table, cells: Sequence[Node], stage: Stage) -> ir.Table:
        translator = self.translator(table)
        made = {self.columns[cell]: self._made(cell, table, translator) for cell in cells}
        return table.select(table.contact_id, *self._carried(table, stage), **made).view()

    def _made(self, cell: Node, table: ir.Table, translator: Translator) -> ir.Value:
        standing = self._needs.standing
        match cell:
            case InSegment() | inner.Candidate() | inner.TrueSince():
                return finishing.make(self._program, standing, cell, translator, self._moment)
            case Top() | Percentile() | inner.Placed() | inner.Reaches():
                return ranking.make(self._program, standing, cell, translator)
            case inner.Rank(of=of):
                return ranking.rank(of, translator)
            case inner.ContactHash():
                return hashes.digest(table.contact_id)
            case _:
                return translator.translate(self._needs.definition(cell))

    def _carried(self, table: ir.Table, stage: Stage) -> list[ir.Value]:
        live = {self.columns[node] for node in self._live[stage]}
        return [table[name] for name in table.columns if name in live]

    def _score(self, table: ir.Table, models: Sequence[Score], stage: Stage) -> ir.Table:
        """Have models scored and join their scores."""
        table = self.materialise(table, self._name("frame", stage))
        for score in models:
            self._ask_for_scores(table, score.model)
        joined, columns = table, self._carried(table, stage)
        live = self._live[stage]
        for score in models:
            if score in live:
                scored = ibis.table({"contact_id": dt.string, "score": dt.float64}, name=self.scores[score.model])
                joined = joined.left_join(scored, table.contact_id == scored.contact_id)
                columns.append(scored.score.name(self.columns[score]))
        return joined.select(table.contact_id, *columns).view()

    def _ask_for_scores(self, table: ir.Table, model: str) -> None:
        block = self._program.models[model]
        translator = self.translator(table)
        rows = table
        if block.population is not None:
            rows = table.filter(translator.condition(block.population))
        inputs = f"{self._prefix}inputs_{model}"
        self.materialise(rows.select(table.contact_id, **feature_columns(translator, block.features)), inputs)
        self.scores[model] = f"{self._prefix}scores_{model}"
        self.steps.append(ScoreModel(model, inputs, self.scores[model]))


def feature_columns(translator: Translator, features: Sequence[Feature]) -> dict[str, ir.Value]:
    """The inputs of a model by name, float64."""
    return {feature.name: translator.feature(feature.value) for feature in features}
