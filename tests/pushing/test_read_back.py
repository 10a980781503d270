"""Audiences read back: hand edits are found, told and put right, and a reading that fails changes nothing."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from segserver.connectors.base import Holding, Outcome, Status, Write
from segserver.errors import RetryLater, SettingsError
from segserver.records import ContactRecord, Deletion
from segserver.specs.targets import Target
from segserver.store import held, memberships

RULES = 'segment french\n  where country is "FR"\n  push to hubspot list "French"\n'
LIST = 'crm list "French"'
TARGET = Target("crm", "list", "French")
WEEK = 7 * 24

MakeStage = Callable[..., Any]


def found(report: Any, connection: str = "crm") -> Any:
    """What the one audience that was read was found to be."""
    (read,) = report.pushes[connection].read_back
    return read.found


def audience(report: Any) -> Any:
    (one,) = report.plan.audiences
    return one


@pytest.fixture
def pushed(stage: MakeStage) -> Any:
    """Three French contacts and a German one; the list was filled and read."""
    one = stage(RULES)
    one.people(1, 2, 3)
    one.people(4, country="DE")
    one.run()
    return one


def test_an_audience_is_read_after_its_first_push_then_once_a_week(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1)
    crm = one.destinations["crm"]
    one.run()
    assert crm.read == [LIST]
    one.later(hours=WEEK - 1).run()
    assert crm.read == [LIST]
    one.later(hours=1).run()
    assert crm.read == [LIST, LIST]


def test_the_connection_says_how_often_it_is_read(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1)
    one.run()
    text = (one.directory / "connectors/crm.yml").read_text(encoding="utf-8")
    one.write("connectors/crm.yml", f"{text}read back: 2 hours\n")
    one.rules(RULES)
    one.later(hours=2).run()
    assert one.destinations["crm"].read == [LIST, LIST]


def test_an_audience_nothing_was_written_to_is_not_read(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1, country="DE")
    one.run()
    assert one.destinations["crm"].read == []


def test_a_run_can_be_asked_to_read_everything(pushed: Any) -> None:
    pushed.later(minutes=1).run(read_back=True)
    assert pushed.destinations["crm"].read == [LIST, LIST]


def test_a_run_for_notified_contacts_reads_nothing(stage: MakeStage) -> None:
    from segserver import pipeline

    one = stage(RULES)
    one.people(1)
    pipeline.pull(one.engine, "crm")
    pipeline.pull(one.engine, "engage")
    one.notify(1)
    report = pipeline.run_notified(one.engine)
    assert report is not None
    assert dict(report.pushes["crm"].written) == {"confirmed": 1}
    assert one.destinations["crm"].read == []


def test_hand_edits_are_found_told_in_the_plan_and_put_right(pushed: Any) -> None:
    there = pushed.destinations["crm"].held[LIST]
    there["4"] = "member"
    del there["1"]
    del there["2"]
    report = pushed.later(hours=WEEK).run()
    read = found(report)
    assert (read.held, read.added, read.removed, read.strangers) == (2, 1, 2, 0)
    assert report.status == "done"
    planned = pushed.later(minutes=15).run(apply=False)
    assert str(audience(planned).by_hand) == "1 added, 2 removed by hand there"
    assert (audience(planned).entering, audience(planned).leaving) == (2, 1)
    healed = pushed.run()
    assert dict(healed.pushes["crm"].written) == {"confirmed": 3}
    assert there == {"1": "member", "2": "member", "3": "member"}
    after = pushed.later(minutes=15).run()
    assert (after.plan.empty, str(audience(after).by_hand)) == (True, "")


def test_a_value_changed_by_hand_is_written_again(stage: MakeStage) -> None:
    one = stage(RULES.replace('list "French"', 'property "seg_french"'))
    one.people(1)
    one.run()
    place = 'crm property "seg_french"'
    one.destinations["crm"].held[place]["1"] = "perhaps"
    one.later(hours=WEEK).run()
    report = one.later(minutes=15).run()
    assert str(audience(report).by_hand) == "1 changed by hand there"
    assert one.held(place) == {"1": "true"}


def test_who_was_added_by_hand_and_has_become_a_member_is_no_change(pushed: Any) -> None:
    pushed.destinations["crm"].held[LIST]["4"] = "member"
    pushed.later(hours=WEEK).run()
    pushed.people(4, country="FR")
    report = pushed.later(minutes=15).run()
    assert (report.plan.empty, str(audience(report).by_hand)) == (True, "")


def test_an_address_that_is_no_contacts_is_left_alone(pushed: Any) -> None:
    pushed.destinations["crm"].held[LIST]["999"] = "member"
    report = pushed.later(hours=WEEK).run()
    assert (found(report).strangers, found(report).added) == (1, 0)
    assert pushed.later(minutes=15).run().plan.empty
    assert "999" in pushed.held(LIST)


def test_a_list_that_vanished_is_filled_again(pushed: Any) -> None:
    pushed.destinations["crm"].held[LIST].clear()
    report = pushed.later(hours=WEEK).run()
    assert (found(report).held, found(report).removed) == (0, 3)
    pushed.later(minutes=15).run()
    assert len(pushed.held(LIST)) == 3


def test_who_stood_there_before_the_first_push_stays_until_a_person_approves(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1, 2)
    one.people(3, 4, country="DE")
    there = one.destinations["crm"].held[LIST]
    there |= {"2": "member", "3": "member", "4": "member"}
    first = found(one.run())
    assert (first.held, first.stood, first.added) == (4, 2, 0)
    report = one.later(minutes=15).run()
    assert report.status == "blocked"
    assert (audience(report).stood, audience(report).stopped) == (2, None)
    assert str(audience(report).by_hand) == ""
    assert sorted(there) == ["1", "2", "3", "4"]
    one.people(3, country="DE", suppressed=True)
    assert one.later(minutes=15).run().status == "blocked"
    assert sorted(there) == ["1", "2", "4"], "who may not be addressed at all leaves in any case"
    with one.engine.store.session() as session:
        assert memberships.states(session)["french"].pushed_size == 2, "guards go on comparing"
    report = one.later(minutes=15).run(apply=False)
    assert one.later(minutes=15).run(approve=report.plan.plan_id).status == "done"
    assert sorted(there) == ["1", "2"]


# ---- readings that fail --------------------------------------------------------------------------------------------


def breaking(pages: Iterator[Mapping[str, str]], error: Exception) -> Iterator[Mapping[str, str]]:
    yield from pages
    raise error


@pytest.mark.parametrize("pages", [[], [{"1": "member", "4": "member"}]])
def test_a_reading_that_breaks_off_neither_adds_nor_removes_and_is_tried_again(
    pushed: Any, pages: list[Mapping[str, str]]
) -> None:
    crm = pushed.destinations["crm"]
    crm.shown = lambda _: Holding(breaking(iter(pages), RetryLater("the line went dead")))
    report = pushed.later(hours=WEEK).run()
    (read,) = report.pushes["crm"].read_back
    assert (read.found, read.failure, report.status) == (None, "the line went dead", "done")
    assert pushed.later(minutes=15).run().plan.empty
    assert crm.read == [LIST, LIST, LIST], "its turn has not passed"
    crm.shown = crm._shown
    read = found(pushed.later(minutes=15).run())
    assert (read.added, read.removed) == (0, 0)
    assert len(pushed.held(LIST)) == 3


def test_an_audience_that_cannot_be_read_does_not_keep_others_from_it(stage: MakeStage) -> None:
    one = stage(f'{RULES}\nsegment german\n  where country is "DE"\n  push to hubspot list "Germans"\n')
    one.people(1)
    one.people(2, country="DE")
    crm = one.destinations["crm"]

    def shown(target: Target) -> Holding | None:
        if target.name == "French":
            raise SettingsError("another file is in its place")
        held_there: Holding | None = crm._shown(target)
        return held_there

    crm.shown = shown
    reads = {read.target.name: read for read in one.run().pushes["crm"].read_back}
    assert reads["French"].failure == "another file is in its place"
    assert reads["Germans"].found.held == 1


def test_what_cannot_be_read_is_believed(stage: MakeStage) -> None:
    one = stage(RULES.replace("hubspot list", "ga4 user property").replace("French", "seg_french"))
    one.people(1)
    assert one.run().pushes["web"].read_back == []
    assert one.later(hours=WEEK).run().pushes["web"].read_back == []
    with one.engine.store.session() as session:
        (standing,) = held.standing(session).values()
    assert (standing.sent, standing.confirmed, standing.read_at) == (1, 0, None)


# ---- after errors --------------------------------------------------------------------------------------------------


def test_after_errors_an_audience_is_read_at_once_but_not_more_than_once_a_day(pushed: Any) -> None:
    crm = pushed.destinations["crm"]
    crm.answers["5"] = (Status.FAILED, "timed out")
    pushed.people(5)
    pushed.later(days=2).run()
    assert len(crm.read) == 2
    pushed.later(hours=23).run()
    assert len(crm.read) == 2
    pushed.later(hours=1).run()
    assert len(crm.read) == 3


def test_a_write_whose_answer_was_lost_is_settled_by_reading_and_not_made_again(pushed: Any) -> None:
    crm = pushed.destinations["crm"]
    crm.answers["5"] = (Status.FAILED, "the answer was lost")
    pushed.people(5)
    crm.held[LIST]["5"] = "member"
    report = pushed.later(days=2).run()
    assert (found(report).settled, found(report).added) == (1, 0)
    assert (report.status, dict(report.pushes["crm"].written)) == ("done", {"found": 1})
    crm.answers.clear()
    writes = len(crm.writes)
    report = pushed.later(minutes=15).run()
    assert (report.plan.empty, len(crm.writes)) == (True, writes)


@pytest.mark.parametrize("status", [Status.FAILED, Status.UNKNOWN, Status.REJECTED])
def test_what_reading_does_not_find_or_the_platform_refused_is_left(pushed: Any, status: Status) -> None:
    crm = pushed.destinations["crm"]
    crm.answers["5"] = crm.answers["6"] = (status, "no")
    pushed.people(5, 6)
    if status is Status.REJECTED:
        crm.held[LIST] |= {"5": "member", "6": "member"}
    report = pushed.later(hours=WEEK).run()
    assert report.pushes["crm"].read_back
    assert [one.status for one in report.pushes["crm"].left] == [str(status)] * 2
    assert report.pushes["crm"].written == {str(status): 2}


def test_who_was_added_by_a_call_that_a_crash_left_unanswered_and_has_left_since_is_removed(stage: MakeStage) -> None:
    """It was us who added them, so that no person has to say what is to become of them."""
    one = stage(RULES)
    one.people(1, 2)
    crm = one.destinations["crm"]
    done = crm._done

    def crash(item: Write) -> Outcome:
        done(item)
        raise RuntimeError

    crm._done = crash
    with pytest.raises(RuntimeError):
        one.run()
    added = set(crm.held[LIST])
    assert added
    crm._done = done
    one.people(*map(int, added), country="DE")
    assert one.later(minutes=15).run().status == "done"
    assert sorted(crm.held[LIST]) == sorted({"1", "2"} - added)


def test_writes_that_were_answered_are_no_errors_to_read_an_audience_for(pushed: Any) -> None:
    pushed.people(5)
    pushed.later(days=2).run()
    assert "5" in pushed.held(LIST)
    assert len(pushed.destinations["crm"].read) == 1


def test_what_was_written_later_than_the_platform_shows_is_not_judged(pushed: Any) -> None:
    crm = pushed.destinations["crm"]
    crm.shown = lambda _: Holding(iter([{"1": "member", "2": "member"}]), timedelta(minutes=5))
    pushed.people(5)
    read = found(pushed.later(hours=WEEK).run())
    assert read.removed == 1, "3 was removed by hand; 5 was added a moment ago and does not show yet"
    crm.shown = crm._shown
    report = pushed.later(minutes=15).run()
    assert [row["address"] for row in report.plan.changes.to_pylist()] == ["3"]


# ---- merges and deletions ------------------------------------------------------------------------------------------


def test_a_merge_at_the_platform_is_nobodys_hand(pushed: Any) -> None:
    there = pushed.destinations["crm"].held[LIST]
    del there["2"]
    pushed.sources["crm"].tell(
        Deletion("2", pushed.clock.now()),
        ContactRecord("3", {"email": "p2@x.org"}, {"country": "FR"}, updated_at=pushed.clock.now()),
    )
    report = pushed.later(hours=WEEK).run()
    read = found(report)
    assert (read.added, read.removed) == (0, 0)
    assert pushed.later(minutes=15).run().plan.empty
    assert sorted(there) == ["1", "3"]


def test_who_was_deleted_at_the_platform_was_not_removed_by_hand(pushed: Any) -> None:
    del pushed.destinations["crm"].held[LIST]["2"]
    pushed.sources["crm"].tell(Deletion("2", pushed.clock.now()))
    assert found(pushed.later(hours=WEEK).run()).removed == 0
    assert pushed.later(minutes=15).run().plan.empty


# ---- size ----------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_million_members_are_read_in_bounded_memory(pushed: Any) -> None:
    def pages() -> Iterator[Mapping[str, str]]:
        for start in range(10, 1_000_010, 10_000):
            yield {str(number): "member" for number in range(start, start + 10_000)}
        yield {str(number): "member" for number in (1, 2, 3)}

    pushed.destinations["crm"].shown = lambda _: Holding(pages())
    pushed.later(hours=WEEK)
    tracemalloc.start()
    try:
        read = found(pushed.run())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (read.held, read.strangers, read.removed) == (1_000_003, 1_000_000, 0)
    assert peak < 50_000_000
