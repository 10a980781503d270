"""Smart campaigns: found by name, requested for up to a hundred leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response

from segserver.sandbox.marketo.errors import MarketoError, invalid, success
from segserver.sandbox.marketo.leads import page_size, parameter
from segserver.sandbox.marketo.records import Campaign, instant
from segserver.sandbox.routing import Route, json_body

if TYPE_CHECKING:
    from segserver.sandbox.marketo.account import MarketoAccount

LEADS, TOKENS = 100, 100


def _list(account: MarketoAccount) -> Response:
    names = [name for name in (parameter("name") or "").split(",") if name]
    numbers = {number for number in (parameter("id") or "").split(",") if number}
    found = [
        _show(account, campaign)
        for campaign in account.campaigns.values()
        if (not names or campaign.name in names) and (not numbers or str(campaign.number) in numbers)
    ]
    start, size = account.place(parameter("nextPageToken")), page_size()
    more = {"nextPageToken": account.token_at(start + size)} if start + size < len(found) else {}
    return success(found[start : start + size], **more)


def _get(account: MarketoAccount, number: str) -> Response:
    return success([_show(account, _find(account, number))])


def _show(account: MarketoAccount, campaign: Campaign) -> dict[str, object]:
    made = instant(account.clock.now())
    return {
        "id": campaign.number,
        "name": campaign.name,
        "type": "trigger" if campaign.requestable else "batch",
        "programName": "Sandbox",
        "programId": 1,
        "workspaceName": "Default",
        "active": campaign.requestable,
        "createdAt": made,
        "updatedAt": made,
    }


def _trigger(account: MarketoAccount, number: str) -> Response:
    campaign = _find(account, number)
    given = json_body().get("input") or {}
    leads, tokens = given.get("leads") or [], given.get("tokens") or []
    if not campaign.requestable:
        raise invalid(f"Campaign '{number}' is not active or has no trigger 'Campaign is Requested'")
    if not 0 < len(leads) <= LEADS or len(tokens) > TOKENS:
        raise invalid(f"a call takes 1 to {LEADS} leads and {TOKENS} tokens at most")
    missing = [entry.get("id") for entry in leads if entry.get("id") not in account.leads]
    if missing:
        raise MarketoError("1004", f"Lead '{missing[0]}' not found")
    values = {str(token["name"]): str(token["value"]) for token in tokens}
    for entry in leads:
        account.request_campaign(campaign, account.leads[entry["id"]], values)
    return success([{"id": campaign.number}])


def _find(account: MarketoAccount, number: str) -> Campaign:
    campaign = account.campaigns.get(int(number)) if number.isdigit() else None
    if campaign is None:
        raise MarketoError("1013", f"Campaign '{number}' not found")
    return campaign


ROUTES = (
    Route("GET", "/rest/v1/campaigns.json", _list),
    Route("GET", "/rest/v1/campaigns/<number>.json", _get),
    Route("POST", "/rest/v1/campaigns/<number>/trigger.json", _trigger),
)
