"""Explanations as people read them, construct by construct."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from segserver.explain import Explanation, render
from segserver.explain.plain import to_dict
from segserver.rules.check import check
from segserver.rules.program import Program
from segserver.specs.catalog import Event
from segserver.specs.types import DURATION, INSTANT, NUMBER, Kind, Type

from ..compiler.conftest import AS_OF, CATALOG, World
from .test_explain import MODEL, explained

DAY = timedelta(days=1)
EUR = Type(Kind.NUMBER, "EUR")
ORDER = Event("order", {"amount": EUR, "due": INSTANT, "wait": DURATION, "items": NUMBER}, ("shop",))
WORLD = replace(CATALOG, events={**CATALOG.events, "order": ORDER})


def rules(text: str) -> Program:
    program, findings = check({"rules.seg": text}, WORLD, zone="Europe/Paris")
    assert program is not None, findings
    return program


@pytest.fixture
def one() -> World:
    """A contact with a little of everything."""
    world = World(WORLD)
    world.contact(
        "a",
        home_zone="Asia/Kathmandu",
        country="FR",
        stage="mql",
        mrr=Decimal("99.5"),
        seats=Decimal(0),
        subscribed=True,
        signup=date(2026, 2, 1),
        renewal=datetime(2026, 2, 3, 8, 0, 12),
        home={"latitude": 48.85, "longitude": 2.75981},
    )
    for days, amount in ((1, "10.50"), (9, "20"), (20, "30")):
        world.event(
            "a",
            "order",
            AS_OF - days * DAY,
            amount=Decimal(amount),
            due=datetime(2026, 2, 28, 23),
            wait=90 * 60 * 1_000_000,
            items=Decimal(2),
        )
    world.took("a", "stage", "lead", AS_OF - 40 * DAY, AS_OF - 9 * DAY)
    world.took("a", "stage", "mql", AS_OF - 9 * DAY)
    world.change("a", "entered", "base", AS_OF - 30 * DAY, cause="rule")
    world.change("a", "exited", "base", AS_OF - 3 * DAY)
    return world


def about(world: World, condition: str, more: str = "") -> Explanation:
    text = f"segment base where subscribed\n{more}segment s\n  where {condition}\n"
    return explained(world, rules(text))


def told(world: World, condition: str, more: str = "") -> list[str]:
    """The lines of the rule, without what stands above and below."""
    lines = render(about(world, condition, more)).splitlines()[2:]
    return [line for line in lines if line.startswith("  ")]


@pytest.mark.parametrize(
    ("condition", "lines"),
    [
        (
            "sum(order.amount in last 10 days) >= 50 EUR",
            [
                "  no    sum(order.amount in last 10 days) >= 50 EUR    (it is 30.50 EUR)",
                "          2026-02-20 09:00 order: amount 20 EUR",
                "          2026-02-28 09:00 order: amount 10.50 EUR",
            ],
        ),
        (
            "did order where (due after 2026-01-01 and wait > 1 hour) in last 5 days",
            [
                "  yes   did order where (due after 2026-01-01 and wait > 1 hour) in last 5 days    (1 time)",
                "          2026-02-28 09:00 order: due 2026-03-01 00:00, wait 1.5 hours",
            ],
        ),
        (
            "first did order in last 30 days",
            [
                "  yes   first did order in last 30 days    (the first was 20 days ago)",
                "          2026-02-09 09:00 order",
            ],
        ),
        ("first did visit in last 30 days", ["  no    first did visit in last 30 days    (never)"]),
        (
            "days since last visit > 3 days",
            ["  no    days since last visit > 3 days    (days since last visit is unknown: no such event)"],
        ),
        (
            "average(purchase.amount) > 3",
            ["  no    average(purchase.amount) > 3    (average(purchase.amount) is unknown: no such event)"],
        ),
        (
            "did order in at least 3 of last 4 weeks",
            [
                "  yes   did order in at least 3 of last 4 weeks    (3 of 4 weeks)",
                "          2026-02-09 09:00 order",
                "          2026-02-20 09:00 order",
                "          2026-02-28 09:00 order",
            ],
        ),
        (
            "did order today in contact's time zone",
            ["  no    did order today in contact's time zone    (0 times; contact's time zone is Asia/Kathmandu)"],
        ),
        (
            "renewal after 26 days ago",
            ["  yes   renewal after 26 days ago    (renewal is 2026-02-03 09:00:12; 26 days ago is 2026-02-03 09:00)"],
        ),
        (
            "renewal after 3 weeks ago",
            ["  no    renewal after 3 weeks ago    (renewal is 2026-02-03 09:00; 3 weeks ago is 2026-02-08 09:00)"],
        ),
        (
            "home within 30 km of (48.85, 2.35)",
            [
                "  yes   home within 30 km of (48.85, 2.35)    "
                "(home is (48.85, 2.75981); the distance is just below 30 km)"
            ],
        ),
        (
            'stage has been "mql" for at least 3 days',
            [
                '  yes   stage has been "mql" for at least 3 days    (stage is "mql" since 2026-02-20 09:00)',
                '          2026-01-20 09:00 stage became "lead" (crm)',
                '          2026-02-20 09:00 stage became "mql" (crm)',
            ],
        ),
        (
            "left segment base in last 7 days",
            [
                "  yes   left segment base in last 7 days",
                "          2026-01-30 09:00 entered base, as the rule was new or changed",
                "          2026-02-26 09:00 left base",
            ],
        ),
        (
            "points(30 if did order in last 5 days, 20 if seats > 3) >= 40",
            [
                "  no    points(30 if did order in last 5 days, 20 if seats > 3) >= 40    (30 points)",
                "  yes     did order in last 5 days    (1 time; worth 30 points)",
                "            2026-02-28 09:00 order",
                "  no      seats > 3    (seats is 0; worth 20 points)",
            ],
        ),
        (
            "none of (did visit, seats > 3) and not in segment base",
            [
                "  no    all of:    (1 of 2 holds)",
                "  yes     none of:    (0 of 2 hold)",
                "  no        did visit    (0 times)",
                "  no        seats > 3    (seats is 0)",
                "  no      not in segment base",
                "  yes       subscribed is true    (subscribed is true)",
            ],
        ),
        (
            "not (did visit and seats > 3) or in segment base or in segment base",
            [
                "  yes   any of:    (3 of 3 hold)",
                "  yes     not all of:    (0 of 2 hold)",
                "  no        did visit    (0 times)",
                "  no        seats > 3    (seats is 0)",
                "  yes     in segment base",
                "  yes       subscribed is true    (subscribed is true)",
                "  yes     in segment base    (its rule is shown above)",
            ],
        ),
        (
            "mrr / seats > 3",
            ["  no    mrr / seats > 3    (mrr / seats is unknown; mrr is 99.5; seats is 0)"],
        ),
    ],
)
def test_each_construct_says_what_was_observed(condition: str, lines: list[str], one: World) -> None:
    assert told(one, condition) == lines


def test_events_that_two_figures_look_at_are_told_once_with_all_details(one: World) -> None:
    one.event("a", "order", AS_OF - DAY, amount=Decimal(5))
    lines = told(one, "sum(order.amount in last 5 days) / count(order in last 5 days) > 3 EUR")
    assert lines[1:] == [
        "          2026-02-28 09:00:00 order: amount 10.50 EUR",
        "          2026-02-28 09:00:00 order: amount 5 EUR",
    ] or lines[1:] == [
        "          2026-02-28 09:00:00 order: amount 5 EUR",
        "          2026-02-28 09:00:00 order: amount 10.50 EUR",
    ]


def test_earlier_events_are_counted(one: World) -> None:
    for hours in range(10):
        one.event("a", "visit", AS_OF - timedelta(hours=hours + 1), path="/")
    found = about(one, "did visit")
    assert "(10 times)\n          5 earlier, and\n          2026-03-01 04:00 visit\n" in render(found)
    rule = to_dict(found)["rule"]
    assert isinstance(rule, dict)
    assert (rule["parts"][0]["happened_earlier"], len(rule["parts"][0]["happened"])) == (5, 5)


def test_a_bucket_is_named_and_is_the_one_that_is_compared(one: World) -> None:
    found = about(one, 'bucket("x") in 0 to 0')
    assert found.verdict is not None
    (observed,) = found.verdict.parts[0].observed
    number = observed.value
    assert f'(bucket("x") is {number})' in render(found)
    assert about(one, f'bucket("x") in {number} to {number}').member is True


def test_a_very_long_rule_is_cut(one: World) -> None:
    options = ", ".join(f'"{number:03}"' for number in range(100))
    (line,) = told(one, f"country in ({options})")
    text, _, facts = line.partition("    (")
    assert (len(text.strip()), facts) == (len("no    ") + 160, 'country is "FR")')
    assert text.startswith('  no    country in ("000", ')
    assert text.endswith('…094", "095", "096", "097", "098", "099")')


def test_a_score_is_of_the_contact_asked_about_where_others_are_ranked_with_it(one: World) -> None:
    for contact, seats in (("0", 50), ("b", 70)):
        one.contact(contact, seats=Decimal(seats))
    more = (
        "model m\n  predicts did purchase in next 30 days\n  features\n"
        '    seats = current(seats)\n    french = current(country) is "FR"\n'
    )
    program = rules(f"{more}segment s where top 1 by score(m)\n")
    (reason,) = explained(one, program, contact="b", serving={"m": MODEL}).scores
    assert [(item.feature, item.value) for item in reason.contributions if item.feature == "seats"] == [("seats", 70.0)]


def test_what_a_likely_contact_lacks_is_told_with_the_threshold(one: World) -> None:
    one.contact("b", seats=Decimal(0))
    more = (
        "model m\n  predicts did purchase in next 30 days\n  features\n"
        '    seats = current(seats)\n    french = current(country) is "FR"\n'
    )
    program = rules(f"{more}segment s where points(3 if likely(m)) >= 3\n")
    (turn,) = explained(one, program, contact="b", serving={"m": MODEL}).turns
    assert turn.changes == ("score(m) from 0.268941 to at least 0.5",)


def test_lengths_of_time_and_money_in_a_score_have_their_units(one: World) -> None:
    more = (
        "model m\n  predicts did order in next 30 days\n  features\n"
        "    seats = days since last order\n    french = sum(order.amount in last 30 days)\n"
    )
    text = render(explained(one, rules(f"{more}segment s where score(m) > 0.1\n"), serving={"m": MODEL}))
    assert "  seats is 1 days" in text
    assert "  french is 60.50 EUR" in text


def test_an_event_of_yesterday_is_not_shown_under_the_days_before(one: World) -> None:
    found = about(one, "did order yesterday or did order last week")
    shown = [[item.at for item in part.witnesses] for part in found.verdict.parts[0].parts] if found.verdict else []
    assert shown == [[AS_OF - DAY], [AS_OF - 9 * DAY]]
    assert [turn.changes for turn in about(one, "did order at least 3 times last week").turns] == [
        ("2 more `order this week` (now 1), which counts from 2026-03-02 on",)
    ]


@pytest.mark.parametrize(
    ("condition", "change"),
    [
        ("entered segment base in last 2 days", "enter segment base, by what the contact is or does"),
        ("was not in segment base in last 9 days", "out of segment base at every run in last 9 days"),
    ],
)
def test_what_earlier_runs_would_have_to_record(condition: str, change: str, one: World) -> None:
    assert [turn.changes for turn in about(one, condition).turns] == [(change,)]


def test_a_negated_criterion_of_points_says_what_it_is_worth_and_what_was_observed(one: World) -> None:
    lines = told(one, "points(-20 if not consents to email, 5 if none of (did visit, seats > 3)) >= 10")
    assert "  no      not consents to email    (consent to email is given; worth -20 points)" in lines
    assert "  yes     none of:    (0 of 2 hold; worth 5 points)" in lines


def test_conditions_are_told_in_the_words_of_the_rule(one: World) -> None:
    text = (
        "segment s\n  where home within 19 mi of (48.85, 2.35) and not (seats > 3)\n    and did order where (\n"
        '      amount > 25  # a "large" one\n      and items is 2\n    ) in last 30 days\n'
    )
    lines = render(explained(one, replace(rules(text), sources={"rules.seg": text}))).splitlines()
    assert [line.partition("    (")[0].strip() for line in lines if line[2:5] in ("yes", "no ")][2:] == [
        "yes     home within 19 mi of (48.85, 2.35)",
        "yes     not (seats > 3)",
        "yes     did order where (amount > 25 and items is 2) in last 30 days",
    ]
