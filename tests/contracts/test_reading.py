"""What every source promises about pages, cursors, changes and types."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from itertools import islice

import pytest

from segserver.records import (
    AccountGone,
    AccountRecord,
    ContactRecord,
    Deletion,
    EventGone,
    EventRecord,
    EventsWithin,
    Merge,
)
from segserver.specs.types import Kind

NOW = datetime(2026, 11, 22, 12, 0)

KINDS = {
    Kind.NUMBER: Decimal,
    Kind.TEXT: str,
    Kind.BOOLEAN: bool,
    Kind.INSTANT: datetime,
    Kind.DATE: date,
    Kind.TEXTS: tuple,
}

HAPPENINGS = [
    *(("hubspot", what) for what in ("change", "delete", "merge", "withdraw")),
    *(("marketo", what) for what in ("change", "delete", "merge")),
    *(("files", what) for what in ("change", "delete", "withdraw")),
]
"""What can happen at each source: Marketo's activities are never taken back, and files merge nobody."""


def pull(source, stream, cursor, until):
    return list(source.read(stream, cursor, until))


def pull_all(subject, until=None):
    """Pages of every stream from the beginning."""
    source = subject.source()
    return {stream: pull(source, stream, None, until or subject.now) for stream in source.streams()}


def items(pages):
    return [item for page in pages for item in page.items]


def records(pages):
    """What is told of contacts, accounts and events, without the stretches that it is all of."""
    return [item for item in items(pages) if not isinstance(item, EventsWithin)]


def key(item):
    match item:
        case ContactRecord():
            return "contact", item.source_id
        case EventRecord() | EventGone():
            return "event", item.event, item.key
        case Deletion():
            return "gone", item.source_id
        case Merge():
            return "merge", item.survivor, item.losers
        case AccountRecord() | AccountGone():
            return "account", item.key
        case EventsWithin():
            return "within", item.event, item.low, item.high


def cuts(pages):
    """Some places to cut a pull: the first, the last, and some between."""
    numbers = range(len(pages) - 1)
    return sorted({*numbers[:2], *numbers[-2:], *numbers[:: max(1, len(numbers) // 3)]})


def keepsake(readings):
    """What a reader knows at the end, whatever the order of events; merged contacts answer to the survivor's id."""
    contacts, events, accounts, survivor = {}, {}, {}, {}
    for item in readings:
        match item:
            case ContactRecord():
                contacts[item.source_id] = replace(item, history={})
            case EventRecord():
                events[item.event, item.key] = item
            case AccountRecord():
                accounts[item.key] = item
            case Deletion():
                contacts.pop(item.source_id, None)
            case EventGone():
                events.pop((item.event, item.key), None)
            case Merge():
                survivor |= dict.fromkeys(item.losers, item.survivor)
    for loser in survivor:
        contacts.pop(loser, None)
    events = {at: replace(one, source_id=survivor.get(one.source_id, one.source_id)) for at, one in events.items()}
    return contacts, events, accounts


def test_a_pull_of_each_stream_ends_with_the_instant_it_was_asked_for(streamed):
    for stream, pages in pull_all(streamed).items():
        assert items(pages) or stream in streamed.quiet, stream
        assert [page.complete_through for page in pages] == [None] * (len(pages) - 1) + [streamed.now]


def test_no_record_comes_twice_in_a_first_pull(streamed):
    for pages in pull_all(streamed).values():
        keys = [key(item) for item in items(pages)]
        assert len(keys) == len(set(keys))


def test_everybody_at_the_source_comes(readable):
    pages = pull_all(readable)["contacts"]
    assert len(pages) > 2
    assert len(items(pages)) == len(readable.known())


@pytest.mark.long
def test_every_page_can_be_asked_for_again(streamed):
    for stream, pages in pull_all(streamed).items():
        starts = [None, *(pages[number].cursor for number in cuts(pages))]
        for cursor in starts:
            once = pull(streamed.source(), stream, cursor, streamed.now)
            again = pull(streamed.source(), stream, cursor, streamed.now)
            assert [page.items for page in once] == [page.items for page in again]


def test_reading_leaves_the_cursor_it_was_given_alone(streamed):
    for stream, pages in pull_all(streamed).items():
        cursor = pages[0].cursor
        before = repr(cursor)
        pull(streamed.source(), stream, cursor, streamed.now)
        assert repr(cursor) == before


def test_cursors_of_pages_do_not_change_when_reading_goes_on(streamed):
    for stream in streamed.source().streams():
        pages = streamed.source().read(stream, None, streamed.now)
        seen = [(page.cursor, repr(page.cursor)) for page in pages]
        assert all(repr(cursor) == text for cursor, text in seen)


def begin(subject, stream, count):
    """The first pages of a pull that is cut off after them."""
    reading = subject.source().read(stream, None, subject.now)
    pages = list(islice(reading, count))
    reading.close()
    return pages


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_pull_that_was_cut_goes_on_without_losing_or_repeating(streamed, count):
    for stream in streamed.source().streams():
        begun = begin(streamed, stream, count)
        kept = [key(item) for item in records(begun)]
        rest = [key(item) for item in records(pull(streamed.source(), stream, begun[-1].cursor, streamed.now))]
        whole = [key(item) for item in records(pull(streamed.source(), stream, None, streamed.now))]
        assert {*kept, *rest} == set(whole)
        assert len(kept) + len(rest) - len(whole) <= streamed.repeats


@pytest.mark.parametrize(("kind", "happening"), HAPPENINGS)
@pytest.mark.parametrize("count", [1, pytest.param(3, marks=pytest.mark.long), 8])
def test_what_happens_while_a_pull_is_interrupted_is_not_lost(open_subject, population, kind, happening, count):
    readable = open_subject(kind, population)
    kept = {stream: begin(readable, stream, count) for stream in readable.source().streams()}
    readable.pass_time(hours=1)
    getattr(readable, happening)()
    readable.pass_time(hours=1)
    learned = []
    for stream, pages in kept.items():
        rest = pull(readable.source(), stream, pages[-1].cursor, readable.now)
        assert [page.complete_through for page in rest] == [None] * (len(rest) - 1) + [readable.now]
        learned += items(pages) + items(rest)
    merges = [item for item in learned if isinstance(item, Merge)]
    fresh = [item for pages in pull_all(readable).values() for item in items(pages)]
    for known, meant in zip(keepsake(learned), keepsake(fresh + merges), strict=True):
        assert {at: one for at, one in known.items() if meant.get(at) != one} == {}
        assert set(known) == set(meant)


def second_pull(subject, happen=lambda: None):
    """Items by stream of a pull an hour after a first one, with something having happened between."""
    first = pull_all(subject)
    subject.pass_time(hours=1)
    about = happen()
    subject.pass_time(minutes=30)
    cursors = {stream: pages[-1].cursor for stream, pages in first.items()}
    source = subject.source()
    pages = {stream: pull(source, stream, cursor, subject.now) for stream, cursor in cursors.items()}
    assert all(listed[-1].complete_through == subject.now for listed in pages.values())
    return about, {stream: items(listed) for stream, listed in pages.items()}


def test_nothing_new_brings_nothing(streamed):
    _, later = second_pull(streamed)
    assert not any(later.values())


def test_a_change_brings_that_contact_and_nearly_nothing_else(readable):
    changed, later = second_pull(readable, readable.change)
    (record,) = [item for item in later["contacts"] if item.source_id == changed]
    assert record.traits["first_name"] == "Somebody"
    # A file is read again as a whole when any of it changes; platforms tell what changed.
    assert len(later["contacts"]) <= max(1, readable.repeats)
    assert all(not found for stream, found in later.items() if stream != "contacts")


def test_a_deletion_arrives_once(readable):
    deleted, later = second_pull(readable, readable.delete)
    assert [item.source_id for item in later["contacts"] if isinstance(item, Deletion)] == [deleted]
    assert deleted not in {item.source_id for item in later["contacts"] if isinstance(item, ContactRecord)}


@pytest.mark.parametrize("kind", ["hubspot", "marketo"])
def test_a_merge_arrives_with_the_survivor(open_subject, population, kind):
    readable = open_subject(kind, population)
    (survivor, loser), later = second_pull(readable, readable.merge)
    (merge,) = {item for item in later["contacts"] if isinstance(item, Merge)}
    assert (merge.survivor, merge.losers) == (survivor, (loser,))
    assert survivor in {item.source_id for item in later["contacts"] if isinstance(item, ContactRecord)}


@pytest.mark.parametrize("kind", ["hubspot", "files"])
def test_an_event_that_is_not_meant_any_more_is_withdrawn(open_subject, population, kind):
    readable = open_subject(kind, population)
    (event, gone), later = second_pull(readable, readable.withdraw)
    withdrawn = [item for found in later.values() for item in found if isinstance(item, EventGone)]
    assert EventGone(event, gone) in withdrawn


def test_values_are_of_the_types_declared(streamed):
    connector = streamed.connector()
    spec = connector.spec
    traits = {trait.name: trait.type.kind for trait in spec.contacts.traits} if spec.contacts else {}
    properties = {event.name: {one.name: one.type.kind for one in event.properties} for event in spec.events}
    of_accounts = {trait.name: trait.type.kind for trait in spec.accounts.traits} if spec.accounts else {}
    seen = set()
    for pages in pull_all(streamed).values():
        for item in records(pages):
            contact = isinstance(item, ContactRecord)
            if isinstance(item, EventRecord):
                kinds, values = properties[item.event], item.properties
            else:
                kinds, values = traits if contact else of_accounts, item.traits
            assert set(values) == set(kinds)
            for name, value in values.items():
                if value is not None:
                    assert type(value) is KINDS[kinds[name]]
                    seen.add(name)
            if contact:
                assert set(item.consent) == {line.channel for line in spec.contacts.consent}
                assert all(isinstance(one, bool) for one in item.consent.values())
    assert seen == set(traits) | set(of_accounts) | {name for named in properties.values() for name in named}


def test_instants_are_naive_and_not_later_than_the_pull(streamed):
    for pages in pull_all(streamed).values():
        for item in records(pages):
            match item:
                case EventRecord():
                    at = item.occurred_at
                case AccountRecord():
                    at = item.updated_at
                case _:
                    at = item.created_at
            assert at is not None
            assert at.tzinfo is None
            assert at <= streamed.now


def test_good_values_leave_no_problems(streamed):
    connector = streamed.connector()
    for stream in connector.source.streams():
        pull(connector.source, stream, None, streamed.now)
    assert connector.problems == []


def test_contacts_read_by_id_are_the_same_records(readable):
    kept = [replace(item, history={}) for item in items(pull_all(readable)["contacts"])]
    ids = [record.source_id for record in kept]
    fresh = readable.source().read_contacts(ids)
    told = [item for item in fresh if isinstance(item, ContactRecord)]
    assert {item.seen_at for item in told} <= {None, readable.now}
    assert [replace(item, history={}, seen_at=None) for item in told] == kept
    assert {item.source_id for item in fresh} == set(ids)


def test_a_contact_that_is_gone_reads_as_a_deletion(readable):
    gone = readable.delete()
    (told,) = readable.source().read_contacts([gone])
    assert isinstance(told, Deletion)
    assert told.source_id == gone


def test_reading_no_contacts_asks_nobody(streamed, traffic):
    assert list(streamed.source().read_contacts([])) == []
    assert traffic.calls == []


def test_of_a_day_that_was_written_anew_only_what_is_there_now_is_told(open_subject, population):
    """An export names no event that is gone: it says of stretches of keys that what it tells is all there is."""
    exported = open_subject("ga4 export", population)
    before = [key(item) for item in records(pull_all(exported)["export"])]
    (_, day), later = second_pull(exported, exported.withdraw)
    told = {key(item) for item in later["export"] if isinstance(item, EventRecord)}
    stretches = [item for item in later["export"] if isinstance(item, EventsWithin)]
    covered = {one for one in before if any(s.event == one[1] and s.low <= one[2] < s.high for s in stretches)}
    assert covered == {one for one in before if one[2].startswith(day)}
    assert len(covered - told) == 1
    assert told < covered


@pytest.mark.parametrize("kind", ["hubspot", "marketo", "ga4 export"])
def test_a_fifth_of_all_requests_failing_changes_nothing_that_is_read(open_subject, population, kind):
    subject = open_subject(kind, population)
    calm = pull_all(subject)
    subject.sandbox.faults(rate=0.2, seed=11)
    stormy = pull_all(subject, NOW)
    assert sum(subject.sandbox.plan.tally.values()) > 5
    assert {stream: items(pages) for stream, pages in stormy.items()} == {
        stream: items(pages) for stream, pages in calm.items()
    }
