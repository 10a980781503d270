"""Contacts and deals one by one: list, read, create, change, delete, merge."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from flask import Response, request

from segserver.sandbox.hubspot.errors import HubSpotError, invalid, not_found
from segserver.sandbox.hubspot.properties import read_only
from segserver.sandbox.hubspot.records import Record, Table, show
from segserver.sandbox.hubspot.value_types import typed
from segserver.sandbox.routing import Route, json_body, json_response

if TYPE_CHECKING:
    from segserver.sandbox.hubspot.account import HubSpotAccount

PAGE, PAGE_WITH_HISTORY = 100, 50
_SINGULAR = {"0-1": "contact", "0-2": "company", "0-3": "deal"}


def _list(account: HubSpotAccount, object_type: str) -> Response:
    history = names("propertiesWithHistory")
    limit = bounded("limit", 10, PAGE_WITH_HISTORY if history else PAGE)
    after = request.args.get("after", "0")
    if not after.isdigit():
        raise invalid("after is not a paging token of a former reply")
    table, archived = account.table(object_type), request.args.get("archived", "false") == "true"
    ids = table.archived if archived else table.ids
    start = bisect_left(ids, int(after))
    page = [find(table, str(record_id), archived=archived) for record_id in ids[start : start + limit]]
    reply: dict[str, object] = {"results": _shown(account, object_type, page, history)}
    if start + limit < len(ids):
        following = str(ids[start + limit])
        reply["paging"] = {"next": {"after": following, "link": f"{request.base_url}?after={following}&limit={limit}"}}
    return json_response(reply)


def _shown(
    account: HubSpotAccount, object_type: str, page: Sequence[Record], history: Sequence[str]
) -> list[dict[str, object]]:
    table, wanted = account.table(object_type), names("properties")
    shown = [show(record, wanted, table, history) for record in page]
    if names("associations"):
        for entry, record in zip(shown, page, strict=True):
            entry["associations"] = _associations(account, object_type, record)
    return shown


def _associations(account: HubSpotAccount, object_type: str, record: Record) -> dict[str, object]:
    shown: dict[str, object] = {}
    for other in names("associations"):
        others = (account.links(object_type, other) or {}).get(record.id)
        if others:
            kind = f"{_SINGULAR[account.type_id(object_type)]}_to_{_SINGULAR[account.type_id(other)]}"
            shown[other] = {"results": [{"id": str(number), "type": kind} for number in others]}
    return shown


def _get(account: HubSpotAccount, object_type: str, key: str) -> Response:
    table = account.table(object_type)
    record = find(table, key, archived=request.args.get("archived", "false") == "true")
    return json_response(_shown(account, object_type, [record], names("propertiesWithHistory"))[0])


def _create(account: HubSpotAccount, object_type: str) -> Response:
    record = create(account, object_type, json_body().get("properties", {}))
    return json_response(show(record, tuple(record.properties), account.table(object_type)), 201)


def _update(account: HubSpotAccount, object_type: str, key: str) -> Response:
    record = find(account.table(object_type), key)
    update(account, object_type, record, json_body().get("properties", {}))
    return json_response(show(record, tuple(record.properties), account.table(object_type)))


def _archive(account: HubSpotAccount, object_type: str, key: str) -> Response:
    archive(account, object_type, find(account.table(object_type), key))
    return Response(status=204)


def _merge(account: HubSpotAccount, object_type: str) -> Response:
    if account.table(object_type) is not account.contacts:
        raise invalid("only contacts can be merged here")
    body = json_body()
    survivor = find(account.contacts, str(body.get("primaryObjectId", "")))
    loser = find(account.contacts, str(body.get("objectIdToMerge", "")))
    if survivor is loser:
        raise invalid("Cannot merge an object with itself")
    account.merge_contacts(survivor, loser)
    return json_response(show(survivor, tuple(survivor.properties), account.contacts))


def _erase(account: HubSpotAccount, object_type: str) -> Response:
    body = json_body()
    record = find(account.table(object_type), str(body.get("objectId", "")), body.get("idProperty"))
    account.erase_contact(record)
    return Response(status=204)


def find(table: Table, key: str, id_property: str | None = None, *, archived: bool = False) -> Record:
    """A record by id, or by e-mail if the request says so.

    Raises:
        HubSpotError: 404.
    """
    by = id_property or request.args.get("idProperty") or "hs_object_id"
    if by == "email":
        record = table.by_email(key)
    elif by != "hs_object_id":
        raise invalid(f"'{by}' is not a unique property")
    else:
        numeric = int(key) if key.isdigit() else -1
        record = table.get_archived(numeric) if archived else table.get(numeric)
    if record is None:
        raise not_found()
    return record


def create(account: HubSpotAccount, object_type: str, properties: Mapping[str, object]) -> Record:
    """Add a record that a caller asked for.

    Raises:
        HubSpotError: 400 for properties that cannot be set, 409 for an e-mail that is taken.
    """
    texts = writable(account, object_type, properties)
    table = account.table(object_type)
    taken = table.by_email(texts["email"]) if texts.get("email") else None
    if taken:
        raise HubSpotError(409, "CONFLICT", f"Contact already exists. Existing ID: {taken.id}")
    record = table.create(texts, account.clock.now())
    if table is account.contacts:
        account.emit("contact.creation", record.id, changeSource="INTEGRATION")
    elif table is account.deals:
        account.deal_contacts[record.id] = []
    return record


def update(account: HubSpotAccount, object_type: str, record: Record, properties: Mapping[str, object]) -> None:
    """Set properties that a caller asked for.

    Raises:
        HubSpotError: 400 for properties that cannot be set.
    """
    texts = writable(account, object_type, properties)
    if account.table(object_type) is account.contacts:
        account.change(record, texts, source="INTEGRATION")
    else:
        account.table(object_type).update(record, texts, account.clock.now())


def archive(account: HubSpotAccount, object_type: str, record: Record) -> None:
    """Move a record to the recycle bin."""
    if account.table(object_type) is account.contacts:
        account.archive_contact(record)
    else:
        account.table(object_type).archive(record, account.clock.now())


def writable(account: HubSpotAccount, object_type: str, properties: Mapping[str, object]) -> dict[str, str]:
    """Property values as text, as HubSpot keeps them.

    Raises:
        HubSpotError: 400 for a property that does not exist or is read-only, or a value that is not of its type.
    """
    schema = account.schema(object_type)
    for name in properties:
        if name not in schema:
            code, message = "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'
        elif read_only(schema[name]):
            code, message = "READ_ONLY_VALUE", f'"{name}" is a read only property'
        else:
            continue
        context = {"propertyName": [name]}
        raise invalid(
            f"Property values were not valid: {message}", {"message": message, "code": code, "context": context}
        )
    return {name: typed(schema[name], "" if value is None else str(value)) for name, value in properties.items()}


def names(parameter: str) -> list[str]:
    """A list of names in the query, repeated or with commas."""
    return [name for part in request.args.getlist(parameter) for name in part.split(",") if name]


def bounded(parameter: str, default: int, most: int) -> int:
    """A number in the query, from 1 to `most`.

    Raises:
        HubSpotError: 400.
    """
    text = request.args.get(parameter, str(default))
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise invalid(f"{parameter} must be between 1 and {most}")
    return int(text)


_BASE = "/crm/objects/VERSION/<object_type>"
ROUTES = (
    Route("GET", _BASE, _list),
    Route("POST", _BASE, _create),
    Route("POST", f"{_BASE}/merge", _merge),
    Route("POST", f"{_BASE}/gdpr-delete", _erase),
    Route("GET", f"{_BASE}/<key>", _get),
    Route("PATCH", f"{_BASE}/<key>", _update),
    Route("DELETE", f"{_BASE}/<key>", _archive),
)
