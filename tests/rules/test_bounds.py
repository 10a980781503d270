"""A file of nothing but mistakes is read only so far, and says so."""

from __future__ import annotations

from segserver.rules.check import check, judge
from segserver.rules.checking.verdicts import Verdicts
from segserver.rules.findings import MOST_FINDINGS
from segserver.rules.reading.parsed import read
from tests.rules.cases import ZONE, case_catalog


def _mistakes(count: int) -> str:
    return "".join(f"segment s{index}\n  where country == \n" for index in range(count))


def test_reading_stops_after_many_findings_and_says_how_much_is_unread() -> None:
    _, found = check({"a.seg": _mistakes(MOST_FINDINGS + 50)}, case_catalog(), zone=ZONE)
    assert len(found) == MOST_FINDINGS + 1
    last = found[-1]
    assert last.message == f"reading stops here: {MOST_FINDINGS} findings in this file, 50 blocks unread"
    assert last.span.line == 2 * MOST_FINDINGS + 1


def test_reading_stops_inside_a_block_too() -> None:
    _, found = check({"a.seg": "segment s\n  where " + " and ".join(["country =="] * 300)}, case_catalog(), zone=ZONE)
    assert [item.code for item in found] == ["syntax-error"] * MOST_FINDINGS + ["too-many-findings"]


def test_checking_stops_after_many_findings_of_one_file() -> None:
    unknown = "segment s\n  where " + "\n    and ".join(f"t{index} > 3" for index in range(300))
    _, found = check({"a.seg": unknown, "b.seg": "trait t = spent"}, case_catalog(), zone=ZONE)
    first, stop, other = found[:MOST_FINDINGS], found[MOST_FINDINGS], found[MOST_FINDINGS + 1]
    assert {item.code for item in first} == {"unknown-name"}
    assert stop.code == "too-many-findings"
    assert stop.message == f"checking stops here: {MOST_FINDINGS} findings in this file"
    assert stop.span.line == MOST_FINDINGS + 2
    assert (other.code, other.span.file) == ("unknown-name", "b.seg")


def test_what_was_not_looked_at_is_not_remembered_as_right() -> None:
    verdicts = Verdicts()
    wrong = "".join(f'test "{index}"\n  at 2026-03-01\n  given a contact\n  expect in nobody\n' for index in range(300))
    files = [read("a.seg", wrong)]
    catalog = case_catalog()
    first = judge(files, catalog, zone=ZONE, verdicts=verdicts).findings
    assert len(first) == MOST_FINDINGS + 1
    assert judge(files, catalog, zone=ZONE, verdicts=verdicts).findings == first
    assert not verdicts.held


def test_an_endless_calculation_is_not_read() -> None:
    text = "segment s\n  where household_size > " + " + ".join(["(1 - 1)"] * 50_000)
    _, found = check({"a.seg": text}, case_catalog(), zone=ZONE)
    assert [(item.code, item.message) for item in found] == [
        ("too-deep", "more than 100 operations in one calculation")
    ]
    assert found[0].span.column < len(text) / 10


def test_names_of_unread_blocks_are_known_to_other_files() -> None:
    files = {"a.seg": _mistakes(MOST_FINDINGS + 50), "b.seg": f"segment b\n  where in segment s{MOST_FINDINGS + 9}\n"}
    _, found = check(files, case_catalog(), zone=ZONE)
    assert {finding.span.file for finding in found} == {"a.seg"}
