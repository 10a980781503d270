"""Raw values of vendors and spreadsheets become values of the language, or say plainly why not."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segserver.connectors.values import GRANTED, OPTED_OUT, allowed, parse, render
from segserver.specs.types import BOOLEAN, DATE, DURATION, INSTANT, NUMBER, TEXT, TEXTS, Kind, Type

PLACE = Type(Kind.PLACE)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("48.85, 2.35", (48.85, 2.35)),
        (" -90,180 ", (-90.0, 180.0)),
        (("48.85", 2.35), (48.85, 2.35)),
        ([Decimal("1.5"), "-2"], (1.5, -2.0)),
        ((None, ""), None),
        (("0", "0"), (0.0, 0.0)),
    ],
)
def test_a_place_is_latitude_and_longitude_in_one_value_or_two(raw: object, expected: object) -> None:
    assert parse(raw, PLACE) == expected


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("Paris", "'Paris' is not a place; write latitude, then longitude: 48.85, 2.35"),
        ("48,85, 2,35", "'48,85, 2,35' is not a place; write latitude, then longitude: 48.85, 2.35"),
        (48.85, "'48.85' is not a place; write latitude, then longitude: 48.85, 2.35"),
        (("48.85", None), "'48.85' alone is not a place; give latitude and longitude, or neither"),
        (("", "2.35"), "'2.35' alone is not a place; give latitude and longitude, or neither"),
        (("90.000001", "0"), "90.000001 is no latitude; it lies between -90 and 90, and latitude comes first"),
        (("0", "-180.5"), "-180.5 is no longitude; it lies between -180 and 180, and latitude comes first"),
        (("48.85", "east"), "'east' is not a number; write it in digits, such as 1234.5"),
    ],
)
def test_what_is_no_place_says_why(raw: object, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        parse(raw, PLACE)


@given(
    st.tuples(st.decimals(-90, 90, places=6, allow_nan=False), st.decimals(-180, 180, places=6, allow_nan=False)).map(
        lambda pair: (float(pair[0]), float(pair[1]))
    )
)
def test_a_rendered_place_is_read_back(place: tuple[float, float]) -> None:
    assert parse(render(place, PLACE), PLACE) == place


@pytest.mark.parametrize("type", [NUMBER, TEXT, BOOLEAN, DATE, INSTANT, TEXTS, PLACE, Type(Kind.NUMBER, "EUR")])
@pytest.mark.parametrize("raw", [None, ""])
def test_nothing_written_is_unknown_for_every_type(raw: object, type: Type) -> None:
    assert parse(raw, type) is None
    assert render(None, type) == ""


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("12.50", "12.500000"),
        (" -3 ", "-3.000000"),
        (".5", "0.500000"),
        ("1e3", "1000.000000"),
        ("0.0000005", "0.000000"),
        ("0.0000015", "0.000002"),
        ("999999999999.999999", "999999999999.999999"),
        (7, "7.000000"),
        (0.1, "0.100000"),
        (Decimal("2.5"), "2.500000"),
    ],
)
def test_numbers_are_exact_to_six_places_and_rounded_half_to_even(raw: object, expected: str) -> None:
    value = parse(raw, NUMBER)
    assert isinstance(value, Decimal)
    assert str(value) == expected


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("12,5", "'12,5' is not a number; write 12.5"),
        ("1,234.50", "'1,234.50' is not a number; write 1234.50, without separators of thousands"),
        ("1 234", "'1 234' is not a number; write 1234, without separators of thousands"),
        ("twelve", "'twelve' is not a number; write it in digits, such as 1234.5"),
        ("€12", "'€12' is not a number; write it in digits, such as 1234.5"),
        ("١٢", "'١٢' is not a number; write it in digits, such as 1234.5"),
        ("nan", "'nan' is not a number; write it in digits, such as 1234.5"),
        (math.inf, "'inf' is not a finite number"),
        (Decimal("NaN"), "'NaN' is not a finite number"),
        ("1000000000000", "'1000000000000' is too large; a number has at most 12 digits before the point"),
        (
            "999999999999.9999999",
            "'999999999999.9999999' is too large; a number has at most 12 digits before the point",
        ),
        ("1e999", "'1e999' is too large; a number has at most 12 digits before the point"),
        (True, "'True' is not a number"),
    ],
)
def test_what_is_not_a_number_says_what_to_write(raw: object, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)) as error:
        parse(raw, NUMBER)
    assert str(error.value) == reason


@pytest.mark.parametrize("raw", ["true", "TRUE", "Yes", " 1 ", 1, True])
def test_true_as_vendors_write_it(raw: object) -> None:
    assert parse(raw, BOOLEAN) is True


@pytest.mark.parametrize("raw", ["false", "No", "0", 0, False])
def test_false_as_vendors_write_it(raw: object) -> None:
    assert parse(raw, BOOLEAN) is False


@pytest.mark.parametrize("raw", ["maybe", "on", "2", 2, 1.0, " ", []])
def test_neither_true_nor_false_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="neither true nor false"):
        parse(raw, BOOLEAN)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2026-03-01T09:30:00Z", datetime(2026, 3, 1, 9, 30)),
        ("2026-03-01T09:30:00+02:00", datetime(2026, 3, 1, 7, 30)),
        ("2026-03-01T09:30:00+0000", datetime(2026, 3, 1, 9, 30)),
        ("2026-03-01T09:30:00Z+0000", datetime(2026, 3, 1, 9, 30)),
        ("2026-03-01 09:30:00.123456", datetime(2026, 3, 1, 9, 30, 0, 123456)),
        ("2026-03-01", datetime(2026, 3, 1)),
        ("1772355000000", datetime(2026, 3, 1, 8, 50)),
        (1772355000000, datetime(2026, 3, 1, 8, 50)),
        ("-86400000000", datetime(1967, 4, 7)),
        (date(2026, 3, 1), datetime(2026, 3, 1)),
        (datetime(2026, 3, 1, 9, tzinfo=timezone(timedelta(hours=9))), datetime(2026, 3, 1)),
    ],
)
def test_instants_in_every_spelling_become_naive_utc(raw: object, expected: datetime) -> None:
    assert parse(raw, INSTANT) == expected


@pytest.mark.parametrize("raw", ["01/03/2026", "1772355000", "soon", "2026-13-01", True, 3.5, "0001-01-01T00:00+14:00"])
def test_what_is_not_an_instant_is_refused_with_the_spellings(raw: object) -> None:
    with pytest.raises(ValueError, match="is not an instant"):
        parse(raw, INSTANT)


@pytest.mark.parametrize(
    "raw",
    ["2026-03-01", " 2026-03-01 ", "2026-03-01T00:00:00Z", "1772323200000", date(2026, 3, 1), datetime(2026, 3, 1)],
)
def test_dates_are_days_also_written_as_midnight(raw: object) -> None:
    value = parse(raw, DATE)
    assert value == date(2026, 3, 1)
    assert not isinstance(value, datetime)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("2026-02-30", "'2026-02-30' is not a day of the calendar"),
        ("2026-03-01T10:00:00Z", "'2026-03-01T10:00:00Z' has a time of day; declare the field as type: instant"),
        ("3/1/26", "'3/1/26' is not a date; write it as 2026-03-01"),
    ],
)
def test_what_is_not_a_date_says_why(raw: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)) as error:
        parse(raw, DATE)
    assert str(error.value) == reason


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("A;B", ("A", "B")),
        (" A ; ;B;", ("A", "B")),
        ('["A", "B;C"]', ("A", "B;C")),
        ("[]", ()),
        (["A", "B"], ("A", "B")),
        (["A", None, 3], ("A", "3")),
        (("A",), ("A",)),
    ],
)
def test_lists_come_from_semicolons_json_and_real_lists(raw: object, expected: tuple[str, ...]) -> None:
    assert parse(raw, TEXTS) == expected


@pytest.mark.parametrize("raw", ["[A, B]", "[1]", '{"a": 1}'.replace("{", "[{").replace("}", "}]"), 3, [["A"]]])
def test_what_is_not_a_list_of_text_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match=r"is not"):
        parse(raw, TEXTS)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("Ame\u0301lie", "Amélie"), (" a ", " a "), (5, "5"), (5.0, "5"), (1e15, "1000000000000000"), (True, "true")],
)
def test_text_is_nfc_and_otherwise_as_written(raw: object, expected: str) -> None:
    assert parse(raw, TEXT) == expected


@pytest.mark.parametrize("raw", ["a\0b", "\ud800", {"a": 1}, [1], b"x"])
def test_what_no_database_could_hold_is_not_text(raw: object) -> None:
    with pytest.raises(ValueError, match=r"NUL|surrogate|not text"):
        parse(raw, TEXT)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("3 days", timedelta(days=3)),
        (" 1 week ", timedelta(days=7)),
        ("1.5 hours", timedelta(minutes=90)),
        ("-1 day", timedelta(days=-1)),
        ("0.0000005 seconds", timedelta(0)),
        ("0.0000015seconds", timedelta(microseconds=2)),
        ("PT1H30M", timedelta(minutes=90)),
        ("P1W2DT0.000001S", timedelta(days=9, microseconds=1)),
        (timedelta(seconds=5), timedelta(seconds=5)),
    ],
)
def test_a_duration_is_a_number_and_its_unit_or_iso_8601(raw: object, expected: timedelta) -> None:
    assert parse(raw, DURATION) == expected


@pytest.mark.parametrize("raw", ["3", 3, "P", "PT", "P1M", "1:30:00", "3 months", "- 3 days", "1e3 days", "3 days ago"])
def test_what_is_no_duration_says_how_to_write_one(raw: object) -> None:
    with pytest.raises(ValueError, match="is not a duration; write a number and its unit, 90 minutes, or PT1H30M"):
        parse(raw, DURATION)


@pytest.mark.parametrize("raw", ["1000000.1 days", "999999999999 weeks", "P999999999W", timedelta(days=-1_000_001)])
def test_a_duration_that_no_rule_could_mean_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="is too long; a duration has at most 1,000,000 days"):
        parse(raw, DURATION)


@given(st.timedeltas(timedelta(days=-1_000_000), timedelta(days=1_000_000)))
def test_a_rendered_duration_is_read_back(length: timedelta) -> None:
    assert parse(render(length, DURATION), DURATION) == length


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(ValueError, match="…' is not a number") as error:
        parse("x" * 5000, NUMBER)
    assert len(str(error.value)) < 120


@pytest.mark.parametrize(
    ("raw", "means", "expected"),
    [
        ("true", OPTED_OUT, False),
        ("false", OPTED_OUT, True),
        ("", OPTED_OUT, True),
        (None, OPTED_OUT, True),
        ("true", GRANTED, True),
        ("false", GRANTED, False),
        ("", GRANTED, False),
        (None, GRANTED, False),
    ],
)
def test_consent_by_meaning_and_value(raw: object, means: str, expected: bool) -> None:
    assert allowed(raw, means) is expected


@pytest.mark.parametrize("means", [OPTED_OUT, GRANTED])
def test_consent_that_cannot_be_read_is_not_taken_for_an_answer(means: str) -> None:
    with pytest.raises(ValueError, match="neither true nor false"):
        allowed("unsure", means)


TEXT_VALUES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1).map(
    lambda text: unicodedata.normalize("NFC", text)
)
VALUES = st.one_of(
    st.tuples(st.just(NUMBER), st.decimals(-(10**11), 10**11, places=6, allow_nan=False)),
    st.tuples(st.just(TEXT), TEXT_VALUES),
    st.tuples(st.just(BOOLEAN), st.booleans()),
    st.tuples(st.just(DATE), st.dates()),
    st.tuples(st.just(INSTANT), st.datetimes()),
    st.tuples(st.just(TEXTS), st.lists(st.one_of(TEXT_VALUES, st.just("a;b"), st.just(""))).map(tuple)),
)


@given(VALUES)
def test_what_is_rendered_reads_back_as_the_same_value(typed: tuple[Type, object]) -> None:
    type, value = typed
    assert parse(render(value, type), type) == value


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.datetimes(timezones=st.just(UTC))))
def test_any_raw_value_is_typed_or_refused_with_a_reason(raw: object) -> None:
    for type in (NUMBER, TEXT, BOOLEAN, DATE, INSTANT, TEXTS):
        try:
            parse(raw, type)
        except ValueError as error:
            assert str(error)
