"""Who lives in the sandbox and what they have done: plain values, whoever made them.

`people.generate` invents such a population from a seed, `completejourney.load` reads a real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

CLOSED_WON = "closedwon"
CLOSED_LOST = "closedlost"
QUOTE_SENT = "presentationscheduled"


@dataclass(frozen=True, slots=True)
class Person:
    """One person as the two platforms know them.

    Attributes:
        email: as HubSpot writes it.
        created_at: when HubSpot and Marketo first saw them, naive UTC.
        properties: further HubSpot properties as text; a missing one is unknown.
        lead: Marketo fields by REST name, beside id, e-mail and dates.
        stages: lifecycle stages with the instant each was reached, oldest first.
        lead_email: as Marketo writes it; None: like `email`.
        in_hubspot: whether HubSpot knows them.
        in_marketo: whether Marketo knows them.
    """

    email: str
    created_at: datetime
    properties: Mapping[str, str] = field(default_factory=dict)
    lead: Mapping[str, object] = field(default_factory=dict)
    stages: tuple[tuple[datetime, str], ...] = ()
    lead_email: str | None = None
    in_hubspot: bool = True
    in_marketo: bool = True


@dataclass(frozen=True, slots=True)
class Purchase:
    """A deal of one person.

    Attributes:
        person: position in `Population.people`.
        at: when it was closed, or is expected to be, naive UTC.
        amount: in the account's currency.
        categories: of the things bought, without repeats.
        items: how many things.
        stage: `CLOSED_WON` for a purchase; other stages for open and lost deals.
        opened_at: when the deal was made; None: when it was closed.
    """

    person: int
    at: datetime
    amount: Decimal
    categories: tuple[str, ...]
    items: int
    stage: str = CLOSED_WON
    opened_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """Something Marketo saw one person do, or did to them.

    Attributes:
        person: position in `Population.people`.
        type: Marketo's activity type id.
        at: naive UTC.
        asset: the primary attribute: the mailing, page, form or field; None where the type has none.
        attributes: name to value.
    """

    person: int
    type: int
    at: datetime
    asset: str | None = None
    attributes: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Population:
    """Everybody and everything; purchases and activities are in order of time.

    Attributes:
        people: in any order; the platforms number them in the order in which they came to know them.
        currency: of all amounts, ISO 4217.
    """

    people: tuple[Person, ...]
    purchases: tuple[Purchase, ...]
    activities: tuple[Activity, ...]
    currency: str = "USD"
