"""Bad rules, each with its finding at its exact place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from segserver.errors import render
from segserver.rules.check import check
from segserver.specs.catalog import Catalog

WHERE = "segment s where "
AT = len(WHERE) + 1

CONVERT = "nothing is converted by itself; with a rate of your own it is `... / 1 {} * 0.9 {}`"
GAIN = "a number gets its unit by `... * 1 {0}`, and loses it by `... / 1 {0}`"

CONDITIONS = [
    # names
    ('contry is "FR"', "unknown-name", 0, "did you mean `country`?"),
    (
        "unsubscribed",
        "unknown-name",
        0,
        "`unsubscribed` is an event: write `did unsubscribed` or `count(unsubscribed)`",
    ),
    ("did purchse", "unknown-event", 4, "did you mean `purchase`?"),
    ("did purchase where amout > 5", "unknown-property", 19, "did you mean `amount`?"),
    (
        'did purchase where country is "FR"',
        "unknown-property",
        19,
        "`country` is a trait of the contact: compare it outside `where`",
    ),
    ("sum(purchase.amout) > 5", "unknown-property", 13, "did you mean `amount`?"),
    ("in segment vp", "unknown-segment", 11, None),
    ("score(buy) > 0.5", "unknown-model", 6, None),
    ("likely(buy)", "unknown-model", 7, None),
    ("consents to mail", "unknown-channel", 12, "did you mean `email`?"),
    # types
    ('household_size = "3"', "type-mismatch", 0, "numbers stand without quotes: 3"),
    ("country is 5", "type-mismatch", 0, 'text stands in quotes: "5"'),
    ("country", "type-mismatch", 0, 'compare it: `... is "FR"`, or `... is known`'),
    ("subscribed > false", "type-mismatch", 11, "write `is true` or `is false`"),
    ("subscribed in (true)", "type-mismatch", 0, None),
    ('interests is "x"', "type-mismatch", 0, "for a list write `contains` or `contains any of (...)`"),
    ('interests in ("x")', "type-mismatch", 0, "write `contains any of (...)`"),
    ('interests starts with "x"', "type-mismatch", 10, "for a list write `contains`"),
    ('country contains any of ("x")', "type-mismatch", 0, "for a text write `in (...)`, or `contains` with one text"),
    ("interests contains any of (5)", "type-mismatch", 27, "text stands in quotes"),
    ("city contains household_size", "type-mismatch", 14, 'for example `contains "abc"`'),
    ("household_size ignoring case", "syntax-error", 15, None),
    ("household_size = 3 ignoring case", "type-mismatch", 0, "leave `ignoring case` out"),
    ('city matches "x" ignoring case', "type-mismatch", 0, "start the pattern with (?i) instead"),
    ("country before today", "type-mismatch", 0, "for example `created_at before 30 days ago`"),
    ('created_at before "2026-01-01"', "type-mismatch", 18, "dates stand without quotes: 2026-03-01"),
    ("created_at is 2026-01-01", "type-mismatch", 14, "write `on` the day"),
    ("created_at on 30 days ago", "type-mismatch", 14, "for example `on 2026-03-01`, `on today`"),
    ("created_at on 2026-01-01 09:00", "type-mismatch", 14, "for example `on 2026-03-01`, `on today`"),
    ("created_at > 3 days", "type-mismatch", 0, "write `before 30 days ago` or `after 30 days ago`"),
    (
        "created_at + 3 days > today",
        "type-mismatch",
        0,
        "compare instants with `before` and `after`, and `30 days ago`",
    ),
    ("sum(page_view.path) > 3", "type-mismatch", 14, "it takes number; `distinct` counts different values"),
    ("most frequent(purchase.categories) is known", "type-mismatch", 23, None),
    (
        "count(purchase.amount) > 3",
        "type-mismatch",
        15,
        "write `count(purchase)`, or `distinct(purchase.amount)` for different values",
    ),
    ("sum(purchase) > 3", "type-mismatch", 4, "write `sum(purchase.amount ...)`"),
    ("did purchase where (did page_view)", "type-mismatch", 20, "put this condition outside `where`"),
    ("did purchase where count(page_view) > 3", "type-mismatch", 19, "put this condition outside `where`"),
    (
        "city > 5",
        "text-order",
        5,
        "texts have no order here; declare the trait as a number or a date in its connection",
    ),
    ('city > "Lyon"', "text-order", 5, None),
    ('city between "a" and "b"', "text-order", 0, None),
    (
        "max(page_view.path) is known",
        "type-mismatch",
        14,
        "it takes date, instant or number; `distinct` counts different values",
    ),
    # units
    ("mrr > 5 USD", "unit-mismatch", 0, CONVERT.format("EUR", "USD")),
    ("sum(purchase.amount) + mrr > 5", "unit-mismatch", 0, CONVERT.format("USD", "EUR")),
    ("household_size > mrr", "unit-mismatch", 0, GAIN.format("EUR")),
    ("5 between 1 USD and 5 EUR", "unit-mismatch", 0, CONVERT.format("USD", "EUR")),
    ("5 in (1 USD, 2 EUR)", "unit-mismatch", 5, "write one condition for each unit"),
    ('country is ""', "empty-pattern", 11, "write `is unknown`"),
    ('country is not ""', "empty-pattern", 15, "write `is known`"),
    ('country in ("FR", "")', "empty-pattern", 18, "write `is unknown`"),
    ("household_size > 3 days", "type-mismatch", 0, "a length of time becomes a number by `... / 1 day`"),
    ("mrr * mrr > 5", "unit-mismatch", 0, "only one side may have a unit"),
    ("1 / mrr > 5", "unit-mismatch", 0, "only one side may have a unit"),
    ("count(purchase) > 5 USD", "unit-mismatch", 0, GAIN.format("USD")),
    ("mrr in (5 EUR, 6 USD)", "unit-mismatch", 15, CONVERT.format("EUR", "USD")),
    ("days since last purchase > 3", "duration-needs-unit", 27, "write `3 days`"),
    ("days since last purchase between 3 and 5 days", "duration-needs-unit", 33, "write `3 days`"),
    ("did purchase in last 3", "duration-needs-unit", 21, "for example `3 days`"),
    ("did purchase in last 3 dyas", "duration-needs-unit", 23, "did you mean `days`?"),
    ("days since last purchase > 3 months", "calendar-duration", 27, "for example `90 days`"),
    # values
    ("household_size > 1.1234567", "bad-number", 17, "use fewer digits"),
    ("household_size > 1234567890123", "bad-number", 17, "use fewer digits"),
    ("household_size > 0.00001%", "bad-number", 17, "use fewer digits"),
    ("signup_date in (2026-03-01, 2026-03-02 09:00)", "type-mismatch", 28, "write 2026-03-02"),
    ("did purchase at least 0 times", "bad-number", 22, None),
    ("did purchase at least 1.5 times", "bad-number", 22, "for example `1`"),
    ("did purchase between 5 and 2 times", "reversed-between", 13, "write `between 2 and 5 times`"),
    ("did purchase in last 300 years", "bad-number", 21, None),
    ("at least 3 of (country is known, city is known)", "bad-number", 9, None),
    ("created_at after 2026-02-30", "bad-date", 17, "write year-month-day: 2026-03-01"),
    ("created_at after 2026-03-01 25:00", "bad-date", 17, "write year-month-day: 2026-03-01"),
    ("created_at on 9999-12-31", "bad-date", 14, "write a year from 1000 to 8999"),
    ("did purchase between 0999-12-31 and 2026-03-01", "bad-date", 21, "write a year from 1000 to 8999"),
    ("country in ()", "empty-in", 11, "list at least one value"),
    ("interests contains none of ()", "empty-in", 27, "list at least one value"),
    ('city contains ""', "empty-pattern", 14, None),
    ('city like ""', "empty-pattern", 10, None),
    ("did purchase in last 0 days", "empty-window", 21, "write a length above 0"),
    ("did purchase in next 3 days", "future-window", 13, "write `in last ...`"),
    ("household_size between 5 and 3", "reversed-between", 0, "swap the bounds"),
    ("created_at between 2026-02-01 and 2026-01-01", "reversed-between", 0, "swap the bounds"),
    ("did purchase between 2026-02-01 and 2026-01-01", "reversed-between", 13, None),
    ('city matches "(?=x)"', "bad-regex", 13, None),
    ('city matches "(a)\\1"', "bad-regex", 13, "write the repeated part out"),
    ('city matches "(a"', "bad-regex", 13, None),
    ('city matches "((a{999}){999}){999}"', "bad-regex", 13, None),
    ("did purchase where amount > 5 and items > 3", "where-needs-parentheses", 34, None),
    ("did purchase where amount > 5 in last 3 days or items > 3", "where-needs-parentheses", 48, None),
    ("count(purchase where amount > 5 and items > 3) > 2", "where-needs-parentheses", 32, None),
    ("30 days < days since last purchase where amount > 5 and items > 3", "where-needs-parentheses", 56, None),
    # syntax
    ("country", "type-mismatch", 0, 'compare it: `... is "FR"`, or `... is known`'),
    ("country is", "syntax-error", 10, None),
    ('country si "FR"', "syntax-error", 8, "did you mean `is`?"),
    ('country = = "FR"', "syntax-error", 10, "one sign is enough: `=`, `<=`, `>=`"),
    ("country is known known", "syntax-error", 17, None),
    ("country is not known", "syntax-error", 8, "write `is unknown`"),
    ("household_size ! 3", "syntax-error", 15, "write `is not` for inequality and `not` before a condition"),
    ("country is “FR”", "syntax-error", 11, 'text stands between straight double quotes: "FR"'),
    ('country is "FR', "syntax-error", 11, 'put a `"` at its end, on the same line'),
    ("country is known and", "syntax-error", 17, None),
    ("or country is known", "syntax-error", 0, None),
    ("country is known and and city is known", "syntax-error", 17, None),
    ("not", "syntax-error", 0, None),
    ("(country is known", "syntax-error", 0, None),
    ("country is known)", "syntax-error", 16, None),
    ("()", "syntax-error", 1, None),
    ("(country is known) city is known", "syntax-error", 19, "join conditions with `and` or `or`"),
    ("any of () ", "syntax-error", 0, None),
    ("any of (country is known,)", "syntax-error", 24, None),
    ("did", "syntax-error", 3, None),
    (
        "did purchase in last week",
        "syntax-error",
        21,
        "say how long: `in last 7 days`; the calendar week is `last week`, without `in`",
    ),
    ("did purchase in last 3 days where amount > 5", "syntax-error", 28, None),
    (
        "did purchase where not amount > 5",
        "syntax-error",
        19,
        "`where` takes one comparison, or several in parentheses",
    ),
    ("points(country is known) > 3", "syntax-error", 7, 'for example `30 if country is "FR"`'),
    ("points(3 if) > 3", "syntax-error", 9, None),
    ("score(if) > 0.5", "syntax-error", 6, "`if` is a keyword"),
]


@pytest.mark.parametrize(("written", "code", "offset", "hint"), CONDITIONS)
def test_a_bad_condition_has_one_finding_at_its_place(
    written: str, code: str, offset: int, hint: str | None, catalog: Catalog
) -> None:
    program, found = check({"x.seg": WHERE + written}, catalog, zone="UTC")
    assert program is None
    assert [(item.code, item.span.line, item.span.column) for item in found] == [(code, 1, AT + offset)]
    if hint is not None:
        assert found[0].hint == hint


UNCLOSED = [
    (
        'contry is "x" and (city is known and cty is "y"',
        [("unknown-name", 0), ("syntax-error", 18), ("unknown-name", 37)],
    ),
    ('not (contry is "x" or cty is "y"', [("syntax-error", 4), ("unknown-name", 22)]),
    (
        'contry is "x" and did purchase where (amount > 5 and itms > 3 in last 3 days',
        [("unknown-name", 0), ("syntax-error", 37)],
    ),
    ("any of (country is known, contry is known and cty is known", [("syntax-error", 7)]),
    ("contry is known and city is known)", [("syntax-error", 33)]),
]


@pytest.mark.parametrize(("written", "expected"), UNCLOSED)
def test_an_open_parenthesis_hides_only_what_it_may_hold(
    written: str, expected: list[tuple[str, int]], catalog: Catalog
) -> None:
    found = check({"x.seg": WHERE + written}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.column - AT) for item in found] == expected


HOT = "model hot\n  predicts did purchase in next 30 days\n  features household_size\n"


@pytest.mark.parametrize(
    ("condition", "column", "hint"),
    [
        ("score(hot) >= 70", 31, "write 0.7 or 70%"),
        ("score(hot) < -0.1", 29, None),
        ("score(hot) between 0.5 and 1.5", 44, None),
    ],
)
def test_a_score_is_compared_within_its_range(condition: str, column: int, hint: str | None, catalog: Catalog) -> None:
    found = check({"x.seg": f"{HOT}segment s where {condition}"}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.line) for item in found] == [("score-range", 4)]
    assert hint is None or hint in (found[0].hint or "")


SEGMENT = "segment s\n  where country is known\n  "
CLAUSES = [
    ('push to hubspt list "x"', [("unknown-connection", 11)]),
    ('push to hubspot lst "x"', [("bad-target", 19)]),
    ('push to ga4 list "x"', [("bad-target", 15)]),
    ('push to ga4 user property "1x"', [("bad-target", 29)]),
    ('push to ga4 user property "ga_x"', [("bad-target", 29)]),
    ('push to ga4 user property "user_id"', [("bad-target", 29)]),
    ('push to ga4 user property "abcdefghijklmnopqrstuvwxy"', [("bad-target", 29)]),
    ('push to shop file "x.txt"', [("bad-target", 21)]),
    ('push to hubspot list ""', [("bad-target", 24)]),
    ("push to hubspot list", [("syntax-error", 23)]),
    ("push to", [("syntax-error", 3)]),
    ("minimum size 0", [("bad-number", 16)]),
    ("minimum size 2.5", [("bad-number", 16)]),
    ("minimum size many", [("syntax-error", 16)]),
    ("alert when size changes by more than 20", [("syntax-error", 40)]),
    ("block push when size changes by more than 0%", [("bad-number", 45)]),
    ("owner crm", [("syntax-error", 9)]),
    ("draft true", [("syntax-error", 9)]),
    ("minimum size 5\n  minimum size 6", [("duplicate-clause", 3)]),
]


@pytest.mark.parametrize(("clause", "expected"), CLAUSES)
def test_a_bad_clause_of_a_segment_has_its_place(
    clause: str, expected: list[tuple[str, int]], catalog: Catalog
) -> None:
    found = check({"x.seg": SEGMENT + clause}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.column) for item in found] == expected


FILES = [
    ("segmnt s where country is known", [("syntax-error", 1, 1)]),
    ("segment where country is known", [("syntax-error", 1, 9)]),
    ("segment", [("syntax-error", 1, 1)]),
    ("segment s", [("missing-clause", 1, 9)]),
    ("segment s is x", [("syntax-error", 1, 11)]),
    ("trait t", [("syntax-error", 1, 7)]),
    ("trait t is 5", [("syntax-error", 1, 9)]),
    ("trait t =", [("syntax-error", 1, 9)]),
    ("trait country = household_size", [("duplicate-name", 1, 7)]),
    ("trait created_at = household_size", [("duplicate-name", 1, 7)]),
    ("trait t = 1 trait t = 2", [("duplicate-name", 1, 19)]),
    ("trait t = t + 1", [("cycle", 1, 7)]),
    ("trait a = b\ntrait b = c\ntrait c = a", [("cycle", 1, 7)]),
    ("caps", [("missing-clause", 1, 1)]),
    ("caps email at most 1 per day caps sms at most 1 per day", [("second-caps", 1, 30)]),
    ("caps email at most 1 per day, 2 per 24 hours", [("duplicate-clause", 1, 31)]),
    ("caps email at most 1 per day email at most 3 per 7 days", [("duplicate-clause", 1, 30)]),
    ("caps email at most 1 per month", [("calendar-duration", 1, 26)]),
    ("caps email at most 1 per day at risk 100%", [("bad-number", 1, 38)]),
    ("caps fax at most 1 per day", [("unknown-channel", 1, 6)]),
    ("model m", [("missing-clause", 1, 7), ("missing-clause", 1, 7)]),
    ("model m predicts country is known features household_size", [("type-mismatch", 1, 18)]),
    ("model m predicts did purchase features household_size", [("future-window", 1, 18)]),
    ("model m predicts did purchase in next 1 month features household_size", [("calendar-duration", 1, 39)]),
    ("model m predicts did purchase in next 3 days features country", [("type-mismatch", 1, 55)]),
    ("model m predicts did purchase in next 3 days features a = 1, a = 2", [("duplicate-name", 1, 62)]),
    ("model m predicts did purchase in next 3 days features a = score(m)", [("cycle", 1, 7)]),
    ("model m predicts did purchase in next 3 days features household_size algorithm magic", [("unknown-name", 1, 80)]),
    ("model m predicts did purchase in next 3 days features household_size require auc >= 7", [("bad-number", 1, 85)]),
    (
        "model m predicts did purchase in next 3 days features household_size threshold top 200%",
        [("bad-number", 1, 84)],
    ),
    ('test "t"', [("missing-clause", 1, 6), ("missing-clause", 1, 6)]),
    ("test t", [("syntax-error", 1, 6)]),
]


@pytest.mark.parametrize(("text", "expected"), FILES)
def test_a_bad_block_has_its_findings(text: str, expected: list[tuple[str, int, int]], catalog: Catalog) -> None:
    found = check({"x.seg": text}, catalog, zone="UTC")[1]
    places = sorted((item.code, item.span.line, item.span.column) for item in found)
    assert places == sorted(expected)


def test_a_cycle_prints_all_its_steps_with_their_places(catalog: Catalog) -> None:
    sources = {"a.seg": "segment a where in segment b", "b.seg": "segment b where t\ntrait t = score(m) > 0.5",
               "m.seg": "model m\n predicts did purchase in next 3 days\n features x = in segment a"}  # fmt: skip
    (found,) = check(sources, catalog, zone="UTC")[1]
    assert found.code == "cycle"
    assert found.message == "this reads itself: segment a -> segment b -> trait t -> model m -> segment a"
    assert [(str(span), note) for span, note in found.related] == [
        ("a.seg:1:28", "segment a reads segment b"),
        ("b.seg:1:17", "segment b reads trait t"),
        ("b.seg:2:17", "trait t reads model m"),
        ("m.seg:3:26", "model m reads segment a"),
    ]


def test_two_cycles_are_two_findings_and_readers_behind_them_have_none(catalog: Catalog) -> None:
    text = "trait a = b trait b = a trait c = d trait d = c trait e = a + c"
    found = check({"x.seg": text}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.column) for item in found] == [("cycle", 7), ("cycle", 31)]


def test_a_duplicate_name_shows_both_places(catalog: Catalog) -> None:
    sources = {"a.seg": "segment s where country is known", "b.seg": "\nsegment s where city is known"}
    (found,) = check(sources, catalog, zone="UTC")[1]
    assert (found.code, str(found.span)) == ("duplicate-name", "b.seg:2:9")
    assert [str(span) for span, _ in found.related] == ["a.seg:1:9"]


def test_of_a_long_line_only_what_is_around_the_place_is_shown(catalog: Catalog) -> None:
    text = f"segment s where {'country is known and ' * 50}contry is known{' and country is known' * 50}"
    shown = render(check({"x.seg": text}, catalog, zone="UTC")[1], {"x.seg": text}).splitlines()
    line, carets = shown[1:3]
    assert len(line) == len("     1 | ") + len("…") + 120 + len("…")
    assert (line[9], line[-1]) == ("…", "…")
    assert line[carets.index("^") : carets.rindex("^") + 1] == "contry"


def test_a_mark_that_reaches_beyond_the_shown_part_ends_with_it(catalog: Catalog) -> None:
    text = f"segment s where {'(' * 5000}country is known{')' * 5000}"
    shown = render(check({"x.seg": text}, catalog, zone="UTC")[1], {"x.seg": text})
    assert max(len(line) for line in shown.splitlines()) < 200


@pytest.mark.parametrize(
    "name", ["../../x.csv", "/tmp/y.csv", "deep/../../x.csv", "deep\\\\x.csv", ".hidden.csv", "deep/.x.csv"]
)
def test_an_audience_file_outside_its_folder_is_refused_at_its_place(name: str, offices: Catalog) -> None:
    text = f'segment s where country is known push to files file "{name}"'
    (found,) = check({"x.seg": text}, offices, zone="UTC")[1]
    assert (found.code, found.span.column) == ("bad-target", text.index('"') + 1)


@pytest.mark.parametrize("name", ["GOOD.csv", "./good.csv"])
def test_two_names_of_one_file_are_a_shared_target(name: str, offices: Catalog) -> None:
    blocks = (f'segment {one} where country is known push to files file "{file}"' for one, file in _two(name))
    (found,) = check({"x.seg": "\n".join(blocks)}, offices, zone="UTC")[1]
    assert (found.code, found.span.line) == ("shared-target", 2)
    assert [str(span.line) for span, _ in found.related] == ["1"]


def _two(name: str) -> list[tuple[str, str]]:
    return [("a", "good.csv"), ("b", name)]


@pytest.fixture
def offices(catalog: Catalog) -> Catalog:
    """The catalog with a folder of audience files."""
    connections = {**catalog.connections, "files": "files"}
    return replace(catalog, connections=connections, destinations=connections)


@pytest.mark.parametrize("condition", ["city > 3", "3 < city"])
def test_a_text_compared_with_a_number_by_order_is_told_that_texts_have_none(condition: str, catalog: Catalog) -> None:
    (found,) = check({"x.seg": f"segment s where {condition}"}, catalog, zone="UTC")[1]
    assert (found.code, found.hint is not None and "quotes" in found.hint) == ("text-order", False)


def test_a_faulty_trait_causes_no_findings_where_it_is_read(catalog: Catalog) -> None:
    text = "trait t = contry\nsegment s where t > 5 and t + 1 < 3"
    found = check({"x.seg": text}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.line) for item in found] == [("unknown-name", 1)]


def test_findings_of_all_files_come_at_once_in_order(catalog: Catalog) -> None:
    sources = {"b.seg": "trait t = contry\ntrait u = contry", "a.seg": "trait v = contry"}
    found = check(sources, catalog, zone="UTC")[1]
    assert [str(item.span) for item in found] == ["a.seg:1:11", "b.seg:1:11", "b.seg:2:11"]
