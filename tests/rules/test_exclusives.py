"""Exclusive groups: who gives way to whom, and what that forbids."""

from __future__ import annotations

import pytest

from segserver.rules.check import check
from segserver.rules.program import ExclusiveBlock
from segserver.specs.catalog import Catalog

SEGMENTS = "".join(f"segment {name}\n  where country is known\n" for name in ("vip", "loyal", "newcomer"))
"""Lines 1 to 6."""


def places(text: str, catalog: Catalog) -> list[tuple[str, int, int]]:
    found = check({"x.seg": text}, catalog, zone="UTC")[1]
    return [(item.code, item.span.line, item.span.column) for item in found]


def test_a_group_lists_its_segments_in_order(catalog: Catalog) -> None:
    program, _ = check({"x.seg": f"exclusive tiers: newcomer,\n  loyal, vip\n{SEGMENTS}"}, catalog, zone="UTC")
    assert program is not None
    assert program.exclusives == {"tiers": ExclusiveBlock("tiers", ("newcomer", "loyal", "vip"))}


def test_a_segment_stands_behind_those_listed_before_it_whatever_the_files_say(catalog: Catalog) -> None:
    sources = {"a.seg": SEGMENTS, "b.seg": "exclusive tiers: newcomer, loyal, vip"}
    program, _ = check(sources, catalog, zone="UTC")
    assert program is not None
    assert list(program.segments) == ["newcomer", "loyal", "vip"]


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("exclusive tiers vip, loyal", [("syntax-error", 7, 17)]),
        ("exclusive tiers:", [("syntax-error", 7, 16)]),
        ("exclusive tiers", [("syntax-error", 7, 11)]),
        ("exclusive: vip, loyal", [("syntax-error", 7, 10)]),
        ("exclusive tiers: vip,", [("syntax-error", 7, 22)]),
        ("exclusive tiers: vip and loyal", [("syntax-error", 7, 22)]),
        ("exclusive tiers: vip", [("missing-clause", 7, 11)]),
        ("exclusive tiers: vip, loyl", [("unknown-segment", 7, 23)]),
        ("exclusive tiers: vip, loyal, vip", [("conflicting-clauses", 7, 30)]),
        ("exclusive a: vip, loyal\nexclusive b: newcomer, vip", [("conflicting-clauses", 8, 24)]),
        ("exclusive a: vip, loyal\nexclusive a: newcomer, vip", [("duplicate-name", 8, 11)]),
        ("exclusive a: vip, loyal\nexclusive A: newcomer, vip", [("name-case", 8, 11), ("conflicting-clauses", 8, 24)]),
    ],
)
def test_a_bad_group_has_its_findings(group: str, expected: list[tuple[str, int, int]], catalog: Catalog) -> None:
    assert places(SEGMENTS + group, catalog) == expected


def test_a_segment_in_two_groups_shows_both_places(catalog: Catalog) -> None:
    text = f"{SEGMENTS}exclusive a: vip, loyal\nexclusive b: newcomer, vip"
    (found,) = check({"x.seg": text}, catalog, zone="UTC")[1]
    assert found.message == "`vip` stands in two exclusive groups"
    assert [(place.line, place.column) for place, _ in found.related] == [(7, 14)]


def test_a_cycle_through_a_group_is_printed_whole(catalog: Catalog) -> None:
    text = f"exclusive tiers: early, vip\n{SEGMENTS}segment early\n  where in segment between_them\n"
    text += "segment between_them\n  where in segment vip"
    (found,) = check({"x.seg": text}, catalog, zone="UTC")[1]
    assert found.code == "cycle"
    assert found.message.endswith("segment vip -> segment early -> segment between_them -> segment vip")
    assert [note for _, note in found.related] == [
        "segment vip gives way to segment early",
        "segment early reads segment between_them",
        "segment between_them reads segment vip",
    ]
    assert found.related[0][0].line == 1


def test_reading_a_segment_listed_before_is_no_cycle(catalog: Catalog) -> None:
    text = "segment a\n  where country is known\nsegment b\n  where in segment a\nexclusive tiers: a, b"
    assert places(text, catalog) == []


def test_nobody_gives_way_to_a_draft(catalog: Catalog) -> None:
    text = "segment a\n  where in segment b\n  {}\nsegment b\n  where country is known\nexclusive tiers: a, b"
    assert [code for code, *_ in places(text.format(""), catalog)] == ["cycle"]
    assert places(text.format("draft"), catalog) == []


def test_a_frozen_segment_stands_first_in_its_group_or_in_none(catalog: Catalog) -> None:
    text = "segment a\n  where country is known\nsegment b\n  where country is known\n  frozen at 2026-01-01\n"
    assert places(f"{text}exclusive tiers: b, a", catalog) == []
    (found,) = check({"x.seg": f"{text}exclusive tiers: a, b"}, catalog, zone="UTC")[1]
    assert (found.code, found.span.line, found.span.column) == ("conflicting-clauses", 6, 21)
    assert [(place.line, place.column) for place, _ in found.related] == [(5, 3)]
