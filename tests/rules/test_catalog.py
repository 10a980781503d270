"""Joining connections: unions, orders, and contradictions with both their places."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from segserver.errors import Severity, Span
from segserver.rules.catalog import build
from segserver.specs.catalog import Trait
from segserver.specs.connections import (
    AccountsSpec,
    ConnectionSpec,
    ConsentSpec,
    ContactsSpec,
    EventSpec,
    PropertySpec,
    TraitSpec,
)
from segserver.specs.types import NUMBER, TEXT, Kind, Type

USD = Type(Kind.NUMBER, "USD")


class Lines:
    """Hands out one place after another in a connection's file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._line = 0

    def next(self) -> Span:
        self._line += 1
        return Span(f"connectors/{self._name}.yml", self._line, 1, self._line, 9)


def connection(
    name: str,
    kind: str = "hubspot",
    *,
    traits: dict[str, Type] | None = None,
    history: bool = False,
    events: dict[str, dict[str, Type]] | None = None,
    counts_as: str | None = None,
    channels: tuple[str, ...] = (),
    audiences: bool = True,
    account: str | None = None,
    account_traits: dict[str, Type] | None = None,
) -> ConnectionSpec:
    """A connection that maps these."""
    lines = Lines(name)
    mapped = tuple(
        TraitSpec(trait, trait, type_, lines.next(), history=history) for trait, type_ in (traits or {}).items()
    )
    consent = tuple(ConsentSpec(channel, channel, "granted", lines.next()) for channel in channels)
    streams = tuple(
        EventSpec(
            event,
            None,
            tuple(PropertySpec(prop, prop, type_, lines.next()) for prop, type_ in properties.items()),
            counts_as,
            {},
            lines.next(),
        )
        for event, properties in (events or {}).items()
    )
    contacts = ContactsSpec({}, mapped, None, consent, {}, lines.next(), account)
    theirs = tuple(
        TraitSpec(trait, trait, type_, lines.next(), history=False) for trait, type_ in (account_traits or {}).items()
    )
    accounts = AccountsSpec("no", theirs, {}, lines.next()) if theirs else None
    every = timedelta(minutes=15)
    return ConnectionSpec(name, kind, contacts, streams, audiences, every, every, 0.5, {}, {}, lines.next(), accounts)


def codes(*connections: ConnectionSpec, order: tuple[str, ...] = ()) -> list[tuple[str, str, list[str]]]:
    """Code, place and other places of every finding."""
    found = build(connections, order)[1]
    return [(item.code, str(item.span), [str(span) for span, _ in item.related]) for item in found]


def test_traits_events_and_channels_are_united() -> None:
    crm = connection("crm", traits={"country": TEXT}, events={"buy": {"amount": USD}}, channels=("email",))
    web = connection("web", "ga4", events={"view": {"path": TEXT}}, channels=("sms", "email"), audiences=False)
    catalog, found = build([crm, web], [])
    assert not found
    assert catalog.traits == {"country": Trait("country", TEXT, False, ("crm",))}
    assert dict(catalog.events["view"].properties) == {"path": TEXT}
    assert catalog.channels == ("email", "sms")
    assert catalog.destinations == {"crm": "hubspot"}
    assert catalog.connections == {"crm": "hubspot", "web": "ga4"}


def test_a_shared_trait_takes_its_sources_in_the_order_given() -> None:
    crm = connection("crm", traits={"country": TEXT}, history=True)
    shop = connection("shop", "files", traits={"country": TEXT})
    catalog, found = build([crm, shop], ["shop", "crm"])
    assert not found
    assert catalog.traits["country"] == Trait("country", TEXT, False, ("shop", "crm"))


def test_a_shared_trait_without_an_order_that_names_all_is_a_finding() -> None:
    crm, shop = connection("crm", traits={"country": TEXT}), connection("shop", traits={"country": TEXT})
    expected = [("no-source-order", "connectors/shop.yml:1:1", ["connectors/crm.yml:1:1"])]
    assert codes(crm, shop) == expected
    assert codes(crm, shop, order=("crm",)) == expected
    assert codes(crm, shop, order=("shop", "crm")) == []


def test_two_types_of_one_trait_are_a_finding_with_both_places() -> None:
    crm, shop = connection("crm", traits={"size": NUMBER}), connection("shop", traits={"size": TEXT})
    assert codes(crm, shop, order=("crm", "shop")) == [
        ("type-conflict", "connectors/shop.yml:1:1", ["connectors/crm.yml:1:1"])
    ]


def test_two_units_are_two_types() -> None:
    crm, shop = connection("crm", traits={"mrr": USD}), connection("shop", traits={"mrr": NUMBER})
    assert [code for code, *_ in codes(crm, shop, order=("crm", "shop"))] == ["type-conflict"]


def test_traits_of_accounts_are_united_apart_from_those_of_contacts() -> None:
    crm = connection("crm", traits={"size": TEXT}, account="company", account_traits={"industry": TEXT, "size": NUMBER})
    catalog, found = build([crm], [])
    assert not found
    assert catalog.account_traits == {
        "industry": Trait("industry", TEXT, False, ("crm",)),
        "size": Trait("size", NUMBER, False, ("crm",)),
    }
    assert catalog.traits == {"size": Trait("size", TEXT, False, ("crm",))}
    assert catalog.account_sources == ("crm",)


def test_several_connections_that_say_whose_account_it_is_need_an_order() -> None:
    crm, shop = connection("crm", account="company"), connection("shop", account="client")
    expected = [("no-source-order", "connectors/shop.yml:1:1", ["connectors/crm.yml:1:1"])]
    assert codes(crm, shop) == expected
    assert codes(crm, shop, order=("crm",)) == expected
    assert codes(crm, shop, order=("shop", "crm")) == []
    assert build([crm, shop], ["shop", "crm"])[0].account_sources == ("shop", "crm")


def test_an_account_trait_of_several_connections_needs_no_order_but_one_type() -> None:
    crm = connection("crm", account="company", account_traits={"size": NUMBER})
    shop = connection("shop", account_traits={"size": NUMBER})
    assert codes(crm, shop) == []
    texts = connection("shop", account_traits={"size": TEXT})
    assert codes(crm, texts) == [("type-conflict", "connectors/shop.yml:2:1", ["connectors/crm.yml:2:1"])]


def test_names_of_account_traits_are_checked_like_others() -> None:
    crm = connection("crm", account="company", account_traits={"segment": TEXT, "Größe": TEXT, "größe": TEXT})
    found = build([crm], [])[1]
    assert [item.code for item in found] == ["reserved-name", "name-case"]
    assert "cannot name an account trait" in found[0].message


@pytest.mark.parametrize("name", ["account", "Account"])
def test_no_connection_is_called_account(name: str) -> None:
    assert codes(connection(name)) == [("reserved-name", f"connectors/{name}.yml:2:1", [])]


def test_two_types_of_one_property_are_a_finding() -> None:
    crm = connection("crm", events={"buy": {"amount": USD}})
    shop = connection("shop", events={"buy": {"amount": TEXT}})
    assert [code for code, *_ in codes(crm, shop)] == ["type-conflict", "double-counting"]


def test_the_same_event_from_two_connections_is_a_union_and_a_warning() -> None:
    crm = connection("crm", events={"buy": {"amount": USD}}, counts_as="email")
    shop = connection("shop", events={"buy": {"coupon": TEXT}})
    catalog, found = build([crm, shop], [])
    assert [(item.code, item.severity) for item in found] == [("double-counting", Severity.WARNING)]
    assert dict(catalog.events["buy"].properties) == {"amount": USD, "coupon": TEXT}
    assert catalog.events["buy"].sources == ("crm", "shop")
    assert catalog.events["buy"].counts_as == "email"


def test_an_event_that_counts_as_two_channels_is_a_finding() -> None:
    crm = connection("crm", events={"sent": {}}, counts_as="email")
    shop = connection("shop", events={"sent": {}}, counts_as="sms")
    assert "type-conflict" in [code for code, *_ in codes(crm, shop)]


def test_names_that_differ_only_in_case_are_a_finding() -> None:
    assert codes(connection("crm", traits={"country": TEXT, "Country": TEXT})) == [
        ("name-case", "connectors/crm.yml:2:1", ["connectors/crm.yml:1:1"])
    ]


def test_names_that_rules_cannot_write_are_a_finding() -> None:
    crm = connection(
        "crm",
        traits={"segment": TEXT, "created_at": TEXT, "first name": TEXT, "limit": TEXT},
        events={"did": {"if": TEXT}},
    )
    assert [code for code, *_ in codes(crm)] == ["reserved-name"] * 5


@pytest.mark.parametrize("key", ["analytics_consent", "ads_consent"])
def test_consent_that_no_connection_tells_is_a_finding(key: str) -> None:
    crm = connection("crm", channels=("email", "web_analytics"))
    named = replace(connection("web", "ga4"), options={key: "web_analytics"})
    assert codes(crm, named) == []
    misspelt = replace(named, options={key: "web_analitics"})
    (found,) = build([crm, misspelt], ())[1]
    assert (found.code, found.span, found.hint) == ("unknown-channel", misspelt.place, "did you mean `web_analytics`?")
    assert f"{key}: names the channel `web_analitics`" in found.message


def test_consent_to_advertising_is_never_presumed() -> None:
    crm = connection("crm", channels=("web",))
    assert crm.contacts is not None
    lines = tuple(replace(line, means="opted out") for line in crm.contacts.consent)
    presuming = replace(crm, contacts=replace(crm.contacts, consent=lines))
    named = replace(connection("web", "ga4"), options={"analytics_consent": "web", "ads_consent": "web"})
    assert codes(crm, named) == []
    (found,) = build([presuming, named], ())[1]
    assert "ads_consent: names the channel `web`, whose consent is presumed" in found.message
