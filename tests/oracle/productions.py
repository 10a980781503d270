"""What rule files are made of, and the cases of the language's page that they exercise."""

from __future__ import annotations

from collections.abc import Mapping

PRODUCTIONS = (
    *(f"group: {way}" for way in ("and", "or", "not", "any of", "all of", "none of", "at least")),
    *(f"text {test}" for test in ("is", "is not", "in", "not in", "contains", "starts with", "ends with")),
    *("like", "matches", "ignoring case"),
    *("list contains", "contains any of", "contains all of", "contains none of"),
    *("boolean, bare", "boolean is", "boolean is not", "is known", "is unknown"),
    *(f"number {op}" for op in ("=", "is", "is not", "<", "<=", ">", ">=", "between", "in")),
    *("length compared", "length of time", "lengths + -", "length * number", "length / number", "length / length"),
    *("date in", "date is", "instant before or after", "instant compared", "two instants", "instant on"),
    *("instant between", "instant on, contact's time zone", "instant: written", "instant: ago"),
    *("instant: months or years ago", "instant: today or yesterday", "instant: from now"),
    *("date in next", "anniversary of", "anniversary, contact's time zone", "within distance of"),
    *("changed", "changed from", "changed to", "changed from to", "has been", "bucket", "consents to", "points"),
    *("did", "did not", "did at least", "did at most", "did exactly", "did between"),
    *("window: in last, exact", "window: in last, months or years", "window: calendar word", "window: since"),
    *("window: before", "window: between", "window: contact's time zone"),
    *("where, one comparison", "where, several with and", "where, several with or"),
    *("first did", "in at least n of last m", "in at least n of last m, contact's time zone"),
    *("sequence of 2", "sequence of 3", "then not", "step within", "previous"),
    *("trait", "computed trait", "current()", "created_at", "written number", "number by name"),
    *(f"arithmetic {op}" for op in "+-*/"),
    *("count", "distinct", "measure", "sum", "average", "min", "max", "first", "last", "most frequent"),
    *("days since first", "days since last"),
    *("in segment", "entered segment", "left segment", "was in segment", "was not in segment"),
    *(f"ranked by a {value}" for value in ("trait", "count", "measure", "length of time", "score")),
    *("top p%", "top n", "percentile compared", "percentile between", "among segment"),
    *("score()", "likely()", "score() compared", "score() known", "model", "for contacts where"),
    *("account trait", "any contact of account", "contacts of account"),
    *("stay while", "enter after", "limit n", "limit p%", "hold out", "manual", "draft", "frozen at", "exclusive"),
)
"""What the generator can write."""

CLAUSES = (
    *("model", "for contacts where", "exclusive"),
    *("stay while", "enter after", "limit n", "limit p%", "hold out", "manual", "draft", "frozen at"),
)
"""Those of them that no condition can hold."""

CASES = {
    1: "unknown in arithmetic, nothing to count",
    2: "conditions on unknown values",
    3: "ends of `between`, empty and unknown lists",
    4: "steps by months and years",
    5: "calendar words, days and weeks",
    6: "a contact's own zone",
    7: "anniversaries",
    8: "length of time since an event",
    9: "first, last and most frequent",
    10: "first ever, at most",
    11: "sequences",
    12: "then not, previous",
    13: "regular periods",
    14: "changes of a trait",
    15: "has been",
    16: "traits at a past instant",
    17: "the finished result of another segment",
    18: "entered, left, was in",
    19: "segments in features, at the cutoff",
    20: "who stays, who fills places",
    21: "waiting to enter",
    22: "ranks",
    23: "runs over some contacts",
    24: "exclusive groups",
    25: "manual members",
    26: "hold-outs",
    28: "frozen segments",
    29: "points, at least n of",
    30: "texts",
    31: "accounts, deleted contacts",
    32: "units",
}
"""Meaning, case by case, where a rule that is right can show it. Case 27 is about destinations."""


def rarest(uses: Mapping[str, int]) -> str:
    """The production that has been written least."""
    return min(PRODUCTIONS, key=lambda name: uses.get(name, 0))
