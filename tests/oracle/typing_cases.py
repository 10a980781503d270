"""Golden rule files with exactly the findings beside them, as one question: does the checker still say the same?"""

from __future__ import annotations

from segserver.rules.check import check
from tests.oracle import matrix
from tests.rules.cases import ZONE, case_catalog, cases, checked, expected, shown


def right() -> object:
    """The checked program of every condition that is right."""
    return check({"a.seg": matrix.right()}, matrix.catalog(), zone=ZONE)[0]


def differs(tree: object) -> str:
    """The first golden case with other findings than it should have; empty if there is none.

    Args:
        tree: what `right` should give.
    """
    catalog = case_catalog()
    for case in cases("good"):
        program, found, _ = checked(case, catalog)
        if program is None or found:
            return f"{case.stem}: {found[:1]}"
    for case in cases("bad"):
        if shown(case, catalog) != expected(case).read_text(encoding="utf-8"):
            return case.stem
    written = matrix.FILE.read_text(encoding="utf-8").splitlines()
    for said, kept in zip(matrix.said(), written, strict=True):
        if said != kept:
            return said
    return "" if right() == tree else "another program of what is right"
