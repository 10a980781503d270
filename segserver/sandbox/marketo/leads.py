"""Leads by filter, and setting their fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flask import Response, request

from segserver.sandbox.faults import ENVIRON_KEY, Fault, failing
from segserver.sandbox.marketo.errors import MarketoError, invalid, skipped, success
from segserver.sandbox.marketo.fields import DEFAULT, SEARCHABLE, check_names, typed
from segserver.sandbox.routing import Route, json_body, whole

if TYPE_CHECKING:
    from segserver.sandbox.marketo.account import MarketoAccount
    from segserver.sandbox.marketo.records import Lead

BATCH, TOO_MANY = 300, 1_000
_ACTIONS = ("createOrUpdate", "createOnly", "updateOnly", "createDuplicate")


def parameter(name: str) -> str | None:
    """A parameter of the query, or of the form that stands for a query too long."""
    return request.args.get(name) or request.form.get(name)


def required(name: str) -> str:
    """A parameter that must be there.

    Raises:
        MarketoError: 1002.
    """
    value = parameter(name)
    if not value:
        raise MarketoError("1002", f"Missing value for required parameter '{name}'")
    return value


def page_size() -> int:
    """`batchSize` of a request, 300 unless it asks for less."""
    size = parameter("batchSize") or str(BATCH)
    if not size.isdigit() or int(size) == 0:
        raise invalid(f"Invalid batchSize '{size}'")
    return min(int(size), BATCH)


def asked_fields(account: MarketoAccount) -> list[str]:
    """Names of the fields to show."""
    names = [name for name in (parameter("fields") or "").split(",") if name]
    check_names(account.fields, names)
    return list(dict.fromkeys([*names, "id"])) if names else list(DEFAULT)


def show(lead: Lead, fields: Sequence[str]) -> dict[str, object]:
    """A lead as an answer shows it."""
    return {name: lead.shown(name) for name in fields}


def _by_filter(account: MarketoAccount) -> Response:
    kind, values = required("filterType"), [value.strip() for value in required("filterValues").split(",")]
    if kind not in SEARCHABLE and kind not in account.fields:
        raise MarketoError("1006", f"Field '{kind}' not found")
    if kind not in SEARCHABLE:
        raise MarketoError("1011", f"Filter type '{kind}' not supported")
    if len(values) > BATCH:
        raise invalid(f"filterValues holds more than {BATCH} values")
    found = _matching(account, kind, values)
    if len(found) > TOO_MANY:
        raise invalid("Too many results match the filter")
    fields, start, size = asked_fields(account), account.place(parameter("nextPageToken")), page_size()
    more = {"nextPageToken": account.token_at(start + size)} if start + size < len(found) else {}
    return success([show(lead, fields) for lead in found[start : start + size]], **more)


def _matching(account: MarketoAccount, kind: str, values: Sequence[str]) -> list[Lead]:
    if kind == "id":
        numbers = sorted({int(value) for value in values if value.isdigit()})
        return [account.leads[number] for number in numbers if number in account.leads]
    wanted = {value.lower() for value in values}
    return [lead for lead in account.leads.values() if str(lead.values.get(kind, "")).lower() in wanted]


def _by_id(account: MarketoAccount, number: str) -> Response:
    lead = account.leads.get(int(number)) if number.isdigit() else None
    if lead is None:
        raise MarketoError("1004", f"Lead '{number}' not found")
    return success([show(lead, asked_fields(account))])


def _sync(account: MarketoAccount) -> Response:
    body = json_body()
    action, lookup = body.get("action", "createOrUpdate"), body.get("lookupField", "email")
    inputs = body.get("input") or []
    if action not in _ACTIONS:
        raise invalid(f"Invalid action '{action}'")
    if not 0 < len(inputs) <= BATCH:
        raise invalid(f"input must hold 1 to {BATCH} leads")
    if lookup == "id" and action != "updateOnly":
        raise invalid("lookupField 'id' goes with action 'updateOnly' only")
    check_names(account.fields, dict.fromkeys([lookup, *(name for entry in inputs for name in entry)]))
    unlucky = set()
    if request.environ.get(ENVIRON_KEY) is Fault.PARTIAL:
        unlucky = failing(range(len(inputs)), account.calls)
    result, seen = [], set()
    for position, entry in enumerate(inputs):
        key = str(entry.get(lookup, position)).lower()
        if key in seen:
            result.append(skipped("1036", f"Duplicate object found in input for '{lookup}'"))
            continue
        seen.add(key)
        if position in unlucky:
            result.append(skipped("719", "Lock wait timeout exception"))
            continue
        try:
            result.append(_sync_one(account, action, lookup, entry))
        except MarketoError as error:
            result.append(skipped(error.code, error.message))
    return success(result)


def _sync_one(account: MarketoAccount, action: str, lookup: str, entry: Mapping[str, Any]) -> dict[str, object]:
    found = [] if action == "createDuplicate" else _matching(account, lookup, [str(entry.get(lookup, ""))])
    if len(found) > 1:
        raise MarketoError("1007", "Multiple lead match lookup criteria")
    if found and action == "createOnly":
        raise MarketoError("1005", "Lead already exists")
    if not found and action == "updateOnly":
        raise MarketoError("1004", "Lead not found")
    settable = {name: value for name, value in entry.items() if not account.fields[name].read_only}
    values = {name: typed(account.fields[name], value) for name, value in settable.items()}
    if not found:
        lead = account.add_lead(values, account.clock.now(), source="Web service API")
        return {"id": lead.number, "status": "created"}
    account.change_lead(found[0], values, reason="Web service API")
    return {"id": found[0].number, "status": "updated"}


def _delete(account: MarketoAccount) -> Response:
    inputs = json_body().get("input") or []
    result = []
    for entry in inputs[:BATCH]:
        lead = account.leads.get(whole(entry.get("id", -1)))
        if lead is None:
            result.append(skipped("1004", "Lead not found", id=entry.get("id")))
        else:
            account.delete_lead(lead)
            result.append({"id": lead.number, "status": "deleted"})
    return success(result)


def _merge(account: MarketoAccount, number: str) -> Response:
    losers = [whole(value) for value in required("leadIds").split(",")]
    if len(losers) > 25:
        raise MarketoError("1080", "Too many leads to merge")
    missing = [one for one in (int(number), *losers) if one not in account.leads]
    if missing:
        raise MarketoError("1004", f"Lead '{missing[0]}' not found")
    for loser in losers:
        account.merge_leads(account.leads[int(number)], account.leads[loser])
    return success()


ROUTES = (
    Route("GET", "/rest/v1/leads.json", _by_filter),
    Route("POST", "/rest/v1/leads.json", _sync),
    Route("POST", "/rest/v1/leads/delete.json", _delete),
    Route("POST", "/rest/v1/leads/<number>/merge.json", _merge),
    Route("GET", "/rest/v1/lead/<number>.json", _by_id),
)
