"""Questions about contacts: the same answers at every door, many at once, and refusal wins."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from segserver import services
from segserver.scenarios.permission import Permission
from segserver.services import UNKNOWN_CONTACT, Asked, CheckSegment, MayContact, RefreshContact, Refreshed, Refusal


@pytest.mark.parametrize(
    ("question", "says"),
    [
        (CheckSegment("nobody"), "there is no segment 'nobody'"),
        (MayContact(scenario="nothing"), "there is no scenario 'nothing'"),
        (MayContact(channel="fax"), "no connection speaks of consent to 'fax'"),
    ],
)
def test_what_can_never_be_answered_is_said_at_once(question, says):
    workspace = SimpleNamespace(
        program=SimpleNamespace(segments={"vip": None}), scenarios={}, catalog=SimpleNamespace(channels=("email",))
    )
    assert services.wrong(workspace, question).reason.startswith(says)
    assert services.wrong(workspace, CheckSegment("vip")) is None
    assert services.wrong(workspace, RefreshContact()) is None


def test_without_any_channel_the_cure_is_told():
    workspace = SimpleNamespace(scenarios={}, catalog=SimpleNamespace(channels=()))
    assert "declare `consent:`" in services.wrong(workspace, MayContact()).reason


def test_choices_are_sorted_by_what_a_person_reads_and_drafts_are_left_out():
    def block(name, title, draft=False):
        return SimpleNamespace(name=name, title=title, draft=draft)

    blocks = {one.name: one for one in (block("b", "Zoe"), block("a", None), block("c", "b", draft=True))}
    workspace = SimpleNamespace(program=SimpleNamespace(segments=blocks))
    assert [(one.value, one.label) for one in services.segment_choices(workspace)] == [("a", "a"), ("b", "Zoe")]


# ---- over a store --------------------------------------------------------------------------------------------------

RULES = """\
segment french
  where country is "FR"
segment compared
  where country is "FR"
  hold out 99.99%
"""
LETTER = """\
caps
  email at most 1 per day

scenario letter
  for      french
  channels email
  send     email by marketo campaign "Letter"
  content  "letter"
  steps    day 0, day 4
"""


@pytest.fixture
def one(stage):
    made = stage(RULES, LETTER)
    made.people(1)
    made.people(2, country="DE")
    made.people(3, consent={"email": False})
    return made


def _answers(one, *asked):
    ids = one.ids()
    return services.answer(one.engine, [Asked(ids.get(number), question) for number, question in asked])


def test_a_segment_is_checked_for_several_contacts_in_the_order_of_the_questions(one):
    one.run(apply=True)
    at = one.clock.now()
    french, german, held_out, nobody = _answers(
        one,
        (1, CheckSegment("french")),
        (2, CheckSegment("french")),
        (1, CheckSegment("compared")),
        (9, CheckSegment("french")),
    )
    assert (french.member, french.since, french.evaluated_at) == (True, at, at)
    assert (german.member, german.since, german.held_out) == (False, None, False)
    assert (held_out.member, held_out.since, held_out.held_out) == (False, at, True)
    assert nobody == UNKNOWN_CONTACT


def test_a_segment_that_was_never_evaluated_has_no_answer(one):
    one.run(apply=False)
    (found,) = _answers(one, (1, CheckSegment("french")))
    assert found == Refusal("segment french has not been evaluated yet; the next run does it")


def test_a_touch_of_ours_that_just_went_out_stands_against_another_message(one):
    one.run()
    now = one.clock.now()
    touched, free, refusing = _answers(
        one, (1, MayContact("email")), (2, MayContact("email")), (3, MayContact("email"))
    )
    assert (touched.allowed, touched.channel) == (False, "email")
    assert touched.reason.startswith("1 of 1 email in the last day")
    assert free == Permission(True, "email", now, "nothing stands against it")
    assert (refusing.allowed, refusing.reason) == (False, "no consent to email")


def test_a_refusal_that_the_asking_platform_knows_of_wins(one):
    one.run()
    (found,) = _answers(one, (2, MayContact("email", refused=frozenset({"email"}))))
    assert (found.allowed, found.reason) == (False, "no consent to email")


def test_a_scenario_answers_for_its_own_next_touch(one):
    one.run()
    entered, outside = _answers(one, (1, MayContact(scenario="letter")), (2, MayContact(scenario="letter")))
    assert (entered.allowed, entered.channel) == (False, "email")
    assert entered.reason.startswith("waiting for step 2")
    assert (outside.allowed, outside.reason) == (False, "not in scenario letter")


def test_asking_changes_nothing(one):
    one.run()
    before = one.ask("SELECT count(*) AS n FROM intents"), one.ask("SELECT * FROM scenario_entries ORDER BY ALL")
    first = _answers(one, (1, MayContact()), (2, MayContact(scenario="letter")))
    assert first == _answers(one, (1, MayContact()), (2, MayContact(scenario="letter")))
    after = one.ask("SELECT count(*) AS n FROM intents"), one.ask("SELECT * FROM scenario_entries ORDER BY ALL")
    assert before == after


def test_a_refresh_waits_in_the_inbox_until_the_contact_was_evaluated(one):
    one.run()
    services.request_refresh(one.engine, "crm", ["2"], "k1")
    services.request_refresh(one.engine, "crm", ["2"], "k1")
    key = services.refresh_key("k1", "2")
    assert (one.waiting(), services.unrefreshed(one.engine, "crm", [key])) == (1, {key})
    one.people(2)
    one.run()
    assert services.unrefreshed(one.engine, "crm", [key]) == set()
    assert _answers(one, (2, RefreshContact())) == [Refreshed(("french",))]


def test_records_are_located_by_the_platforms_ids(one):
    one.run()
    assert services.located(one.engine, "crm", ["1", "9"]) == {"1": one.ids()[1]}
