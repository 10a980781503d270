"""Entering, leaving and entering again."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from segserver.scenarios.entries import advance, end
from segserver.scenarios.stream import held_out
from segserver.scenarios.types import EndReason, Entry

if TYPE_CHECKING:
    from conftest import Build


def test_members_enter_when_they_are_first_seen(build: Build) -> None:
    entries = advance({}, {"c2", "c1"}, build.monday, build.steps())
    assert list(entries) == ["c1", "c2"]
    assert entries["c1"] == Entry("win_back", "c1", build.monday, False, "d1")


def test_a_member_that_is_already_in_keeps_its_entry(build: Build) -> None:
    before = advance({}, {"c1"}, build.monday, build.steps())
    after = advance(before, {"c1"}, build.monday + build.day, build.steps())
    assert after["c1"] is before["c1"]


def test_leaving_the_segment_ends_the_passage_once(build: Build) -> None:
    before = advance({}, {"c1"}, build.monday, build.steps())
    left = advance(before, set(), build.monday + build.day, build.steps())
    assert left["c1"].reason is EndReason.LEFT
    assert left["c1"].ended_at == build.monday + build.day
    assert advance(left, set(), build.monday + 2 * build.day, build.steps())["c1"] is left["c1"]


def test_without_again_after_a_contact_enters_only_once(build: Build) -> None:
    left = advance(advance({}, {"c1"}, build.monday, build.steps()), set(), build.monday + build.day, build.steps())
    back = advance(left, {"c1"}, build.monday + 500 * build.day, build.steps())
    assert back["c1"] is left["c1"]


def test_again_after_counts_from_the_entry(build: Build) -> None:
    spec = build.steps(again_after=90 * build.day)
    entry = next(iter(advance({}, {"c1"}, build.monday, spec).values()))
    ended = {"c1": end(entry, EndReason.COMPLETED, build.monday + 10 * build.day)}
    almost = build.monday + 90 * build.day
    assert advance(ended, {"c1"}, almost.replace(minute=0, hour=9), spec)["c1"] is ended["c1"]
    assert advance(ended, {"c1"}, almost, spec)["c1"].entered_at == almost
    assert advance(ended, {"c1"}, almost, spec)["c1"].ended_at is None


def test_a_passage_that_still_lasts_is_not_entered_again(build: Build) -> None:
    spec = build.steps(again_after=90 * build.day)
    before = advance({}, {"c1"}, build.monday, spec)
    assert advance(before, {"c1"}, build.monday + 200 * build.day, spec)["c1"] is before["c1"]


def test_repeating_an_instant_changes_nothing(build: Build) -> None:
    spec = build.steps(again_after=build.day)
    first = advance({}, {"c1", "c2"}, build.monday, spec)
    second = advance(first, {"c2"}, build.monday + 2 * build.day, spec)
    assert advance(second, {"c2"}, build.monday + 2 * build.day, spec) == second


def test_entries_are_held_out_by_the_hash_of_the_scenario_and_the_contact(build: Build) -> None:
    spec = build.steps(hold_out=Decimal("0.3"))
    entries = advance({}, {f"c{i}" for i in range(200)}, build.monday, spec)
    assert {name for name, entry in entries.items() if entry.held_out} == {
        f"c{i}" for i in range(200) if held_out("win_back", f"c{i}", Decimal("0.3"))
    }
