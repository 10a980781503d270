"""What every destination promises about writes: one outcome each, the same state after the same writes, no waste."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from segserver.connectors.base import Status, Write
from segserver.specs.targets import Target

GOOD = (Status.CONFIRMED, Status.SENT)


def told(destination, writes):
    """Outcomes of all batches together; checks that each write has exactly one."""
    outcomes = [outcome for batch in destination.write(writes) for outcome in batch]
    assert Counter(outcome.item for outcome in outcomes) == Counter(writes)
    return outcomes


def statuses(outcomes):
    return {outcome.status for outcome in outcomes}


def _held(destination, target):
    """Everything a destination says that it holds at a target."""
    found = destination.holds(target)
    assert found is not None
    return {address: value for page in found.pages for address, value in page.items()}


def filling(subject, place, addresses):
    return [
        Write(place, f"c-{one}", one, subject.value(place, number)) for number, one in enumerate(addresses, start=1)
    ]


def clearing(writes):
    return [replace(write, value=None) for write in writes]


def meant(writes):
    """What a place holds after writes to it."""
    held = {}
    for write in writes:
        held.pop(write.address, None)
        if write.value is not None:
            held[write.address] = write.value
    return held


def test_what_was_written_is_there(writable):
    destination = writable.destination()
    for place in writable.places:
        writes = filling(writable, place, writable.known())
        assert statuses(told(destination, writes)) <= set(GOOD)
        assert writable.held(place) == meant(writes)


def test_the_destination_holds_what_was_written_or_does_not_say(writable):
    destination = writable.destination()
    for place in writable.places:
        writes = filling(writable, place, writable.known()[:60])
        told(destination, writes)
        told(destination, clearing(writes[:25]))
        assert writable.held(place) == meant(writes[25:])
        assert destination.holds(place) is None or _held(destination, place) == meant(writes[25:])


@pytest.mark.parametrize("kind", ["hubspot", "files"])
def test_these_destinations_can_be_read_back_everywhere(open_subject, population, kind):
    subject = open_subject(kind, population)
    for place in subject.places:
        assert _held(subject.destination(), place) == {}
        writes = filling(subject, place, subject.known()[:3])
        told(subject.destination(), writes)
        assert _held(subject.destination(), place) == meant(writes)


def test_marketo_lists_can_be_read_back(marketo):
    place = marketo.places[0]
    assert _held(marketo.destination(), place) == {}
    writes = filling(marketo, place, marketo.known()[:700])
    told(marketo.destination(), writes)
    assert _held(marketo.destination(), place) == meant(writes)


def test_the_same_writes_again_change_nothing(writable):
    for place in writable.places:
        writes = filling(writable, place, writable.known()[:40])
        writes += clearing(filling(writable, place, writable.known()[40:60]))
        first = told(writable.destination(), writes)
        state = writable.held(place)
        again = told(writable.destination(), writes)
        assert writable.held(place) == state
        assert statuses(first) == statuses(again)
        assert statuses(again) <= set(GOOD)


def test_clearing_what_was_never_set_is_done(writable):
    for place in writable.places:
        assert statuses(told(writable.destination(), clearing(filling(writable, place, writable.known()[:5])))) <= set(
            GOOD
        )
        assert writable.held(place) == {}


def test_several_writes_for_one_contact_apply_in_their_order(writable):
    for place in writable.places:
        one, other, third = writable.known()[:3]
        set_one, set_other = filling(writable, place, [one, other])
        (set_third,) = filling(writable, place, [third])
        writes = [set_one, *clearing([set_one, set_other]), set_other, set_third, *clearing([set_third]), set_third]
        assert statuses(told(writable.destination(), writes)) <= set(GOOD)
        assert writable.held(place) == meant(writes)


def test_a_new_value_replaces_the_old_one(writable):
    for place in (place for place in writable.places if "property" in place.kind):
        (write,) = filling(writable, place, writable.known()[:1])
        told(writable.destination(), [write])
        told(writable.destination(), [replace(write, value="other")])
        assert writable.held(place) == {write.address: "other"}


def test_no_writes_are_no_work(writable, traffic):
    assert [outcome for batch in writable.destination().write([]) for outcome in batch] == []
    assert traffic.calls == []


def test_an_address_that_nobody_has_is_rejected_alone(writable):
    for place in writable.places:
        good = filling(writable, place, writable.known()[:12])
        bad = [Write(place, f"x{number}", one, "member") for number, one in enumerate(writable.bad_addresses)]
        mixed = [*bad[:1], *good[:6], *bad[1:], *good[6:]]
        outcomes = told(writable.destination(), mixed)
        assert {one.item for one in outcomes if one.status in GOOD} == set(good)
        refused = [one for one in outcomes if one.status not in GOOD]
        assert statuses(refused) == {Status.REJECTED}
        assert all(one.reason for one in refused)
        assert writable.held(place) == meant(good)


def test_an_address_that_nobody_has_needs_no_clearing(writable):
    for place in writable.places:
        stranger = writable.bad_addresses[0]
        (outcome,) = told(writable.destination(), [Write(place, "x", stranger, None)])
        assert outcome.status in (*GOOD, Status.REJECTED)
        assert writable.held(place) == {}


def test_a_target_that_cannot_be_is_rejected_alone(writable):
    addresses = writable.known()[:20]
    good = [write for place in writable.places for write in filling(writable, place, addresses)]
    bad = [Write(place, f"c-{one}", one, "member") for place in writable.bad_places for one in addresses]
    mixed = [write for pair in zip(bad, good, strict=False) for write in pair]
    mixed += bad[len(good) :] + good[len(bad) :]
    outcomes = told(writable.destination(), mixed)
    assert {one.item for one in outcomes if one.status in GOOD} == set(good)
    refused = [one for one in outcomes if one.status not in GOOD]
    assert statuses(refused) == {Status.REJECTED}
    assert all(one.reason for one in refused)
    for place in writable.places:
        assert writable.held(place) == meant(write for write in good if write.target == place)


def test_a_target_that_cannot_be_costs_no_call_for_each_contact(platform, traffic):
    for place in platform.bad_places:
        traffic.forget()
        told(platform.destination(), [Write(place, f"c-{one}", one, "member") for one in platform.known()[:100]])
        assert len(traffic.calls) <= 6, place


def test_targets_come_in_any_mixture(writable):
    writes = [write for place in writable.places for write in filling(writable, place, writable.known()[:30])]
    mixed = writes[::2] + writes[1::2]
    assert statuses(told(writable.destination(), mixed)) <= set(GOOD)
    for place in writable.places:
        assert writable.held(place) == meant(write for write in mixed if write.target == place)


def test_one_destination_can_be_used_again_after_its_target_was_deleted_by_hand(open_subject, population):
    for kind in ("hubspot", "marketo"):
        subject = open_subject(kind, population)
        destination, place = subject.destination(), subject.places[0]
        writes = filling(subject, place, subject.known()[:5])
        told(destination, writes)
        account = getattr(subject.sandbox, kind)
        if kind == "hubspot":
            for entry in account.all_lists.values():
                entry.deleted_at = subject.now
        else:
            account.all_lists.clear()
        assert statuses(told(destination, writes)) == {Status.CONFIRMED}
        assert subject.held(place) == meant(writes)


def test_an_account_that_refuses_our_key_stops_the_work(open_subject, population):
    from segserver.errors import SettingsError

    for kind, wrong in (("hubspot", "HUBSPOT_TOKEN"), ("marketo", "MARKETO_CLIENT_SECRET")):
        subject = open_subject(kind, population)
        destination = subject.connector(**{wrong: "not-the-key"}).destination
        with pytest.raises(SettingsError):
            told(destination, filling(subject, subject.places[0], subject.known()[:5]))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_with_a_fifth_of_requests_failing_every_write_has_an_outcome_and_what_is_confirmed_is_there(platform, seed):
    addresses = platform.known()[:200]
    told(platform.destination(), filling(platform, platform.places[0], addresses[150:]))
    platform.sandbox.faults(rate=0.2, seed=seed)
    writes = [write for place in platform.places for write in filling(platform, place, addresses[:150])]
    writes += clearing(filling(platform, platform.places[0], addresses[150:]))
    outcomes = told(platform.destination(), writes)
    assert platform.sandbox.plan.tally
    for place in platform.places:
        held = platform.held(place)
        sure = [one.item for one in outcomes if one.status in GOOD and one.item.target == place]
        assert sure
        for write in sure:
            assert held.get(write.address) == write.value
    assert all(one.reason for one in outcomes if one.status not in GOOD)


@pytest.mark.parametrize("seed", [4, 5])
def test_what_failed_is_done_after_some_runs(platform, seed):
    platform.sandbox.faults(rate=0.2, seed=seed)
    left = writes = [write for place in platform.places for write in filling(platform, place, platform.known()[:120])]
    for _ in range(12):
        outcomes = told(platform.destination(), left) if left else []
        assert Status.REJECTED not in statuses(outcomes)
        left = [one.item for one in outcomes if one.status is Status.FAILED]
    assert left == []
    for place in platform.places:
        assert platform.held(place) == meant(write for write in writes if write.target == place)


@pytest.mark.parametrize("kind", ["hubspot", "marketo", "ga4"])
def test_a_platform_that_is_down_gives_failed_outcomes_and_is_not_asked_for_each_batch(
    open_subject, population, traffic, kind
):
    subject = open_subject(kind, population)
    subject.sandbox.faults(rate=1, kinds=["503"])
    writes = [write for place in subject.places for write in filling(subject, place, subject.known())]
    outcomes = told(subject.destination(), writes)
    assert statuses(outcomes) == {Status.FAILED}
    assert len(traffic.calls) <= 20


def test_an_unknown_kind_of_target_is_named_in_the_reason(writable):
    place = Target(writable.name, "billboard", "x")
    (outcome,) = told(writable.destination(), [Write(place, "c", writable.known()[0], "member")])
    assert outcome.status is Status.REJECTED
    assert outcome.reason
