"""Whether a regular expression is one of RE2, which has no look-around and no back-references."""

from __future__ import annotations

import re

_LOOK_AROUND = re.compile(r"\(\?<?[=!]")
_BACK_REFERENCE = re.compile(r"\\[1-9]|\(\?P=")


def fault(pattern: str) -> tuple[str, str | None] | None:
    """What is wrong with a pattern, with a cure where there is one; None if nothing is.

    RE2 itself decides: engines differ from Python's `re` in both directions.
    """
    import pyarrow as pa  # only files with a pattern wait for RE2
    import pyarrow.compute as pc

    try:
        pc.match_substring_regex(pa.scalar("", pa.string()), pattern)
    except pa.ArrowInvalid as error:
        bare = re.sub(r"\\\\", "", pattern)
        if _LOOK_AROUND.search(bare):
            return "look-around, such as `(?=` and `(?!`, is not available", "use two conditions joined with `and`"
        if _BACK_REFERENCE.search(bare):
            return "back-references, such as `\\1`, are not available", "write the repeated part out"
        cure = r"a sign of patterns that stands for itself has a backslash before it: `\(`, `\*`, `\+`"
        return str(error).removeprefix("Invalid regular expression: "), cure
    return None
