"""Observed values for people: with units, in local time, and never so that a verdict looks wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from segserver.explain.showing import kilometres, show, turning
from segserver.specs.types import DATE, DURATION, INSTANT, NUMBER, TEXT, TEXTS, Kind, Type

EUR = Type(Kind.NUMBER, "EUR")
AT = datetime(2026, 7, 1, 22, 30, 12)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("value", "of", "shown"),
    [
        (None, EUR, "unknown"),
        (Decimal("28.200000"), EUR, "28.20 EUR"),
        (Decimal("28.000000"), EUR, "28 EUR"),
        (Decimal("28.123456"), EUR, "28.123456 EUR"),
        (Decimal("28.200000"), NUMBER, "28.2"),
        (Decimal("1234567.89"), EUR, "1234567.89 EUR"),
        (66.35249, EUR, "66.3525 EUR"),
        (19.9, EUR, "19.90 EUR"),
        (1234567.891, EUR, "1234567.89 EUR"),
        (0.000012345678, NUMBER, "0.0000123457"),
        (0.0, NUMBER, "0"),
        (100.0, NUMBER, "100"),
        (date(2026, 7, 1), DATE, "2026-07-01"),
        (AT, INSTANT, "2026-07-02 00:30"),
        (timedelta(days=318, hours=20), DURATION, "318.8 days"),
        (timedelta(hours=36), DURATION, "1.5 days"),
        (timedelta(days=1), DURATION, "1 day"),
        (timedelta(hours=5, minutes=30), DURATION, "5.5 hours"),
        (timedelta(minutes=1), DURATION, "1 minute"),
        (timedelta(seconds=3), DURATION, "0.1 minutes"),
        (["a", "b"], TEXTS, '("a", "b")'),
        ([str(number) for number in range(30)], TEXTS, '("0", "1", "2", "3", "4", "5", "6", "7" and 22 more)'),
        ("x" * 100, TEXT, '"' + "x" * 79 + '…"'),
        ({"latitude": 48.85, "longitude": 2.3512345678}, Type(Kind.PLACE), "(48.85, 2.35123)"),
    ],
)
def test_a_value_has_its_unit_and_is_as_long_as_people_read(value: object, of: Type, shown: str) -> None:
    assert show(value, of, "Europe/Paris") == shown


@pytest.mark.parametrize(
    ("value", "bound", "of", "shown"),
    [
        (0.34999999, Decimal("0.35"), NUMBER, "just below 0.35"),
        (0.35000001, Decimal("0.35"), NUMBER, "just above 0.35"),
        (0.35, Decimal("0.36"), NUMBER, "0.35"),
        (100.0000001, Decimal(100), EUR, "just above 100 EUR"),
        (30 * DAY + timedelta(seconds=5), 30 * DAY, DURATION, "just above 30 days"),
        (30 * DAY - timedelta(seconds=5), 30 * DAY, DURATION, "just below 30 days"),
        (30 * DAY, 30 * DAY, DURATION, "30 days"),
        (AT, AT.replace(second=0), INSTANT, "2026-07-02 00:30:12"),
        (AT.replace(microsecond=5), AT, INSTANT, "2026-07-02 00:30:12.000005"),
        (AT, AT - DAY, INSTANT, "2026-07-02 00:30"),
    ],
)
def test_a_value_never_looks_like_a_bound_it_differs_from(value: object, bound: object, of: Type, shown: str) -> None:
    assert show(value, of, "Europe/Paris", (Decimal(7), None, bound)) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (77.41, "77.4 km"),
        (30.0, "30.0 km"),
        (30.04, "just above 30 km"),
        (29.96, "just below 30 km"),
        (29.9, "29.9 km"),
    ],
)
def test_a_distance_never_looks_like_the_bound_it_differs_from(value: float, shown: str) -> None:
    assert kilometres(value, Decimal(30)) == shown


def test_instants_are_shown_in_local_time_whatever_the_season() -> None:
    winter = datetime(2026, 1, 1, 22, 30, tzinfo=UTC).replace(tzinfo=None)
    assert show(winter, INSTANT, "Europe/Paris") == "2026-01-01 23:30"


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (datetime(2026, 1, 1, 12, 45), "at 2026-01-01 13:45"),
        (datetime(2026, 1, 1, 12, 30, 0, 1), "right after 2026-01-01 13:30"),
        (datetime(2026, 1, 1, 12, 30, 45, 1), "at 2026-01-01 13:30:45"),
        (datetime(2026, 1, 1, 12, 31, 45, 1), "at 2026-01-01 13:31"),
    ],
)
def test_a_turn_is_never_told_at_an_instant_at_which_it_has_not_happened(at: datetime, shown: str) -> None:
    assert turning(at, "Europe/Paris", datetime(2026, 1, 1, 12, 30)) == shown
