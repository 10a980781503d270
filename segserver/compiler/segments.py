"""All segments of a workspace as one evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from segserver.compiler.observations import compile_observations
from segserver.compiler.plan import Evaluation
from segserver.compiler.requirements import Requirements
from segserver.compiler.walk import Node
from segserver.rules.expressions import InSegment, Score
from segserver.rules.program import Program


def compile_segments(
    program: Program,
    as_of: datetime,
    *,
    serving: Mapping[str, float],
    among: str | None = None,
    historical: bool = False,
    prefix: str = "",
) -> Evaluation:
    """Compile every segment that can be evaluated, and the scores that segments and scenarios read.

    Args:
        program: the checked workspace.
        as_of: naive UTC; what occurred before it and was known at it is seen.
        serving: models that have a serving version, to their threshold for `likely`.
        among: table with a `contact_id` column; only these contacts are evaluated, with the same rows as in a full
            run. None: all.
        historical: `as_of` lies in the past, so traits with history take the value that held then.
        prefix: begins the name of every table made.
    """
    skipped = _skipped(program, serving)
    segments = [InSegment(name) for name in program.segments if name not in skipped]
    observed = compile_observations(
        program,
        as_of,
        segments,
        serving=serving,
        table=f"{prefix}segments",
        also=_scenario_scores(program, serving),
        among=among,
        historical=historical,
        prefix=prefix,
    )
    return Evaluation(
        steps=observed.steps,
        segments=observed.table,
        columns={node.segment: observed.columns[node] for node in segments},
        skipped=skipped,
        scores=observed.scores,
        current_only=observed.current_only,
    )


def _skipped(program: Program, serving: Mapping[str, float]) -> dict[str, str]:
    """Segments that need a model without a serving version, each with the first such model."""
    segments = {name: InSegment(name) for name in program.segments}
    missing = Requirements(program, list(segments.values())).missing_models(serving)
    return {name: missing[node] for name, node in segments.items() if node in missing}


def _scenario_scores(program: Program, serving: Mapping[str, float]) -> list[Score]:
    """Models that scenarios read and that can be scored; segments may not need them."""
    asked: list[Node] = []
    for scenario in program.scenarios.values():
        asked += [node for node in (scenario.value, scenario.stop) if node is not None]
    needs = Requirements(program, asked)
    missing = needs.missing_models(serving)
    return [score for score in needs.scores if score not in missing]
