"""`identity review`, `link` and `unlink`: a person's word on which source records are one contact."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import click

from segserver.cli.invocation import Invocation
from segserver.cli.writing import FORMAT
from segserver.errors import SettingsError

if TYPE_CHECKING:
    from segserver.keys import Key
    from segserver.store.session import Session

LINKED = "linked"
"""Kind of the notification that a link was made or taken back: the contacts concerned are looked at."""


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Pairs to name at most.")
@FORMAT
@click.pass_obj
def review(invocation: Invocation, limit: int, form: str) -> None:
    """Show pairs of contacts that runs found too much alike to pass over and not enough to join.

    `identity link` accepts a pair, `identity unlink` refuses it for good.
    """
    from segserver.cli.answering import plain
    from segserver.store.people import labels
    from segserver.store.reviews import to_review

    with invocation.open() as engine, engine.store.session() as session:
        found = to_review(session, limit)
        called = labels(session, {str(one[side]) for one in found for side in ("first", "second")})
    if form == "json":
        invocation.print_json(plain(found))
        return
    if not found:
        invocation.say("no pair waits to be looked at; a run compares contacts where segserver.yml has `matching:`")
    for one in found:
        invocation.say(f"{called[one['first']]} and {called[one['second']]}, {one['cause']}")
        invocation.say(f"  segserver identity link {' '.join(one['records'])}")
        invocation.say(f"  segserver identity unlink {' '.join(one['records'])}")


@click.command()
@click.argument("first")
@click.argument("second")
@click.option("--because", default="by hand", help="Why, for `identity explain`.")
@click.option("--take-back", is_flag=True, help="Also where other records of the two contacts must differ.")
@click.pass_obj
def link(invocation: Invocation, first: str, second: str, because: str, take_back: bool) -> None:
    """Make two source records one contact, also where `identity unlink` parted them.

    FIRST and SECOND are each a record, as in crm:17, or an e-mail address, another identity or our id of a contact,
    which stands for its oldest record. `identity unlink` takes it back.
    """
    from segserver.store.joining import join_by_hand, owner

    with invocation.open() as engine, engine.store.session() as session:
        now = engine.clock.now()
        one, other = _two_records(session, first, second)
        concerned = join_by_hand(session, one, other, because, now, take_back=take_back)
        _tell(session, (one, other), now)
        contact = owner(session, one)
    if not concerned:
        invocation.say(f"{_named(one)} and {_named(other)} were one contact already, {contact}; the link is kept")
        return
    invocation.say(f"{_named(one)} and {_named(other)} are one contact now: {contact}")
    invocation.say("the next run says in which segments it is")


@click.command()
@click.argument("first")
@click.argument("second")
@click.pass_obj
def unlink(invocation: Invocation, first: str, second: str) -> None:
    """Say that two source records are not one contact, now and whatever comes with the next sync.

    FIRST and SECOND are named as for `identity link`, which takes it back.
    """
    from segserver.store.joining import owner, part

    with invocation.open() as engine, engine.store.session() as session:
        now = engine.clock.now()
        one, other = _two_records(session, first, second)
        concerned = part(session, one, other, now)
        _tell(session, (one, other), now)
        contacts = owner(session, one), owner(session, other)
    parted = f"{_named(one)} is {contacts[0]} and {_named(other)} is {contacts[1]}"
    if not concerned:
        invocation.say(f"they were two contacts already, and stay two: {parted}")
        return
    invocation.say(f"they are two contacts now: {parted}")
    invocation.say("the next run says in which segments each is")


def _two_records(session: Session, first: str, second: str) -> tuple[Key, Key]:
    one, other = _record(session, first), _record(session, second)
    if one == other:
        raise SettingsError(
            f"{first!r} and {second!r} are one record, {_named(one)}; name two, as `segserver identity explain` does"
        )
    return one, other


def _record(session: Session, asked: str) -> Key:
    from segserver.cli.explaining import the_contact
    from segserver.identity import normalise
    from segserver.store.joining import owner
    from segserver.store.origins import oldest_record, record_for

    record = record_for(session, asked)
    if record is not None:
        if owner(session, record) is None:
            raise SettingsError(f"connection {record[0]} has given no record {record[1]!r}; name one it has given")
        return record
    contact = the_contact(session, asked)
    values = {asked, *(value for kind in ("email", "phone") if (value := normalise(kind, asked)) is not None)}
    record = oldest_record(session, contact, values)
    if record is None:
        raise SettingsError(f"{asked!r} is known by events only; name a contact that has a source record")
    return record


def _tell(session: Session, records: Iterable[Key], now: datetime) -> None:
    """Let a server look at the contacts concerned at once."""
    from segserver.store.state import Notification, append_inbox

    told = [
        Notification(connection, f"{LINKED} {source_id} {now.isoformat()}", LINKED, source_id, {})
        for connection, source_id in records
    ]
    append_inbox(session, told, now)


def _named(record: Key) -> str:
    return ":".join(record)
