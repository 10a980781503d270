"""The catalog of the repository's own workspace, written by hand so that these tests need no connector."""

from __future__ import annotations

import pytest

from segserver.specs import BOOLEAN, DATE, INSTANT, NUMBER, TEXT, TEXTS, Catalog, Event, Kind, Trait, Type

USD = Type(Kind.NUMBER, "USD")


def workspace_catalog() -> Catalog:
    """What connectors/*.yml of the repository provide; here `household_size` keeps its history, for models."""
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
    return Catalog(traits, events, ("email", "sms"), connections, connections)


def wide_catalog() -> Catalog:
    """The workspace's catalog with a trait of every type, and a connection of files."""
    base = workspace_catalog()
    more = {
        "subscribed": BOOLEAN,
        "signup_date": DATE,
        "last_login": INSTANT,
        "interests": TEXTS,
        "mrr": Type(Kind.NUMBER, "EUR"),
    }
    traits = {**base.traits, **{name: Trait(name, kind, False, ("crm",)) for name, kind in more.items()}}
    connections = {**base.connections, "shop": "files"}
    return Catalog(traits, base.events, base.channels, connections, connections)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """A catalog with a trait of every type."""
    return wide_catalog()


@pytest.fixture(scope="session")
def workspace() -> Catalog:
    """The catalog of the repository's own workspace."""
    return workspace_catalog()
