"""Up to a hundred records per call; 207 when some of them fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flask import Response, request

from segserver.sandbox.faults import ENVIRON_KEY, Fault, failing
from segserver.sandbox.hubspot.errors import HubSpotError, invalid
from segserver.sandbox.hubspot.objects import PAGE_WITH_HISTORY, archive, create, find, update, writable
from segserver.sandbox.hubspot.records import show
from segserver.sandbox.routing import Route, json_body, json_response, whole

if TYPE_CHECKING:
    from segserver.sandbox.hubspot.account import HubSpotAccount

Input = Mapping[str, Any]
BATCH = 100


def _read(account: HubSpotAccount, object_type: str) -> Response:
    body, table = json_body(), account.table(object_type)
    history = body.get("propertiesWithHistory") or []
    inputs = _inputs(PAGE_WITH_HISTORY if history else BATCH)
    archived = request.args.get("archived", "false") == "true"
    results, missing = [], []
    for entry in inputs:
        key = str(entry.get("id"))
        try:
            record = find(table, key, body.get("idProperty"), archived=archived)
            results.append(show(record, body.get("properties") or (), table, history))
        except HubSpotError:
            missing.append(key)
    message = "Could not get some objects, they may be deleted or not exist. Check that ids are valid."
    error = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": missing}}
    return json_response(*account.batch_reply(results, [error] if missing else []))


def _update(account: HubSpotAccount, object_type: str) -> Response:
    table = account.table(object_type)

    def one(entry: Input) -> dict[str, object]:
        record = find(table, str(entry.get("id")), entry.get("idProperty"))
        update(account, object_type, record, entry.get("properties", {}))
        return show(record, tuple(entry.get("properties", {})), table)

    return _each(account, object_type, one)


def _create(account: HubSpotAccount, object_type: str) -> Response:
    table = account.table(object_type)

    def one(entry: Input) -> dict[str, object]:
        record = create(account, object_type, entry.get("properties", {}))
        return show(record, tuple(entry.get("properties", {})), table)

    return _each(account, object_type, one, done=201)


def _upsert(account: HubSpotAccount, object_type: str) -> Response:
    table = account.table(object_type)

    def one(entry: Input) -> dict[str, object]:
        key, by, properties = str(entry.get("id")), entry.get("idProperty"), entry.get("properties", {})
        try:
            record, new = find(table, key, by), False
            update(account, object_type, record, properties)
        except HubSpotError as error:
            if error.status != 404 or by != "email":
                raise
            record, new = create(account, object_type, {**properties, "email": key}), True
        return {**show(record, tuple(properties), table), "new": new}

    return _each(account, object_type, one)


def _archive(account: HubSpotAccount, object_type: str) -> Response:
    for entry in _inputs(BATCH):
        record = account.table(object_type).get(whole(entry.get("id", -1)))
        if record:
            archive(account, object_type, record)
    return Response(status=204)


def _inputs(most: int) -> list[Input]:
    inputs = json_body().get("inputs")
    if not isinstance(inputs, list) or not 0 < len(inputs) <= most:
        raise invalid(f"inputs must hold 1 to {most} records")
    return inputs


def _each(
    account: HubSpotAccount, object_type: str, one: Callable[[Input], dict[str, object]], done: int = 200
) -> Response:
    """Carry out a batch record by record; without trace ids the first bad record fails the whole batch."""
    inputs = _inputs(BATCH)
    ids = [str(entry["id"]) for entry in inputs if "id" in entry]
    if len(set(ids)) != len(ids):
        raise invalid("Duplicate IDs found in batch input")
    traced = len({entry.get("objectWriteTraceId") for entry in inputs} - {None}) == len(inputs)
    if not traced:
        for entry in inputs:
            writable(account, object_type, entry.get("properties", {}))
    unlucky = set()
    if request.environ.get(ENVIRON_KEY) is Fault.PARTIAL and traced:
        unlucky = failing([entry["objectWriteTraceId"] for entry in inputs], account.calls)
    results, errors = [], []
    for entry in inputs:
        trace = entry.get("objectWriteTraceId")
        try:
            if trace in unlucky:
                raise HubSpotError(500, "INTERNAL_ERROR", "internal error")
            result = one(entry)
            results.append({**result, "objectWriteTraceId": trace} if trace else result)
        except HubSpotError as error:
            if not traced:
                raise
            errors.append(_standard_error(error, entry))
    return json_response(*account.batch_reply(results, errors, done))


def _standard_error(error: HubSpotError, entry: Input) -> dict[str, object]:
    context = {"objectWriteTraceId": [entry["objectWriteTraceId"]]}
    if "id" in entry:
        context["ids"] = [str(entry["id"])]
    return {
        "status": "error",
        "category": error.category,
        "message": error.message,
        "context": context,
        "errors": list(error.errors),
        "links": {},
    }


_BASE = "/crm/objects/VERSION/<object_type>/batch"
ROUTES = (
    Route("POST", f"{_BASE}/read", _read),
    Route("POST", f"{_BASE}/update", _update),
    Route("POST", f"{_BASE}/create", _create),
    Route("POST", f"{_BASE}/upsert", _upsert),
    Route("POST", f"{_BASE}/archive", _archive),
)
