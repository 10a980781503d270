"""A server that is killed again and again, at platforms that fail, ends where nothing ever failed."""

from __future__ import annotations

import pytest

from tests.flow import chaos

SEED = 20_260_302


def ids(world, emails):
    """The ids at each platform of people, by e-mail address in small letters."""
    crm, engage = world.sandbox.hubspot.contacts, world.sandbox.marketo.leads
    return {
        "hubspot": {str(one.id) for one in crm if one.properties["email"].lower() in emails},
        "marketo": {str(one.number) for one in engage.values() if str(one.values["email"]).lower() in emails},
    }


def contacts(world, emails):
    """Our ids of people."""
    rows = world.ask("SELECT value, contact_id FROM identities WHERE kind = 'email'")
    return {contact for email, contact in rows if email in emails}


def check_chaos(make_world, tmp_path, *, people, kills, steps):
    """Both worlds, side by side."""
    crowd = chaos.population(make_world.START, people, SEED)
    folders = [tmp_path / name for name in ("peace", "chaos")]
    for folder in folders:
        folder.mkdir()
    with make_world(folders[0], population=crowd).served() as peace:
        told = chaos.story(peace, SEED, steps)
        affected = ids(peace, told.touched)
        count = chaos.Watch(peace.sandbox, {})
        peace.sandbox.requests.watchers.append(count.seen)
        peace.run()
        first, before, ours = count.number, chaos.members(peace), contacts(peace, told.touched)
        chaos.live_in_peace(peace, told)
        chaos.come_to_rest(peace, [])
        ours |= contacts(peace, told.touched)
        wanted, after = peace.held_by_platforms(), chaos.members(peace)
    with make_world(folders[1], population=crowd).served() as world:
        watch = chaos.Watch(world.sandbox, chaos.steady(before, after, affected))
        world.sandbox.requests.watchers.append(watch.seen)
        left = chaos.live_in_chaos(world, told, watch, folders[1], kills=kills, seed=SEED, first=first)
        chaos.come_to_rest(world, left)
        found = world.held_by_platforms()
        assert watch.removed
        assert not watch.wronged
        assert set(world.campaign_requests().values()) | set(world.times_sent_for().values()) == {1}
    ours |= chaos.restless(peace) | chaos.restless(world)
    assert len(ours) < people / 10
    assert not chaos.differences(peace.store_path, world.store_path, peace.START, ours)
    ids_of_ours = chaos.at_platforms(peace, ours)
    affected = {platform: affected[platform] | ids_of_ours[platform] for platform in affected}
    wanted, found = chaos.held(wanted, affected), chaos.held(found, affected)
    assert not chaos.unlike(wanted, found)


@pytest.mark.long
def test_some_hundred_people_and_four_kills(make_world, tmp_path):
    check_chaos(make_world, tmp_path, people=400, kills=4, steps=2)


@pytest.mark.long
def test_five_thousand_people_and_ten_kills(make_world, tmp_path):
    check_chaos(make_world, tmp_path, people=5_000, kills=10, steps=5)


@pytest.mark.soak
def test_a_hundred_thousand_people_a_million_events_and_twenty_kills(make_world, tmp_path):
    check_chaos(make_world, tmp_path, people=100_000, kills=20, steps=10)
