"""Advice about rules that are right and yet may not be what was meant.

Only what is certain is said: a condition is called never true when no contact whatever could meet it.
"""

from __future__ import annotations

from collections.abc import Mapping

from segserver.errors import Diagnostic
from segserver.rules.lint import ceilings, days, likes, meaning, sameness, seen, silences, staying, unknowns, usage
from segserver.rules.lint.advice import LINTS, SILENCES, Advice
from segserver.rules.lint.solver import Solver
from segserver.rules.program import Program

__all__ = ["LINTS", "SILENCES", "lint"]


def lint(
    program: Program, sources: Mapping[str, str], profile: Mapping[str, object] | None = None
) -> tuple[Diagnostic, ...]:
    """Everything worth a second look, by place.

    Args:
        program: the checked workspace.
        sources: text of each rule file, with the comments that allow what is found.
        profile: what the data looked like after the last sync; None where nothing was synced yet.
    """
    found, kept, solver = Advice(sources), Advice(sources), Solver(program)
    meaning.look(program, solver, found)
    unknowns.look(program, found)
    sameness.look(program, found)
    seen.look(program, profile, found)
    days.look(program, found)
    likes.look(program, found)
    usage.look(program, found)
    staying.look(program, solver, found)
    ceilings.look(program, sources, found)
    kept.extend(silences.apply(found.sorted(), sources, kept))
    return kept.sorted()
