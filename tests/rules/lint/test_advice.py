"""The advice that is not about conditions that never or always hold."""

from __future__ import annotations

from typing import Any

import pytest

from segserver.rules.lint.seen import FREQUENT
from segserver.store import profile as profiles

PROFILE = {
    "as_of": "2026-03-01T09:00:00Z",
    "traits": {
        "country": {"kind": "text", "known": 0.9, "values": ["FR", "BE"]},
        "city": {"kind": "text", "known": 0.9, "values": [f"city {number}" for number in range(FREQUENT)]},
    },
}


def told(found: Any) -> list[tuple[str, int, str]]:
    return [(item.code, item.span.line, item.message) for item in found]


# ---- days that are left out

LEFT_OUT = "this ends at 00:00 of 2026-01-31, so the day itself is left out"


@pytest.mark.parametrize(
    ("condition", "better"),
    [
        ("created_at between 2026-01-01 and 2026-01-31", ">= 2026-01-01 and ... before 2026-02-01"),
        ("created_at between 30 days ago and 2026-01-31", ">= 30 days ago and ... before 2026-02-01"),
        ("created_at <= 2026-01-31", "before 2026-02-01"),
        ("2026-01-31 >= last_login", "before 2026-02-01"),
        ("did visit where at <= 2026-01-31", "before 2026-02-01"),
    ],
)
def test_a_day_that_ends_a_stretch_of_instants_is_left_out(condition: str, better: str, linted: Any) -> None:
    (found,) = linted(f"segment s\n  where {condition}\n")
    assert (found.code, found.message) == ("day-left-out", LEFT_OUT)
    assert found.hint == f"write `... {better}` to have all of it, or the time of day that is meant"


@pytest.mark.parametrize(
    "condition",
    [
        "created_at between 2026-01-01 and 2026-01-31 00:00",
        "created_at between 2026-01-01 and 2026-01-31 23:59",
        "created_at before 2026-01-31",
        "created_at >= 2026-01-31",
        "created_at between yesterday and today",
        "signup_date between 2026-01-01 and 2026-01-31",
        "signup_date <= 2026-01-31",
        "did visit between 2026-01-01 and 2026-01-31",
    ],
)
def test_other_bounds_leave_no_day_out(condition: str, linted: Any) -> None:
    assert not linted(f"segment s\n  where {condition}\n")


# ---- written values alone


def test_a_comparison_of_written_values_says_that_it_looks_at_nobody(linted: Any) -> None:
    why = "only written values are compared, nothing of the contact"
    cure = "compare something of the contact"
    (always,) = linted("segment s\n  where true\n")
    assert (always.code, always.message) == ("always-true", f"this holds for everybody: {why}")
    assert always.hint == f"{cure}, or allow it with a comment if everybody is meant"
    (never,) = linted("segment s\n  where 5 in (1, 2)\n")
    assert (never.code, never.message) == ("unreachable", f"this can never hold: {why}")
    assert never.hint == f"{cure}; `draft` keeps a segment from being pushed"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('"a" is "b"', ["unreachable"]),
        ('"a" is "A"', ["unreachable"]),
        ('"a" is "A" ignoring case', ["always-true"]),
        ('"a" is not "b"', ["always-true"]),
    ],
)
def test_written_texts_are_compared_too(condition: str, expected: list[str], codes: Any) -> None:
    assert codes(condition) == expected


@pytest.mark.parametrize(
    ("stay", "code", "message"),
    [
        ("false", "enters-and-leaves", "with `stay while false` whoever enters leaves at the next run"),
        ("true", "stay-leaves-out", "with `stay while true` whoever enters stays for ever"),
        ("1 > 2", "enters-and-leaves", "with `stay while 1 > 2` whoever enters leaves at the next run"),
    ],
)
def test_a_stay_while_that_says_nothing_of_the_contact_is_told_once(
    stay: str, code: str, message: str, linted: Any
) -> None:
    (found,) = linted(f"segment s\n  where subscribed\n  stay while {stay}\n")
    assert (found.code, found.span.line, found.message) == (code, 3, message)


# ---- patterns


@pytest.mark.parametrize(("pattern", "better"), [("%aris%", "*aris*"), ("Paris", "Paris*"), ("P_ris%", "P_ris*")])
def test_a_like_without_a_star_is_one_text_alone(pattern: str, better: str, linted: Any) -> None:
    (found,) = linted(f'segment s\n  where did page_view where path like "{pattern}"\n')
    assert (found.code, found.message) == (
        "like-without-star",
        f'without `*`, `like` holds for the text "{pattern}" alone',
    )
    assert found.hint == f'write `*` where any text may stand, `like "{better}"`, or `is` for this one text'


def test_a_quote_in_a_pattern_of_like_is_shown_doubled(linted: Any) -> None:
    (found,) = linted('segment s\n  where did page_view where path like "a""b"\n')
    assert '"a""b" alone' in found.message
    assert '`like "a""b*"`' in found.hint


def test_a_like_with_a_star_is_fine(codes: Any) -> None:
    assert codes('city like "*aris" and city like "100%*"') == []


def test_where_false_beside_a_manual_list_is_how_a_list_alone_is_written(linted: Any) -> None:
    assert not linted('segment s\n  where false\n  manual "vip.csv"\n')
    assert [item.code for item in linted("segment s\n  where false\n")] == ["unreachable"]


def test_why_everybody_meets_a_condition_is_not_why_nobody_does(linted: Any) -> None:
    (found,) = linted('segment s\n  where bucket("x") in 0 to 9999\n')
    assert (found.code, found.message) == ("always-true", "this holds for everybody: every value agrees with it")


# ---- unknown values inside a negation

WAYS = ((" and ", "known"), (" or ", "unknown"))
"""How the cures join what they say of several values."""


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        ('not (country is "FR")', "`country`"),
        ("not (household_size < 3 or mrr > 5)", "`household_size` or `mrr`"),
        ('none of (country is "FR", did unsubscribed)', "`country`"),
        ("not (days since last purchase < 30 days)", "`days since last purchase`"),
        ("not subscribed", "`subscribed`"),
        ("not (household_size * 2 > 3)", "`household_size * 2`"),
        ("not (percentile of mrr >= 90)", "`mrr`"),
        ("not (rich)", "`rich`"),
        ("did purchase where (not (items > 2))", "`items`"),
    ],
)
def test_unknown_values_inside_a_negation_are_named(condition: str, named: str, linted: Any) -> None:
    rich = "trait rich = household_size / 2\n" if "rich" in condition else ""
    found = linted(f"{rich}segment s\n  where {condition.replace('(rich)', '(rich > 3)')}\n")
    assert [item.code for item in found] == ["unknown-in-negation"]
    assert found[0].message == f"where {named} is unknown, this negation holds"
    values = named.split("`")[1::2]
    known, unknown = (joint.join(f"{value} is {state}" for value in values) for joint, state in WAYS)
    assert found[0].hint == f"add `and {known}` if such contacts are not meant, or say so: `{unknown} or ...`"


@pytest.mark.parametrize(
    "condition",
    [
        'country is known and not (country is "FR")',
        'not (country is "FR") or country is unknown',
        'country is not "FR" and city not in ("Paris")',
        "not (not (household_size > 3))",
        'not (country is not "FR")',
        "not (count(purchase) > 3)",
        "not (sum(purchase.items) > 3)",
        "not (did purchase or in segment t)",
        "household_size > 3",
    ],
)
def test_negations_without_unknown_values_or_with_their_question_are_left_alone(condition: str, linted: Any) -> None:
    assert linted(f"segment t where did page_view\nsegment s\n  where {condition}\n") == []


# ---- segments that mean the same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('country in ("FR", "BE") and subscribed', 'subscribed is true and country in ("BE", "FR")'),
        ("not (not (subscribed))", "subscribed"),
        ("did purchase", "count(purchase) > 0"),
        ("did not purchase", "not (did purchase)"),
        ("did purchase where (amount > 5 and items > 2)", "did purchase where (items > 2 and amount > 5)"),
        ("none of (subscribed, did purchase)", "not subscribed and did not purchase"),
        ('country is "FR" or country is "BE"', 'country in ("FR", "BE")'),
        ('first_name like "An*"', 'first_name starts with "An"'),
        ("orders > 3", "count(purchase in last 30 days) > 3"),
        ("household_size between 1 and 2", "household_size >= 1 and household_size <= 2"),
    ],
)
def test_segments_that_mean_the_same(one: str, other: str, linted: Any) -> None:
    trait = "trait orders = count(purchase in last 30 days)\n"
    found = linted(f"{trait}segment a\n  where {one}\nsegment b\n  where {other}\n")
    same = [item for item in found if item.code == "same-meaning"]
    assert [(item.message, item.span.line, [span.line for span, _ in item.related]) for item in same] == [
        ("`b` means the same as `a`", 4, [2])
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("household_size >= 5", "not (household_size < 5)"),
        ("did purchase in last 7 days", "did purchase in last 1 weeks and subscribed"),
        ("subscribed limit 10 by mrr", "subscribed"),
        ("subscribed enter after 1 day", "subscribed"),
        ("subscribed stay while verified", "subscribed"),
        ("subscribed", "in segment a"),
    ],
)
def test_segments_that_differ_or_follow_each_other_are_left_alone(one: str, other: str, linted: Any) -> None:
    one, other = (text.replace("verified", 'country is "FR"') for text in (one, other))
    found = linted(f"segment a where {one}\nsegment b where {other}\n")
    assert "same-meaning" not in [item.code for item in found]


# ---- values, caps, staying


def test_a_text_that_no_contact_had_is_named_with_the_likeliest(linted: Any) -> None:
    text = 'segment s\n  where country in ("FR", "BEL")\n    or country is not "DE" or city is "nowhere"\n'
    first, second = linted(text, PROFILE)
    assert told([first, second]) == [
        ("never-seen", 2, 'no contact had "BEL" as its `country` when profiled at 2026-03-01T09:00:00Z'),
        ("never-seen", 3, 'no contact had "DE" as its `country` when profiled at 2026-03-01T09:00:00Z'),
    ]
    assert first.hint == 'did you mean "BE"?'
    assert second.hint in ('did you mean "BE"?', 'it had "BE", "FR"')
    assert linted(text, None) == []


def test_letter_case_counts_unless_it_is_ignored(linted: Any) -> None:
    assert linted('segment s where country is "fr" ignoring case', PROFILE) == []
    assert [item.code for item in linted('segment s where country is "fr"', PROFILE)] == ["never-seen"]


def test_the_profile_lists_as_many_values_as_the_linter_believes() -> None:
    assert profiles._FREQUENT == FREQUENT


def test_a_cap_that_another_makes_idle_is_shown_with_it(linted: Any) -> None:
    (found,) = linted("caps\n  email at most 1 per day, 3 per 7 days, 20 per 30 days at risk 5%\n")
    assert told([found]) == [
        ("cap-never-binds", 2, "20 per 30 days is never reached: 3 per 7 days allows 15 in that time")
    ]
    assert (found.span.column, [span.column for span, _ in found.related]) == (42, [28])


def test_caps_that_may_bind_are_left_alone(linted: Any) -> None:
    assert linted("caps\n  email at most 1 per day, 3 per 7 days, 8 per 30 days at risk 5%\n") == []


def test_what_stay_while_leaves_out_is_named(linted: Any) -> None:
    (found,) = linted(
        'segment s\n  where country is "FR"\n    and did page_view at least 3 times in last 14 days\n'
        "    and household_size > 3\n  stay while household_size > 1\n"
    )
    assert (found.code, found.span.line) == ("stay-leaves-out", 5)
    assert [span.line for span, _ in found.related] == [2, 3]
    assert '`country is "FR"` and `did page_view at least 3 times' in found.message


def test_stay_while_that_speaks_of_everything_is_left_alone(linted: Any) -> None:
    assert (
        linted("segment s where subscribed and did purchase stay while did purchase in last 9 days and subscribed")
        == []
    )


# ---- blocks nobody uses


def test_blocks_that_nothing_reads_pushes_or_tests(linted: Any) -> None:
    found = linted(
        "trait used = count(purchase)\ntrait unused = used + 1\n"
        "segment read where used > 1\nsegment reader where in segment read\n"
        'segment tried where subscribed draft\nsegment pushed where did purchase push to hubspot list "P"\n'
        'segment asked where entered segment pushed in last 7 days push to hubspot list "A"\n'
        'test "t" at 2026-03-01 given a contact expect not in read, not in pushed, not in asked\n',
        usage=True,
    )
    assert [(item.code, item.span.line) for item in found] == [
        ("unused-trait", 2),
        ("segment-without-push", 4),
        ("segment-without-test", 4),
    ]


def test_a_placeholder_reads_its_trait(linted: Any) -> None:
    found = linted(
        "trait greeting = last(page_view.path)\nsegment s where subscribed\n"
        'caps\n  email at most 1 per day\nscenario go for s channels email send email by marketo campaign "G"\n'
        '  steps day 0 "hello_{greeting}"\n',
        usage=True,
    )
    assert [item.code for item in found] == ["segment-without-test"]


@pytest.mark.parametrize(
    ("where", "stay", "line", "column"),
    [
        ("household_size >= 3", "household_size >= 5", 3, 14),
        ("household_size >= 3", "subscribed and household_size >= 3", 3, 14),
        ("household_size >= 3 and subscribed", "household_size > 1\n    and subscribed is false", 4, 9),
        ("did purchase and mrr > 5 EUR", "did purchase and mrr between 6 and 9 EUR", 3, 31),
    ],
)
def test_what_a_newcomer_need_not_have_but_a_member_must_is_named(
    where: str, stay: str, line: int, column: int, linted: Any
) -> None:
    (found,) = linted(f"segment s\n  where {where}\n  stay while {stay}\n")
    assert (found.code, found.span.line, found.span.column) == ("enters-and-leaves", line, column)


def test_a_long_rule_is_judged_by_what_it_says_of_the_same_thing(linted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segserver.rules.lint.solver._STEPS", 20)
    others = " and ".join(f'bucket("b{place}") in 0 to 10' for place in range(30))
    found = linted(
        f"segment s\n  where household_size >= 5 and {others}\n  stay while household_size >= 3 and {others}\n"
    )
    assert "enters-and-leaves" not in [item.code for item in found]


@pytest.mark.parametrize(
    ("where", "stay"),
    [
        ("household_size >= 5", "household_size >= 3"),
        ("household_size >= 5 and household_size <= 9", "household_size between 4 and 10"),
        ("household_size >= 5", "household_size is known or subscribed"),
        ("did purchase in last 7 days", "did purchase in last 30 days"),
        ("did purchase at least 2 times in last 30 days", "did purchase in last 30 days"),
        ("in segment buyers", "did purchase"),
    ],
)
def test_what_a_newcomer_has_or_may_have_for_other_reasons_is_left_alone(where: str, stay: str, linted: Any) -> None:
    found = linted(f"segment buyers where did purchase\nsegment s\n  where {where}\n  stay while {stay}\n")
    assert "enters-and-leaves" not in [item.code for item in found]
