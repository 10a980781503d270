"""Clauses of a segment that decide its members besides `where`, and those that contradict each other."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from segserver.errors import render
from segserver.rules.check import check
from segserver.rules.expressions.values import ComputedTrait, Score, TraitValue
from segserver.rules.program import Limit, SegmentBlock
from segserver.specs.catalog import Catalog
from segserver.specs.types import NUMBER

HEAD = "trait spend = sum(purchase.amount)\nsegment s\n  where country is known\n"


def segment(text: str, catalog: Catalog) -> SegmentBlock:
    """The segment `s` of a text that must be right."""
    checked, found = check({"x.seg": text}, catalog, zone="Europe/Paris")
    assert checked is not None, render(found, {"x.seg": text})
    return checked.segments["s"]


def places(text: str, catalog: Catalog) -> list[tuple[str, int, int]]:
    found = check({"x.seg": text}, catalog, zone="Europe/Paris")[1]
    return [(item.code, item.span.line, item.span.column) for item in found]


def test_who_stays_is_a_condition_of_its_own(catalog: Catalog) -> None:
    block = segment(f"{HEAD}  stay while country is known", catalog)
    assert block.stay == block.where
    assert segment(HEAD, catalog).stay is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [("1 day", timedelta(days=1)), ("36 hours", timedelta(hours=36)), ("2 weeks", timedelta(14))],
)
def test_entering_may_wait(written: str, expected: timedelta, catalog: Catalog) -> None:
    assert segment(f"{HEAD}  enter after {written}", catalog).enter_after == expected


def test_a_limit_is_a_number_of_places_or_a_share(catalog: Catalog) -> None:
    size = TraitValue("household_size", NUMBER)
    assert segment(f"{HEAD}  limit 5000 by household_size", catalog).limit == Limit(5000, None, size)
    assert segment(f"{HEAD}  limit 12.5% by household_size", catalog).limit == Limit(None, Decimal("0.125"), size)


@pytest.mark.parametrize(
    ("by", "kind"),
    [("score(m)", Score), ("spend", ComputedTrait), ("days since last purchase where amount > 5", object)],
)
def test_the_best_are_chosen_by_any_number_or_length_of_time(by: str, kind: type, catalog: Catalog) -> None:
    model = "\nmodel m predicts did purchase in next 30 days features household_size"
    limit = segment(f"{HEAD}  limit 10 by {by}{model}", catalog).limit
    assert limit is not None
    assert isinstance(limit.by, kind)


def test_members_may_be_held_out_listed_by_hand_or_frozen(catalog: Catalog) -> None:
    block = segment(f'{HEAD}  hold out 7.5%\n  manual "rules//vip.csv"\n  frozen at 2026-07-01 09:00\n  draft', catalog)
    assert block.hold_out == Decimal("0.075")
    assert block.manual == "rules/vip.csv"
    assert block.frozen_at == datetime(2026, 7, 1, 7)
    assert block.draft


def test_a_segment_frozen_on_a_date_is_frozen_at_its_local_midnight(catalog: Catalog) -> None:
    assert segment(f"{HEAD}  frozen at 2026-03-01", catalog).frozen_at == datetime(2026, 2, 28, 23)


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("stay while", ("syntax-error", 4, 3)),
        ("stay while contry is known", ("unknown-name", 4, 14)),
        ("enter after", ("syntax-error", 4, 3)),
        ("enter after 0 days", ("bad-number", 4, 15)),
        ("enter after 2", ("duration-needs-unit", 4, 15)),
        ("enter after 2 months", ("calendar-duration", 4, 15)),
        ("limit 10", ("syntax-error", 4, 9)),
        ("limit by spend", ("syntax-error", 4, 3)),
        ("limit 10 by", ("syntax-error", 4, 12)),
        ("limit 0 by spend", ("bad-number", 4, 9)),
        ("limit 1.5 by spend", ("bad-number", 4, 9)),
        ("limit 110% by spend", ("bad-number", 4, 9)),
        ("limit 10 by country", ("type-mismatch", 4, 15)),
        ("limit 10 by 5 + 3", ("type-mismatch", 4, 15)),
        ("limit 10 by score(nothing)", ("unknown-model", 4, 21)),
        ("hold out 10", ("syntax-error", 4, 12)),
        ("hold out 0%", ("bad-number", 4, 12)),
        ("hold out 100%", ("bad-number", 4, 12)),
        ("manual members.csv", ("syntax-error", 4, 10)),
        ('manual "members.xlsx"', ("bad-path", 4, 10)),
        ('manual "/home/members.csv"', ("bad-path", 4, 10)),
        ('manual "rules/../../members.csv"', ("bad-path", 4, 10)),
        ('manual "C:\\members.csv"', ("bad-path", 4, 10)),
        ("frozen at yesterday", ("syntax-error", 4, 13)),
        ("frozen at 2026-02-30", ("bad-date", 4, 13)),
        ("frozen at 0001-01-01", ("bad-date", 4, 13)),
        ("frozen at 9999-12-31", ("bad-date", 4, 13)),
        ("draft today", ("syntax-error", 4, 9)),
    ],
)
def test_a_bad_clause_has_one_finding_in_its_place(
    clause: str, expected: tuple[str, int, int], catalog: Catalog
) -> None:
    assert places(f"{HEAD}  {clause}\n  minimum size 1", catalog) == [expected]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (f'{HEAD}  minimum size 5\n  ownr "me"', "did you mean `owner`?"),
        (f'{HEAD}  owner "me" and you', None),
        (f"{HEAD}exclusive tiers: s and t", "segments stand with commas between them"),
        ('segment s where country is known\ntest "t"\n  at 2026-03-01\n  gven a contact', "did you mean `given`?"),
    ],
)
def test_what_does_not_belong_to_a_clause_is_answered_with_the_clause_it_was_meant_for(
    text: str, hint: str | None, catalog: Catalog
) -> None:
    assert [found.hint for found in check({"x.seg": text}, catalog, zone="UTC")[1]] == [hint]


@pytest.mark.parametrize(
    ("clauses", "expected", "other"),
    [
        ("frozen at 2026-01-01\n  stay while country is known", (5, 3), (4, 3)),
        ("enter after 1 day\n  frozen at 2026-01-01", (4, 3), (5, 3)),
        ("limit 10 by spend\n  minimum size 11", (5, 3), (4, 3)),
    ],
)
def test_clauses_that_contradict_each_other_show_both_places(
    clauses: str, expected: tuple[int, int], other: tuple[int, int], catalog: Catalog
) -> None:
    (found,) = check({"x.seg": f"{HEAD}  {clauses}"}, catalog, zone="UTC")[1]
    ((related, _),) = found.related
    assert found.code == "conflicting-clauses"
    assert (found.span.line, found.span.column) == expected
    assert (related.line, related.column) == other


def test_a_minimum_size_may_equal_the_limit_and_stand_beside_a_share(catalog: Catalog) -> None:
    assert segment(f"{HEAD}  limit 10 by spend\n  minimum size 10", catalog).minimum_size == 10
    assert segment(f"{HEAD}  limit 10% by spend\n  minimum size 1000", catalog).minimum_size == 1000


@pytest.mark.parametrize("clause", ["push to", "minimum size", "hold out", "frozen at", "stay while", "alert when"])
def test_a_condition_that_breaks_off_swallows_no_clause_of_the_next_line(clause: str, catalog: Catalog) -> None:
    text = f"segment s\n  where country is known and\n  {clause}\n"
    assert [place[1:] for place in places(text, catalog)] == [(2, 26), (3, 3)]


# ---- which `where` is whose ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "segment s stay while did purchase where amount > 5 where country is known",
        "segment s\n  stay while did not purchase\n    where amount > 5\n  where country is known",
        "segment s limit 5 by sum(purchase.amount where items > 2) where country is known",
        "segment s\n  limit 5 by days since last purchase\n    where amount > 5\n  where country is known",
        "segment s where country is known stay while did purchase where amount > 5",
        "segment s\n  where country is known\n  limit 5 by count(purchase\n    where amount > 5)",
    ],
)
def test_an_event_keeps_its_where_whatever_the_order_of_the_clauses(text: str, catalog: Catalog) -> None:
    assert segment(text, catalog).where == segment("segment s where country is known", catalog).where


@pytest.mark.parametrize("name", ["limit", "manual", "draft", "owner"])
def test_words_of_clauses_stay_names_where_a_value_is_called_for(name: str, catalog: Catalog) -> None:
    text = f"trait {name} = household_size\n{HEAD}  stay while {name} > 2 and {name} < 9\n  limit 10 by {name}"
    assert segment(text, catalog).limit == Limit(10, None, ComputedTrait(name, NUMBER))
