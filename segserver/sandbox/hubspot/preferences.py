"""Which e-mail subscriptions an address has, and the legacy record of how they changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from flask import Response, request

from segserver.clock import to_epoch_ms
from segserver.sandbox.hubspot.errors import invalid
from segserver.sandbox.hubspot.objects import bounded
from segserver.sandbox.hubspot.records import instant
from segserver.sandbox.routing import Route, json_body, json_response, whole

if TYPE_CHECKING:
    from segserver.sandbox.hubspot.account import HubSpotAccount

BATCH, TIMELINE_PAGE = 100, 100


@dataclass(frozen=True, slots=True)
class StatusChange:
    """What an address was asked or said about one subscription."""

    address: str
    subscription: str
    status: str
    at: datetime


def _batch(account: HubSpotAccount) -> Response:
    inputs = json_body().get("inputs")
    if request.args.get("channel") != "EMAIL":
        raise invalid("channel must be EMAIL")
    if not isinstance(inputs, list) or not 0 < len(inputs) <= BATCH:
        raise invalid(f"inputs must hold 1 to {BATCH} addresses")
    if any("@" not in str(one) for one in inputs):
        raise invalid("inputs hold something that is no e-mail address")
    results = [{"subscriberIdString": one, "statuses": _statuses(account, str(one))} for one in inputs]
    return json_response(*account.batch_reply(results, []))


def _single(account: HubSpotAccount, address: str) -> Response:
    return json_response(*account.batch_reply(_statuses(account, address), []))


def _statuses(account: HubSpotAccount, address: str) -> list[dict[str, object]]:
    latest = {one.subscription: one for one in account.status_changes if one.address == address.lower()}
    return [
        {
            "channel": "EMAIL",
            "source": "Preferences page",
            "status": one.status,
            "subscriberIdString": address,
            "subscriptionId": int(one.subscription),
            "timestamp": instant(one.at),
        }
        for one in latest.values()
    ]


def _timeline(account: HubSpotAccount) -> Response:
    limit, offset = bounded("limit", 100, TIMELINE_PAGE), request.args.get("offset") or "0"
    since, until = (whole(request.args.get(name, default)) for name, default in _WINDOW)
    found = [one for one in account.status_changes if since <= to_epoch_ms(one.at) <= until]
    start = whole(offset)
    page = [_change(one) for one in found[start : start + limit]]
    end = start + len(page)
    return json_response({"hasMore": end < len(found), "offset": str(end), "timeline": page})


_WINDOW = (("startTimestamp", 0), ("endTimestamp", 10**15))


def _change(one: StatusChange) -> dict[str, object]:
    change = {"change": one.status, "source": "SOURCE_RECIPIENT", "subscriptionId": int(one.subscription)}
    return {"timestamp": to_epoch_ms(one.at), "recipient": one.address, "changes": [change]}


_BASE = "/communication-preferences/VERSION/statuses"
ROUTES = (
    Route("POST", f"{_BASE}/batch/read", _batch),
    Route("GET", f"{_BASE}/<address>", _single),
    Route("GET", "/email/public/v1/subscriptions/timeline", _timeline),
)
