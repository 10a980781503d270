"""The activity feed: paging tokens, pages that may be empty, changes and deletions."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from flask import Response

from segserver.clock import parse_instant
from segserver.sandbox.marketo.errors import MarketoError, invalid, success
from segserver.sandbox.marketo.fields import check_names
from segserver.sandbox.marketo.leads import parameter, required
from segserver.sandbox.marketo.records import ActivityType, Logged, instant
from segserver.sandbox.routing import Route, fraction

if TYPE_CHECKING:
    from segserver.sandbox.marketo.account import MarketoAccount

PAGE, TYPES, LEADS = 300, 10, 30
_SCANNED = 3_000
"""Entries of the log that one page looks at; so pages of rare types come back short."""
_REST_CHANCE = 0.1
"""How often a page comes back empty although there is more."""

_TYPES = {
    ActivityType.VISIT: ("Visit Webpage", "Webpage ID"),
    ActivityType.FILL_FORM: ("Fill Out Form", "Webform ID"),
    ActivityType.CLICK_LINK: ("Click Link", "Link ID"),
    ActivityType.SEND: ("Send Email", "Mailing ID"),
    ActivityType.DELIVERED: ("Email Delivered", "Mailing ID"),
    ActivityType.BOUNCED: ("Email Bounced", "Mailing ID"),
    ActivityType.UNSUBSCRIBE: ("Unsubscribe Email", "Mailing ID"),
    ActivityType.OPEN: ("Open Email", "Mailing ID"),
    ActivityType.CLICK: ("Click Email", "Mailing ID"),
    ActivityType.NEW_LEAD: ("New Lead", None),
    ActivityType.CHANGE: ("Change Data Value", "Attribute Name"),
    ActivityType.ADD_TO_LIST: ("Add to List", "List ID"),
    ActivityType.REMOVE_FROM_LIST: ("Remove from List", "List ID"),
    ActivityType.MERGE: ("Merge Leads", None),
    ActivityType.DELETE: ("Delete Lead", None),
    ActivityType.REQUEST_CAMPAIGN: ("Request Campaign", "Campaign ID"),
    ActivityType.COUPON_REDEEMED: ("Coupon Redeemed", "Coupon"),
}


def _types(account: MarketoAccount) -> Response:  # noqa: ARG001 - every handler gets the account
    return success(
        [
            {
                "id": number,
                "name": name,
                "description": name,
                **({"primaryAttribute": {"name": primary, "dataType": "string"}} if primary else {}),
                "attributes": [],
            }
            for number, (name, primary) in _TYPES.items()
        ]
    )


def _paging_token(account: MarketoAccount) -> Response:
    try:
        since = parse_instant(required("sinceDatetime").replace(" ", "+"))
    except ValueError:
        raise MarketoError("704", "Invalid date 'sinceDatetime'") from None
    position = bisect_left(account.log, since, key=lambda entry: entry.arrived)
    return success(nextPageToken=account.token_at(position))


def _feed(account: MarketoAccount) -> Response:
    types = _numbers("activityTypeIds")
    if not types:
        raise MarketoError("1002", "Missing value for required parameter 'activityTypeIds'")
    if len(types) > TYPES:
        raise invalid(f"activityTypeIds holds more than {TYPES} types")
    leads = set(_numbers("leadIds"))
    if len(leads) > LEADS:
        raise invalid(f"leadIds holds more than {LEADS} leads")
    wanted = set(types)
    return _page(account, lambda entry: entry.type in wanted and (not leads or entry.lead in leads), _show)


def _lead_changes(account: MarketoAccount) -> Response:
    names = required("fields").split(",")
    check_names(account.fields, names)
    labels = {account.fields[name].label: name for name in names}

    def wanted(entry: Logged) -> bool:
        return entry.type == ActivityType.NEW_LEAD or (entry.type == ActivityType.CHANGE and entry.asset in labels)

    def show(entry: Logged) -> dict[str, object]:
        shown = _show(entry)
        if entry.type == ActivityType.CHANGE and entry.asset:
            values = dict(entry.attributes)
            change = {"newValue": values["New Value"], "oldValue": values["Old Value"]}
            shown["fields"] = [{"id": entry.asset_id, "name": labels[entry.asset], **change}]
        return shown

    return _page(account, wanted, show)


def _deleted_leads(account: MarketoAccount) -> Response:
    return _page(account, lambda entry: entry.type == ActivityType.DELETE, _show)


def _page(
    account: MarketoAccount, wanted: Callable[[Logged], bool], show: Callable[[Logged], dict[str, object]]
) -> Response:
    start, rested = account.rested_place(required("nextPageToken"))
    if not rested and start < len(account.log) and fraction(account.seed, start, "rest") < _REST_CHANCE:
        return success(nextPageToken=account.token_at(start, rested=True), moreResult=True)
    page, end = _scan(account.log, start, wanted)
    more = end < len(account.log)
    return success([show(entry) for entry in page], nextPageToken=account.token_at(end), moreResult=more)


def _scan(log: Sequence[Logged], start: int, wanted: Callable[[Logged], bool]) -> tuple[list[Logged], int]:
    page: list[Logged] = []
    end = start
    for entry in log[start : start + _SCANNED]:
        end += 1
        if wanted(entry):
            page.append(entry)
            if len(page) == PAGE:
                break
    return page, end


def _show(entry: Logged) -> dict[str, object]:
    shown: dict[str, object] = {
        "id": entry.number,
        "marketoGUID": str(entry.number),
        "leadId": entry.lead,
        "activityDate": instant(entry.at),
        "activityTypeId": entry.type,
    }
    if entry.campaign is not None:
        shown["campaignId"] = entry.campaign
    if entry.asset is not None:
        shown["primaryAttributeValueId"] = entry.asset_id or entry.lead
        shown["primaryAttributeValue"] = entry.asset
    shown["attributes"] = [{"name": name, "value": value} for name, value in entry.attributes]
    return shown


def _numbers(name: str) -> list[int]:
    words = (parameter(name) or "").split(",")
    try:
        return [int(word) for word in words if word]
    except ValueError:
        raise MarketoError("1001", f"Invalid value '{parameter(name)}' of parameter '{name}'") from None


ROUTES = (
    Route("GET", "/rest/v1/activities/types.json", _types),
    Route("GET", "/rest/v1/activities/pagingtoken.json", _paging_token),
    Route("GET", "/rest/v1/activities.json", _feed),
    Route("POST", "/rest/v1/activities.json", _feed),
    Route("GET", "/rest/v1/activities/leadchanges.json", _lead_changes),
    Route("GET", "/rest/v1/activities/deletedleads.json", _deleted_leads),
)
