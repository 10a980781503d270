"""The hash of a segment changes exactly when the meaning of its membership does."""

from __future__ import annotations

import pytest

from segserver.errors import render
from segserver.rules.check import check
from segserver.specs.catalog import Catalog

PLAIN = "segment s\n  where country is known"
FULL = """segment s
  where country is known
  stay while city is known
  enter after 1 day
  limit 10 by household_size
  manual "a.csv"
"""
OTHERS = "\nsegment first where city is known\nsegment second where age_band is known\n"


def declarations(catalog: Catalog, text: str) -> dict[str, str]:
    program, found = check({"x.seg": text}, catalog, zone="UTC")
    assert program is not None, render(found, {"x.seg": text})
    return {name: block.declaration for name, block in program.segments.items()}


def same(catalog: Catalog, before: str, after: str, segment: str = "s") -> bool:
    return declarations(catalog, before)[segment] == declarations(catalog, after)[segment]


@pytest.mark.parametrize(
    ("written", "changed"),
    [
        ("country is known", "city is known"),
        ("stay while city is known", "stay while country is known"),
        ("  stay while city is known\n", ""),
        ("enter after 1 day", "enter after 2 days"),
        ("  enter after 1 day\n", ""),
        ("limit 10 by household_size", "limit 11 by household_size"),
        ("limit 10 by household_size", "limit 10% by household_size"),
        ("limit 10 by household_size", "limit 10 by household_size * 2"),
        ("  limit 10 by household_size\n", ""),
        ('manual "a.csv"', 'manual "b.csv"'),
        ('  manual "a.csv"\n', ""),
    ],
)
def test_what_decides_the_members_is_in_the_hash(written: str, changed: str, catalog: Catalog) -> None:
    assert written in FULL
    assert not same(catalog, FULL, FULL.replace(written, changed, 1))


def test_the_instant_of_a_frozen_segment_is_in_the_hash(catalog: Catalog) -> None:
    assert not same(catalog, PLAIN, f"{PLAIN} frozen at 2026-03-01")
    assert not same(catalog, f"{PLAIN} frozen at 2026-03-02", f"{PLAIN} frozen at 2026-03-01")


@pytest.mark.parametrize(
    "clause",
    [
        'push to hubspot list "A"',
        "minimum size 5",
        "alert when size changes by more than 20%",
        "block push when size changes by more than 60%",
        "hold out 10%",
        "draft",
        'owner "ann@example.com"',
    ],
)
def test_what_is_done_with_the_members_is_not(clause: str, catalog: Catalog) -> None:
    assert same(catalog, PLAIN, f"{PLAIN}\n  {clause}")


# ---- exclusive groups ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "unchanged"),
    [
        ("", "exclusive g: first, s", False),
        ("", "exclusive g: s, first", True),
        ("exclusive g: s, first", "exclusive other: s, first", True),
        ("exclusive g: first, s", "exclusive g: first, s, second", True),
        ("exclusive g: first, s", "exclusive g: second, s, first", False),
        ("exclusive g: first, second, s", "exclusive g: second, first, s", False),
    ],
)
def test_of_a_group_only_what_stands_before_a_segment_counts(
    before: str, after: str, unchanged: bool, catalog: Catalog
) -> None:
    assert same(catalog, PLAIN + OTHERS + before, PLAIN + OTHERS + after) is unchanged


def test_a_changed_rule_changes_the_hash_of_all_that_give_way_to_it(catalog: Catalog) -> None:
    text = f"{PLAIN}{OTHERS}exclusive g: first, s, second"
    changed = declarations(catalog, text.replace("first where city", "first where country"))
    before = declarations(catalog, text)
    assert {name for name in before if before[name] != changed[name]} == {"first", "s", "second"}


def test_a_draft_claims_nobody_so_it_is_in_no_hash_but_its_own(catalog: Catalog) -> None:
    text = PLAIN + OTHERS.replace("where city is known", "where city is known draft")
    assert same(catalog, text, f"{text}exclusive g: first, s")
