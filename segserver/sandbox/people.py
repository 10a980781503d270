"""An invented population that behaves: people visit, open, buy, and lapse.

Each person has a rate of purchase (gamma distributed, so a few buy much), tastes, a usual basket, and a day on which
they stop (geometric). Coffee buyers buy coffee again after about their own cycle. Visits come before purchases, and
people who are active open their mail. So there is something to learn that holds for people not seen before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from segserver.sandbox.population import CLOSED_LOST, QUOTE_SENT, Activity, Person, Population, Purchase

DAYS = 400
PEOPLE = 2_000
MAILING_EVERY_DAYS = 21

CATEGORIES = (
    "COFFEE", "MILK", "BREAD", "CHEESE", "FRUIT", "VEGETABLES", "CHOCOLATE", "TEA", "WINE", "PASTA", "CLEANING", "PETS",
)  # fmt: skip
PAGES = ("/", "/offers", "/coffee", "/tea", "/pantry", "/basket", "/account", "/stores")
_CITIES = {
    "FR": ("Paris", "Lyon", "Lille", "Nantes"),
    "BE": ("Brussels", "Ghent", "Liege"),
    "CH": ("Geneva", "Zurich"),
    "DE": ("Berlin", "Cologne", "Munich"),
    "UK": ("London", "Leeds"),
    "ES": ("Madrid", "Valencia"),
}
_SHARES = (0.42, 0.14, 0.1, 0.16, 0.12, 0.06)
_ZONES = {
    "FR": "Europe/Paris",
    "BE": "Europe/Brussels",
    "CH": "Europe/Zurich",
    "DE": "Europe/Berlin",
    "UK": "Europe/London",
    "ES": "Europe/Madrid",
}
_FIRST = (
    "Ada",
    "Ben",
    "Chloe",
    "David",
    "Emma",
    "Felix",
    "Gina",
    "Hugo",
    "Ines",
    "Jonas",
    "Karin",
    "Louis",
    "Marie",
    "Nora",
    "Oscar",
    "Paul",
    "Rosa",
    "Tom",
)
_LAST = (
    "Martin",
    "Bernard",
    "Dubois",
    "Peeters",
    "Janssens",
    "Müller",
    "Schmidt",
    "Weber",
    "Meier",
    "Favre",
    "Smith",
    "Jones",
    "Garcia",
    "Lopez",
    "Leroy",
)
_AGES = ("19-24", "25-34", "35-44", "45-54", "55-64", "65+")
_INCOMES = ("Under 15K", "15-24K", "25-34K", "35-49K", "50-74K", "75-99K", "100-124K")


@dataclass(frozen=True, slots=True)
class _Habits:
    """How one person behaves; rates are per day, days count from the start.

    Attributes:
        since, until: first and last active day; `until` may lie after the end.
        rate: purchases.
        basket: usual amount.
        coffee_cycle: usual days between purchases made for coffee; None for people who buy it by chance.
        tastes: weight of each category in a basket.
        opens: chance to open a mailing while active.
        left_list_on: day of unsubscribing; None if they never do.
        bounces: the address is dead.
    """

    since: float
    until: float
    rate: float
    basket: float
    coffee_cycle: float | None
    tastes: np.ndarray[tuple[int], np.dtype[np.float64]]
    opens: float
    left_list_on: float | None
    bounces: bool


def generate(now: datetime, *, people: int = PEOPLE, seed: int = 0) -> Population:
    """People and what they did over the 400 days before `now`; the same for the same arguments."""
    dice = np.random.default_rng(seed)
    start = now.replace(microsecond=0) - timedelta(days=DAYS)
    habits = [_habits(dice) for _ in range(people)]
    purchases: list[Purchase] = []
    activities: list[Activity] = []
    for number, person in enumerate(habits):
        bought = _purchases(dice, number, person, start)
        purchases += bought
        activities += _visits(dice, number, person, bought, start)
        activities += _mailings(dice, number, person, start)
    purchases += _offers(dice, habits, start)
    first = _first_purchases(purchases)
    everybody = [_person(dice, number, habits[number], first.get(number), start) for number in range(people)]
    purchases.sort(key=lambda purchase: (purchase.at, purchase.person))
    past = [activity for activity in activities if activity.at <= now]
    past.sort(key=lambda activity: (activity.at, activity.person, activity.type))
    return Population(tuple(everybody), tuple(purchases), tuple(past))


def _habits(dice: np.random.Generator) -> _Habits:
    since = 0.0 if dice.random() < 0.55 else float(dice.uniform(0, DAYS - 10))
    stays = float(dice.geometric(1 / 320))
    loves_coffee = dice.random() < 0.38
    leaves = dice.random() < 0.07
    return _Habits(
        since=since,
        until=since + stays,
        rate=float(min(dice.gamma(0.9, 0.032), 0.35)),
        basket=float(dice.lognormal(3.7, 0.5)),
        coffee_cycle=float(dice.uniform(14, 75)) if loves_coffee else None,
        tastes=dice.dirichlet(np.full(len(CATEGORIES), 0.6)),
        opens=float(dice.beta(2, 4)),
        left_list_on=since + float(dice.uniform(5, DAYS)) if leaves else None,
        bounces=dice.random() < 0.02,
    )


def _purchases(dice: np.random.Generator, number: int, person: _Habits, start: datetime) -> list[Purchase]:
    end = min(person.until, DAYS)
    count = int(dice.poisson(person.rate * max(0.0, end - person.since)))
    shopping = [(float(day), False) for day in dice.uniform(person.since, end, count)] if count else []
    made = [_basket(dice, number, person, start + _days(day), coffee=False) for day, _ in shopping]
    made += [_basket(dice, number, person, start + _days(day), coffee=True) for day in _coffee_days(dice, person, end)]
    return made


def _coffee_days(dice: np.random.Generator, person: _Habits, end: float) -> Iterator[float]:
    if person.coffee_cycle is None:
        return
    day = person.since + float(dice.uniform(0, person.coffee_cycle))
    while day < end:
        yield day
        day += float(dice.lognormal(np.log(person.coffee_cycle), 0.5))


def _basket(dice: np.random.Generator, number: int, person: _Habits, at: datetime, *, coffee: bool) -> Purchase:
    kinds = 1 + int(dice.poisson(1.5))
    chosen = {CATEGORIES[index] for index in dice.choice(len(person.tastes), size=kinds, p=person.tastes)}
    if coffee:
        chosen.add("COFFEE")
    amount = Decimal(str(round(max(3.0, float(dice.lognormal(np.log(person.basket), 0.35))), 2)))
    return Purchase(number, _second(at), amount, tuple(sorted(chosen)), len(chosen) + int(dice.poisson(2)))


def _visits(
    dice: np.random.Generator, number: int, person: _Habits, bought: list[Purchase], start: datetime
) -> Iterator[Activity]:
    """Page views: some before each purchase, some for no reason."""
    for purchase in bought:
        for _ in range(int(dice.poisson(1.6))):
            at = purchase.at - timedelta(minutes=float(dice.exponential(240)))
            page = "/coffee" if "COFFEE" in purchase.categories and dice.random() < 0.5 else _page(dice)
            yield _view(number, page, at)
    end = min(person.until, DAYS)
    for day in dice.uniform(person.since, end, int(dice.poisson(0.03 * max(0.0, end - person.since)))):
        at = _second(start + _days(float(day)))
        yield _view(number, _page(dice), at)
        if dice.random() < 0.05:
            yield Activity(number, 2, at + timedelta(minutes=2), "Contact", (("Webform ID", "1"),))


def _view(number: int, page: str, at: datetime) -> Activity:
    return Activity(number, 1, _second(at), page, (("Webpage URL", page), ("Client IP Address", "192.0.2.1")))


def _page(dice: np.random.Generator) -> str:
    return PAGES[int(dice.integers(len(PAGES)))]


def _mailings(dice: np.random.Generator, number: int, person: _Habits, start: datetime) -> Iterator[Activity]:
    """The newsletter and what became of it."""
    for issue, day in enumerate(range(11, DAYS, MAILING_EVERY_DAYS), start=1):
        gone = person.left_list_on is not None and day > person.left_list_on
        if day < person.since or gone:
            continue
        name = f"Newsletter.Issue {issue}"
        at = start + timedelta(days=day, hours=9) - timedelta(hours=start.hour, minutes=start.minute)
        at += timedelta(seconds=int(dice.integers(600)))
        yield Activity(number, 6, _second(at), name)
        if person.bounces:
            yield Activity(number, 8, _second(at) + timedelta(minutes=1), name, (("Category", "1"),))
            continue
        yield from _opened(dice, number, person, name, at, active=day <= person.until)
    if person.left_list_on is not None and person.left_list_on < DAYS:
        yield Activity(number, 9, _second(start + _days(person.left_list_on)), "Newsletter")


def _opened(
    dice: np.random.Generator, number: int, person: _Habits, name: str, at: datetime, *, active: bool
) -> Iterator[Activity]:
    if dice.random() >= (person.opens if active else person.opens * 0.15):
        return
    opened = _second(at + timedelta(hours=float(dice.exponential(7))))
    yield Activity(number, 10, opened, name, (("Device", "unknown"), ("Is Mobile Device", False)))
    if dice.random() < 0.22:
        yield Activity(number, 11, opened + timedelta(minutes=1), name, (("Link", "https://shop.example/offers"),))


def _offers(dice: np.random.Generator, habits: list[_Habits], start: datetime) -> Iterator[Purchase]:
    """Deals that are no purchases: lost ones, and open ones that close in the future."""
    for number, person in enumerate(habits):
        if dice.random() >= 0.08:
            continue
        lost = dice.random() < 0.6
        made = float(dice.uniform(person.since, DAYS - 1))
        day = float(dice.uniform(made, DAYS)) if lost else DAYS + float(dice.uniform(5, 60))
        stage = CLOSED_LOST if lost else QUOTE_SENT
        amount = Decimal(str(round(person.basket * 4, 2)))
        closed, opened = _second(start + _days(day)), _second(start + _days(made))
        yield Purchase(number, closed, amount, ("CLEANING",), 1, stage, opened)


def _first_purchases(purchases: list[Purchase]) -> dict[int, datetime]:
    first: dict[int, datetime] = {}
    for purchase in purchases:
        if purchase.stage == "closedwon":
            first[purchase.person] = min(purchase.at, first.get(purchase.person, purchase.at))
    return first


def _person(
    dice: np.random.Generator, number: int, habits: _Habits, bought_at: datetime | None, start: datetime
) -> Person:
    country = str(dice.choice(list(_CITIES), p=_SHARES))
    city = str(dice.choice(_CITIES[country]))
    first, last = str(dice.choice(_FIRST)), str(dice.choice(_LAST))
    email = f"{first}.{_plain(last)}.{number}@example.com".lower()
    created = _second(start + _days(habits.since) - timedelta(hours=1))
    left = habits.left_list_on is not None and habits.left_list_on < DAYS
    properties = {
        "firstname": first,
        "lastname": last,
        "country": country,
        "city": city,
        "hs_timezone": _ZONES[country],
    }
    properties |= _demographics(dice, number)
    if left:
        properties["hs_email_optout"] = "true"
    lead: dict[str, object] = {"firstName": first, "lastName": last, "country": country, "city": city}
    lead |= {"unsubscribed": left, "emailInvalid": habits.bounces}
    if habits.bounces:
        lead["emailInvalidCause"] = "550 no such user"
    stages = [(created, "subscriber")] + ([(bought_at, "customer")] if bought_at else [])
    spelt = email.title() if dice.random() < 0.02 else None
    known_to = dice.random()
    return Person(email, created, properties, lead, tuple(stages), spelt, known_to >= 0.03, known_to < 0.97)


def _demographics(dice: np.random.Generator, number: int) -> dict[str, str]:
    known: dict[str, str] = {}
    if dice.random() < 0.8:
        known["ga_client_id"] = f"{100_000_000 + number}.{1_700_000_000 + int(dice.integers(10_000_000))}"
    if dice.random() < 0.3:
        known["sms_consent"] = "true" if dice.random() < 0.7 else "false"
    if dice.random() < 0.6:
        known["age_band"] = str(dice.choice(_AGES))
        known["income_band"] = str(dice.choice(_INCOMES))
        known["household_size"] = str(1 + int(dice.poisson(1.4)))
    return known


def _plain(name: str) -> str:
    return name.replace("ü", "ue")


def _days(days: float) -> timedelta:
    return timedelta(days=days)


def _second(at: datetime) -> datetime:
    return at.replace(microsecond=0)
