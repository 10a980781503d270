"""The catalog: everything the connections of a workspace provide, joined."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from segserver.errors import Diagnostic, Span
from segserver.rules.checking.scope import CREATED_AT
from segserver.rules.findings import Findings
from segserver.rules.reading.keywords import ACCOUNT, RESERVED
from segserver.rules.reading.source import NAME_PATTERN
from segserver.rules.suggest import did_you_mean
from segserver.specs.catalog import Catalog, Event
from segserver.specs.catalog import Trait as CatalogTrait
from segserver.specs.connections import ConnectionSpec, EventSpec, TraitSpec
from segserver.specs.types import Type

_NAME = re.compile(NAME_PATTERN)

Mapped = list[tuple[str, TraitSpec]]
"""One trait's mappings, each with its connection."""


def build(connections: Sequence[ConnectionSpec], order: Sequence[str]) -> tuple[Catalog, tuple[Diagnostic, ...]]:
    """Join connections to one catalog.

    Args:
        connections: all connections of the workspace.
        order: connection names in the order in which the first known value of a shared trait wins.

    Returns:
        The catalog, and what is wrong with the connections taken together. Where two connections contradict each
        other the first one's type is taken, so that rules can be checked all the same.
    """
    findings = Findings()
    mapped: dict[str, Mapped] = {}
    account_traits: dict[str, Mapped] = {}
    streams: dict[str, list[tuple[str, EventSpec]]] = {}
    for connection in connections:
        for trait in connection.contacts.traits if connection.contacts else ():
            mapped.setdefault(trait.name, []).append((connection.name, trait))
        for trait in connection.accounts.traits if connection.accounts else ():
            account_traits.setdefault(trait.name, []).append((connection.name, trait))
        for event in connection.events:
            streams.setdefault(event.name, []).append((connection.name, event))
    _check_connections(connections, findings)
    _check_names("trait", {name: specs[0][1].place for name, specs in mapped.items()}, findings)
    _check_names("account trait", {name: specs[0][1].place for name, specs in account_traits.items()}, findings)
    _check_names("event", {name: specs[0][1].place for name, specs in streams.items()}, findings)
    channels = [line.channel for item in connections if item.contacts for line in item.contacts.consent]
    catalog = Catalog(
        traits={name: _trait(name, specs, order, findings) for name, specs in mapped.items()},
        events={name: _event(name, specs, findings) for name, specs in streams.items()},
        channels=tuple(dict.fromkeys(channels)),
        destinations={item.name: item.kind for item in connections if item.audiences},
        connections={item.name: item.kind for item in connections},
        account_traits={name: _account_trait(name, specs, order, findings) for name, specs in account_traits.items()},
        account_sources=_account_sources(connections, order, findings),
    )
    _check_agreements(connections, catalog.channels, findings)
    return catalog, findings.sorted()


def _check_agreements(connections: Sequence[ConnectionSpec], channels: Collection[str], findings: Findings) -> None:
    """Report consent that a destination asks for and that no connection tells: nobody would ever have given it."""
    presumed = {
        line.channel
        for item in connections
        if item.contacts
        for line in item.contacts.consent
        if line.means != "granted"
    }
    for connection in connections:
        for key in ("analytics_consent", "ads_consent"):
            channel = connection.options.get(key)
            if channel and channel not in channels:
                message = f"{key}: names the channel `{channel}`, for which no connection has consent"
                otherwise = "add it under contacts: consent: of the connection that knows"
                hint = did_you_mean(str(channel), channels, otherwise=otherwise)
                findings.error("unknown-channel", connection.place, message, hint)
            elif key == "ads_consent" and channel in presumed:
                message = f"{key}: names the channel `{channel}`, whose consent is presumed where nothing is known"
                hint = f"write `means: granted` in every consent line of {channel}, or name another channel"
                findings.error("unknown-channel", connection.place, message, hint)


def _check_connections(connections: Iterable[ConnectionSpec], findings: Findings) -> None:
    """Report connections whose fields could not be told from an account's traits in rules."""
    for connection in connections:
        if connection.name.casefold() == ACCOUNT:
            message = f"`{connection.name}` cannot name a connection: in rules `{ACCOUNT}.` begins an account's trait"
            findings.error("reserved-name", connection.place, message, "rename the file, to `crm.yml` for example")


def _check_names(kind: str, places: Mapping[str, Span], findings: Findings) -> None:
    """Report names that cannot be written in rules, and names that differ only in letter case."""
    folded: dict[str, str] = {}
    for name, place in places.items():
        if name in RESERVED or (kind == "trait" and name == CREATED_AT):
            message = (
                f"`{name}` is a keyword of the rule language and cannot name a{'n' if kind[0] in 'ae' else ''} {kind}"
            )
            findings.error("reserved-name", place, message, f"call it something else: `my_{name}: {{from: ...}}`")
        elif not _NAME.fullmatch(name):
            message = f"`{name}` cannot be written in a rule"
            findings.error(
                "reserved-name", place, message, "a name is letters, digits and `_`, not starting with a digit"
            )
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            related = ((places[other], f"`{other}`"),)
            message = f"the {kind}s `{other}` and `{name}` differ only in letter case"
            findings.error("name-case", place, message, "use one spelling in all connections", related)


# ---- traits --------------------------------------------------------------------------------------------------------


def _trait(name: str, specs: Mapped, order: Sequence[str], findings: Findings) -> CatalogTrait:
    kind = _one_type(f"trait `{name}`", specs, findings)
    places = [(connection, spec.place) for connection, spec in specs]
    message = f"the trait `{name}` comes from {{sources}}, and no order says which value wins"
    _check_order(places, order, message, "mapped by {source} too", findings)
    history = all(spec.history for _, spec in specs)
    return CatalogTrait(name, kind, history, _ranked((source for source, _ in specs), order))


def _one_type(what: str, specs: Mapped, findings: Findings) -> Type:
    """The type of the first mapping, with which the others must agree."""
    first_connection, first = specs[0]
    for connection, spec in specs[1:]:
        if spec.type != first.type:
            related = ((first.place, f"{first.type} in {first_connection}"),)
            message = f"the {what} is {spec.type} in {connection}"
            findings.error("type-conflict", spec.place, message, "declare the same type in both", related)
    return first.type


def _check_order(
    places: Sequence[tuple[str, Span]], order: Sequence[str], message: str, note: str, findings: Findings
) -> None:
    """Report several sources of one thing where `sources` does not name them all."""
    sources = [source for source, _ in places]
    missing = [source for source in sources if source not in order]
    if len(sources) > 1 and missing:
        (first, first_place), (_, place) = places[0], places[1]
        related = ((first_place, note.format(source=first)),)
        hint = f"add {', '.join(missing)} to `sources` in segserver.yml, the most trusted first"
        findings.error("no-source-order", place, message.format(sources=", ".join(sources)), hint, related)


def _ranked(sources: Iterable[str], order: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(sources, key=lambda source: order.index(source) if source in order else len(order)))


# ---- accounts ------------------------------------------------------------------------------------------------------


def _account_trait(name: str, specs: Mapped, order: Sequence[str], findings: Findings) -> CatalogTrait:
    """A trait of accounts: several connections need no order, since each account comes from one of them."""
    kind = _one_type(f"account trait `{name}`", specs, findings)
    return CatalogTrait(name, kind, False, _ranked((source for source, _ in specs), order))


def _account_sources(
    connections: Iterable[ConnectionSpec], order: Sequence[str], findings: Findings
) -> tuple[str, ...]:
    """The connections that name contacts' accounts, the most trusted first."""
    places = [(item.name, item.contacts.place) for item in connections if item.contacts and item.contacts.account]
    message = "contacts take their account from {sources}, and no order says which one wins"
    _check_order(places, order, message, "named by {source} too", findings)
    return _ranked((source for source, _ in places), order)


# ---- events --------------------------------------------------------------------------------------------------------


def _event(name: str, specs: list[tuple[str, EventSpec]], findings: Findings) -> Event:
    properties: dict[str, Type] = {}
    places: dict[str, tuple[str, Span]] = {}
    for connection, spec in specs:
        for prop in spec.properties:
            kind = properties.setdefault(prop.name, prop.type)
            other, place = places.setdefault(prop.name, (connection, prop.place))
            if kind != prop.type:
                related = ((place, f"{kind} in {other}"),)
                message = f"the property `{prop.name}` of `{name}` is {prop.type} in {connection}"
                findings.error("type-conflict", prop.place, message, "declare the same type in both", related)
    _check_names("property", {prop: place for prop, (_, place) in places.items()}, findings)
    sources = tuple(connection for connection, _ in specs)
    if len(specs) > 1:
        related = ((specs[0][1].place, f"read from {sources[0]} too"),)
        message = f"the event `{name}` is read from {', '.join(sources)}: one thing reported by both counts twice"
        findings.warning(
            "double-counting", specs[1][1].place, message, "give them two names unless they differ", related
        )
    return Event(name, properties, sources, _counts_as(name, [spec for _, spec in specs], findings))


def _counts_as(name: str, specs: Iterable[EventSpec], findings: Findings) -> str | None:
    """The channel that the event counts as, if any connection says so."""
    saying = [spec for spec in specs if spec.counts_as is not None]
    for spec in saying[1:]:
        if spec.counts_as != saying[0].counts_as:
            related = ((saying[0].place, f"`{saying[0].counts_as}` here"),)
            message = f"the event `{name}` counts as `{spec.counts_as}`"
            findings.error("type-conflict", spec.place, message, "say the same channel in both", related)
    return saying[0].counts_as if saying else None
