"""Marketo's bulk extracts against its stand-in: paid for once, resumed after a break, and read again once a day."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from segserver.clock import FixedClock
from segserver.connectors import marketo_extract, marketo_load
from segserver.connectors.build import Connector
from segserver.errors import QuotaExhausted, RetryLater
from segserver.records import ContactRecord, Cursor, Deletion, Page
from segserver.sandbox.marketo.bulk import BulkPace
from segserver.sandbox.population import Person, Population
from segserver.sandbox.server import Sandbox

NOW = datetime(2026, 11, 22, 12, 0)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
PEOPLE = 40
TEXT = """
    kind: marketo
    client_id: env:MARKETO_CLIENT_ID
    client_secret: env:MARKETO_CLIENT_SECRET
    endpoint: env:MARKETO_ENDPOINT
    contacts:
      identities: {email: email}
      traits: {city: {from: city, history: true}, country: country}
      consent: {email: {from: unsubscribed, means: opted out}}
"""


@pytest.fixture
def sandbox(clock: FixedClock) -> Sandbox:
    people = tuple(
        Person(f"p{n}@example.com", NOW - timedelta(days=n), lead={"country": "FR", "city": 'Aix "les"\nBains'})
        for n in range(1, PEOPLE + 1)
    )
    made = Sandbox(clock, Population(people, (), ()))
    made.marketo.bulk = BulkPace(takes=5 * MINUTE, told_every=MINUTE)
    return made


@pytest.fixture
def engage(sandbox: Sandbox, connect: Callable[..., Connector]) -> Iterator[Connector]:
    with sandbox.serve() as server:
        yield connect("engage", TEXT, **server.environ)


def pages(engage: Connector, cursor: Cursor | None = None, until: datetime = NOW) -> Iterator[Page]:
    assert engage.source is not None
    return iter(engage.source.read("contacts", cursor, until))


def stored(cursor: Cursor) -> Cursor:
    """A cursor as it comes back from the store."""
    found: Cursor = json.loads(json.dumps(cursor))
    return found


def pull(engage: Connector, cursor: Cursor | None = None, until: datetime = NOW) -> tuple[list[Any], Cursor]:
    read = list(pages(engage, cursor, until))
    assert any(page.complete_through == until for page in read)
    return [item for page in read for item in page.items], stored(read[-1].cursor)


def ids(items: list[Any]) -> list[str]:
    return [item.source_id for item in items if isinstance(item, ContactRecord)]


def everybody(sandbox: Sandbox) -> list[str]:
    return sorted(str(number) for number in sandbox.marketo.leads)


def asked(sandbox: Sandbox, word: str) -> int:
    return len(sandbox.requests.to(word))


class TestFirstLoad:
    def test_everybody_comes_once_with_values_that_hold_quotes_and_line_breaks(
        self, engage: Connector, sandbox: Sandbox
    ) -> None:
        items, cursor = pull(engage)
        assert sorted(ids(items)) == everybody(sandbox)
        assert {item.traits["city"] for item in items} == {'Aix "les"\nBains'}
        assert (cursor["phase"], asked(sandbox, "create.json")) == ("changes", 2)

    @pytest.mark.long
    def test_an_account_without_leads_is_read_to_its_end(self, clock: FixedClock, connect: Callable[..., Any]) -> None:
        empty = Sandbox(clock, Population((), (), ()))
        with empty.serve() as server:
            items, cursor = pull(connect("engage", TEXT, **server.environ))
        assert (items, cursor["phase"]) == ([], "changes")

    def test_the_job_is_in_the_cursor_before_it_is_paid_for(self, engage: Connector, sandbox: Sandbox) -> None:
        first = next(page for page in pages(engage) if page.save)
        assert first.cursor["job"]
        assert asked(sandbox, "enqueue.json") == 0

    def test_after_a_crash_the_same_job_goes_on_at_the_row_it_was_at(
        self, engage: Connector, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(marketo_load, "_PAGE", 7)
        seen: list[Any] = []
        cursor: Cursor | None = None
        for _ in range(200):
            page = next(pages(engage, cursor), None)
            if page is None:
                break
            seen += page.items
            cursor = stored(page.cursor)
            if page.complete_through:
                break
        assert sorted(ids(seen)) == everybody(sandbox)
        assert asked(sandbox, "create.json") == asked(sandbox, "enqueue.json") == 2

    def test_a_failed_job_is_made_again(self, engage: Connector, sandbox: Sandbox) -> None:
        sandbox.marketo.bulk.failing = 2
        items, _ = pull(engage)
        assert sorted(ids(items)) == everybody(sandbox)
        assert asked(sandbox, "create.json") == 4

    def test_a_job_that_always_fails_ends_the_pull_with_its_days(self, engage: Connector, sandbox: Sandbox) -> None:
        sandbox.marketo.bulk.failing = 100
        with pytest.raises(RetryLater, match="failed 3 times to export the leads created from 2026-10-13"):
            list(pages(engage))

    def test_a_job_that_marketo_does_not_know_any_more_is_made_again(self, engage: Connector, sandbox: Sandbox) -> None:
        cursor = stored(next(page for page in pages(engage) if page.save).cursor)
        items, _ = pull(engage, {**cursor, "job": "forgotten"})
        assert sorted(ids(items)) == everybody(sandbox)

    def test_a_file_that_comes_late_is_waited_for(self, engage: Connector, sandbox: Sandbox) -> None:
        sandbox.marketo.bulk.file_after = 10 * MINUTE
        items, _ = pull(engage)
        assert sorted(ids(items)) == everybody(sandbox)
        assert asked(sandbox, "create.json") == 2
        probes = [one for one in sandbox.requests.to("file.json") if one.headers.get("Range") == "bytes=0-0"]
        assert {one.status for one in probes} == {404, 206}

    def test_a_broken_download_goes_on_where_it_broke(
        self, engage: Connector, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(marketo_extract, "_PIECE", 100)
        sandbox.faults(rate=0.2, kinds=["dropped-before", "dropped-after", "502"], seed=4)
        items, _ = pull(engage)
        assert sorted(ids(items)) == everybody(sandbox)
        pieces = [one for one in sandbox.requests.to("file.json") if one.headers["Range"] != "bytes=0-0"]
        again = [one for one in pieces if one.fault]
        assert again
        assert len(pieces) - len(again) == len({(one.path, one.headers["Range"]) for one in pieces})

    def test_a_file_that_is_gone_is_exported_anew(self, engage: Connector, sandbox: Sandbox, clock: FixedClock) -> None:
        cursor = stored(next(page for page in pages(engage) if page.save).cursor)
        assert next(page for page in pages(engage, cursor) if page.items)
        clock.advance(8 * DAY)
        items, _ = pull(engage, cursor, NOW + 8 * DAY)
        assert sorted(set(ids(items))) == everybody(sandbox)

    def test_a_slow_job_is_left_to_the_next_run(self, engage: Connector, sandbox: Sandbox, clock: FixedClock) -> None:
        sandbox.marketo.bulk.takes = timedelta(hours=2)
        reading, cursor = pages(engage), None
        with pytest.raises(RetryLater, match="is still processing; the next run looks again"):
            for page in reading:
                cursor = stored(page.cursor)
        clock.advance(timedelta(hours=2))
        sandbox.marketo.bulk.takes = MINUTE
        items, _ = pull(engage, cursor)
        assert sorted(ids(items)) == everybody(sandbox)
        assert asked(sandbox, "create.json") == 2

    def test_the_days_volume_says_when_it_goes_on(self, engage: Connector, sandbox: Sandbox) -> None:
        sandbox.marketo.bulk.daily_bytes = 1
        with pytest.raises(QuotaExhausted, match="it goes on after 2026-11-23 06:00 UTC") as caught:
            list(pages(engage))
        assert caught.value.until == datetime(2026, 11, 23, 6)

    def test_status_is_asked_for_once_a_minute_at_most_in_the_long_run(
        self, engage: Connector, sandbox: Sandbox
    ) -> None:
        sandbox.marketo.bulk.takes = timedelta(minutes=25)
        pull(engage)
        assert asked(sandbox, "status.json") <= 2 * (25 + 8)


class TestHistory:
    def test_the_past_of_traits_with_history_comes_before_the_leads(
        self, engage: Connector, sandbox: Sandbox, clock: FixedClock
    ) -> None:
        first = everybody(sandbox)[0]
        sandbox.change_lead(first, {"city": "Lyon", "country": "BE"})
        clock.advance(MINUTE)
        sandbox.change_lead(first, {"city": "Nice"})
        sandbox.delete_lead(everybody(sandbox)[1])
        items, _ = pull(engage, until=NOW + MINUTE)
        told = items[0]
        assert (told.source_id, told.traits) == (first, {"city": "Nice", "country": "BE"})
        assert [(change.value, change.at) for change in told.history["city"]] == [("Lyon", NOW), ("Nice", NOW + MINUTE)]
        assert set(ids(items)) == set(everybody(sandbox))


class TestSweep:
    @pytest.fixture
    def loaded(self, engage: Connector, clock: FixedClock) -> Cursor:
        _, cursor = pull(engage)
        clock.advance(DAY)
        return cursor

    def test_once_a_day_changes_that_no_activity_tells_are_read(
        self, engage: Connector, sandbox: Sandbox, clock: FixedClock, loaded: Cursor
    ) -> None:
        """The job is ordered by one pull and fetched by a later one; nobody waits for it."""
        quiet = sandbox.marketo.leads[int(everybody(sandbox)[3])]
        quiet.values["country"], quiet.touched_at = "IT", clock.now()
        items, cursor = pull(engage, loaded, clock.now())
        assert (ids(items), "sweep" in cursor) == ([], True)
        clock.advance(MINUTE)
        items, cursor = pull(engage, cursor, clock.now())
        assert (ids(items), "sweep" in cursor) == ([], True)
        clock.advance(15 * MINUTE)
        ordered = cursor["sweep"]
        items, cursor = pull(engage, cursor, clock.now())
        assert {item.source_id: item.traits["country"] for item in items}[str(quiet.number)] == "IT"
        assert isinstance(ordered, dict)
        assert (cursor["swept"], "sweep" in cursor) == (ordered["to"], False)

    def test_the_window_goes_back_a_day_and_ends_at_the_pull(
        self, engage: Connector, sandbox: Sandbox, clock: FixedClock, loaded: Cursor
    ) -> None:
        pull(engage, loaded, clock.now())
        body = json.loads(sandbox.requests.to("create.json")[-1].body)
        end = clock.now().isoformat() + "Z"
        assert body["filter"] == {"updatedAt": {"startAt": "2026-11-21T12:00:00Z", "endAt": end}}

    def test_what_was_told_since_the_order_wins_over_the_file(
        self, engage: Connector, sandbox: Sandbox, clock: FixedClock, loaded: Cursor
    ) -> None:
        number = everybody(sandbox)[3]
        sandbox.marketo.leads[int(number)].touched_at = clock.now()
        _, cursor = pull(engage, loaded, clock.now())
        clock.advance(MINUTE)
        sandbox.change_lead(number, {"country": "ES"})
        gone = everybody(sandbox)[5]
        sandbox.delete_lead(gone)
        _, cursor = pull(engage, cursor, clock.now())
        clock.advance(15 * MINUTE)
        items, _ = pull(engage, cursor, clock.now())
        assert [item.traits["country"] for item in items if isinstance(item, ContactRecord)][-1] == "ES"
        assert [item.source_id for item in items if isinstance(item, Deletion)] == [gone]

    def test_an_instance_without_that_filter_has_no_sweep_and_says_so(
        self, engage: Connector, sandbox: Sandbox, clock: FixedClock, loaded: Cursor
    ) -> None:
        sandbox.marketo.bulk.by_update = False
        _, cursor = pull(engage, loaded, clock.now())
        assert "sweep" not in cursor
        (problem,) = engage.problems
        assert "exports by createdAt only here (1035)" in problem.reason
        clock.advance(MINUTE)
        created = asked(sandbox, "create.json")
        pull(engage, cursor, clock.now())
        assert asked(sandbox, "create.json") == created

    def test_a_full_queue_puts_it_off_without_ending_the_pull(
        self, engage: Connector, sandbox: Sandbox, clock: FixedClock, loaded: Cursor
    ) -> None:
        sandbox.marketo.bulk.daily_bytes = 0
        _, cursor = pull(engage, loaded, clock.now())
        assert "today's export volume is used up" in engage.problems[0].reason
        sandbox.marketo.bulk.daily_bytes = 1_000_000
        pull(engage, cursor, clock.now())
        assert asked(sandbox, "enqueue.json") == 4
