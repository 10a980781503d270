"""The invented population behaves: buyers come back, lapse, and read their mail."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from statistics import mean

import pytest

from segserver.sandbox import people
from segserver.sandbox.population import CLOSED_WON

NOW = datetime(2026, 11, 22, 12)


@pytest.fixture(scope="module")
def population():
    """Two thousand people up to a November noon."""
    return people.generate(NOW)


@pytest.fixture(scope="module")
def bought(population):
    """Won purchases by person, in order of time."""
    found = defaultdict(list)
    for purchase in population.purchases:
        if purchase.stage == CLOSED_WON:
            found[purchase.person].append(purchase)
    return found


def test_the_same_arguments_give_the_same_people():
    """And another seed gives others."""
    first, again, other = (people.generate(NOW, people=50, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.purchases != other.purchases


def test_everything_happened_before_now_and_in_order(population):
    """Except offers that are still open."""
    assert len(population.people) == 2_000
    assert max(activity.at for activity in population.activities) <= NOW
    assert all(purchase.at <= NOW for purchase in population.purchases if purchase.stage == CLOSED_WON)
    assert [p.at for p in population.purchases] == sorted(p.at for p in population.purchases)
    assert [a.at for a in population.activities] == sorted(a.at for a in population.activities)


def test_a_few_buy_much_and_many_come_back(bought):
    """Rates of purchase differ far more than chance alone would make them."""
    counts = sorted((len(purchases) for purchases in bought.values()), reverse=True)
    repeat = sum(count > 1 for count in counts) / len(counts)
    assert 0.7 < repeat < 0.95
    assert sum(counts[: len(counts) // 5]) > 0.4 * sum(counts)


def test_coffee_buyers_buy_coffee_again(bought):
    """Who bought coffee last month buys it again far more often than others; that is what a model can learn."""
    cutoff = NOW - timedelta(days=30)

    def coffee(person, start, end):
        return any("COFFEE" in p.categories and start <= p.at < end for p in bought[person])

    active = [person for person in list(bought) if bought[person][0].at < cutoff]
    recent = [person for person in active if coffee(person, cutoff - timedelta(days=30), cutoff)]
    others = [person for person in active if person not in set(recent)]
    again, anyhow = (mean(coffee(person, cutoff, NOW) for person in group) for group in (recent, others))
    assert again > 0.4
    assert again > 5 * anyhow
    assert 150 < sum(coffee(person, cutoff, NOW) for person in active) < 600


def test_people_lapse(bought):
    """Some who spent much have not come for a month."""
    lapsed = [p for p in bought.values() if sum(x.amount for x in p) >= 300 and p[-1].at < NOW - timedelta(days=30)]
    assert 200 < len(lapsed) < 900


def test_active_people_open_more_mail(population, bought):
    """Opens go with activity."""
    sent, opened = Counter(), Counter()
    for activity in population.activities:
        if activity.type == 6:
            sent[activity.person] += 1
        if activity.type == 10:
            opened[activity.person] += 1
    buyers = {person for person, purchases in bought.items() if purchases[-1].at > NOW - timedelta(days=60)}
    lapsed = {person for person, purchases in bought.items() if purchases[-1].at < NOW - timedelta(days=200)}
    rates = [sum(opened[p] for p in group) / sum(sent[p] for p in group) for group in (buyers, lapsed)]
    assert rates[0] > 2 * rates[1]


def test_consent_is_told_alike_by_both_platforms(population):
    """Who unsubscribed is opted out at HubSpot, and gets no newsletter afterwards."""
    out = {number for number, person in enumerate(population.people) if person.lead["unsubscribed"]}
    assert 40 < len(out) < 200
    assert out == {n for n, p in enumerate(population.people) if p.properties.get("hs_email_optout") == "true"}
    left = {activity.person: activity.at for activity in population.activities if activity.type == 9}
    late = [
        a for a in population.activities if a.type == 6 and a.person in left and a.at > left[a.person] + timedelta(1)
    ]
    assert set(left) == out
    assert late == []


def test_the_platforms_do_not_know_quite_the_same_people(population):
    """Some are at one of them only, some are spelt otherwise; most have a GA client id."""
    everybody = population.people
    assert 0 < sum(not person.in_hubspot for person in everybody) < 120
    assert 0 < sum(not person.in_marketo for person in everybody) < 120
    spelt = [person for person in everybody if person.lead_email]
    assert spelt
    assert all(person.lead_email.lower() == person.email and person.lead_email != person.email for person in spelt)
    assert 0.7 < mean("ga_client_id" in person.properties for person in everybody) < 0.9
    assert 0 < sum(person.lead["emailInvalid"] for person in everybody) < 100


def test_a_customer_has_the_stage_since_the_first_purchase(population, bought):
    """The history of lifecycle stages tells no more than was known at the time."""
    for number, person in enumerate(population.people):
        assert person.stages[0][1] == "subscriber"
        expected = [(bought[number][0].at, "customer")] if bought.get(number) else []
        assert list(person.stages[1:]) == expected
