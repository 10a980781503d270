"""Static lists: made as assets, filled lead by lead."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flask import Response, request

from segserver.sandbox.faults import ENVIRON_KEY, Fault, failing
from segserver.sandbox.marketo.errors import MarketoError, invalid, skipped, success
from segserver.sandbox.marketo.leads import asked_fields, page_size, parameter, required, show
from segserver.sandbox.marketo.records import ActivityType, StaticList, instant
from segserver.sandbox.routing import Route, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from segserver.sandbox.marketo.account import MarketoAccount

BATCH, BROWSED = 300, 200
_FIRST_ID = 1_001
_NOTHING = ["No assets found for the given search criteria."]


def _create(account: MarketoAccount) -> Response:
    name = request.form.get("name")
    if not name:
        raise MarketoError("701", "name cannot be blank")
    folder = _folder()
    if any(entry.name == name for entry in account.all_lists.values()):
        raise MarketoError("709", f"Static list with name '{name}' already exists")
    number = max(account.all_lists, default=_FIRST_ID - 1) + 1
    account.all_lists[number] = StaticList(number, name, account.clock.now(), folder)
    return success([_asset(account.all_lists[number])])


def _folder() -> dict[str, object]:
    try:
        folder = json.loads(request.form.get("folder", ""))
        return {"id": int(folder["id"]), "type": str(folder["type"])}
    except (ValueError, KeyError, TypeError):
        raise MarketoError("701", 'folder must be {"id":1,"type":"Folder"} or of type Program') from None


def _by_name(account: MarketoAccount) -> Response:
    name = required("name")
    return _assets([entry for entry in account.all_lists.values() if entry.name == name])


def _browse(account: MarketoAccount) -> Response:
    offset, most = whole(request.args.get("offset", 0)), whole(request.args.get("maxReturn", 20))
    if not 0 < most <= BROWSED:
        raise invalid(f"maxReturn must be between 1 and {BROWSED}")
    return _assets(list(account.all_lists.values())[offset : offset + most])


def _delete(account: MarketoAccount, number: str) -> Response:
    entry = _find(account, number)
    del account.all_lists[entry.number]
    return success([{"id": entry.number}])


def _assets(entries: Sequence[StaticList]) -> Response:
    if not entries:
        return success(warnings=_NOTHING)
    return success([_asset(entry) for entry in entries])


def _asset(entry: StaticList) -> dict[str, object]:
    return {
        "id": entry.number,
        "name": entry.name,
        "createdAt": instant(entry.created_at) + "+0000",
        "updatedAt": instant(entry.created_at) + "+0000",
        "folder": entry.folder,
        "computedUrl": f"https://app-sandbox.marketo.com/#ST{entry.number}A1",
    }


def _lists(account: MarketoAccount) -> Response:
    names = [name for name in (parameter("name") or "").split(",") if name]
    numbers = {number for number in (parameter("id") or "").split(",") if number}
    found = [
        {"id": entry.number, "name": entry.name, "createdAt": instant(entry.created_at)}
        for entry in account.all_lists.values()
        if (not names or entry.name in names) and (not numbers or str(entry.number) in numbers)
    ]
    return success(found)


def _members(account: MarketoAccount, number: str) -> Response:
    entry, fields, size = _find(account, number), asked_fields(account), page_size()
    start = account.place(parameter("nextPageToken"))
    members = entry.in_order()
    more = {"nextPageToken": account.token_at(start + size)} if start + size < len(members) else {}
    return success([show(account.leads[member], fields) for member in members[start : start + size]], **more)


def _is_member(account: MarketoAccount, number: str) -> Response:
    entry = _find(account, number)

    def one(lead: int) -> dict[str, object]:
        return {"id": lead, "status": "memberof" if lead in entry.members else "notmemberof"}

    return _each(account, one)


def _add(account: MarketoAccount, number: str) -> Response:
    entry = _find(account, number)

    def one(lead: int) -> dict[str, object]:
        if entry.put(lead):
            account.note(lead, ActivityType.ADD_TO_LIST, account.clock.now(), entry.name, asset_id=entry.number)
        return {"id": lead, "status": "added"}

    return _each(account, one)


def _remove(account: MarketoAccount, number: str) -> Response:
    entry = _find(account, number)

    def one(lead: int) -> dict[str, object]:
        if not entry.take(lead):
            return skipped("1015", "Lead not in list", id=lead)
        account.note(lead, ActivityType.REMOVE_FROM_LIST, account.clock.now(), entry.name, asset_id=entry.number)
        return {"id": lead, "status": "removed"}

    return _each(account, one)


def _each(account: MarketoAccount, one: Callable[[int], dict[str, object]]) -> Response:
    leads = _leads()
    unlucky = set()
    if request.environ.get(ENVIRON_KEY) is Fault.PARTIAL:
        unlucky = failing(leads, account.calls)
    result = []
    for lead in leads:
        if lead in unlucky:
            result.append(skipped("719", "Lock wait timeout exception", id=lead))
        elif lead not in account.leads:
            result.append(skipped("1004", "Lead not found", id=lead))
        else:
            result.append(one(lead))
    return success(result)


def _leads() -> list[int]:
    given = request.args.getlist("id")
    body = request.get_json(silent=True)
    if isinstance(body, dict):
        given = [*given, *(str(entry.get("id")) for entry in body.get("input", []))]
    words = [word for part in given for word in part.split(",")]
    if not 0 < len(words) <= BATCH:
        raise invalid(f"a call takes 1 to {BATCH} lead ids")
    if not all(word.isdigit() for word in words):
        raise MarketoError("1001", "Invalid value of parameter 'id'. Required of type 'Integer'")
    return [int(word) for word in words]


def _find(account: MarketoAccount, number: str) -> StaticList:
    entry = account.all_lists.get(int(number)) if number.isdigit() else None
    if entry is None:
        raise MarketoError("1013", f"List '{number}' not found")
    return entry


ROUTES = (
    Route("POST", "/rest/asset/v1/staticLists.json", _create),
    Route("GET", "/rest/asset/v1/staticLists.json", _browse),
    Route("GET", "/rest/asset/v1/staticList/byName.json", _by_name),
    Route("POST", "/rest/asset/v1/staticList/<number>/delete.json", _delete),
    Route("GET", "/rest/v1/lists.json", _lists),
    Route("GET", "/rest/v1/lists/<number>/leads.json", _members),
    Route("GET", "/rest/v1/lists/<number>/leads/ismember.json", _is_member),
    Route("POST", "/rest/v1/lists/<number>/leads.json", _add),
    Route("DELETE", "/rest/v1/lists/<number>/leads.json", _remove),
)
