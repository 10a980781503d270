"""What the language has but this version does not: recognised, and refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping

from segserver.errors import Span
from segserver.rules.findings import Findings
from segserver.rules.reading.pieces import Piece
from segserver.rules.reading.source import NAME_PATTERN

_CONSTRUCTS: tuple[tuple[str, str], ...] = (
    ("`cluster`", r"cluster\s*\("),
    ("`probability`", r"probability\s*\("),
    ("`anomalous`", r"anomalous\s*\("),
    ("`lifetime value`", r"lifetime\s+value\s*\("),
    ("`interested in`", r"interested\s+in\s*\("),
    ("`similar to`", r"similar\s+to(?!\w)"),
    ("`next expected`", r"next\s+expected\s*\("),
    ("model versions (`@`)", rf"{NAME_PATTERN}\s*@\s*{NAME_PATTERN}"),
)

_SEARCH = re.compile("|".join(rf"(?P<c{number}>{pattern})" for number, (_, pattern) in enumerate(_CONSTRUCTS)))
_BEFORE = re.compile(r"(?<!\w)(?:" + _SEARCH.pattern + ")")
_TEXT = re.compile(r'"(?:[^"\n]|"")*"')


def refuse(findings: Findings, span: Span, construct: str) -> None:
    """Add the finding for a construct that is not built yet."""
    verb = "are" if construct.split(" (")[0].endswith("s") else "is"
    findings.error(
        "not-supported-yet",
        span,
        f"{construct} {verb} not supported yet",
        "the language reference lists what is supported now (`segserver help language`)",
    )


def find(piece: Piece) -> tuple[str, int, int] | None:
    """The first construct of this version's gaps in a condition: its name, and its place in the piece."""
    text = _TEXT.sub(lambda match: " " * len(match[0]), piece)
    match = _BEFORE.search(text)
    if match is None:
        return None
    return _CONSTRUCTS[int((match.lastgroup or "c0")[1:])][0], match.start(), match.end()


CLAUSES: Mapping[str, Mapping[str, str]] = {
    "segment": {},
    "model": {
        **{key: f"`{key}`" for key in ("imbalance", "validate")},
        **{key: f"`{key}`" for key in ("tune", "weight", "censor", "choose", "project", "names")},
        "minimum size": "`minimum size` on a model",
        "clusters": "clustering models (`clusters`)",
        "anomalies in": "anomaly models (`anomalies in`)",
        "lifetime value": "lifetime value models",
        "cycle of": "cycle models (`cycle of`)",
        "interests in": "interest models (`interests in`)",
        "journeys through": "journey models (`journeys through`)",
        "similar to": "lookalike models (`similar to`)",
    },
    "scenario": {
        "when did": "event-triggered scenarios (`when did`)",
        "at best hour": "`at best hour`",
        "cautious": "`cautious`",
    },
    "caps": {
        "pressure": "`pressure`",
        "prior": "`prior`",
        "reserve": "`reserve`",
        "capacity": "`capacity`",
        "calendar days": "`calendar days`",
    },
    "test": {},
}
"""Clauses refused by name, by the block they stand in."""

WITHIN: Mapping[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("scenario", "channels"): (("`best by engagement`", r"best\s+by(?!\w)"),),
    ("model", "retrain"): (("`retrain when`", r"(?:or\s+)?when(?!\w)"), ("`cooldown`", r"cooldown(?!\w)")),
    ("model", "calibrate"): (("`calibrate none`", r"none(?!\w)"),),
    ("model", "transform"): (("`yeo-johnson`", r"yeo-johnson(?!\w)"), ("`box-cox`", r"box-cox(?!\w)")),
    ("model", "impute"): (("`impute knn`", r"knn(?!\w)"), ("`impute mice`", r"mice(?!\w)")),
    ("caps", "at most"): (
        ("`suppressing at most`", r"suppressing(?!\w)"),
        ("limits from a trait (`at most` a name)", rf"(?<=most)\s+(?={NAME_PATTERN})"),
    ),
    ("caps", "count"): (("`count opens`", r"opens(?!\w)"),),
}
"""Parts of supported clauses that are refused by name."""


def find_within(block: str, key: str, piece: Piece) -> tuple[str, int, int] | None:
    """The first part of a clause that this version does not have: its name, and its place in the piece."""
    text = _TEXT.sub(lambda match: " " * len(match[0]), piece)
    for construct, pattern in WITHIN.get((block, key), ()):
        match = re.search(pattern, text)
        if match:
            return construct, match.start(), max(match.end(), match.start() + 1)
    return None


MODEL_KINDS = frozenset(
    {"clusters", "anomalies in", "lifetime value", "cycle of", "interests in", "journeys through", "similar to"}
)
"""Clauses that make a model of another kind; such a model gets no further finding."""
