"""A catalog with every type of trait and property, and the words that texts and data are made of."""

from __future__ import annotations

from segserver.specs.catalog import Catalog, Event, Trait
from segserver.specs.types import BOOLEAN, DATE, INSTANT, NUMBER, TEXT, TEXTS, Kind, Type

USD = Type(Kind.NUMBER, "USD")
EUR = Type(Kind.NUMBER, "EUR")
PLACE = Type(Kind.PLACE)

TRAITS = {
    "country": (TEXT, False),
    "first_name": (TEXT, False),
    "lifecycle_stage": (TEXT, True),
    "household_size": (NUMBER, True),
    "mrr": (EUR, False),
    "budget": (USD, True),
    "quota": (NUMBER, False),
    "subscribed": (BOOLEAN, False),
    "verified": (BOOLEAN, True),
    "signup_date": (DATE, False),
    "renewal": (DATE, True),
    "last_login": (INSTANT, False),
    "interests": (TEXTS, False),
    "home_zone": (TEXT, False),
    "home": (PLACE, False),
    "birthday": (DATE, False),
}

ACCOUNT_TRAITS = {"industry": TEXT, "seats": NUMBER, "partner": BOOLEAN}

EVENTS = {
    "purchase": {
        "amount": USD,
        "items": NUMBER,
        "categories": TEXTS,
        "gift": BOOLEAN,
        "deliver_on": DATE,
        "promised": INSTANT,
        "sku": TEXT,
    },
    "page_view": {"path": TEXT, "seconds": NUMBER, "sku": TEXT},
    "unsubscribed": {},
}

CATALOG = Catalog(
    traits={
        name: Trait(name, kind, history, ("crm", "shop") if history else ("crm",))
        for name, (kind, history) in TRAITS.items()
    },
    events={name: Event(name, properties, ("shop",)) for name, properties in EVENTS.items()},
    channels=("email", "sms"),
    destinations={},
    connections={"crm": "hubspot", "shop": "files"},
    account_traits={name: Trait(name, kind, False, ("crm",)) for name, kind in ACCOUNT_TRAITS.items()},
    account_sources=("crm",),
)

WORDS = (
    *("", " ", "FR", "fr", "Été", "été", "ÉTÉ", "Straße", "STRASSE", "İzmir", "izmir", "ΣΊΣΥΦΟΣ", "σίσυφος", "σίσυφοσ"),
    *(
        "50%",
        "a_b",
        "a*b",
        "back\\slash",
        'say "hi"',
        "it's",
        "one\ntwo",
        "日本",
        "👍🏽",
        "customer",
        "Customer",
        "lead",
    ),
    *("/pricing", "/pricing/eu", "/blog", "ﬀ", "ẞ", "ǅ", "K", "Ω", "x.y", "Head of IT", "head of it"),
)
"""Texts in NFC: case pairs of several scripts, the signs of patterns, and a line break."""

LIKES = ("*", "F*", "*e", "*r*", "a*b", "*%*", "*_b", "Head of *", "/p*g/*", "*Σ*", "back\\*", "*two", "h*T")

PATTERNS = (
    *("^F", "r$", "^$", "[0-9]", r"\d", r"\w", r"^\w+$", "(?i)été", "(?i)^straße$", "e.t", "one.two", "^two", "a|b"),
    *("%", "_", r"\.", "/pricing(/.*)?$", "日", "^.$", "(?i)head of", r"\s", "^[^a-z]*$"),
)

NUMBERS = (
    *(
        "0",
        "1",
        "2",
        "3",
        "5",
        "10",
        "50",
        "100",
        "0.5",
        "0.000001",
        "-0.000001",
        "-1",
        "2.5",
        "99.999999",
        "100.000001",
    ),
    *("999999999999.999999", "-999999999999.999999", "999999999999", "1000000", "33.333333"),
)

HOME_ZONES = ("Europe/Paris", "america/new_york", "asia_slash_kathmandu", "Mars/Olympus", "")
"""What a contact's own field says of its zone: also in other spellings, and wrongly."""

COUNTRIES = ("FR", "np", "US", "Brazil")
"""Those with one zone, and those with several."""

PLACES = ((48.8566, 2.3522), (48.9, 2.4), (45.764, 4.8357), (-33.87, 151.21), (0.0, 180.0), (0.0, -180.0), (90.0, 0.0))
