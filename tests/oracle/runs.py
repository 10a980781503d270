"""Several runs one after the other, each taking over what the one before left."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.oracle.cases import Case
from tests.oracle.catalog import CATALOG
from tests.oracle.compare import closing, members_agree
from tests.oracle.contacts import Past, Turn
from tests.oracle.engine import Engine, Found
from tests.oracle.notes import Tally
from tests.oracle.world import World

BACK = (timedelta(days=4), timedelta(days=3), timedelta(days=1), timedelta(0))
"""How long before the scene's instant each run takes place."""


def runs_agree(case: Case, tally: Tally) -> int:
    """Compare each of several runs; contacts have other traits in the first ones.

    Returns:
        How often somebody came or went for what the data says.
    """
    place = case.scene
    world = replace(case, historical=False).world(tally.notes)
    past = Past(manual=world.past.manual)
    with closing(Engine(CATALOG, place.contacts, place.accounts)) as engine:
        for number, back in enumerate(BACK):
            contacts = place.before if number < 2 else place.contacts
            engine.see(contacts)
            at = replace(world, contacts=contacts, as_of=place.as_of - back, past=past, _members={}, _ranks={})
            found = engine.evaluate(at.program, at.as_of, at.thresholds, past=past)
            members_agree(at, found, tally)
            past = after(at, found, first=number == 0)
    return sum(turn.cause == "data" for turn in past.turns)


def after(world: World, found: Found, *, first: bool) -> Past:
    """What a run leaves: its members, who came and went and why, and who waits."""
    past = world.past
    there = {contact.contact_id for contact in world.present}
    members: dict[str, frozenset[str]] = {}
    turns = list(past.turns)
    for segment in world.program.segments:
        before = past.members.get(segment, frozenset())
        evaluated = segment not in found.left_out
        members[segment] = frozenset(
            name for name in there if (found.segments[name][segment] if evaluated else name in before)
        )
        cause = "rule" if first else "data"
        turns += [Turn(segment, name, "entered", world.as_of, cause) for name in sorted(members[segment] - before)]
        turns += [
            Turn(segment, name, "exited", world.as_of, cause if name in there else "deleted")
            for name in sorted(before - members[segment])
        ]
    return replace(past, members=members, turns=tuple(turns), waiting={**past.waiting, **found.waiting})
