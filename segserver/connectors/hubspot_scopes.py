"""The permissions of an account that a connection needs, as HubSpot names them."""

from __future__ import annotations

from collections.abc import Mapping

from segserver.connectors.mapping import events_of
from segserver.specs.connections import ConnectionSpec

WORKFLOWS = "automation"
"""Of the steps in workflows: a connection alone can do without."""

_ALWAYS = ("crm.objects.contacts.read", "oauth")
_AUDIENCES = ("crm.lists.read", "crm.lists.write", "crm.objects.contacts.write", "crm.schemas.contacts.write")
_STREAMS: Mapping[str, str] = {"deals": "crm.objects.deals.read", "marketing_email": "content"}
_SUBSCRIPTIONS = "communication_preferences.read"
_MANY_SUBSCRIPTIONS = "communication_preferences.statuses.batch.read"
"""Of Marketing Hub Enterprise; without it each address is asked by itself."""


def required(spec: ConnectionSpec) -> list[str]:
    """Without which something that the connection declares fails, sorted."""
    wanted = {*_ALWAYS, *(scope for stream, scope in _STREAMS.items() if events_of(spec, stream))}
    wanted |= set(_AUDIENCES) if spec.audiences else set()
    wanted |= {"crm.objects.companies.read"} if spec.accounts else set()
    wanted |= {"analytics.behavioral_events.send"} if spec.options.get("event") else set()
    wanted |= {_SUBSCRIPTIONS} if _names_subscriptions(spec) else set()
    return sorted(wanted)


def optional(spec: ConnectionSpec) -> list[str]:
    """That not every account can give."""
    return [_MANY_SUBSCRIPTIONS] if _names_subscriptions(spec) else []


def _names_subscriptions(spec: ConnectionSpec) -> bool:
    return spec.contacts is not None and any(line.subscription for line in spec.contacts.consent)
