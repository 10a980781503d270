"""The activity feed: paging tokens, pages that may be empty, changes and deletions."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flask import Response

from segserver.clock import parse_instant
from segserver.sandbox.marketo.errors import MarketoError, invalid, success
from segserver.sandbox.marketo.fields import check_names
from segserver.sandbox.marketo.leads import parameter, required
from segserver.sandbox.marketo.records import ActivityType, Logged, instant
from segserver.sandbox.routing import Route, fraction, json_body

if TYPE_CHECKING:
    from segserver.sandbox.marketo.account import MarketoAccount

PAGE, TYPES, LEADS, ATTRIBUTE_BYTES = 300, 10, 30, 65_536
_SCANNED = 3_000
"""Entries of the log that one page looks at; so pages of rare types come back short."""
_REST_CHANCE = 0.1
"""How often a page comes back empty although there is more."""


def _types(account: MarketoAccount) -> Response:
    return success(
        [
            {
                "id": number,
                "name": kind.name,
                "description": kind.name,
                **({"primaryAttribute": {"name": kind.primary, "dataType": "string"}} if kind.primary else {}),
                "attributes": [{"name": name, "dataType": "string"} for name in kind.attributes],
            }
            for number, kind in account.activity_kinds.items()
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
    unknown = [number for number in types if number not in account.activity_kinds]
    if unknown:
        raise invalid(f"Invalid activityTypeId '{unknown[0]}'")
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


_GUID_PREFIX = "5ec5e7be-0000-4000-8000-"
"""The number in `id` is missing at times and not unique, as on newer instances; only the GUID is."""


def _show(entry: Logged) -> dict[str, object]:
    shown: dict[str, object] = {
        "marketoGUID": f"{_GUID_PREFIX}{entry.number:012d}",
        "leadId": entry.lead,
        "activityDate": instant(entry.at, "Z" if entry.number % 2 else "+0000"),
        "activityTypeId": entry.type,
    }
    if entry.number % 3:
        shown["id"] = entry.number // 2
    if entry.campaign is not None:
        shown["campaignId"] = entry.campaign
    if entry.asset is not None:
        shown["primaryAttributeValueId"] = entry.asset_id or entry.lead
        shown["primaryAttributeValue"] = entry.asset
    shown["attributes"] = [{"name": name, "value": value} for name, value in entry.attributes]
    return shown


def _external(account: MarketoAccount) -> Response:
    inputs = json_body().get("input") or []
    if not 0 < len(inputs) <= PAGE:
        raise invalid(f"input must hold 1 to {PAGE} activities")
    return success([_external_one(account, given) for given in inputs])


def _external_one(account: MarketoAccount, given: Mapping[str, Any]) -> dict[str, object]:
    """One custom activity; unlike with leads, what is wrong with it is told in `errors`."""
    try:
        kind, at = account.activity_kinds.get(given.get("activityTypeId", 0)), parse_instant(given["activityDate"])
        primary, attributes = str(given["primaryAttributeValue"]), given.get("attributes") or []
    except (KeyError, ValueError) as error:
        return _not_added("1002", f"Missing or invalid value for required parameter {error}")
    if kind is None or not kind.custom:
        return _not_added("1003", f"Activity type '{given.get('activityTypeId')}' is no approved custom activity")
    if given.get("leadId") not in account.leads:
        return _not_added("1004", f"Lead '{given.get('leadId')}' not found")
    values = [(str(one.get("apiName") or one.get("name")), str(one.get("value"))) for one in attributes]
    unknown = [name for name, _ in values if name not in kind.attributes]
    if unknown:
        return _not_added("1006", f"Attribute '{unknown[0]}' not found")
    if sum(len(value.encode()) for _, value in values) > ATTRIBUTE_BYTES:
        return _not_added("1049", "Activity attributes are too long")
    account.note(given["leadId"], given["activityTypeId"], at, primary, tuple(values))
    return {"id": len(account.log), "marketoGUID": f"{_GUID_PREFIX}{len(account.log):012d}", "status": "added"}


def _not_added(code: str, message: str) -> dict[str, object]:
    return {"status": "skipped", "errors": [{"code": code, "message": message}]}


def _numbers(name: str) -> list[int]:
    words = (parameter(name) or "").split(",")
    try:
        return [int(word) for word in words if word]
    except ValueError:
        raise MarketoError("1001", f"Invalid value '{parameter(name)}' of parameter '{name}'") from None


ROUTES = (
    Route("POST", "/rest/v1/activities/external.json", _external),
    Route("GET", "/rest/v1/activities/types.json", _types),
    Route("GET", "/rest/v1/activities/pagingtoken.json", _paging_token),
    Route("GET", "/rest/v1/activities.json", _feed),
    Route("GET", "/rest/v1/activities/leadchanges.json", _lead_changes),
    Route("GET", "/rest/v1/activities/deletedleads.json", _deleted_leads),
)
