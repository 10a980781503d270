"""What happened behind each condition, and when the verdict turns by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from segserver.explain import Explanation, Verdict, render, to_dict
from segserver.explain.turning import turns
from segserver.explain.verdicts import Colleague
from segserver.relations import UNDATED
from segserver.rules.check import check
from segserver.rules.program import Program
from segserver.specs.catalog import Trait
from segserver.specs.types import TEXT

from ..compiler.conftest import AS_OF, CATALOG, World
from .test_explain import explained, facts

DAY = timedelta(days=1)


def rules(text: str) -> Program:
    program, findings = check({"rules.seg": text}, CATALOG, zone="UTC")
    assert program is not None, findings
    return program


def about(world: World, condition: str) -> Explanation:
    """Contact a in a segment with one condition."""
    return explained(world, rules(f"segment s\n  where {condition}\n"))


def seen(explanation: Explanation) -> list[tuple[str, datetime, dict[str, object]]]:
    def within(verdict: Verdict | None) -> list[tuple[str, datetime, dict[str, object]]]:
        assert verdict is not None
        own = [(item.what, item.at, dict(item.details)) for item in verdict.witnesses]
        return own + [found for part in verdict.parts for found in within(part)]

    return within(explanation.verdict)


def bought(world: World, *days: float, **properties: object) -> None:
    for number in days:
        world.event("a", "purchase", AS_OF - number * DAY, **properties)


# ---- events --------------------------------------------------------------------------------------------------------


def test_the_events_a_condition_counts_are_named_with_the_properties_it_reads(people: World) -> None:
    bought(people, 40, 3, amount=Decimal(60), sku="tea")
    bought(people, 5, amount=Decimal(10), sku="tea")
    people.event("b", "purchase", AS_OF - DAY, amount=Decimal(70))
    people.event("a", "purchase", AS_OF - DAY, known_at=AS_OF + DAY, amount=Decimal(70))
    people.event("a", "purchase", AS_OF - DAY / 2, known_at=AS_OF + timedelta(microseconds=1), amount=Decimal(80))
    people.event("a", "purchase", AS_OF, amount=Decimal(90))
    found = about(people, "did purchase where amount > 50 in last 30 days")
    assert seen(found) == [("purchase", AS_OF - 3 * DAY, {"amount": Decimal(60)})]
    assert f"{AS_OF - 3 * DAY:%Y-%m-%d %H:%M} purchase: amount 60" in render(found)


@pytest.mark.parametrize(
    "condition",
    [
        "count(purchase last month) between 1 and 3",
        "count(purchase last month) + 1 > 1",
        "1 < count(purchase last month)",
        "did purchase last month",
    ],
)
def test_what_a_window_comes_to_reach_later_is_no_evidence_yet(condition: str, people: World) -> None:
    bought(people, 10, 0.1)
    assert [at for _, at, _ in seen(about(people, condition))] == [AS_OF - 10 * DAY]


def test_what_became_known_at_the_instant_itself_is_seen(people: World) -> None:
    at = AS_OF - timedelta(microseconds=1)
    people.event("a", "purchase", at, known_at=AS_OF, amount=Decimal(90))
    assert seen(about(people, "did purchase")) == [("purchase", at, {})]


@pytest.mark.parametrize("keys", [("k1", "k2"), ("k2", "k1")])
def test_of_events_at_one_instant_the_one_is_named_whose_value_was_taken(keys: tuple[str, str], people: World) -> None:
    for key in keys:
        people.event("a", "purchase", AS_OF - DAY, key=key, amount=Decimal(key[1]))
    for figure in ("first(purchase.amount)", "last(purchase.amount)"):
        found = about(people, f"{figure} > 0")
        assert found.verdict is not None
        (part,) = found.verdict.parts
        assert [item.details["amount"] for item in part.witnesses] == [part.observed[0].value]


def test_a_calculation_is_shown_with_its_operands_and_not_with_all_that_lies_between(people: World) -> None:
    found = about(people, "mrr + seats + mrr * (seats + 2) > 1")
    assert found.verdict is not None
    (part,) = found.verdict.parts
    assert [item.text for item in part.observed] == ["mrr + seats + mrr * (seats + 2)", "mrr", "seats"]


def test_only_the_last_five_are_shown(people: World) -> None:
    bought(people, *range(1, 9))
    found = about(people, "count(purchase) >= 8")
    assert len(seen(found)) == 8
    assert render(found).count(" purchase\n") == 5
    shown = to_dict(found)["rule"]["parts"][0]["happened"]
    assert [item["at"] for item in shown] == [f"{AS_OF - days * DAY:%Y-%m-%dT%H:%M:%S}Z" for days in range(5, 0, -1)]


@pytest.mark.parametrize(
    ("condition", "days"),
    [
        ("days since last purchase < 9 days", [2]),
        ("days since first purchase < 9 days", [20]),
        ("last(purchase.amount) > 0", [2]),
        ("first did purchase in last 30 days", [20]),
        ("did purchase in at least 1 of last 2 weeks", [10, 2]),
        ("sum(purchase.amount in last 15 days) > 0", [10, 2]),
        ("spent > 0", [10, 2]),
    ],
)
def test_each_kind_of_condition_on_events_has_its_witnesses(condition: str, days: list[int], people: World) -> None:
    bought(people, 20, 10, 2, amount=Decimal(5))
    trait = "trait spent = sum(purchase.amount in last 15 days)\n"
    found = explained(people, rules(f"{trait}segment s\n  where {condition}\n"))
    assert [at for _, at, _ in seen(found)] == [AS_OF - number * DAY for number in days]


def test_a_sequence_shows_the_latest_events_that_are_its_steps(people: World) -> None:
    for days, sku in ((20, "tea"), (19, "milk"), (9, "tea"), (4, None)):
        bought(people, days, sku=sku)
    people.event("a", "visit", AS_OF - 21 * DAY, path="/tea")
    people.event("a", "visit", AS_OF - 3 * DAY, path="/tea")
    found = about(people, "did visit then purchase then purchase where sku = previous.sku within 12 days")
    assert found.member is True
    assert seen(found) == [
        ("visit", AS_OF - 21 * DAY, {}),
        ("purchase", AS_OF - 20 * DAY, {"sku": "tea"}),
        ("purchase", AS_OF - 9 * DAY, {"sku": "tea"}),
    ]


def test_an_abandonment_shows_the_step_that_nothing_followed(people: World) -> None:
    people.event("a", "visit", AS_OF - 20 * DAY, path="/tea")
    people.event("a", "visit", AS_OF - 10 * DAY, path="/tea")
    bought(people, 8)
    found = about(people, "did visit then not purchase within 3 days")
    assert found.member is True
    assert seen(found) == [("visit", AS_OF - 20 * DAY, {})]


def test_a_sequence_that_was_not_found_shows_what_there_is_of_each_step(people: World) -> None:
    bought(people, 3, 2, 1)
    found = about(people, "did purchase then visit")
    assert found.member is False
    assert seen(found) == [("purchase", AS_OF - 2 * DAY, {}), ("purchase", AS_OF - DAY, {})]


def test_changes_of_traits_and_memberships_are_named(people: World) -> None:
    people.took("a", "stage", "mql", AS_OF - 9 * DAY, AS_OF - 3 * DAY)
    people.took("a", "stage", "lead", AS_OF - 3 * DAY)
    people.change("a", "entered", "other", AS_OF - 7 * DAY)
    people.change("a", "left", "other", AS_OF)
    people.change("a", "entered", "s", AS_OF - 5 * DAY)
    text = "segment other where subscribed\nsegment s\n  where stage changed in last 30 days and was in segment other"
    found = explained(people, rules(f"{text} in last 20 days\n"))
    assert seen(found) == [
        ("stage", AS_OF - 9 * DAY, {"value": "mql", "source": "crm"}),
        ("stage", AS_OF - 3 * DAY, {"value": "lead", "source": "crm"}),
        ("entered other", AS_OF - 7 * DAY, {"cause": "data"}),
    ]


SILENT = "no `purchase` until days since last purchase is above 60 days (now 2 days)"
VISIT = "1 more `visit` (now 0)"

# ---- what would change it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "changes"),
    [
        ("did purchase at least 3 times in last 30 days", [["1 more `purchase in last 30 days` (now 2)"]]),
        (
            "did not purchase where amount > 1 in last 9 days",
            [["no `purchase where amount > 1 in last 9 days` (now 1)"]],
        ),
        ("mrr >= 120.5", [["mrr from 99.5 to at least 120.5"]]),
        ('country is "BE"', [['`country is "BE"` holds (now country is "FR")']]),
        (
            'country is "BE" or mrr < 5',
            [['`country is "BE"` holds (now country is "FR")'], ["mrr from 99.5 to below 5"]],
        ),
        ("not (mrr > 5)", [["mrr from 99.5 to at most 5"]]),
        ("mrr > 100 and seats > 20 and subscribed", [["mrr from 99.5 to above 100", "seats from 10 to above 20"]]),
        ("did visit or (mrr > 100 and seats > 20)", [["1 more `visit` (now 0)"]]),
        (
            "at least 2 of (subscribed, mrr > 100, seats > 20)",
            [["mrr from 99.5 to above 100"], ["seats from 10 to above 20"]],
        ),
        ("days since last purchase > 60 days", [[SILENT]]),
        ("days since last purchase < 1 day", [["1 more `purchase` (days since last purchase is 2 days)"]]),
        ("days since last visit > 5 days", [["a first `visit`, until days since last visit is above 5 days"]]),
        ("first did visit in last 9 days", [["a first `visit`"]]),
        ("did visit in at least 2 of last 3 weeks", [["`visit` in 2 more weeks (now 0 of 3)"]]),
        ("did visit then not purchase within 3 days", [["`visit` and then no `purchase within 3 days`"]]),
        ("points(5 if did visit, 5 if mrr > 100, 5 if subscribed) >= 10", [[VISIT], ["mrr from 99.5 to above 100"]]),
    ],
)
def test_the_shortest_ways_to_enter(condition: str, changes: list[list[str]], people: World) -> None:
    bought(people, 10, 2, amount=Decimal(5))
    found = about(people, condition)
    assert found.member is False
    assert [list(turn.changes) for turn in found.turns] == changes
    assert f"to enter: {', and '.join(changes[0])}" in render(found)


@pytest.mark.parametrize(
    ("condition", "changes"),
    [
        ("did purchase in last 30 days", [["no `purchase in last 30 days` (now 2)"]]),
        ("did not visit", [["1 more `visit` (now 0)"]]),
        (
            "subscribed or mrr > 5",
            [["`subscribed is true` no longer holds (now subscribed is true)", "mrr from 99.5 to at most 5"]],
        ),
        ("mrr > 5 and seats > 5", [["mrr from 99.5 to at most 5"], ["seats from 10 to at most 5"]]),
        ("in segment other", [["mrr from 99.5 to at most 5"]]),
    ],
)
def test_the_shortest_ways_to_leave(condition: str, changes: list[list[str]], people: World) -> None:
    bought(people, 10, 2)
    found = explained(people, rules(f"segment other where mrr > 5\nsegment s where {condition}\n"))
    assert found.member is True
    assert [list(turn.changes) for turn in found.turns] == changes


@pytest.mark.parametrize(
    ("condition", "after"),
    [
        ("did purchase in last 30 days", 28),
        ("did purchase at least 2 times in last 30 days", 20),
        ("did not purchase in last 30 days", 28),
        ("did purchase at most 1 times in last 30 days", 20),
        ("days since last purchase < 5 days", 3),
        ("days since last purchase >= 5 days", 3),
        ("first did purchase in last 30 days", 20),
        ("did purchase in last 30 days and did purchase in last 20 days", 18),
        ("did purchase in last 30 days or did purchase in last 20 days", 28),
        ("did purchase since 2026-01-01", None),
        ("did purchase", None),
        ("did purchase at least 5 times in last 30 days", None),
    ],
)
def test_it_is_said_when_a_verdict_turns_by_itself(condition: str, after: int | None, people: World) -> None:
    bought(people, 10, 2)
    found = about(people, condition)
    if after is None:
        assert found.expiry is None
        return
    assert found.expiry is not None
    assert (found.expiry.at - AS_OF).days == after
    at = AS_OF + after * DAY
    assert timedelta(0) <= found.expiry.at - at <= timedelta(microseconds=1)
    ends = "leaves" if found.member else "enters"
    when = "at" if found.expiry.at == at else "right after"
    assert f"{ends} {when} {at:%Y-%m-%d %H:%M} if nothing happens: " in render(found)


def test_an_instant_that_grows_old_turns_a_verdict(people: World) -> None:
    found = about(people, "renewal before 30 days ago")
    assert found.expiry is not None
    assert found.expiry.at == datetime(2026, 3, 29, 0, 30) + 30 * DAY + timedelta(microseconds=1)
    assert found.expiry.holds


@pytest.mark.parametrize(
    ("condition", "after"),
    [
        ("sum(purchase.amount in last 30 days) > 50", 20),
        ("sum(purchase.amount in last 30 days) > 30", 28),
        ("spent > 50", 5),
        ("spent = 40", 5),
        ("spent = 41", None),
        ("count(purchase in last 30 days) >= 2", 20),
        ("count(purchase in last 30 days) < 1", 28),
        ("count(purchase in last 30 days) > 5", None),
        ("did purchase then purchase in last 30 days", 20),
        ("stage changed in last 10 days", 6),
        ('stage changed from "lead" in last 10 days', 6),
        ('stage changed to "lead" in last 10 days', None),
        ('stage has been "mql" for at least 9 days', 5),
        ('stage has been "lead" for at least 9 days', None),
        ("entered segment base in last 10 days", 7),
    ],
)
def test_figures_sequences_and_changes_turn_as_their_windows_pass(
    condition: str, after: int | None, people: World
) -> None:
    bought(people, 10, 2, amount=Decimal(40))
    people.took("a", "stage", "lead", AS_OF - 9 * DAY, AS_OF - 4 * DAY)
    people.took("a", "stage", "mql", AS_OF - 4 * DAY)
    people.change("a", "entered", "base", AS_OF - 3 * DAY)
    text = "trait spent = sum(purchase.amount in last 15 days)\nsegment base where subscribed\n"
    found = explained(people, rules(f"{text}segment s\n  where {condition}\n"))
    if after is None:
        assert found.expiry is None
        return
    assert found.expiry is not None
    assert timedelta(0) <= found.expiry.at - (AS_OF + after * DAY) <= timedelta(microseconds=1)


def test_a_sequence_that_breaks_off_says_at_which_step(people: World) -> None:
    bought(people, 3)
    found = about(people, 'did purchase then visit where path is "/tea" within 5 days')
    step = '`visit where path is "/tea" within 5 days`'
    assert f"step 2 is missing: {step} after the purchase of {AS_OF - 3 * DAY:%Y-%m-%d %H:%M}" in render(found)
    assert [turn.changes for turn in found.turns] == [(f"{step} after a purchase",)]
    assert "step 1 is missing: `visit`" in render(about(people, "did visit then purchase"))


@pytest.mark.parametrize(
    ("condition", "change"),
    [
        ("home within 30 km of (48.85, 2.35)", "home from 111.2 km away to at most 30 km"),
        (
            'stage has been "won" for at least 3 days',
            'stage to become "won" and to stay so for 3 days (now stage is "mql")',
        ),
        ('stage changed to "won" in last 9 days', 'a change of stage to "won" (now stage is "mql")'),
    ],
)
def test_a_cure_names_the_distance_the_value_and_the_time_that_are_missing(
    condition: str, change: str, people: World
) -> None:
    people.connection.execute(
        "update contacts set t_home = {'latitude': 49.85, 'longitude': 2.35}, t_stage = 'mql' where contact_id = 'a'"
    )
    people.took("a", "stage", "mql", AS_OF - 4 * DAY)
    found = about(people, condition)
    assert [turn.changes for turn in found.turns] == [(change,)]


STAYS = 'stage to stay "mql" until it has been so for 9 days'
COMES_BACK = (
    'stage to become another value, then "mql" again and to stay so for 9 days: since when it is "mql" now is not known'
)
UNSEEN = '"mql", since when is not known: no change to it is recorded'


@pytest.mark.parametrize(
    ("took", "shown", "cure"),
    [
        ([], UNSEEN, COMES_BACK),
        ([("mql", 4)], UNSEEN, COMES_BACK),
        ([("mql", 40)], UNSEEN, COMES_BACK),
        ([("mql", 40), ("mql", 4)], UNSEEN, COMES_BACK),
        ([("lead", 40), ("mql", 4)], f'"mql" since {AS_OF - 4 * DAY:%Y-%m-%d %H:%M}', STAYS),
        ([("mql", 60), ("lead", 40), ("mql", 4), ("mql", 2)], f'"mql" since {AS_OF - 4 * DAY:%Y-%m-%d %H:%M}', STAYS),
    ],
)
def test_since_when_a_value_is_held_is_told_by_a_change_and_not_by_the_first_value_recorded(
    took: list[tuple[str, int]], shown: str, cure: str, people: World
) -> None:
    people.connection.execute("update contacts set t_stage = 'mql' where contact_id = 'a'")
    for stage, days in took:
        people.took("a", "stage", stage, AS_OF - days * DAY)
    found = about(people, 'stage has been "mql" for at least 9 days')
    assert facts(found.verdict)['stage has been "mql" for at least 9 days'] == (False, [f"stage is {shown}"])
    assert [turn.changes for turn in found.turns] == [(cure,)]
    assert found.expiry is None or cure == STAYS


def test_a_value_of_which_the_beginning_is_not_told_has_no_date(people: World) -> None:
    people.connection.execute("update contacts set t_stage = 'mql' where contact_id = 'a'")
    people.took("a", "stage", "mql", UNDATED)
    found = about(people, 'stage has been "mql" for at least 9 days')
    assert (seen(found), "1900" in render(found)) == ([], False)
    people.took("b", "stage", "lead", UNDATED, AS_OF - 4 * DAY)
    people.took("b", "stage", "mql", AS_OF - 4 * DAY)
    people.connection.execute("update contacts set t_stage = 'mql' where contact_id = 'b'")
    other = explained(people, rules('segment s\n  where stage has been "mql" for at least 2 days\n'), contact="b")
    assert [at for _, at, _ in seen(other)] == [AS_OF - 4 * DAY]
    assert f'"mql" since {AS_OF - 4 * DAY:%Y-%m-%d %H:%M}' in render(other)


def test_nothing_is_told_to_cure_what_never_holds(people: World) -> None:
    found = about(people, "false")
    assert found.turns == ()
    assert "no    false\n" in render(found) + "\n"


@pytest.mark.parametrize(
    ("contact", "condition", "place", "change"),
    [
        ("b", "top 2 by spent", "the place is 3 of 4; the last one in has 30", "spent above 30, which the last one in"),
        (
            "a",
            "top 2 by spent",
            "the place is 1 of 4; the last one in has 30",
            "spent below 30, which the next one has",
        ),
        ("c", "percentile of spent >= 60", "the percentile is 75; 30 reaches it", "spent below 10 (now spent is 30; "),
        ("d", "percentile of spent >= 60", "the percentile is 25; 30 reaches it", "spent at least 30 (now spent is 10"),
        ("d", "percentile of spent < 60", "the percentile is 25; 30 reaches it", "spent at least 30 (now spent is 10"),
        ("a", "percentile of spent <= 75", "the percentile is 100; 50 is above it", "spent below 30 (now spent is 50;"),
        ("e", "top 9 by spent", "spent is unknown: no such event; the last one in has 10", "spent known, as there is"),
    ],
)
def test_a_ranking_shows_the_place_and_the_values_beside_its_cut(
    contact: str, condition: str, place: str, change: str, people: World
) -> None:
    people.contact("e")
    for one, amount in (("a", 50), ("b", 30), ("c", 30), ("d", 10)):
        people.event(one, "purchase", AS_OF - DAY, amount=Decimal(amount))
    program = rules(f"trait spent = min(purchase.amount)\nsegment s\n  where {condition}\n")
    found = explained(people, program, contact=contact)
    text = render(found)
    assert place in text
    assert change in text


def test_who_is_not_in_the_segment_that_is_ranked_is_told_so(people: World) -> None:
    text = "segment base where seats > 1000\nsegment s\n  where top 10% by mrr among segment base\n"
    found = explained(people, rules(text))
    assert "no      in segment base" in render(found)
    assert [turn.changes for turn in found.turns] == [("in segment base, whose contacts alone are ranked",)]


def test_of_an_account_some_contact_is_wanted() -> None:
    catalog = replace(CATALOG, account_traits={"industry": Trait("industry", TEXT, False, ("crm",))})
    program, findings = check({"rules.seg": "segment s where any contact of account subscribed\n"}, catalog, zone="UTC")
    assert program is not None, findings
    verdict = Verdict("", False, node=program.segments["s"].where)
    alone = turns(verdict, AS_OF, program)
    assert [turn.changes for turn in alone] == [("an account with some contact for whom `subscribed is true`",)]
    among = turns(replace(verdict, colleagues=(Colleague("a", None),)), AS_OF, program)
    assert [turn.changes for turn in among] == [("some contact of the account for whom `subscribed is true`",)]
