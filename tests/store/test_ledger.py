from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from segserver.records import ContactRecord, EventRecord
from segserver.specs.targets import Target
from segserver.store import ledger
from segserver.store.ledger import Acknowledgement, Intent

NOW = datetime(2026, 3, 1)
HOUR = timedelta(hours=1)
LIST = Target("crm", "list", "Best customers")


def said(
    contact: str, value: str | None, status: str = "confirmed", address: str = "1", reason: str | None = None
) -> Acknowledgement:
    return Acknowledgement(LIST, contact, address, value, status, reason)


def held(bench: Any) -> list[tuple[object, ...]]:
    return [
        (r["contact_id"], r["address"], r["value"], r["status"]) for r in ledger.acknowledged(bench.session).to_pylist()
    ]


def intent(key: str, contact: str = "a", connection: str = "engage") -> Intent:
    return Intent(key, connection, contact, "e1", "Win back", {"template": "x"}, "win_back", "email", 0)


def status(bench: Any) -> dict[str, tuple[str, bool]]:
    return {d.intent.key: (d.status, d.counts) for d in ledger.deliveries(bench.session, NOW - HOUR)}


# ---- acknowledgements ----------------------------------------------------------------------------------------------


def test_a_destination_holds_the_last_value_it_acknowledged(bench: Any) -> None:
    ledger.acknowledge(bench.session, [said("a", "member"), said("b", "member", "sent", "2")], NOW)
    assert held(bench) == [("a", "1", "member", "confirmed"), ("b", "2", "member", "sent")]
    ledger.acknowledge(bench.session, [said("a", None)], NOW + HOUR)
    assert held(bench) == [("b", "2", "member", "sent")]


@pytest.mark.parametrize("outcome", ["failed", "rejected", "unknown"])
def test_what_was_not_done_does_not_change_what_a_destination_holds(bench: Any, outcome: str) -> None:
    ledger.acknowledge(bench.session, [said("a", "member")], NOW)
    ledger.acknowledge(bench.session, [said("a", None, outcome), said("b", "member", outcome, "2")], NOW + HOUR)
    assert held(bench) == [("a", "1", "member", "confirmed")]


def test_two_words_at_one_instant_count_in_their_order(bench: Any) -> None:
    ledger.acknowledge(bench.session, [said("a", "member"), said("a", None)], NOW)
    assert held(bench) == []


def test_a_refusal_is_remembered_until_the_destination_says_otherwise(bench: Any) -> None:
    ledger.acknowledge(bench.session, [said("a", "member", "rejected", reason="no such contact")], NOW)
    (row,) = ledger.refused(bench.session).to_pylist()
    assert (row["contact_id"], row["value"], row["reason"]) == ("a", "member", "no such contact")
    ledger.acknowledge(bench.session, [said("a", "member")], NOW + HOUR)
    assert ledger.refused(bench.session).num_rows == 0


def test_only_the_connections_asked_for_are_shown(bench: Any) -> None:
    other = Acknowledgement(Target("engage", "list", "x"), "a", "e1", "member", "confirmed")
    ledger.acknowledge(bench.session, [said("a", "member"), other], NOW)
    assert ledger.acknowledged(bench.session, ["engage"])["connection"].to_pylist() == ["engage"]
    assert ledger.acknowledged(bench.session, []).num_rows == 0


def test_both_addresses_of_a_merged_contact_stay_known_under_the_survivor(bench: Any) -> None:
    ledger.acknowledge(bench.session, [said("a", "member"), said("b", "member", address="2")], NOW)
    bench.session.execute("INSERT INTO merges VALUES ('b', 'a', ?, 'why')", [NOW])
    assert [(contact, address) for contact, address, *_ in held(bench)] == [("a", "1"), ("a", "2")]
    ledger.acknowledge(bench.session, [said("b", None, address="2")], NOW + HOUR)
    assert [(contact, address) for contact, address, *_ in held(bench)] == [("a", "1")]


def test_nothing_said_is_nothing_kept(bench: Any) -> None:
    ledger.acknowledge(bench.session, [], NOW)
    ledger.resolve(bench.session, {}, NOW)
    assert bench.rows("SELECT * FROM acknowledgements") == []


# ---- touches -------------------------------------------------------------------------------------------------------


def test_an_intent_counts_from_the_moment_it_is_noted(bench: Any) -> None:
    assert ledger.intend(bench.session, [intent("k")], NOW) == [intent("k")]
    assert status(bench) == {"k": ("unknown", True)}
    (waiting,) = ledger.unresolved(bench.session)
    assert (waiting.intent, waiting.intended_at, waiting.known_at) == (intent("k"), NOW, None)


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [("confirmed", True), ("sent", True), ("unknown", True), ("failed", False), ("rejected", False)],
)
def test_only_what_surely_was_not_sent_gives_its_place_back(bench: Any, outcome: str, counts: bool) -> None:
    ledger.intend(bench.session, [intent("k")], NOW)
    ledger.resolve(bench.session, {"k": (outcome, "why")}, NOW + HOUR)
    (delivery,) = ledger.deliveries(bench.session, NOW)
    assert (delivery.status, delivery.reason, delivery.counts, delivery.known_at) == (
        outcome,
        "why",
        counts,
        NOW + HOUR,
    )
    assert bool(ledger.unresolved(bench.session)) == (outcome == "unknown")


def test_the_last_outcome_counts(bench: Any) -> None:
    ledger.intend(bench.session, [intent("k")], NOW)
    ledger.resolve(bench.session, {"k": ("unknown", None)}, NOW)
    ledger.resolve(bench.session, {"k": ("confirmed", None)}, NOW)
    assert status(bench) == {"k": ("confirmed", True)}


@pytest.mark.parametrize("outcome", ["unknown", "confirmed", "sent", "rejected"])
def test_a_key_is_never_carried_out_twice(bench: Any, outcome: str) -> None:
    ledger.intend(bench.session, [intent("k")], NOW)
    ledger.resolve(bench.session, {"k": (outcome, None)}, NOW)
    assert ledger.intend(bench.session, [intent("k"), intent("l")], NOW + HOUR) == [intent("l")]
    assert len(bench.rows("SELECT * FROM intents")) == 2


def test_a_key_given_twice_at_once_is_carried_out_once(bench: Any) -> None:
    assert ledger.intend(bench.session, [intent("k"), intent("k")], NOW) == [intent("k")]


def test_what_failed_may_be_tried_again_and_then_counts_from_the_new_attempt(bench: Any) -> None:
    ledger.intend(bench.session, [intent("k")], NOW)
    ledger.resolve(bench.session, {"k": ("failed", "no answer")}, NOW)
    assert ledger.intend(bench.session, [intent("k")], NOW + HOUR) == [intent("k")]
    (delivery,) = ledger.deliveries(bench.session, NOW)
    assert (delivery.status, delivery.counts, delivery.intended_at) == ("unknown", True, NOW + HOUR)


def test_intents_are_durable_before_the_call(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError

    monkeypatch.setattr(bench.session, "_commit", fail)
    with pytest.raises(RuntimeError):
        ledger.intend(bench.session, [intent("k")], NOW)
    monkeypatch.undo()
    assert status(bench) == {}


def test_unresolved_touches_are_asked_for_by_connection(bench: Any) -> None:
    ledger.intend(bench.session, [intent("k"), intent("l", connection="crm")], NOW)
    assert [delivery.intent.key for delivery in ledger.unresolved(bench.session, "crm")] == ["l"]
    assert len(ledger.unresolved(bench.session)) == 2


def test_a_touch_of_a_merged_contact_counts_for_the_survivor(bench: Any) -> None:
    ledger.intend(bench.session, [intent("k", contact="b")], NOW)
    bench.session.execute("INSERT INTO merges VALUES ('b', 'a', ?, 'why')", [NOW])
    (delivery,) = ledger.deliveries(bench.session, NOW)
    assert delivery.intent.contact_id == "a"


def test_sends_of_the_platforms_are_the_events_that_count_as_a_channel(bench: Any) -> None:
    def sent(key: str, at: datetime, known_at: datetime | None = None) -> EventRecord:
        return EventRecord("email_sent", key, "e", None, at, known_at, {})

    bench.take(
        "engage",
        ContactRecord("e", {"email": "ada@x.org"}, {}),
        sent("before", NOW - 3 * HOUR),
        sent("inside", NOW - 2 * HOUR),
        sent("not known yet", NOW - HOUR, NOW + HOUR),
        sent("after", NOW),
        EventRecord("page_view", "v", "e", None, NOW - HOUR, None, {"path": "/"}),
    )
    found = ledger.sends_by_platforms(bench.session, NOW - 2 * HOUR, NOW).to_pylist()
    contact = bench.contact()["contact_id"]
    assert found == [{"contact_id": contact, "channel": "email", "sent_at": NOW - 2 * HOUR}]


# ---- our own writing coming back -----------------------------------------------------------------------------------

CHANNEL = Target("crm", "property", "segserver_channel")


@pytest.mark.parametrize(
    ("change", "ours"),
    [
        (("1", "segserver_channel", "email"), True),
        (("2", "segserver_channel", ""), True),
        (("1", "segserver_channel", "sms"), False),
        (("1", "segserver_channel", ""), False),
        (("3", "segserver_channel", "email"), False),
        (("1", "lifecyclestage", "email"), False),
        (("4", "send_this", "word 1"), True),
        (("4", "send_this", "word 2"), False),
    ],
)
def test_a_change_is_our_own_writing_if_it_is_what_we_wrote_there_last(
    bench: Any, change: tuple[str, str, str], ours: bool
) -> None:
    values = [("1", "sms"), ("1", "email"), ("2", "email"), ("2", None)]
    told = [Acknowledgement(CHANNEL, f"c{address}", address, value, "confirmed") for address, value in values]
    told.append(Acknowledgement(CHANNEL, "c3", "3", "email", "rejected"))
    ledger.acknowledge(bench.session, told, NOW)
    touch = Intent("k", "crm", "c4", "4", "send_this", {"value": "word 1"}, "word", "sms", 0)
    ledger.intend(bench.session, [touch], NOW)
    assert ledger.echoes(bench.session, "crm", [change]) == ({change} if ours else set())
    assert ledger.echoes(bench.session, "engage", [change]) == set()
