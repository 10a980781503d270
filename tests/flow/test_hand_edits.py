"""What somebody does to our lists at the platforms is found when they are read back, told, and put right."""

from __future__ import annotations

import pytest


def a_list(world, platform):
    """The longest of our lists at a platform, and somebody there who is not on it."""
    account = getattr(world.sandbox, platform)
    entry = max(account.all_lists.values(), key=lambda one: len(one.members))
    everybody = (one.id for one in account.contacts) if platform == "hubspot" else iter(account.leads)
    return entry, next(one for one in everybody if one not in entry.members)


def add(entry, member):
    if isinstance(entry.members, dict):
        entry.members[member] = entry.created_at
    else:
        entry.put(member)


def remove(entry, member):
    if isinstance(entry.members, dict):
        del entry.members[member]
    else:
        entry.take(member)


@pytest.mark.parametrize(
    ("platform", "connection"), [("hubspot", "crm"), pytest.param("marketo", "engage", marks=pytest.mark.long)]
)
def test_lists_that_were_edited_by_hand_are_put_right(world, platform, connection):
    first = world.run()
    assert {read.failure for push in first.pushes.values() for read in push.read_back} == {None}
    entry, stranger = a_list(world, platform)
    before = set(entry.members)
    add(entry, stranger)
    remove(entry, min(before))
    world.go_on(hours=2)
    found = {read.target.name: read.found for read in read_back(world, connection)}
    assert (found[entry.name].added, found[entry.name].removed) == (1, 1)
    world.go_on(hours=4)
    report = world.run()
    told = {one.target.name: str(one.by_hand) for one in report.plan.audiences if one.target.connection == connection}
    assert told[entry.name] == "1 added, 1 removed by hand there"
    assert set(entry.members) == before


def read_back(world, connection):
    """The audiences of a connection as a run finds them that reads everything."""
    from segserver import pipeline

    with world.engine() as engine:
        return pipeline.run(engine, read_back=True).pushes[connection].read_back
