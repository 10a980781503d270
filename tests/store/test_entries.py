from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from segserver.store.entries import StoredEntry, latest_entries, save_entries

FIRST = StoredEntry("win_back", "a", datetime(2026, 1, 1), None, None, held_out=False, declaration="d")


def test_an_entry_comes_back_as_it_was_kept(bench: Any) -> None:
    held = replace(FIRST, contact_id="b", held_out=True)
    save_entries(bench.session, [FIRST, held, replace(FIRST, scenario="other")])
    assert latest_entries(bench.session, "win_back") == {"a": FIRST, "b": held}


def test_an_entry_that_ended_replaces_the_one_that_lasted(bench: Any) -> None:
    save_entries(bench.session, [FIRST])
    ended = replace(FIRST, ended_at=datetime(2026, 2, 1), reason="completed")
    for _ in range(2):
        save_entries(bench.session, [ended])
    assert latest_entries(bench.session, "win_back") == {"a": ended}
    assert len(bench.rows("SELECT * FROM scenario_entries")) == 1


def test_the_latest_passage_is_told_and_one_that_lasts_before_any_that_ended(bench: Any) -> None:
    ended = replace(FIRST, ended_at=datetime(2026, 1, 5), reason="completed")
    again = replace(FIRST, entered_at=datetime(2026, 2, 1))
    save_entries(bench.session, [ended, again])
    assert latest_entries(bench.session, "win_back") == {"a": again}
    later = replace(ended, entered_at=datetime(2026, 3, 1), ended_at=datetime(2026, 3, 2))
    save_entries(bench.session, [later])
    assert latest_entries(bench.session, "win_back") == {"a": again}


def test_no_entries_are_nothing(bench: Any) -> None:
    save_entries(bench.session, [])
    assert latest_entries(bench.session, "win_back") == {}
