"""Why a contact is or is not in a segment: the rule as a tree, with what was observed and what holds."""

from segserver.explain.gathering import Runner, colleagues
from segserver.explain.plain import to_dict
from segserver.explain.report import render
from segserver.explain.tree import explain
from segserver.explain.verdicts import Contribution, Explanation, ModelReason, Observed, Verdict

__all__ = [
    "Contribution",
    "Explanation",
    "ModelReason",
    "Observed",
    "Runner",
    "Verdict",
    "colleagues",
    "explain",
    "render",
    "to_dict",
]
