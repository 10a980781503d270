"""What the cadence is told of contacts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from segserver.contact_state import as_entry, as_stored, policy_of, stage_addresses, states
from segserver.records import EventRecord
from segserver.scenarios.types import ContactState, EndReason, Entry
from segserver.store import ledger
from segserver.store.ledger import Intent

RULES = 'segment french\n  where country is "FR"\n'
LETTER = """\
caps
  email at most 3 per 7 days

scenario letter
  for      french
  channels email, then sms
  send     email by marketo campaign "Letter", sms by hubspot property "segserver_send"
  content  "letter_{country}"
  steps    day 0 "one_{country}", day 4
  value    spend * 2
  stop when did purchase
  valid for 14 days
"""

MakeStage = Callable[..., Any]


@pytest.fixture
def one(stage: MakeStage) -> Any:
    made = stage(RULES, LETTER)
    made.people(1, 2)
    return made


def entry(one: Any, number: int, **before: float) -> Entry:
    return Entry("letter", one.ids()[number], one.clock.now() - timedelta(**before), False, "d")


def told(one: Any, *entries: Entry) -> dict[str, ContactState]:
    with one.engine.store.session() as session:
        stage_addresses(session, one.engine.workspace)
        found = states(session, one.engine.workspace, one.clock.now(), {}, entries)
    assert [state.contact_id for state in found] == sorted(state.contact_id for state in found)
    return {state.contact_id: state for state in found}


def test_a_contact_comes_with_consent_addresses_and_the_words_of_templates(one: Any) -> None:
    one.people(2, consent={"email": False})
    one.run(apply=False)
    ids = one.ids()
    found = told(one, entry(one, 1), entry(one, 2))
    assert found[ids[1]].consent == {"email": True, "sms": True}
    assert found[ids[2]].consent == {"email": False, "sms": False}
    assert found[ids[1]].known_to == {"crm", "engage"}
    assert found[ids[1]].placeholders == {"country": "FR"}
    assert found[ids[1]].zone == "Europe/Paris", "the one zone of its country"


def test_a_contact_that_does_not_exist_any_more_is_suppressed(one: Any) -> None:
    one.run(apply=False)
    gone = Entry("letter", "gone", one.clock.now(), False, "d")
    assert (told(one, gone)["gone"].suppressed, told(one, gone)["gone"].known_to) == (True, frozenset())


def test_stop_conditions_look_at_what_came_after_the_entry(one: Any) -> None:
    for number in (1, 2):
        at = one.clock.now() - timedelta(days=2)
        one.sources["crm"].tell(EventRecord("purchase", str(number), str(number), None, at, at, {}))
    one.run(apply=False)
    ids = one.ids()
    found = told(one, entry(one, 1, days=3), entry(one, 2, days=1))
    assert (found[ids[1]].stopped, found[ids[2]].stopped) == ({"letter"}, frozenset())


def test_touches_are_ours_and_the_platforms_own_each_once(one: Any) -> None:
    one.run(apply=False)
    ids, now = one.ids(), one.clock.now()
    letter = Intent("k1", "engage", ids[1], "e1", "Letter", {}, "letter", "email", 0)
    with one.engine.store.session() as session:
        ledger.intend(session, [letter], now - timedelta(hours=3))
        ledger.resolve(session, {"k1": ("confirmed", None)}, now)
    for key, contact, hours in (("a", "e1", 2), ("b", "e1", 30), ("c", "e2", 5)):
        at = now - timedelta(hours=hours)
        one.sources["engage"].tell(EventRecord("email_sent", key, contact, None, at, at, {}))
    one.run(apply=False)
    found = told(one, entry(one, 1, days=1))
    assert list(found) == [ids[1]], "only who was asked for"
    assert [(touch.scenario, touch.step, touch.counts_from) for touch in found[ids[1]].touches] == [
        (None, None, now - timedelta(hours=30)),
        ("letter", 0, now - timedelta(hours=2)),
    ]


@pytest.mark.parametrize(
    ("status", "counts"), [("unknown", True), ("sent", True), ("failed", False), ("rejected", False)]
)
def test_a_touch_counts_unless_it_is_known_not_to_have_been_sent(one: Any, status: str, counts: bool) -> None:
    one.run(apply=False)
    ids, now = one.ids(), one.clock.now()
    with one.engine.store.session() as session:
        ledger.intend(session, [Intent("k", "engage", ids[1], "e1", "Letter", {}, "letter", "email", 0)], now)
        ledger.resolve(session, {"k": (status, None)}, now)
    assert bool(told(one, entry(one, 1))[ids[1]].touches) is counts


def test_the_platforms_rate_leaves_out_what_we_sent_ourselves(one: Any) -> None:
    one.run(apply=False)
    ids, now = one.ids(), one.clock.now()
    for day in range(1, 10):
        at = now - timedelta(days=day)
        one.sources["engage"].tell(EventRecord("email_sent", str(day), "e1", None, at, at, {}))
    one.run(apply=False)

    def rate() -> float:
        with one.engine.store.session() as session:
            return policy_of(session, one.engine.workspace, now).platform_rates["email"]

    assert rate() == pytest.approx(9 / (2 * 90))
    with one.engine.store.session() as session:
        ledger.intend(session, [Intent("k", "engage", ids[1], "e1", "L", {}, "letter", "email", 0)], now)
        ledger.resolve(session, {"k": ("confirmed", None)}, now)
    assert rate() == pytest.approx(8 / (2 * 90))


def test_an_entry_is_kept_and_read_back_as_it_was(one: Any) -> None:
    lasting = Entry("letter", "c", one.clock.now(), True, "d")
    ended = Entry("letter", "c", one.clock.now(), False, "d", one.clock.now(), EndReason.LEFT)
    assert [as_entry(as_stored(each)) for each in (lasting, ended)] == [lasting, ended]
