"""Static lists and their members."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Response, request

from segserver.sandbox.hubspot.contact_list import ContactList
from segserver.sandbox.hubspot.errors import HubSpotError, invalid, not_found
from segserver.sandbox.hubspot.objects import bounded
from segserver.sandbox.hubspot.records import instant
from segserver.sandbox.routing import Route, json_body, json_response, whole

if TYPE_CHECKING:
    from segserver.sandbox.hubspot.account import HubSpotAccount

CONTACTS = "0-1"
PAGE, SEARCH_PAGE, CLEARABLE, MOST_IDS = 250, 500, 100_000, 100_000
_PROCESSING = ("MANUAL", "SNAPSHOT", "DYNAMIC")
_FIRST_ID = 301


def show(entry: ContactList) -> dict[str, object]:
    """A list as HubSpot answers it."""
    shown: dict[str, object] = {
        "listId": str(entry.id),
        "listVersion": entry.version,
        "name": entry.name,
        "objectTypeId": CONTACTS,
        "processingType": entry.processing_type,
        "processingStatus": "COMPLETE",
        "createdAt": instant(entry.created_at),
        "updatedAt": instant(entry.created_at),
        "size": len(entry.members),
    }
    return shown | ({"deletedAt": instant(entry.deleted_at)} if entry.deleted_at else {})


def _create(account: HubSpotAccount) -> Response:
    body = json_body()
    name = str(body.get("name") or "")
    if not name or body.get("objectTypeId") != CONTACTS or body.get("processingType") not in _PROCESSING:
        raise invalid("a list needs name, objectTypeId 0-1 and processingType MANUAL, SNAPSHOT or DYNAMIC")
    if _named(account, name):
        raise invalid(f"A list with the name '{name}' already exists", {"message": "duplicate name", "in": "name"})
    list_id = max(account.all_lists, default=_FIRST_ID - 1) + 1
    account.all_lists[list_id] = ContactList(list_id, name, str(body["processingType"]), account.clock.now())
    return json_response({"list": show(account.all_lists[list_id])})


def _get(account: HubSpotAccount, list_id: str) -> Response:
    return json_response({"list": show(_find(account, list_id))})


def _by_name(account: HubSpotAccount, object_type: str, name: str) -> Response:
    entry = _named(account, name)
    if entry is None or object_type != CONTACTS:
        raise not_found(f"List does not exist with name {name} and object type ID {object_type}.")
    return json_response({"list": show(entry)})


def _search(account: HubSpotAccount) -> Response:
    body = json_body()
    offset, count = whole(body.get("offset", 0)), whole(body.get("count", 20))
    if not 0 < count <= SEARCH_PAGE:
        raise invalid(f"count must be between 1 and {SEARCH_PAGE}")
    query, types = str(body.get("query", "")).lower(), body.get("processingTypes") or _PROCESSING
    ids = {str(list_id) for list_id in body.get("listIds") or account.all_lists}
    found = [
        entry
        for entry in account.all_lists.values()
        if not entry.deleted_at
        and query in entry.name.lower()
        and entry.processing_type in types
        and str(entry.id) in ids
    ]
    page, end = found[offset : offset + count], offset + count
    reply = {"offset": end, "hasMore": end < len(found), "total": len(found)}
    # A list that is found does not tell its size.
    lists = [{name: value for name, value in show(entry).items() if name != "size"} for entry in page]
    return json_response({"lists": lists, **reply})


def _delete(account: HubSpotAccount, list_id: str) -> Response:
    _find(account, list_id).deleted_at = account.clock.now()
    return Response(status=204)


def _restore(account: HubSpotAccount, list_id: str) -> Response:
    entry = account.all_lists.get(int(list_id)) if list_id.isdigit() else None
    if entry is None:
        raise _unknown(list_id)
    entry.deleted_at = None
    return Response(status=204)


def _rename(account: HubSpotAccount, list_id: str) -> Response:
    entry, name = _find(account, list_id), request.args.get("listName", "")
    if not name or _named(account, name) not in (None, entry):
        raise invalid(f"'{name}' cannot be the name of this list")
    entry.name = name
    entry.version += 1
    return json_response({"updatedList": show(entry)})


def _members(account: HubSpotAccount, list_id: str) -> Response:
    entry, limit = _find(account, list_id), bounded("limit", 100, PAGE)
    after = request.args.get("after", "0")
    if not after.isdigit():
        raise invalid("after is not a paging token of a former reply")
    ids = entry.members.page(int(after), limit + 1)
    page = ids[:limit]
    reply: dict[str, object] = {
        "results": [{"recordId": str(one), "membershipTimestamp": instant(entry.members[one])} for one in page]
    }
    if len(ids) > limit:
        reply["paging"] = {"next": {"after": str(ids[limit])}}
    return json_response(reply)


def _add(account: HubSpotAccount, list_id: str) -> Response:
    return _apply(account, list_id, add=_ids(request.get_json()), remove=())


def _remove(account: HubSpotAccount, list_id: str) -> Response:
    return _apply(account, list_id, add=(), remove=_ids(request.get_json()))


def _add_and_remove(account: HubSpotAccount, list_id: str) -> Response:
    body = json_body()
    return _apply(
        account, list_id, add=_ids(body.get("recordIdsToAdd", [])), remove=_ids(body.get("recordIdsToRemove", []))
    )


def _apply(account: HubSpotAccount, list_id: str, add: Iterable[str], remove: Iterable[str]) -> Response:
    entry, now = _manual(account, list_id), account.clock.now()
    add, remove = list(add), list(remove)
    if len(add) + len(remove) > MOST_IDS:
        raise invalid(f"at most {MOST_IDS} record ids in one request")
    added, removed, missing = [], [], []
    for key in add:
        record = account.contacts.get(int(key))
        if record is None:
            missing.append(key)
        elif record.id not in entry.members:
            entry.members[record.id] = now
            added.append(key)
            account.journal.note_member(entry.id, record.id, "ADDED_TO_LIST", now)
    for key in remove:
        if entry.members.leave(int(key)):
            removed.append(key)
            account.journal.note_member(entry.id, int(key), "REMOVED_FROM_LIST", now)
        elif account.contacts.get(int(key)) is None:
            missing.append(key)
    return json_response({"recordsIdsAdded": added, "recordIdsRemoved": removed, "recordIdsMissing": missing})


def _clear(account: HubSpotAccount, list_id: str) -> Response:
    entry = _manual(account, list_id)
    if len(entry.members) >= CLEARABLE:
        raise invalid(f"a list of {CLEARABLE} members or more cannot be cleared at once")
    entry.members.clear()
    return Response(status=204)


def _of_record(account: HubSpotAccount, object_type: str, record_id: str) -> Response:
    record = account.table(object_type).get(int(record_id)) if record_id.isdigit() else None
    if record is None:
        raise not_found()
    results = [
        {
            "listId": str(entry.id),
            "listVersion": entry.version,
            "firstAddedTimestamp": instant(entry.members[record.id]),
            "lastAddedTimestamp": instant(entry.members[record.id]),
        }
        for entry in account.all_lists.values()
        if record.id in entry.members and not entry.deleted_at
    ]
    return json_response({"results": results, "total": len(results)})


def _ids(listed: object) -> list[str]:
    if not isinstance(listed, list) or not all(isinstance(key, str) and key.isdigit() for key in listed):
        raise invalid("record ids must be given as an array of strings")
    return listed


def _named(account: HubSpotAccount, name: str) -> ContactList | None:
    same = (entry for entry in account.all_lists.values() if entry.name == name and not entry.deleted_at)
    return next(same, None)


def _find(account: HubSpotAccount, list_id: str) -> ContactList:
    entry = account.all_lists.get(int(list_id)) if list_id.isdigit() else None
    if entry is None or entry.deleted_at:
        raise _unknown(list_id)
    return entry


def _manual(account: HubSpotAccount, list_id: str) -> ContactList:
    entry = _find(account, list_id)
    if entry.processing_type == "DYNAMIC":
        raise invalid("members of a DYNAMIC list cannot be set by hand")
    return entry


def _unknown(list_id: str) -> HubSpotError:
    return not_found(f"List does not exist with ID {list_id}.")


_BASE = "/crm/lists/VERSION"
ROUTES = (
    Route("POST", _BASE, _create),
    Route("GET", f"{_BASE}/object-type-id/<object_type>/name/<path:name>", _by_name),
    Route("POST", f"{_BASE}/search", _search),
    Route("GET", f"{_BASE}/records/<object_type>/<record_id>/memberships", _of_record),
    Route("GET", f"{_BASE}/<list_id>", _get),
    Route("DELETE", f"{_BASE}/<list_id>", _delete),
    Route("PUT", f"{_BASE}/<list_id>/restore", _restore),
    Route("PUT", f"{_BASE}/<list_id>/update-list-name", _rename),
    Route("GET", f"{_BASE}/<list_id>/memberships", _members),
    Route("DELETE", f"{_BASE}/<list_id>/memberships", _clear),
    Route("PUT", f"{_BASE}/<list_id>/memberships/add", _add),
    Route("PUT", f"{_BASE}/<list_id>/memberships/remove", _remove),
    Route("PUT", f"{_BASE}/<list_id>/memberships/add-and-remove", _add_and_remove),
)
