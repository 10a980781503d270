"""Object search: filters, one sort, a window of 10,000 results."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import Response, request

from segserver.clock import from_epoch_ms
from segserver.sandbox.hubspot.errors import HubSpotError, invalid
from segserver.sandbox.hubspot.properties import Definition
from segserver.sandbox.hubspot.records import Record, Table, epoch_ms, show
from segserver.sandbox.routing import Route, json_body, json_response, whole

if TYPE_CHECKING:
    from segserver.sandbox.hubspot.account import HubSpotAccount

Comparable = float | str
WINDOW, BODY_LIMIT, PAGE_LIMIT = 10_000, 3_000, 200
_GROUPS, _FILTERS, _ALL_FILTERS = 5, 6, 18
_KEPT_SEARCHES = 16
_BY_ID = [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]

_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": lambda has, asked: has == asked,
    "LT": lambda has, asked: has < asked,
    "LTE": lambda has, asked: has <= asked,
    "GT": lambda has, asked: has > asked,
    "GTE": lambda has, asked: has >= asked,
}
_OPERATORS = {
    *_ORDERED,
    "NEQ",
    "BETWEEN",
    "IN",
    "NOT_IN",
    "HAS_PROPERTY",
    "NOT_HAS_PROPERTY",
    "CONTAINS_TOKEN",
    "NOT_CONTAINS_TOKEN",
}


def search(account: HubSpotAccount, object_type: str) -> Response:
    """`POST /crm/objects/.../search`."""
    if len(request.get_data()) > BODY_LIMIT:
        raise invalid(f"The request body is longer than {BODY_LIMIT} characters")
    body = json_body()
    limit, after = _page(body)
    table = account.table(object_type)
    floor, rest = _without_floor(body)
    found = _found(account, object_type, rest)
    first = bisect_left(found, floor) if floor else 0
    records = [table.get(record_id) for record_id in found[first + after : first + after + limit]]
    reply: dict[str, object] = {
        "total": len(found) - first,
        "results": [show(record, body.get("properties") or (), table) for record in records if record],
    }
    if first + after + limit < len(found):
        reply["paging"] = {"next": {"after": str(after + limit)}}
    return json_response(reply)


def _page(body: Mapping[str, Any]) -> tuple[int, int]:
    limit, after = whole(body.get("limit") or 10), str(body.get("after") or "0")
    if not 0 < limit <= PAGE_LIMIT:
        raise invalid(f"limit must be between 1 and {PAGE_LIMIT}")
    if not after.isdigit():
        raise invalid("after must be the offset of a former reply")
    if int(after) >= WINDOW:
        raise HubSpotError(400, "VALIDATION_ERROR", f"Search results are limited to the first {WINDOW} results")
    return limit, int(after)


def _without_floor(body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    """The least id asked for, and the search without it: a caller who pages by id asks the same of the rest each time.

    Only where results come in the order of ids; else 0 and the search as it is.
    """
    groups = body.get("filterGroups") or []
    if len(groups) != 1 or (body.get("sorts") or _BY_ID) not in (_BY_ID, ["hs_object_id"]):
        return 0, body
    filters = groups[0].get("filters", [])
    floors = [one for one in filters if (one.get("propertyName"), one.get("operator")) == ("hs_object_id", "GTE")]
    if len(floors) != 1 or not str(floors[0].get("value", "")).isdigit() or len(filters) > _FILTERS:
        return 0, body
    rest = [one for one in filters if one is not floors[0]]
    return int(floors[0]["value"]), {**body, "filterGroups": [{"filters": rest}]}


def _found(account: HubSpotAccount, object_type: str, body: Mapping[str, Any]) -> list[int]:
    """Ids of all results in order; kept while nothing changes, so that paging through them is quick."""
    seen_until = account.clock.now() - account.search_lag if account.search_lag else None
    table = account.table(object_type)
    asked = {key: body.get(key) for key in ("filterGroups", "sorts", "query")}
    key = f"{account.type_id(object_type)} {json.dumps(asked, sort_keys=True)}"
    state = (table.version, seen_until)
    kept = account.searched.get(key)
    if kept and kept[0] == state:
        return kept[1]
    found = _sorted(_matching(body, table, account.schema(object_type), seen_until), body, account, object_type)
    while len(account.searched) >= _KEPT_SEARCHES:
        account.searched.pop(next(iter(account.searched)))
    account.searched[key] = state, [record.id for record in found]
    return account.searched[key][1]


def _matching(
    body: Mapping[str, Any], table: Table, schema: Mapping[str, Definition], seen_until: datetime | None
) -> list[Record]:
    groups = [group.get("filters", []) for group in body.get("filterGroups") or [{}]]
    if len(groups) > _GROUPS or any(len(g) > _FILTERS for g in groups) or sum(map(len, groups)) > _ALL_FILTERS:
        raise invalid(f"at most {_GROUPS} filterGroups of {_FILTERS} filters, {_ALL_FILTERS} filters in all")
    words = str(body.get("query") or "").lower().split()
    found: dict[int, Record] = {}
    for filters in groups:
        tests = [_test(entry, schema) for entry in filters]
        for record_id in _candidates(filters, table):
            record = table.get(record_id)
            if record and record_id not in found and all(test(record) for test in tests):
                found[record_id] = record
    return [
        record
        for record in found.values()
        if (seen_until is None or record.updated_at <= seen_until) and _mentions(record, words)
    ]


def _candidates(filters: Sequence[Mapping[str, Any]], table: Table) -> Sequence[int]:
    """A part of the records that surely holds every match: by last change or by id, whichever is less."""
    narrowed: list[Sequence[int]] = [table.ids]
    for entry in filters:
        name, value = entry.get("propertyName"), str(entry.get("value", ""))
        if entry.get("operator") not in ("GT", "GTE"):
            continue
        if name == table.modified and (since := epoch_ms(value)) is not None:
            narrowed.append(table.changed_since(from_epoch_ms(since)))
        elif name == "hs_object_id" and value.isdigit():
            narrowed.append(table.ids[bisect_left(table.ids, int(value)) :])
    return min(narrowed, key=len)


def _test(entry: Mapping[str, Any], schema: Mapping[str, Definition]) -> Callable[[Record], bool]:
    name, operator = str(entry.get("propertyName")), entry.get("operator")
    if name not in schema:
        raise invalid(f"There was a problem with the request: property '{name}' does not exist")
    if operator not in _OPERATORS:
        raise invalid(f"Invalid operator {operator}; valid operators are {', '.join(sorted(_OPERATORS))}")
    kind = str(schema[name]["type"])
    test = _operation(str(operator), entry, lambda text: comparable(kind, text))
    return lambda record: test(record.properties.get(name))


def _operation(
    operator: str, entry: Mapping[str, Any], read: Callable[[str], Comparable | None]
) -> Callable[[str | None], bool]:
    if operator == "HAS_PROPERTY":
        return lambda has: has is not None
    if operator == "NOT_HAS_PROPERTY":
        return lambda has: has is None
    if operator in ("IN", "NOT_IN"):
        asked = {read(str(value)) for value in entry.get("values", [])}
        return lambda has: has is not None and (read(has) in asked) == (operator == "IN")
    value = str(entry.get("value", ""))
    if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
        token = value.strip("*").lower()
        return lambda has: (has is not None and token in has.lower()) == (operator == "CONTAINS_TOKEN")
    if operator == "NEQ":
        return lambda has: has is not None and read(has) != read(value)
    if operator == "BETWEEN":
        low, high = _bound(value, read), _bound(str(entry.get("highValue", "")), read)
        return lambda has: _holds("GTE", has, low, read) and _holds("LTE", has, high, read)
    bound = _bound(value, read)
    return lambda has: _holds(operator, has, bound, read)


def _bound(text: str, read: Callable[[str], Comparable | None]) -> Comparable:
    bound = read(text)
    if bound is None:
        raise invalid(f"'{text}' is not a valid value for this property")
    return bound


def _holds(operator: str, has: str | None, asked: Comparable, read: Callable[[str], Comparable | None]) -> bool:
    known = None if has is None else read(has)
    return known is not None and _ORDERED[operator](known, asked)


def comparable(kind: str, text: str) -> Comparable | None:
    """A property value in the order of its type; None if it is not of that type."""
    if kind == "number":
        try:
            return float(text)
        except ValueError:
            return None
    if kind in ("datetime", "date"):
        return epoch_ms(text)
    return text.lower()


def _mentions(record: Record, words: Sequence[str]) -> bool:
    if not words:
        return True
    text = " ".join(record.properties.get(name, "") for name in ("email", "firstname", "lastname", "dealname")).lower()
    return all(word in text for word in words)


def _sorted(records: list[Record], body: Mapping[str, Any], account: HubSpotAccount, object_type: str) -> list[Record]:
    sorts = body.get("sorts") or []
    if len(sorts) > 1:
        raise invalid("only one sort is supported")
    sort = sorts[0] if sorts else "hs_object_id"
    name = str(sort.get("propertyName") if isinstance(sort, dict) else sort.lstrip("-"))
    descending = sort.get("direction") == "DESCENDING" if isinstance(sort, dict) else sort.startswith("-")
    definition = account.schema(object_type).get(name)
    if definition is None:
        raise invalid(f"cannot sort by '{name}', which does not exist")
    kind = str(definition["type"])
    known = [(comparable(kind, record.properties.get(name, "")), record.id, record) for record in records]
    ranked = sorted((entry for entry in known if entry[0] is not None), key=lambda entry: entry[:2], reverse=descending)
    return [*(entry[2] for entry in ranked), *(entry[2] for entry in known if entry[0] is None)]


ROUTES = (Route("POST", "/crm/objects/VERSION/<object_type>/search", search),)
