"""What the pull does with pages: keep them with their cursors, whatever the sources do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from segserver import sync
from segserver.clock import FixedClock
from segserver.connectors.mapping import Problem
from segserver.errors import RetryLater, SettingsError, StreamFailed
from segserver.progress import silent
from segserver.records import ContactRecord, Deletion, EventRecord, Merge, Page
from segserver.store import state

FRENCH = 'segment french\n  where country is "FR"\n  push to hubspot list "French"\n'
LIST = 'crm list "French"'

MakeStage = Callable[..., Any]


def pull(one: Any, progress: Any = silent) -> dict[str, sync.ConnectionReport]:
    with one.engine.store.session() as session:
        return sync.pull(session, one.engine.connectors(), until=one.clock.now(), clock=one.clock, progress=progress)


def drain(one: Any) -> sync.Drained:
    with one.engine.store.session() as session:
        return sync.drain(session, one.engine.connectors(), one.clock, whole=True)


def cursors(one: Any) -> dict[str, Any]:
    return {str(row["connection"]): json.loads(str(row["cursor"])) for row in one.ask("SELECT * FROM cursors")}


# ---- pages ---------------------------------------------------------------------------------------------------------


def test_a_second_pull_reads_what_came_after_the_first(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1, 2)
    assert (pull(one)["crm"].items, pull(one)["crm"].items) == ({"all": 2}, {"all": 0})
    one.people(3)
    report = pull(one)["crm"]
    assert (report.items, report.changed) == ({"all": 1}, 1)


def test_a_record_that_comes_unchanged_is_not_counted_as_changed(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1)
    pull(one)
    one.people(1)
    assert (pull(one)["crm"].items, pull(one)["crm"].changed) == ({"all": 1}, 0)


def test_what_was_read_before_a_source_broke_off_is_kept_and_the_next_pull_goes_on_there(stage: MakeStage) -> None:
    one = stage(FRENCH)
    crm = one.sources["crm"]
    crm.page, crm.breaks_after = 2, 2
    one.people(*range(1, 8))
    report = pull(one)["crm"]
    assert (report.failure, report.items) == ("the line went dead", {"all": 4})
    assert cursors(one)["crm"] == {"done": 4}
    crm.breaks_after = None
    assert pull(one)["crm"].items == {"all": 3}
    assert len(one.ids()) == 7


def test_one_source_failing_does_not_hinder_the_others(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1)
    one.sources["crm"].failure = RetryLater("crm is down")
    reports = pull(one)
    assert (reports["crm"].failure, reports["crm"].items) == ("crm is down", {})
    assert (reports["engage"].failure, reports["engage"].items) == (None, {"all": 1})


@pytest.mark.parametrize(("failure", "read"), [(StreamFailed("one is down"), ["all"]), (RetryLater("crm is down"), [])])
def test_a_stream_that_fails_alone_does_not_hinder_the_others(
    stage: MakeStage, monkeypatch: pytest.MonkeyPatch, failure: RetryLater, read: list[str]
) -> None:
    one = stage(FRENCH)
    one.people(1)
    crm = one.sources["crm"]
    reading = crm.read

    def read_or_fail(stream: str, *arguments: Any) -> Iterator[Page]:
        if stream == "astray":
            raise failure
        return reading(stream, *arguments)

    monkeypatch.setattr(crm, "streams", lambda: ("astray", "all"))
    monkeypatch.setattr(crm, "read", read_or_fail)
    report = pull(one)["crm"]
    assert (report.failure, list(report.items)) == (str(failure), read)


def test_an_account_that_refuses_our_key_stops_the_run(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.sources["crm"].failure = SettingsError("HubSpot refuses the token")
    with pytest.raises(SettingsError, match="refuses the token"):
        pull(one)


def test_a_destination_that_is_no_source_is_not_pulled(stage: MakeStage) -> None:
    assert list(pull(stage(FRENCH))) == ["crm", "engage"]


def test_progress_is_told_by_stream(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1, 2, known_to=["crm"])
    told: list[tuple[str, int, int | None]] = []
    pull(one, lambda *state: told.append(state))
    assert told == [("crm all", 2, 2), ("engage all", 0, 0)]


# ---- groups --------------------------------------------------------------------------------------------------------


class Ticking(FixedClock):
    """A second passes at every look."""

    def now(self) -> datetime:
        self.advance(timedelta(seconds=1))
        return super().now()


def pages(*sizes: int) -> Iterator[Page]:
    for number, size in enumerate(sizes):
        yield Page([Deletion(str(item), datetime(2026, 1, 1)) for item in range(size)], {"page": number})


def groups(clock: FixedClock, *sizes: int) -> list[list[int]]:
    return [[len(page.items) for page in group] for group in sync._groups(pages(*sizes), clock)]


def test_pages_are_committed_together_up_to_ten_thousand_rows() -> None:
    standing = FixedClock(datetime(2026, 1, 1))
    assert groups(standing, 4_000, 4_000, 4_000, 100) == [[4_000, 4_000, 4_000], [100]]


def test_pages_are_committed_after_two_seconds_however_few_they_are() -> None:
    assert groups(Ticking(datetime(2026, 1, 1)), 1, 1, 1, 1, 1) == [[1, 1], [1, 1], [1]]


def test_a_page_whose_place_is_dear_is_committed_before_the_next_is_asked_for() -> None:
    asked: list[int] = []

    def reading() -> Iterator[Page]:
        for number in range(3):
            asked.append(number)
            yield Page((), {"n": number}, save=number == 1)

    first = next(sync._groups(reading(), FixedClock(datetime(2026, 1, 1))))
    assert [page.cursor["n"] for page in first] == [0, 1]
    assert asked == [0, 1]


def test_a_stream_without_pages_commits_nothing() -> None:
    assert groups(FixedClock(datetime(2026, 1, 1))) == []


# ---- what is told --------------------------------------------------------------------------------------------------


def test_values_that_could_not_be_read_are_reported_once(stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> None:
    one = stage(FRENCH)
    one.people(1)
    connector = one.engine.connectors()["crm"]
    told = Problem("1", "spend", "'much' is not a number")
    read = connector.source.read

    def reading(*arguments: Any) -> Iterator[Page]:
        connector.problems.append(told)
        return read(*arguments)

    monkeypatch.setattr(connector.source, "read", reading)
    assert pull(one)["crm"].problems == [told]
    assert pull(one)["crm"].problems == [told], "not those of the pull before, too"
    assert json.loads(json.dumps(pull(one)["crm"].to_dict()))["problems"] == [
        {"source_id": "1", "field": "spend", "reason": "'much' is not a number"}
    ]


def test_events_of_nobody_and_merges_are_counted(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1, 2, known_to=["crm"])
    pull(one)
    nobody = EventRecord("purchase", "k", None, ("email", "not an address"), one.clock.now(), None, {})
    one.sources["crm"].tell(nobody, Merge("1", ("2",), one.clock.now()))
    report = pull(one)["crm"]
    assert (report.nobody, report.merged) == (1, 1)


def test_a_stream_counts_as_incomplete_until_it_was_read_to_its_end(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1, 2, 3)
    one.sources["crm"].page, one.sources["crm"].breaks_after = 1, 2

    def incomplete() -> list[str]:
        with one.engine.store.session() as session:
            return sync.incomplete(session, one.engine.connectors())

    assert incomplete() == ["crm all", "engage all"]
    pull(one)
    assert incomplete() == ["crm all"]
    one.sources["crm"].breaks_after = None
    pull(one)
    one.sources["crm"].failure = RetryLater("down")
    pull(one)
    assert incomplete() == [], "once is enough"


# ---- the inbox -----------------------------------------------------------------------------------------------------


def test_the_inbox_is_read_in_fresh_copies_of_the_contacts_it_speaks_of(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1, 2)
    pull(one)
    one.sources["crm"].copies["1"] = one.record(1, country="DE")
    one.notify(1)
    one.notify(2)
    drained = drain(one)
    assert one.sources["crm"].asked == [["1", "2"]]
    assert drained.contacts == {one.ids()[1], one.ids()[2]}
    assert (len(drained.notifications), one.waiting()) == (2, 2), "they wait until the contacts were evaluated"
    (row,) = one.ask("SELECT t_country FROM contacts WHERE t_country = 'DE'")
    assert row


def test_a_contact_that_a_pull_has_brought_already_is_still_to_be_looked_at(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1)
    pull(one)
    one.notify(1)
    assert drain(one).contacts == {one.ids()[1]}


def test_a_source_that_does_not_answer_keeps_its_notifications(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1)
    pull(one)
    one.notify(1)
    with one.engine.store.session() as session:
        told = [state.Notification("engage", "k", "changed", "e1", {})]
        state.append_inbox(session, told, one.clock.now())
    one.sources["crm"].failure = RetryLater("crm is down")
    drained = drain(one)
    assert drained.failures == {"crm": "crm is down"}
    assert (len(drained.notifications), drained.contacts) == (1, {one.ids()[1]})


def test_notifications_of_a_connection_that_is_gone_are_worked_off(stage: MakeStage) -> None:
    one = stage(FRENCH)
    with one.engine.store.session() as session:
        state.append_inbox(session, [state.Notification("old", "k", "changed", "1", {})], one.clock.now())
    assert len(drain(one).notifications) == 1


def test_a_contact_that_is_gone_when_it_is_read_counts_as_deleted(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1, known_to=["crm"])
    pull(one)
    contact = one.ids()[1]
    one.sources["crm"].copies["1"] = Deletion("1", one.clock.now())
    one.notify(1)
    assert drain(one).contacts == {contact}
    (row,) = one.ask("SELECT deleted_at FROM contacts")
    assert row["deleted_at"] == one.clock.now()


# ---- consent, once more --------------------------------------------------------------------------------------------


def test_consent_is_read_again_at_every_source_that_speaks_of_it(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1, 2)
    pull(one)
    contact = one.ids()[1]
    one.sources["engage"].copies["e1"] = ContactRecord("e1", {"email": "p1@x.org"}, {}, consent={"email": False})
    with one.engine.store.session() as session:
        assert sync.refresh(session, one.engine.connectors(), [contact], one.clock) == {}
    assert (one.sources["crm"].asked, one.sources["engage"].asked) == ([["1"]], [["e1"]])
    (row,) = one.ask(f"SELECT consent_email FROM contacts WHERE contact_id = '{contact}'")
    assert row["consent_email"] is False


def test_who_cannot_be_read_again_is_named_with_the_reason(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1)
    one.people(2, known_to=["engage"])
    pull(one)
    one.sources["crm"].failure = RetryLater("crm is down")
    with one.engine.store.session() as session:
        unreachable = sync.refresh(session, one.engine.connectors(), one.ids().values(), one.clock)
    assert unreachable == {one.ids()[1]: "consent could not be read again from crm: crm is down"}
