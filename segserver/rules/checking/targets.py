"""Places at destinations: which connection, which kinds of places it has, which names are allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from segserver.rules.findings import Findings
from segserver.rules.reading import block_nodes, nodes
from segserver.rules.suggest import did_you_mean, listed
from segserver.specs.cadence import Sender
from segserver.specs.catalog import Catalog
from segserver.specs.targets import Target

PUSH: Mapping[str, Mapping[str, str]] = {
    "hubspot": {"list": "list", "property": "property"},
    "marketo": {"list": "list", "field": "property"},
    "ga4": {"user property": "user property"},
    "files": {"file": "file"},
}
"""Where a segment may be pushed: the words of each vendor, and the kind of `Target` they mean."""

_PLUGGED_IN: Mapping[str, str] = {"list": "list", "property": "property"}
"""Where a segment may be pushed at a connection of a kind that another package brings."""

SEND: Mapping[str, Mapping[str, str]] = {
    "hubspot": {"property": "property"},
    "marketo": {"campaign": "campaign", "field": "property"},
}
"""What may trigger a channel."""

INFORM: Mapping[str, Mapping[str, str]] = {
    "hubspot": {"properties": "properties"},
    "marketo": {"fields": "properties"},
    "ga4": {"user property": "user property"},
}
"""Where the plan may be copied to."""

_USER_PROPERTY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,23}")
_RESERVED_PREFIXES = ("_", "firebase_", "ga_", "google_")
_RESERVED = ("first_open_time", "first_visit_time", "last_deep_link_referrer", "user_id", "first_open_after_install")


def target(
    node: block_nodes.Push, allowed: Mapping[str, Mapping[str, str]], catalog: Catalog, findings: Findings
) -> Target | None:
    """The place a clause names; None, with a finding, if there is no such place.

    Args:
        node: as written.
        allowed: PUSH, SEND or INFORM.
        catalog: the connections.
        findings: takes what is wrong.
    """
    connection = _connection(node.connection, catalog, findings)
    if connection is None:
        return None
    vendor = catalog.connections[connection]
    kinds = allowed.get(vendor, _PLUGGED_IN if allowed is PUSH else {})
    kind = kinds.get(node.kind.text)
    if kind is None:
        called = f"`{connection}`" if connection == vendor else f"`{connection}`, a connection of kind {vendor},"
        message = f"{called} has no `{node.kind.text}` for this"
        hint = did_you_mean(node.kind.text, kinds, otherwise=f"it has {listed(kinds)}" if kinds else None)
        findings.error("bad-target", node.kind.span, message, hint)
        return None
    name = node.name.text if node.name else ""
    return Target(connection, kind, name) if _is_named(node, kind, findings) else None


def sender(node: block_nodes.SenderNode, catalog: Catalog, findings: Findings) -> Sender | None:
    """The sender a clause names; None, with a finding, if there is no such place."""
    place = target(node.target, SEND, catalog, findings)
    return None if place is None else Sender(node.channel.text, place.connection, place.kind, place.name)


def _connection(name: nodes.Name, catalog: Catalog, findings: Findings) -> str | None:
    """The connection of that name, or the only one of that vendor; it must be a destination."""
    found = name.text
    if found not in catalog.connections:
        same_kind = [other for other, kind in catalog.connections.items() if kind == found]
        if len(same_kind) != 1:
            _unknown(name, same_kind, catalog, findings)
            return None
        found = same_kind[0]
    if found not in catalog.destinations:
        message = f"the connection `{found}` is not a destination"
        findings.error("bad-target", name.span, message, f"write `audiences: true` in connectors/{found}.yml")
        return None
    return found


def _unknown(name: nodes.Name, same_kind: list[str], catalog: Catalog, findings: Findings) -> None:
    if same_kind:
        message = f"there are {len(same_kind)} {name.text} connections"
        hint: str | None = f"say which: {listed(same_kind)}"
    else:
        known = {**catalog.connections, **{kind: kind for kind in catalog.connections.values()}}
        message = f"there is no connection `{name.text}`"
        hint = did_you_mean(name.text, known, otherwise=f"connections are {listed(catalog.connections)}")
    findings.error("unknown-connection", name.span, message, hint)


def _is_named(node: block_nodes.Push, kind: str, findings: Findings) -> bool:
    """Whether the name is one that the destination takes."""
    fault: tuple[str, str | None] | None = None
    if kind == "properties":
        fault = ("this takes no name", "leave the name out") if node.name else None
    elif node.name is None or not node.name.text.strip():
        fault = ("the name at the destination is missing", 'for example "Hot leads"')
    elif kind == "user property":
        fault = _user_property_fault(node.name.text)
    elif kind == "file":
        fault = _file_fault(node.name.text)
    if fault is not None:
        findings.error("bad-target", node.name.span if node.name else node.kind.span, *fault)
    return fault is None


def _file_fault(name: str) -> tuple[str, str | None] | None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        return "an audience file lies inside the folder of its connection", 'write a plain name, for example "hot.csv"'
    if path.name.startswith("."):
        return "the name of an audience file starts with no dot", 'for example "hot_leads.csv"'
    if not name.endswith((".csv", ".parquet")):
        return "the file's name must end in .csv or .parquet", 'for example "hot_leads.csv"'
    return None


def place_of(target: Target) -> Target:
    """What two targets share that mean one place: some file systems take `Hot.csv` and `hot.csv` for one file."""
    if target.kind != "file":
        return target
    return replace(target, name=PurePosixPath(target.name).as_posix().casefold())


def _user_property_fault(name: str) -> tuple[str, str | None] | None:
    if name.startswith(_RESERVED_PREFIXES):
        return f"GA4 keeps names that start with {', '.join(_RESERVED_PREFIXES)} for itself", "choose another name"
    if name in _RESERVED:
        return f"GA4 keeps the name `{name}` for itself", f"choose another name, for example `seg_{name[:20]}`"
    if not _USER_PROPERTY.fullmatch(name):
        return "a GA4 user property is a letter, then letters, digits or `_`, 24 characters at most", None
    return None
