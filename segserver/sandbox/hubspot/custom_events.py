"""Occurrences of custom events that integrations send; they show among what contacts did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import Response

from segserver.clock import parse_instant
from segserver.sandbox.hubspot.errors import invalid
from segserver.sandbox.routing import Route, json_body

if TYPE_CHECKING:
    from segserver.sandbox.hubspot.account import HubSpotAccount

LARGEST = 500
PREFIX = "pe"


def _send_batch(account: HubSpotAccount) -> Response:
    inputs = json_body().get("inputs")
    if not isinstance(inputs, list) or not 0 < len(inputs) <= LARGEST:
        raise invalid(f"a batch has 1 to {LARGEST} inputs")
    for one in inputs:
        _check(one)
    for one in inputs:
        if one.get("uuid") not in account.event_keys:
            _happens(account, one)
    return Response(status=204)


def _happens(account: HubSpotAccount, one: Mapping[str, Any]) -> None:
    """An event of somebody who does not exist is taken and shows nowhere."""
    if one.get("uuid"):
        account.event_keys.add(str(one["uuid"]))
    contact = account.contacts.get(int(one["objectId"]))
    if contact is not None:
        at = parse_instant(str(one["occurredAt"])) if one.get("occurredAt") else account.clock.now()
        account.add_occurrence(contact, str(one["eventName"]), at, one["properties"])


def _check(one: Any) -> None:
    if not isinstance(one, dict) or not str(one.get("eventName", "")).startswith(PREFIX):
        raise invalid(f"{one.get('eventName') if isinstance(one, dict) else one!r} is no event of this account")
    if not str(one.get("objectId", "")).isdigit():
        raise invalid("an event names its contact by objectId")
    properties = one.get("properties")
    if not isinstance(properties, dict) or not all(isinstance(value, str) for value in properties.values()):
        raise invalid("the properties of an event are texts")


ROUTES = (
    Route("POST", "/events/2026-03/send/batch", _send_batch),
    Route("POST", "/events/custom/2026-09/send/batch", _send_batch),
)
