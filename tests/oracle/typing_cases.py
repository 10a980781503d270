"""Golden rule files with exactly the findings beside them, as one question: does the checker still say the same?"""

from __future__ import annotations

from tests.oracle import matrix
from tests.rules.cases import case_catalog, cases, checked, expected, shown


def differs() -> str:
    """The first golden case with other findings than it should have; empty if there is none."""
    catalog = case_catalog()
    for case in cases("good"):
        program, found, _ = checked(case, catalog)
        if program is None or found:
            return f"{case.stem}: {found[:1]}"
    for case in cases("bad"):
        if shown(case, catalog) != expected(case).read_text(encoding="utf-8"):
            return case.stem
    written = matrix.FILE.read_text(encoding="utf-8").splitlines()
    return next((said for said, kept in zip(matrix.said(), written, strict=True) if said != kept), "")
