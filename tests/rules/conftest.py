"""The catalog of the repository's own workspace, written by hand so that these tests need no connector."""

from __future__ import annotations

from dataclasses import replace

import pytest

from segserver.specs.catalog import Catalog, Event, Trait
from segserver.specs.types import BOOLEAN, DATE, INSTANT, NUMBER, TEXT, TEXTS, Kind, Type

USD = Type(Kind.NUMBER, "USD")
PLACE = Type(Kind.PLACE)


def workspace_catalog() -> Catalog:
    """What connectors/*.yml of the repository provide, and accounts; here `household_size` keeps its history."""
    texts = ("first_name", "country", "city", "lifecycle_stage", "age_band", "income_band")
    traits = {name: Trait(name, TEXT, name == "lifecycle_stage", ("crm",)) for name in texts}
    traits["household_size"] = Trait("household_size", NUMBER, True, ("crm",))
    mailing = {"mailing": TEXT}
    events = {
        "purchase": Event("purchase", {"amount": USD, "categories": TEXTS, "items": NUMBER}, ("crm",)),
        "page_view": Event("page_view", {"path": TEXT}, ("engage",)),
        "form_submit": Event("form_submit", {"form": TEXT}, ("engage",)),
        "email_sent": Event("email_sent", mailing, ("engage",), "email"),
        "email_open": Event("email_open", mailing, ("engage",)),
        "email_click": Event("email_click", mailing, ("engage",)),
        "unsubscribed": Event("unsubscribed", {}, ("engage",)),
        "coupon_redeemed": Event("coupon_redeemed", {"coupon": TEXT}, ("engage",)),
    }
    connections = {"crm": "hubspot", "engage": "marketo", "web": "ga4"}
    accounts = {"industry": Trait("industry", TEXT, False, ("crm",)), "seats": Trait("seats", NUMBER, False, ("crm",))}
    return Catalog(traits, events, ("email", "sms"), connections, connections, accounts, ("crm",))


def wide_catalog() -> Catalog:
    """The workspace's catalog with a trait of every type, and a connection of files."""
    base = workspace_catalog()
    more = {
        "subscribed": BOOLEAN,
        "signup_date": DATE,
        "last_login": INSTANT,
        "interests": TEXTS,
        "mrr": Type(Kind.NUMBER, "EUR"),
        "birthday": DATE,
        "home": PLACE,
    }
    traits = {**base.traits, **{name: Trait(name, kind, False, ("crm",)) for name, kind in more.items()}}
    connections = {**base.connections, "shop": "files"}
    visit = Event("visit", {"path": TEXT, "spot": PLACE, "at": INSTANT, "day": DATE}, ("engage",))
    return replace(
        base, traits=traits, events={**base.events, "visit": visit}, destinations=connections, connections=connections
    )


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """A catalog with a trait of every type."""
    return wide_catalog()


@pytest.fixture(scope="session")
def workspace() -> Catalog:
    """The catalog of the repository's own workspace."""
    return workspace_catalog()
