"""What every connector does, as a matrix: each behaviour against each kind of connection.

A cell that cannot apply says why, and that is checked: it fails when the reason has gone.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice

import pytest

from segserver.connectors import schema
from segserver.connectors.base import Status, Write
from segserver.errors import FindingsError, SettingsError
from segserver.records import ContactRecord, Deletion, Merge
from segserver.sandbox.limits import Limits
from segserver.sandbox.marketo.fields import Field
from segserver.sandbox.population import Population

KINDS = ("hubspot", "marketo", "ga4", "files")
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Shifted:
    """Another clock than the platform's."""

    clock: object
    by: timedelta

    def now(self) -> datetime:
        return self.clock.now() + self.by

    def advance(self, by: timedelta) -> None:
        self.clock.advance(by)


def pull(source, stream, cursor, until):
    return list(source.read(stream, cursor, until))


def contacts(pages):
    return {item.source_id: item for page in pages for item in page.items if isinstance(item, ContactRecord)}


def everybody(subject, source=None):
    """All contacts of a first pull."""
    return contacts(pull(source or subject.source(), "contacts", None, subject.now))


def later(subject, happen, before=timedelta(0)):
    """What happened, and the contacts' items that a second pull brings."""
    first = pull(subject.source(), "contacts", None, subject.now)
    subject.pass_time(minutes=60)
    about = happen()
    subject.pass_time(minutes=30)
    second = pull(subject.source(), "contacts", first[-1].cursor, subject.now)
    assert second[-1].complete_through == subject.now
    return about, [item for page in second for item in page.items]


# ---- the behaviours --------------------------------------------------------------------------------------------------


def everybody_comes_in_pages_that_end_with_the_instant_asked_for(subject):
    pages = pull(subject.source(), "contacts", None, subject.now)
    assert len(pages) > 2
    assert len(contacts(pages)) == len(subject.known())
    assert [page.complete_through for page in pages] == [None] * (len(pages) - 1) + [subject.now]


def every_cursor_continues_after_its_page(subject):
    for count in (1, 2, 3):
        begun = list(islice(subject.source().read("contacts", None, subject.now), count))
        seen = set(contacts(begun))
        rest = set(contacts(pull(subject.source(), "contacts", begun[-1].cursor, subject.now)))
        assert len(seen | rest) == len(subject.known())
        assert len(seen & rest) <= subject.repeats


def a_page_whose_cursor_was_not_kept_comes_again(subject):
    whole = everybody(subject)
    read = list(islice(subject.source().read("contacts", None, subject.now), 2))
    again = pull(subject.source(), "contacts", read[0].cursor, subject.now)
    assert set(contacts([read[1]])) <= set(contacts(again))
    assert {**contacts(read[:1]), **contacts(again)} == whole


def limits_are_kept_and_everybody_comes(subject):
    answers = []
    subject.sandbox.requests.watchers.append(lambda exchange: answers.append(exchange))
    source = subject.connector(limits=True).source
    for _ in range(5):
        assert len(everybody(subject, source)) == len(subject.known())
    refused = [one for one in answers if one.recorded.status == 429 or b'"606"' in one.answer or b'"615"' in one.answer]
    assert answers
    assert refused == []


def a_token_that_ends_between_pages_is_renewed(subject):
    reading = subject.source().read("activities", None, subject.now)
    first = next(reading)
    subject.sandbox.marketo.expire_token()
    rest = list(reading)
    assert rest[-1].complete_through == subject.now
    whole = pull(subject.source(), "activities", None, subject.now)
    assert [item for page in (first, *rest) for item in page.items] == [item for page in whole for item in page.items]


def a_record_that_fails_fails_alone(subject):
    place, known = subject.places[0], subject.known()[:9]
    good = [Write(place, f"c-{one}", one, subject.value(place, number)) for number, one in enumerate(known, start=1)]
    bad = Write(place, "x", subject.bad_addresses[0], "member")
    found = [one for batch in subject.destination().write([*good[:4], bad, *good[4:]]) for one in batch]
    told = {one.item: one.status for one in found}
    assert told.pop(bad) is Status.REJECTED
    assert set(told) == set(good)
    assert set(told.values()) <= {Status.CONFIRMED, Status.SENT}
    assert set(subject.held(place)) == set(known)


def a_deletion_arrives(subject):
    gone, items = later(subject, subject.delete)
    assert [item.source_id for item in items if isinstance(item, Deletion)] == [gone]


def a_merge_arrives_with_its_survivor(subject):
    (survivor, loser), items = later(subject, subject.merge)
    assert {(item.survivor, item.losers) for item in items if isinstance(item, Merge)} == {(survivor, (loser,))}
    assert survivor in {item.source_id for item in items if isinstance(item, ContactRecord)}


def a_clock_that_is_wrong_by_a_minute_loses_nothing(subject):
    right = subject.clock
    for by in (-MINUTE, MINUTE):
        subject.clock = Shifted(right, by)
        first = pull(subject.source(), "contacts", None, subject.now)
        subject.pass_time(seconds=1)
        changed = subject.change()
        subject.pass_time(minutes=30)
        found = contacts(pull(subject.source(), "contacts", first[-1].cursor, subject.now))
        assert changed in found, f"our clock is wrong by {by}"
        subject.sides.rename(subject)


def a_field_that_vanishes_loses_nobody(subject):
    before = everybody(subject)
    name, trait = subject.sides.vanish(subject)
    connector = subject.connector()
    try:
        found = everybody(subject, connector.source)
    except (FindingsError, SettingsError) as stopped:
        assert name in str(stopped)
        return
    assert set(found) == set(before)
    assert {one.traits.get(trait) for one in found.values()} == {None}


def a_field_that_changes_its_type_is_told_and_never_guessed(subject):
    name, trait = subject.sides.retype(subject)
    connector = subject.connector()
    try:
        found = everybody(subject, connector.source)
    except FindingsError as stopped:
        assert name in str(stopped)
        return
    assert len(found) == len(subject.known())
    assert {one.traits[trait] for one in found.values()} == {None}
    assert connector.problems
    assert name in str(connector.problems[0])


def a_field_that_appears_changes_nothing(subject):
    before = everybody(subject)
    subject.sides.appear(subject)
    found = everybody(subject)
    assert {one: record.traits for one, record in found.items()} == {one: item.traits for one, item in before.items()}


def an_empty_account_is_read_to_its_end(subject):
    subject.sides.empty(subject)
    source = subject.source()
    for stream in source.streams():
        pages = pull(source, stream, None, subject.now)
        assert [item for page in pages for item in page.items] == []
        assert pages[-1].complete_through == subject.now


# ---- what happens at each side ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sides:
    """What a test may do to the shape of an account; those that concern a field return its name and the trait's."""

    vanish: Callable
    retype: Callable
    appear: Callable
    empty: Callable
    rename: Callable


def _hubspot_vanish(subject):
    hubspot = subject.sandbox.hubspot
    del hubspot.schema("contacts")["firstname"]
    for one in hubspot.contacts:
        one.properties.pop("firstname", None)
    return "firstname", "first_name"


def _hubspot_retype(subject):
    hubspot = subject.sandbox.hubspot
    for one in hubspot.contacts:
        hubspot.contacts.update(one, {"household_size": "many"}, subject.sandbox.clock.now())
    return "household_size", "household_size"


def _hubspot_appear(subject):
    hubspot = subject.sandbox.hubspot
    for one in hubspot.contacts:
        one.properties["favourite_colour"] = "blue"


def _marketo_vanish(subject):
    marketo = subject.sandbox.marketo
    del marketo.fields["country"]
    for one in marketo.leads.values():
        one.values.pop("country", None)
    return "country", "country"


def _marketo_retype(subject):
    marketo = subject.sandbox.marketo
    marketo.fields["unsubscribed"] = replace(marketo.fields["unsubscribed"], type="string")
    for one in marketo.leads.values():
        one.values["unsubscribed"] = "perhaps"
    return "unsubscribed", "left"


def _marketo_appear(subject):
    marketo = subject.sandbox.marketo
    marketo.fields["favouriteColour"] = Field(900, "favouriteColour", "Favourite Colour", "string", custom=True)
    for one in marketo.leads.values():
        one.values["favouriteColour"] = "blue"


def _columns(subject, change):
    """Write the files of people anew with each row changed."""
    subject.people = {number: change(dict(row)) for number, row in subject.people.items()}
    subject._save()


def _files_vanish(subject):
    _columns(subject, lambda row: {name: value for name, value in row.items() if name != "name"})
    return "name", "first_name"


def _files_retype(subject):
    _columns(subject, lambda row: row | {"orders": "many"})
    return "orders", "orders"


def _files_empty(subject):
    for name, rows in (("people", subject.people), ("purchases", subject.purchases)):
        header = list(next(iter(rows.values())))
        for old in (subject.directory / "data").glob(f"{name}-*.csv"):
            old.unlink()
        with (subject.directory / "data" / f"{name}-0.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerow(header)


def _nothing(subject):
    """The account is empty from the start."""


SIDES = {
    "hubspot": Sides(
        _hubspot_vanish,
        _hubspot_retype,
        _hubspot_appear,
        _nothing,
        lambda subject: subject.sandbox.change_contact(subject.known()[3], {"firstname": "First"}),
    ),
    "marketo": Sides(
        _marketo_vanish,
        _marketo_retype,
        _marketo_appear,
        _nothing,
        lambda subject: subject.sandbox.change_lead(subject.known()[3], {"firstName": "First"}),
    ),
    "files": Sides(
        _files_vanish,
        _files_retype,
        lambda subject: _columns(subject, lambda row: row | {"colour": "blue"}),
        _files_empty,
        lambda subject: _columns(subject, lambda row: row | ({"name": "First"} if row["id"] == "3" else {})),
    ),
}


# ---- the matrix ------------------------------------------------------------------------------------------------------


def _reads_nothing(subject):
    return subject.connector().source is None


def _is_no_platform(subject):
    return not hasattr(subject, "sandbox")


def _key_never_ends(subject):
    return "token: env:" in subject.declaration or "api_secret: env:" in subject.declaration or _is_no_platform(subject)


def _no_merges(subject):
    return subject.sides is not None and type(subject).merge is type(subject).__mro__[1].merge


@dataclass(frozen=True)
class Behaviour:
    """What a connector does, and where that cannot be asked: kind to the reason and what proves it."""

    check: Callable
    not_for: Mapping[str, tuple[str, Callable]] = field(default_factory=dict)
    empty: bool = False
    limits: Limits | None = None


_UNREAD = {"ga4": ("this connection only writes", _reads_nothing)}
_STATIC = {
    "hubspot": ("the key of a private app does not end", _key_never_ends),
    "files": ("a folder asks for no token", _is_no_platform),
}

BEHAVIOURS = {
    "pages": Behaviour(everybody_comes_in_pages_that_end_with_the_instant_asked_for, _UNREAD),
    "cursors": Behaviour(every_cursor_continues_after_its_page, _UNREAD),
    "crash between page and cursor": Behaviour(a_page_whose_cursor_was_not_kept_comes_again, _UNREAD),
    "rate limits": Behaviour(
        limits_are_kept_and_everybody_comes,
        {**_UNREAD, "files": ("a folder has no limits", _is_no_platform)},
        limits=Limits(),
    ),
    "token ends between pages": Behaviour(a_token_that_ends_between_pages_is_renewed, {**_UNREAD, **_STATIC}),
    "partial failures": Behaviour(a_record_that_fails_fails_alone),
    "deletions": Behaviour(a_deletion_arrives, _UNREAD),
    "merges": Behaviour(a_merge_arrives_with_its_survivor, {**_UNREAD, "files": ("a file merges nobody", _no_merges)}),
    "clock skew": Behaviour(a_clock_that_is_wrong_by_a_minute_loses_nothing, _UNREAD),
    "a field vanishes": Behaviour(a_field_that_vanishes_loses_nobody, _UNREAD),
    "a field changes its type": Behaviour(a_field_that_changes_its_type_is_told_and_never_guessed, _UNREAD),
    "a field appears": Behaviour(a_field_that_appears_changes_nothing, _UNREAD),
    "empty account": Behaviour(an_empty_account_is_read_to_its_end, _UNREAD, empty=True),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BEHAVIOURS)
def test_matrix(open_subject, population, name, kind):
    behaviour = BEHAVIOURS[name]
    people = Population((), (), ()) if behaviour.empty else population
    subject = open_subject(kind, people, behaviour.limits)
    subject.sides = SIDES.get(kind)
    if kind in behaviour.not_for:
        reason, proof = behaviour.not_for[kind]
        assert proof(subject), f"{kind}: {reason}: that is not so any more"
    else:
        behaviour.check(subject)


def test_every_cell_is_asked_or_has_a_reason():
    for name, behaviour in BEHAVIOURS.items():
        assert set(behaviour.not_for) < set(KINDS), name
        assert all(reason for reason, _ in behaviour.not_for.values()), name
    asked = {(name, kind) for name, one in BEHAVIOURS.items() for kind in KINDS if kind not in one.not_for}
    for kind in ("hubspot", "marketo", "files"):
        assert len({name for name, where in asked if where == kind}) >= 10


def test_the_matrix_has_every_kind_of_connection():
    assert set(KINDS) == set(schema.KINDS)
    assert set(SIDES) == set(KINDS) - {"ga4"}
