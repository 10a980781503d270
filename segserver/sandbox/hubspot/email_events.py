"""The legacy feed of marketing e-mail events."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import Response, request

from segserver.sandbox.hubspot.objects import bounded
from segserver.sandbox.routing import Route, json_response, whole

if TYPE_CHECKING:
    from segserver.sandbox.hubspot.account import HubSpotAccount

PAGE = 1_000


def _list(account: HubSpotAccount) -> Response:
    limit, offset = bounded("limit", 100, PAGE), request.args.get("offset", "")
    found = [event for event in account.email_events if _wanted(event)]
    start = int(offset, 36) if offset else 0
    end = start + limit
    return json_response(
        {"hasMore": end < len(found), "offset": _token(min(end, len(found))), "events": found[start:end]}
    )


def _wanted(event: dict[str, object]) -> bool:
    since, until = whole(request.args.get("startTimestamp", 0)), request.args.get("endTimestamp")
    created = cast(int, event["created"])
    return (
        created >= since
        and (until is None or created <= whole(until))
        and request.args.get("eventType", event["type"]) == event["type"]
        and request.args.get("recipient", event["recipient"]) == event["recipient"]
    )


def _token(position: int) -> str:
    """A position as an opaque word: base 36."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    word = ""
    while True:
        position, digit = divmod(position, 36)
        word = digits[digit] + word
        if not position:
            return word


ROUTES = (Route("GET", "/email/public/v1/events", _list),)
