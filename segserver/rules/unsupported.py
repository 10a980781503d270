"""What the language has but this version does not: recognised, and refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping

from segserver.errors import Span
from segserver.rules.findings import Findings
from segserver.rules.source import NAME_PATTERN, Piece

_CONSTRUCTS: tuple[tuple[str, str], ...] = (
    ("sequences (`then`)", r"(?<=\s)then(?=\s+(?:not\s+)?[^\W\d])"),
    ("`first did`", r"first\s+did(?!\w)"),
    ("`in at least ... of last ...`", r"in\s+at\s+least\s+[0-9]+\s+of\s+last(?!\w)"),
    ("distances (`within ... of`)", r"within\s+[0-9.]+\s*(?:km|mi|m)\s+of(?!\w)"),
    (
        "anniversaries (`birthday in next`, `anniversary of`)",
        r"(?:birthday\s+in\s+(?:next|last)|anniversary\s+of)(?!\w)",
    ),
    ("attribute changes (`changed`)", r"changed\s+(?:in\s+last|from)(?!\w)"),
    ("`has been`", r"has\s+been(?!\w)"),
    ("`bucket`", r"bucket\s*\("),
    ("`entered segment`", r"entered\s+segment(?!\w)"),
    ("`left segment`", r"left\s+segment(?!\w)"),
    ("`was in segment`", r"was\s+(?:not\s+)?in\s+segment(?!\w)"),
    ("`top ... by`", r"top\s+[0-9.]+\s*%?\s+by(?!\w)"),
    ("`percentile of`", r"percentile\s+of(?!\w)"),
    ("`cluster`", r"cluster\s*\("),
    ("`probability`", r"probability\s*\("),
    ("`anomalous`", r"anomalous\s*\("),
    ("`lifetime value`", r"lifetime\s+value\s*\("),
    ("`interested in`", r"interested\s+in\s*\("),
    ("`similar to`", r"similar\s+to(?!\w)"),
    ("`next expected`", r"next\s+expected\s*\("),
    ("account level (`account`)", r"(?:any\s+contact\s+of\s+account|contacts\s+of\s+account|account\s*\.\s*[^\W\d])"),
    ("`in contact's time zone`", r"in\s+contact['’]s\s+time\s+zone"),
    ("`current`", r"current\s*\("),
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


BLOCKS: Mapping[str, str] = {"exclusive": "`exclusive`"}
"""Blocks refused by name."""

CLAUSES: Mapping[str, Mapping[str, str]] = {
    "segment": {
        "stay while": "`stay while`",
        "enter after": "`enter after`",
        "limit": "`limit`",
        "hold out": "`hold out` on a segment",
        "manual": "`manual`",
        "frozen at": "`frozen at`",
    },
    "model": {
        **{key: f"`{key}`" for key in ("outliers", "transform", "impute", "scale", "select", "imbalance", "validate")},
        **{key: f"`{key}`" for key in ("promote", "tune", "weight", "censor", "choose", "project", "names")},
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
    ("caps", "at most"): (
        ("`suppressing at most`", r"suppressing(?!\w)"),
        ("limits from a trait (`at most` a name)", rf"(?<=most)\s+(?={NAME_PATTERN})"),
    ),
    ("caps", "count"): (("`count opens`", r"opens(?!\w)"),),
    ("test", "who"): (("`was in` in tests", r"was\s+in(?!\w)"),),
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
