"""The words of the language: which are keywords, and which introduce a block or a clause."""

from __future__ import annotations

BLOCKS = ("trait", "segment", "model", "scenario", "caps", "test", "exclusive")
"""A block begins at one of these and runs to the next."""

ACCOUNT = "account"
"""Before a dot, it begins a trait of the contact's account; so no connection has this name."""

PREVIOUS = "previous"
"""Before a dot, in a later step of a sequence, it begins a property of the step before."""

REFERENCES = frozenset({"in", "entered", "left", "among", "to", "for"})
"""After these `segment` names a segment and begins no block."""

OPERATORS = frozenset(
    {
        *("and", "or", "not", "if", "is", "in", "between", "contains", "like", "matches"),
        *("before", "after", "on", "did", "where", "since", "of"),
    }
)
"""Keywords that call for an operand: whatever follows belongs to the expression."""

CONSTANTS = frozenset({"true", "false", "known", "unknown", "today", "yesterday", "ago", "ignoring"})

RESERVED = OPERATORS | CONSTANTS | frozenset(BLOCKS)
"""Keywords: never the name of a trait, a property, an event or a block."""

NOT_UNITS = RESERVED | {
    *("at", "exactly", "times", "this", "last", "next", "then", "within", "per", "for", "over", "a"),
    *("to", "by", "among", "changed", "has", "starts", "ends"),
}
"""Words after a number that are never its unit."""

OPERATOR_PHRASES = (
    *("is", "is not", "is known", "is unknown", "in", "not in", "between", "contains", "contains any of"),
    *("starts with", "ends with", "like", "matches", "before", "after", "on", "and", "or"),
)
"""What may stand after a value; for "did you mean"."""

SEGMENT_CLAUSES = (
    *("where", "stay while", "enter after", "limit", "minimum size", "push to", "alert when", "block push", "owner"),
    *("hold out", "draft", "manual", "frozen at"),
)
MODEL_CLAUSES = (
    *("predicts", "for", "gap", "cutoffs", "features", "algorithm", "calibrate", "threshold", "require", "retrain"),
    *("expires", "outliers", "transform", "impute", "scale", "select", "imbalance", "validate", "promote"),
    *("tune", "weight", "censor", "clusters", "choose", "project", "minimum size", "names", "anomalies in"),
    *("lifetime value", "cycle of", "interests in", "journeys through", "similar to"),
)
SCENARIO_CLAUSES = (
    *("for", "channels", "send", "inform", "content", "steps", "every", "value", "priority", "between", "stop when"),
    *("valid for", "again after", "hold out", "when did", "at best hour", "cautious"),
)
CAPS_CLAUSES = ("count", "pressure", "prior", "reserve", "capacity", "calendar days")
TEST_CLAUSES = ("at", "given", "who", "whose", "with score", "expect")

CLAUSES = {
    "segment": SEGMENT_CLAUSES,
    "model": MODEL_CLAUSES,
    "scenario": SCENARIO_CLAUSES,
    "caps": CAPS_CLAUSES,
    "test": TEST_CLAUSES,
}
"""Words that begin a clause, by the block they stand in."""
FLAGS = frozenset({("segment", "draft")})
"""Clauses that are their keyword alone."""
