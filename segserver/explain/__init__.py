"""Why a contact is or is not in a segment: the rule as a tree, with what was observed and what holds."""

from segserver.explain.report import render, to_dict
from segserver.explain.tree import Contribution, Explanation, ModelReason, Observed, Runner, Verdict, explain

__all__ = [
    "Contribution",
    "Explanation",
    "ModelReason",
    "Observed",
    "Runner",
    "Verdict",
    "explain",
    "render",
    "to_dict",
]
