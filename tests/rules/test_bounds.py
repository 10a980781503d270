"""A file of nothing but mistakes is read only so far, and says so."""

from __future__ import annotations

from segserver.rules.check import check
from segserver.rules.reading.parse import MOST_FINDINGS
from tests.rules.cases import ZONE, case_catalog


def _mistakes(count: int) -> str:
    return "".join(f"segment s{index}\n  where country == \n" for index in range(count))


def test_reading_stops_after_many_findings_and_says_how_much_is_unread() -> None:
    _, found = check({"a.seg": _mistakes(MOST_FINDINGS + 50)}, case_catalog(), zone=ZONE)
    assert len(found) == MOST_FINDINGS + 1
    last = found[-1]
    assert last.message == f"reading stops here: {MOST_FINDINGS} findings in this file, 50 blocks unread"
    assert last.span.line == 2 * MOST_FINDINGS + 1


def test_names_of_unread_blocks_are_known_to_other_files() -> None:
    files = {"a.seg": _mistakes(MOST_FINDINGS + 50), "b.seg": f"segment b\n  where in segment s{MOST_FINDINGS + 9}\n"}
    _, found = check(files, case_catalog(), zone=ZONE)
    assert {finding.span.file for finding in found} == {"a.seg"}
