"""What differs is told, what does not is not, and no more often than is said."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from scipy import stats

from segserver.drift import comparison
from segserver.drift.comparison import LEAST_ROWS, drifts
from segserver.drift.profiles import KEPT_FROM, MOST_WORDS, OTHERS, FieldProfile, Profile, bin_of, middle_of

NOW = datetime(2026, 3, 1)
COUNTRIES = ("FR", "BE", "CH", "DE")


def profile(rows, *, seed=0, **fields):
    """A profile of records with fields that a function of a random generator draws."""
    dice, made = random.Random(seed), Profile()
    for _ in range(rows):
        made.add([(name, draw(dice)) for name, draw in fields.items()], NOW)
    return made


def country(*weights, missing=0.0):
    """Draws a country, or none."""
    return lambda dice: None if dice.random() < missing else dice.choices(COUNTRIES, weights)[0]


def amount(mean):
    """Draws an amount of money."""
    return lambda dice: Decimal(str(round(dice.lognormvariate(mean, 0.6), 2)))


def told(now, before):
    """Field and measure of what is told."""
    return [(one.field, one.measure) for one in drifts("contacts", now, before)]


def test_the_same_distribution_is_seldom_told():
    """Of 100 syncs with three fields each, hardly any has a word said of it."""
    alarms = 0
    for seed in range(100):
        fields = {"country": country(5, 2, 2, 1, missing=0.1), "amount": amount(3.5), "vip": lambda d: d.random() < 0.3}
        alarms += bool(told(profile(300, seed=seed, **fields), profile(600, seed=seed + 10_000, **fields)))
    assert alarms <= 1


@pytest.mark.parametrize(
    ("now", "before", "wanted"),
    [
        ({"country": country(1, 1, 1, 1, missing=0.4)}, {"country": country(1, 1, 1, 1, missing=0.02)}, "missing"),
        ({"country": country(1, 5, 1, 1)}, {"country": country(5, 1, 1, 1)}, "words"),
        ({"country": amount(3.5)}, {"country": amount(4.2)}, "spread"),
        (
            {"country": lambda dice: NOW - timedelta(days=dice.random() * 30)},
            {"country": lambda dice: NOW - timedelta(days=300 + dice.random() * 30)},
            "spread",
        ),
        ({"country": lambda _: ("a", "b")}, {"country": lambda _: ("a",)}, "words"),
    ],
)
def test_each_kind_of_difference_is_found(now, before, wanted):
    assert ("country", wanted) in told(profile(600, **now), profile(600, seed=1, **before))


def test_records_that_come_twice_are_told():
    now, before = profile(600), profile(600)
    now.repeated = 90
    (one,) = drifts("contacts", now, before)
    assert (one.field, one.measure) == (None, "repeated")
    assert one.text == "the same again are 15.0% of 600 contacts; before, 0.0%"


def test_a_sentence_says_what_came_and_what_came_before():
    now = profile(600, country=country(1, 1, 1, 1, missing=0.5))
    before = profile(600, seed=1, country=country(1, 1, 1, 1))
    (one,) = [one for one in drifts("contacts", now, before) if one.measure == "missing"]
    share = now.fields["country"].missing / 600
    assert one.text == f"`country` is missing in {share:.1%} of 600 contacts; before, in 0.0%"
    assert one.size == pytest.approx(share, abs=1e-4)


def test_words_are_named_only_where_many_share_them():
    now = profile(600, country=lambda dice: "rare" if dice.random() < 0.01 else "usual")
    before = profile(600, seed=1, country=lambda dice: f"word {dice.randrange(100)}")
    (one,) = [one for one in drifts("contacts", now, before) if one.measure == "words"]
    assert '"usual"' in one.text
    assert "rare" not in str(now.to_dict())
    assert not before.to_dict()["fields"]["country"]["names"]
    assert KEPT_FROM == 20


def test_too_few_records_are_not_spoken_of():
    few, many = profile(LEAST_ROWS - 1, country=country(1, 0, 0, 0)), profile(900, country=country(0, 0, 0, 1))
    assert told(few, many) == told(many, few) == []


def test_a_small_difference_is_not_told_however_sure_it_is():
    now = profile(200_000, country=country(50, 50, 0, 0))
    before = profile(200_000, seed=1, country=country(52, 48, 0, 0))
    assert told(now, before) == []


def test_the_chi_square_test_is_that_of_the_books():
    table = [[30, 14, 3], [11, 25, 9]]
    statistic, p, _, _ = stats.chi2_contingency(table, correction=False)
    found, size = comparison._chi_square(table)
    assert found == pytest.approx(p)
    assert size == pytest.approx((statistic / 92) ** 0.5)


def test_the_distance_is_never_more_than_that_of_the_values():
    dice = random.Random(3)
    one, other = ([dice.gauss(shift, 5) for _ in range(2_000)] for shift in (0, 2))
    profiles = [FieldProfile() for _ in range(2)]
    for made, values in zip(profiles, (one, other), strict=True):
        for value in values:
            made.add(value, NOW)
    found, _ = comparison._spread("contacts", "x", *profiles)
    exact = stats.ks_2samp(one, other)
    assert 0.6 * exact.statistic < found.size <= exact.statistic + 1e-4
    assert found.p >= exact.pvalue


def test_bins_are_in_the_order_of_numbers_and_an_eighth_of_a_doubling_near():
    numbers = [-1e6, -3.0, -0.5, 0.0, 0.25, 1.0, 1.5, 2.0, 7.0, 1e9]
    assert sorted(numbers, key=bin_of) == numbers
    for number in numbers:
        assert middle_of(bin_of(number)) == pytest.approx(number, rel=0.1, abs=1e-6)


def test_profiles_add_up_and_come_back_from_plain_data():
    fields = {"country": country(5, 2, 2, 1, missing=0.1), "amount": amount(3.5)}
    one, other = profile(300, **fields), profile(500, seed=1, **fields)
    together = Profile.from_dict(one.to_dict())
    together.merge(other)
    assert together.rows == 800
    assert together.fields["country"].words == one.fields["country"].words + other.fields["country"].words
    assert together.fields["amount"].bins.total() == 800
    assert Profile.from_dict(together.to_dict()) == together


def test_however_many_different_words_there_are_a_profile_stays_small():
    made = Profile()
    for start in range(0, 5_000, 1_000):
        made.merge(profile(1_000, seed=start, name=lambda dice: f"name {dice.random()}"))
    counts = made.fields["name"]
    assert len(counts.words) <= MOST_WORDS
    assert counts.words.total() == 5_000
    assert counts.words[OTHERS]
    assert counts.names.keys() <= counts.words.keys()
