from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest

from segserver.records import ContactRecord, Deletion
from segserver.store import memberships
from segserver.store.members import contact_for, members_of_segment, segments_of
from segserver.store.memberships import Evaluated, Outcome

FIRST = datetime(2026, 3, 1)
DAY = timedelta(days=1)


def snapshot(bench: Any, **segments: Iterable[str]) -> str:
    """A temporary table of who is in which segment."""
    bench.session.execute(
        "CREATE OR REPLACE TEMP TABLE evaluated "
        "(segment VARCHAR, contact_id VARCHAR, held_out BOOLEAN DEFAULT false, manual BOOLEAN DEFAULT false)"
    )
    for segment, contacts in segments.items():
        for contact in contacts:
            bench.session.execute("INSERT INTO evaluated (segment, contact_id) VALUES (?, ?)", [segment, contact])
    return "evaluated"


def run(
    bench: Any, number: int, declaration: str = "1", models: str = "", **segments: Iterable[str]
) -> dict[str, Outcome]:
    """A full evaluation of these segments on day `number`."""
    evaluated = [Evaluated(name, declaration, models) for name in segments]
    table = snapshot(bench, **segments)
    with bench.session.transaction():
        return memberships.apply(bench.session, table, evaluated, as_of=FIRST + number * DAY, run_id=f"r{number}")


def causes(bench: Any, number: int) -> list[tuple[object, object, object]]:
    return [
        (row["contact_id"], row["change"], row["cause"]) for row in memberships.changes(bench.session, f"r{number}")
    ]


def members(bench: Any, segment: str) -> dict[object, object]:
    rows = bench.rows("SELECT contact_id, entered_at FROM memberships WHERE segment = ? ORDER BY contact_id", segment)
    return {row["contact_id"]: row["entered_at"] for row in rows}


def test_who_enters_and_leaves_is_kept_with_the_instant(bench: Any) -> None:
    assert run(bench, 1, vip="ab") == {"vip": Outcome(2, 0, 2, 0)}
    assert run(bench, 2, vip="bc") == {"vip": Outcome(2, 2, 1, 1)}
    assert members(bench, "vip") == {"b": FIRST + DAY, "c": FIRST + 2 * DAY}
    assert causes(bench, 2) == [("c", "entered", "data"), ("a", "exited", "data")]


def test_the_same_evaluation_again_changes_nothing(bench: Any) -> None:
    run(bench, 1, vip="ab")
    before = bench.dump()
    assert run(bench, 1, vip="ab") == {"vip": Outcome(2, 2, 0, 0)}
    assert bench.dump() == before


def test_a_first_evaluation_and_a_changed_rule_are_changes_by_rule(bench: Any) -> None:
    run(bench, 1, vip="a")
    run(bench, 2, declaration="2", vip="b")
    run(bench, 3, declaration="2", vip="bc")
    assert causes(bench, 1) == [("a", "entered", "rule")]
    assert causes(bench, 2) == [("b", "entered", "rule"), ("a", "exited", "rule")]
    assert causes(bench, 3) == [("c", "entered", "data")]


def test_another_version_of_a_model_is_a_cause_of_its_own(bench: Any) -> None:
    run(bench, 1, models="m@1", vip="a")
    run(bench, 2, models="m@2", vip="b")
    run(bench, 3, declaration="2", models="m@3", vip="c")
    assert {cause for *_, cause in causes(bench, 2)} == {"model"}
    assert {cause for *_, cause in causes(bench, 3)} == {"rule"}


def test_an_empty_segment_was_evaluated_all_the_same(bench: Any) -> None:
    run(bench, 1, vip="")
    run(bench, 2, vip="a")
    assert causes(bench, 2) == [("a", "entered", "data")]


def test_a_deleted_contact_leaves_because_it_was_deleted(bench: Any) -> None:
    bench.take("crm", ContactRecord("1", {}, {}))
    contact = str(bench.contact()["contact_id"])
    run(bench, 1, vip=[contact])
    bench.take("crm", Deletion("1", FIRST))
    run(bench, 2, declaration="2", vip=[])
    assert causes(bench, 2) == [(contact, "exited", "deleted")]


def test_deleted_contacts_leave_every_segment_at_the_instant_of_their_deletion(bench: Any) -> None:
    bench.take("crm", ContactRecord("1", {}, {}))
    contact = str(bench.contact()["contact_id"])
    run(bench, 1, vip=[contact, "b"], other=[contact])
    bench.take("crm", Deletion("1", FIRST + 2 * DAY))
    bench.session.create_temp("concerned", "SELECT 'b' AS contact_id")
    memberships.drop_deleted(bench.session, as_of=FIRST + DAY, run_id="before")
    memberships.drop_deleted(bench.session, as_of=FIRST + 2 * DAY, run_id="others", among="concerned")
    assert memberships.sizes(bench.session) == {"vip": 2, "other": 1}
    memberships.drop_deleted(bench.session, as_of=FIRST + 2 * DAY, run_id="r2")
    assert memberships.sizes(bench.session) == {"vip": 1}
    assert causes(bench, 2) == [(contact, "exited", "deleted")] * 2


def test_segments_that_were_not_evaluated_keep_their_members(bench: Any) -> None:
    run(bench, 1, vip="a", kept="b")
    table = snapshot(bench, vip="", kept="")
    memberships.apply(bench.session, table, [Evaluated("vip", "1")], as_of=FIRST, run_id="r2")
    assert memberships.sizes(bench.session) == {"kept": 1}


def test_segments_the_workspace_does_not_evaluate_are_passed_over(bench: Any) -> None:
    table = snapshot(bench, vip="a", other="a")
    memberships.apply(bench.session, table, [Evaluated("vip", "1")], as_of=FIRST, run_id="r1")
    assert memberships.sizes(bench.session) == {"vip": 1}


def test_a_run_over_some_contacts_touches_nobody_else_and_judges_no_sizes(bench: Any) -> None:
    run(bench, 1, vip="ab")
    state = memberships.states(bench.session)
    bench.session.create_temp("concerned", "SELECT unnest(['b', 'c']) AS contact_id")
    table = snapshot(bench, vip="c")
    outcome = memberships.apply(
        bench.session, table, [Evaluated("vip", "1")], as_of=FIRST + 2 * DAY, run_id="r2", among="concerned"
    )
    assert outcome == {"vip": Outcome(2, 2, 1, 1)}
    assert list(members(bench, "vip")) == ["a", "c"]
    assert memberships.states(bench.session) == state


def test_a_run_over_some_contacts_does_not_count_as_the_first_evaluation(bench: Any) -> None:
    bench.session.create_temp("concerned", "SELECT 'a' AS contact_id")
    table = snapshot(bench, vip="a")
    memberships.apply(bench.session, table, [Evaluated("vip", "1")], as_of=FIRST, run_id="r1", among="concerned")
    run(bench, 2, vip="ab")
    assert causes(bench, 1) == [("a", "entered", "rule")]
    assert causes(bench, 2) == [("b", "entered", "rule")]


def test_segments_that_are_gone_lose_their_members_by_rule(bench: Any) -> None:
    run(bench, 1, vip="a", old="b")
    assert memberships.drop_segments(bench.session, ["vip"], as_of=FIRST + 2 * DAY, run_id="r2") == ["old"]
    assert causes(bench, 2) == [("b", "exited", "rule")]
    assert list(memberships.states(bench.session)) == ["vip"]
    assert memberships.drop_segments(bench.session, ["vip"], as_of=FIRST, run_id="r3") == []


def test_guards_find_the_size_of_the_last_run_that_pushed(bench: Any) -> None:
    run(bench, 1, vip="ab")
    assert memberships.states(bench.session)["vip"].pushed_size is None
    memberships.mark_pushed(bench.session, {"vip": 2})
    run(bench, 2, vip="abc")
    state = memberships.states(bench.session)["vip"]
    assert (state.size, state.pushed_size, state.evaluated_at) == (3, 2, FIRST + 2 * DAY)


def test_members_are_shown_with_the_identities_people_know_them_by(bench: Any) -> None:
    bench.take("crm", ContactRecord("1", {"email": "ada@x.org", "phone": "0612345678"}, {}))
    bench.take("engage", ContactRecord("e", {"email": "ada@x.org"}, {}))
    contact = str(bench.contact()["contact_id"])
    run(bench, 1, vip=[contact, "zzz"])
    first, second = members_of_segment(bench.session, "vip")
    assert first.contact_id == contact
    assert first.entered_at == FIRST + DAY
    assert first.identities == {
        "crm": ("1",),
        "email": ("ada@x.org",),
        "engage": ("e",),
        "phone": ("0612345678",),
    }
    assert second.identities == {}
    assert [member.contact_id for member in members_of_segment(bench.session, "vip", limit=1)] == [contact]


def test_a_contact_is_found_by_what_people_call_it(bench: Any) -> None:
    bench.take("crm", ContactRecord("1", {"email": "Ada@x.org"}, {}), ContactRecord("2", {"email": "bob@x.org"}, {}))
    bench.take("engage", ContactRecord("2", {"email": "ada@x.org"}, {}))
    ada = contact_for(bench.session, "ADA@x.org")
    assert ada is not None
    assert contact_for(bench.session, ada) == ada
    assert contact_for(bench.session, "1") == ada
    assert contact_for(bench.session, "2") is None, "two contacts have a record 2"
    assert contact_for(bench.session, "nobody") is None
    run(bench, 1, vip=[ada], new=[ada])
    assert segments_of(bench.session, ada) == {"new": FIRST + DAY, "vip": FIRST + DAY}


def test_an_ended_id_leads_to_its_survivor(bench: Any) -> None:
    bench.session.execute("INSERT INTO merges VALUES ('old', 'new', ?, 'why')", [FIRST])
    assert contact_for(bench.session, "old") == "new"


def test_a_snapshot_that_does_not_exist_changes_nothing(bench: Any) -> None:
    run(bench, 1, vip="a")
    before = bench.dump()
    with pytest.raises(duckdb.Error), bench.session.transaction():
        memberships.apply(bench.session, "missing", [Evaluated("vip", "1")], as_of=FIRST, run_id="r2")
    assert bench.dump() == before
