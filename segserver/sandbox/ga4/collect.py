"""A stand-in of the Measurement Protocol: it always answers 204, and keeps only what GA4 would keep."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from flask import Response, request

from segserver.clock import to_epoch_ms
from segserver.sandbox.ga4.property import Ga4Property
from segserver.sandbox.routing import json_response

EVENTS, PARAMS, PROPERTIES = 25, 25, 25
NAME, PROPERTY_NAME, PROPERTY_VALUE, PARAM_VALUE = 40, 24, 36, 100
BODY_LIMIT = 130_000
BACK_DATED = 72 * 3600 * 1_000_000
"""Microseconds; what is older counts as just so old."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_RESERVED_PREFIXES = ("_", "firebase_", "ga_", "google_", "gtag.")
_RESERVED_PROPERTIES = {
    "first_open_time",
    "first_visit_time",
    "last_deep_link_referrer",
    "user_id",
    "first_open_after_install",
}
_RESERVED_EVENTS = {
    "ad_activeview",
    "ad_click",
    "ad_exposure",
    "ad_query",
    "ad_reward",
    "adunit_exposure",
    "app_background",
    "app_clear_data",
    "app_exception",
    "app_install",
    "app_remove",
    "app_store_refund",
    "app_update",
    "app_upgrade",
    "error",
    "firebase_campaign",
    "first_open",
    "first_visit",
    "notification_dismiss",
    "notification_foreground",
    "notification_open",
    "notification_receive",
    "notification_send",
    "os_update",
    "session_start",
    "session_start_with_rollout",
    "user_engagement",
}
Finding = dict[str, str]


def collect(prop: Ga4Property) -> Response:
    """Keep a good request, throw a bad one away, and answer both alike."""
    body = _body()
    keys = (request.args.get("measurement_id"), request.args.get("api_secret"))
    if body is None or keys != (prop.measurement_id, prop.api_secret) or findings(body):
        prop.ignored += 1
        return Response(status=204)
    client = str(body["client_id"])
    now = to_epoch_ms(prop.clock.now()) * 1000
    at = max(body.get("timestamp_micros", now), now - BACK_DATED)
    for name, given in body.get("user_properties", {}).items():
        if at >= prop.set_at[client].get(name, at):
            prop.set_at[client][name] = at
            prop.user_properties[client][name] = given["value"]
    prop.consents[client] = dict(body.get("consent", {}))
    prop.events += [{"client_id": client, **event} for event in body["events"]]
    return Response(status=204)


def debug(prop: Ga4Property) -> Response:  # noqa: ARG001 - every handler gets the account
    """Say what is wrong with a request; nothing is kept and no secret is checked."""
    body = _body()
    found = [_finding("", "VALUE_INVALID", "The body is not a JSON object")] if body is None else findings(body)
    return json_response({"validationMessages": found})


def _body() -> dict[str, Any] | None:
    raw = request.get_data()
    if len(raw) > BODY_LIMIT:
        return None
    try:
        body = json.loads(raw)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def findings(body: Mapping[str, Any]) -> list[Finding]:
    """What the validation server says about a body; empty means good."""
    found: list[Finding] = []
    if not body.get("client_id"):
        found.append(_finding("client_id", "VALUE_REQUIRED", "Measurement requires a client_id"))
    events = body.get("events")
    if not isinstance(events, list) or not events:
        found.append(_finding("events", "VALUE_REQUIRED", "Measurement requires at least one event"))
        events = []
    if len(events) > EVENTS:
        found.append(_finding("events", "EXCEEDED_MAX_ENTITIES", f"Events are limited to {EVENTS}"))
    for number, event in enumerate(events):
        found += _event_findings(f"events[{number}]", event)
    found += _top_findings(body)
    return found + _property_findings(body.get("user_properties") or {})


def _top_findings(body: Mapping[str, Any]) -> list[Finding]:
    found = []
    for key, given in (body.get("consent") or {}).items():
        if key not in ("ad_user_data", "ad_personalization") or given not in ("GRANTED", "DENIED"):
            found.append(_finding("consent", "VALUE_INVALID", f"Consent [{key}] is not GRANTED or DENIED"))
    if not isinstance(body.get("timestamp_micros", 0), int):
        found.append(_finding("timestamp_micros", "VALUE_INVALID", "timestamp_micros is not a whole number"))
    return found


def _event_findings(path: str, event: Mapping[str, Any]) -> list[Finding]:
    found, name = [], str(event.get("name", ""))
    if not _NAME.fullmatch(name) or len(name) > NAME:
        found.append(_finding(f"{path}.name", "NAME_INVALID", f"Event name [{name}] is not valid"))
    if name in _RESERVED_EVENTS or name.startswith(_RESERVED_PREFIXES):
        found.append(_finding(f"{path}.name", "NAME_RESERVED", f"Event name [{name}] is reserved"))
    params = event.get("params") or {}
    if len(params) > PARAMS:
        found.append(_finding(f"{path}.params", "EXCEEDED_MAX_ENTITIES", f"Params are limited to {PARAMS}"))
    for key, value in params.items():
        if not _NAME.fullmatch(key) or len(key) > NAME:
            found.append(_finding(f"{path}.params", "NAME_INVALID", f"Param name [{key}] is not valid"))
        if len(str(value)) > PARAM_VALUE:
            found.append(_finding(f"{path}.params", "VALUE_OUT_OF_BOUNDS", f"Param [{key}] is too long"))
    return found


def _property_findings(properties: Mapping[str, Any]) -> list[Finding]:
    found = []
    path = "user_properties"
    if len(properties) > PROPERTIES:
        found.append(_finding(path, "EXCEEDED_MAX_ENTITIES", f"User properties are limited to {PROPERTIES}"))
    for name, given in properties.items():
        if not _NAME.fullmatch(name) or len(name) > PROPERTY_NAME:
            found.append(_finding(path, "NAME_INVALID", f"User property name [{name}] is not valid"))
        if name in _RESERVED_PROPERTIES or name.startswith(_RESERVED_PREFIXES):
            found.append(_finding(path, "NAME_RESERVED", f"User property name [{name}] is reserved"))
        if not isinstance(given, dict) or "value" not in given:
            found.append(_finding(path, "VALUE_REQUIRED", f"User property [{name}] has no value"))
        elif len(str(given["value"])) > PROPERTY_VALUE:
            found.append(_finding(path, "VALUE_OUT_OF_BOUNDS", f"User property [{name}] is too long"))
    return found


def _finding(path: str, code: str, description: str) -> Finding:
    return {"fieldPath": path, "description": description, "validationCode": code}
