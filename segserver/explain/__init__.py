"""Why a contact is or is not in a segment: the rule as a tree, with what was observed and what holds."""

from segserver.explain.gathering import Runner, colleagues
from segserver.explain.plain import reason_data, to_dict
from segserver.explain.report import reason_lines, render
from segserver.explain.tree import explain, explain_score
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
    "explain_score",
    "reason_data",
    "reason_lines",
    "render",
    "to_dict",
]
