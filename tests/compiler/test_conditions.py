"""Each condition over traits, with the contacts it holds for written by hand."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from segserver.rules.expressions.conditions import (
    All,
    AnyOf,
    AtLeast,
    Between,
    Comparison,
    Condition,
    Consents,
    Known,
    ListTest,
    Not,
    OnDay,
    OneOf,
    TextTest,
)
from segserver.rules.expressions.values import Arithmetic, CreatedAt, Instant, Points, Value
from segserver.rules.times import Ago, CalendarStart, Fixed, Unit
from segserver.specs.types import DURATION, NUMBER

from .conftest import World, day, lasting, number, text, trait, truth

A, B, C = "a", "b", "c"


def is_(left: Value, right: Value, op: str = "=", **options: bool) -> Comparison:
    return Comparison(op, left, right, **options)


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> Instant:
    return Instant(Fixed(datetime(year, month, day, hour, minute)))


def days_ago(amount: int) -> Instant:
    return Instant(Ago(amount, Unit.DAYS))


COMPARISONS = {
    "equal": (is_(trait("country"), text("FR")), "a"),
    "equality is exact to the letter's case": (is_(trait("country"), text("BE")), ""),
    "ignoring case": (is_(trait("country"), text("BE"), ignoring_case=True), "b"),
    "unequal is true for unknown": (is_(trait("country"), text("FR"), "!="), "b c d"),
    "unequal ignoring case": (is_(trait("country"), text("Be"), "!=", ignoring_case=True), "a c d"),
    "less": (is_(trait("mrr"), number(0), "<"), "b"),
    "at most": (is_(trait("mrr"), number(0), "<="), "b d"),
    "more": (is_(trait("mrr"), number("99.499999"), ">"), "a"),
    "at least, at the bound": (is_(trait("mrr"), number("99.5"), ">="), "a"),
    "two traits compared": (is_(trait("mrr"), trait("seats"), "<"), "b d"),
    "bare boolean": (is_(trait("subscribed"), truth(True)), "a"),
    "false is not unknown": (is_(trait("subscribed"), truth(False)), "b d"),
    "not true includes unknown": (is_(trait("subscribed"), truth(True), "!="), "b c d"),
    "in": (OneOf(trait("country"), (text("FR"), text("be"))), "a b"),
    "not in is the complement": (OneOf(trait("country"), (text("FR"), text("be")), negated=True), "c d"),
    "in, ignoring case": (OneOf(trait("country"), (text("fr"), text("BE")), ignoring_case=True), "a b"),
    "in numbers": (OneOf(trait("seats"), (number("10.000"), number(3))), "a d"),
    "between has both ends": (Between(trait("seats"), number(3), number(10)), "a d"),
    "between with an unknown bound": (Between(number(5), trait("mrr"), trait("seats")), ""),
    "known": (Known(trait("country")), "a b d"),
    "unknown": (Known(trait("country"), negated=True), "c"),
    "empty text is known": (is_(trait("country"), text("")), "d"),
    "consent": (Consents("email"), "a b d"),
}

ARITHMETIC = {
    "sum": (is_(Arithmetic("+", trait("mrr"), number("0.5"), NUMBER), number(100)), "a"),
    "difference of two traits": (is_(Arithmetic("-", trait("seats"), trait("mrr"), NUMBER), number(3)), "d"),
    "product is exact": (is_(Arithmetic("*", trait("mrr"), number("0.1"), NUMBER), number("9.95")), "a"),
    "product is brought back to six places": (
        is_(Arithmetic("*", trait("mrr"), number("0.1"), NUMBER), number(0)),
        "b d",
    ),
    "quotient": (is_(Arithmetic("/", trait("mrr"), trait("seats"), NUMBER), number("9.95")), "a"),
    "division by zero is unknown": (Known(Arithmetic("/", trait("mrr"), trait("seats"), NUMBER)), "a d"),
    "unknown stays unknown": (Known(Arithmetic("+", trait("mrr"), number(1), NUMBER), negated=True), "c"),
    "a product too large is unknown": (
        Known(Arithmetic("*", trait("mrr"), Arithmetic("*", number(10**6), number(10**5), NUMBER), NUMBER)),
        "b d",
    ),
    "a sum too large is unknown": (Known(Arithmetic("+", trait("seats"), number("999999999995"), NUMBER)), "b d"),
    "quotients that overflow are unknown": (
        Known(
            Arithmetic(
                "*",
                Arithmetic("/", trait("seats"), number("0.000001"), NUMBER),
                Arithmetic("/", trait("seats"), number("0.000001"), NUMBER),
                NUMBER,
            )
        ),
        "a b d",
    ),
    "a quotient compared with an exact number": (
        is_(Arithmetic("/", trait("seats"), number(4), NUMBER), number("2.5"), ">="),
        "a",
    ),
    "lengths of time added": (
        is_(Arithmetic("+", lasting(days=1), lasting(hours=12), DURATION), lasting(hours=36)),
        "a b c d",
    ),
    "a length of time times a number": (
        is_(Arithmetic("*", trait("seats"), lasting(days=1), DURATION), lasting(days=9), ">"),
        "a",
    ),
    "a length of time over a number": (
        is_(Arithmetic("/", lasting(days=30), trait("seats"), DURATION), lasting(days=3)),
        "a",
    ),
    "a length of time too long is unknown": (
        Known(Arithmetic("*", trait("seats"), lasting(days=10**8), DURATION), negated=True),
        "a c d",
    ),
    "lengths of time over each other": (
        is_(Arithmetic("/", lasting(days=30), lasting(days=3), NUMBER), trait("seats")),
        "a",
    ),
}

TEXT_TESTS = {
    "contains": (TextTest("contains", trait("stage"), "ea"), "a d"),
    "contains is exact": (TextTest("contains", trait("stage"), "LEAD"), ""),
    "contains ignoring case": (TextTest("contains", trait("stage"), "LEAD", ignoring_case=True), "a"),
    "starts with": (TextTest("starts with", trait("stage"), "cust"), "b"),
    "ends with": (TextTest("ends with", trait("stage"), "_x"), "d"),
    "like is the whole text": (TextTest("like", trait("stage"), "ead"), ""),
    "like with stars": (TextTest("like", trait("stage"), "*ead of*_x"), "d"),
    "like takes percent as it is": (TextTest("like", trait("stage"), "Head%"), ""),
    "like takes underscore as it is": (TextTest("like", trait("stage"), "lea_"), ""),
    "like takes brackets and dots as they are": (TextTest("like", trait("stage"), "l..d"), ""),
    "like ignoring case": (TextTest("like", trait("stage"), "HEAD OF 100%*", ignoring_case=True), "d"),
    "like with one star is any known text": (TextTest("like", trait("stage"), "*"), "a b d"),
    "matches anywhere": (TextTest("matches", trait("stage"), r"\d{3}"), "d"),
    "matches with alternatives, ignoring case": (
        TextTest("matches", trait("stage"), "(?i)^LEAD$|CUSTOMER"),
        "a b",
    ),
    "any of a list": (ListTest("any of", trait("topics"), ("coffee", "milk")), "b"),
    "any of a list ignoring case": (ListTest("any of", trait("topics"), ("COFFEE",), ignoring_case=True), "a b"),
    "an empty text is in no empty list": (ListTest("any of", trait("topics"), ("",), ignoring_case=True), ""),
    "all of a list": (ListTest("all of", trait("topics"), ("Coffee", "tea")), "a"),
    "none of is true for unknown and for empty": (ListTest("none of", trait("topics"), ("coffee",)), "a c d"),
    "an empty list is known": (Known(trait("topics")), "a b d"),
}

DATES = {
    "a date is its local midnight": (is_(trait("signup"), at(2026, 2, 1)), "a"),
    "a date is not a later instant of its day": (is_(trait("signup"), at(2026, 2, 1, 0, 1)), ""),
    "unequal dates include unknown": (is_(trait("signup"), at(2026, 2, 1), "!="), "b c d"),
    "before an instant within the day": (is_(trait("signup"), at(2026, 2, 1, 0, 1), "<"), "a b"),
    "before midnight": (is_(trait("signup"), at(2026, 2, 1), "<"), "b"),
    "not later than midnight": (is_(trait("signup"), at(2026, 2, 1), "<="), "a b"),
    "after midnight": (is_(trait("signup"), at(2026, 2, 1), ">"), "d"),
    "from an instant within the day on": (is_(trait("signup"), at(2026, 2, 1, 0, 1), ">="), "d"),
    "the instant may stand on the left": (is_(at(2026, 2, 1), trait("signup"), "<"), "d"),
    "thirty days ago is an instant": (is_(trait("signup"), days_ago(28), "<"), "a b"),
    "two dates": (is_(trait("signup"), day("2026-02-01"), ">="), "a d"),
    "one of some dates": (OneOf(trait("signup"), (day("2026-02-01"), day("2026-03-01"))), "a d"),
    "between dates": (Between(trait("signup"), day("2025-02-28"), day("2026-02-01")), "a b"),
    "a date against an instant of the contact": (is_(trait("signup"), trait("renewal"), ">"), "d"),
    "an instant on a local day": (OnDay(trait("renewal"), CalendarStart(Unit.DAYS, 0)), "b"),
    "an instant on the local day before": (OnDay(trait("renewal"), CalendarStart(Unit.DAYS, -1)), "d"),
    "a date on a local day": (OnDay(trait("signup"), CalendarStart(Unit.DAYS, 0)), "d"),
    "created before": (is_(CreatedAt(), days_ago(365), "<"), "a b c d"),
}

FR, LEAD, MANY = (
    is_(trait("country"), text("FR")),
    is_(trait("stage"), text("customer")),
    is_(trait("seats"), number(2), ">"),
)
ALGEBRA = {
    "all": (All((FR, MANY)), "a"),
    "any": (AnyOf((FR, LEAD)), "a b"),
    "not is the exact complement": (Not(FR), "b c d"),
    "none of": (Not(AnyOf((FR, LEAD))), "c d"),
    "at least": (AtLeast(2, (FR, LEAD, MANY)), "a"),
    "at least counts conditions as written": (AtLeast(2, (LEAD, LEAD, MANY)), "b"),
    "points": (is_(Points(((Decimal(30), FR), (Decimal(-20), MANY))), number(10)), "a"),
    "missing criteria are nought": (is_(Points(((Decimal("0.5"), FR), (Decimal(1), LEAD))), number(0)), "c d"),
}


@pytest.mark.parametrize("table", [COMPARISONS, ARITHMETIC, TEXT_TESTS, DATES, ALGEBRA])
def test_a_condition_holds_for_exactly_these_contacts(people: World, table: dict[str, tuple[Condition, str]]) -> None:
    found = {name: people.where(condition) for name, (condition, _) in table.items()}
    assert found == {name: expected for name, (_, expected) in table.items()}


def test_like_lowers_letters_as_is_does(world: World) -> None:
    for contact_id, country in (("final", "σίσυφος"), ("small", "σίσυφοσ"), ("capital", "ΣΊΣΥΦΟΣ"), ("micro", "µ")):
        world.contact(contact_id, country=country)
    for written in ("ΣΊΣΥΦΟΣ", "σίσυφος", "μ"):
        equal = world.where(is_(trait("country"), text(written), ignoring_case=True))
        assert world.where(TextTest("like", trait("country"), written, ignoring_case=True)) == equal
    assert world.where(TextTest("like", trait("country"), "*ΟΣ", ignoring_case=True)) == "capital small"
