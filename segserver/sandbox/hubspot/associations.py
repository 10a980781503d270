"""Which deals belong to which contacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response

from segserver.sandbox.hubspot.errors import invalid
from segserver.sandbox.routing import Route, json_body, json_response, whole

if TYPE_CHECKING:
    from segserver.sandbox.hubspot.account import HubSpotAccount

BATCH, PER_RECORD = 1_000, 500
_CONTACT_TO_DEAL, _DEAL_TO_CONTACT = 4, 3


def _read(account: HubSpotAccount, from_type: str, to_type: str) -> Response:
    source, target = account.type_id(from_type), account.type_id(to_type)
    if source == target:
        raise invalid(f"no associations from {from_type} to {to_type}")
    inputs = json_body().get("inputs")
    if not isinstance(inputs, list) or not 0 < len(inputs) <= BATCH:
        raise invalid(f"inputs must hold 1 to {BATCH} records")
    links = account.contact_deals if source == account.type_id("contacts") else account.deal_contacts
    kind = _CONTACT_TO_DEAL if links is account.contact_deals else _DEAL_TO_CONTACT
    results, without = [], []
    for entry in inputs:
        key, after = str(entry.get("id")), whole(entry.get("after", 0))
        others = links.get(int(key), []) if key.isdigit() else []
        if others:
            results.append(_result(key, others, after, kind))
        else:
            without.append(key)
    return json_response(*account.batch_reply(results, [_none(from_type, to_type, key) for key in without]))


def _result(key: str, others: list[int], after: int, kind: int) -> dict[str, object]:
    types = [{"category": "HUBSPOT_DEFINED", "typeId": kind, "label": None}]
    page = others[after : after + PER_RECORD]
    result: dict[str, object] = {
        "from": {"id": key},
        "to": [{"toObjectId": str(other), "associationTypes": types} for other in page],
    }
    if after + PER_RECORD < len(others):
        result["paging"] = {"next": {"after": str(after + PER_RECORD)}}
    return result


def _none(from_type: str, to_type: str, key: str) -> dict[str, object]:
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No {to_type} is associated with {from_type} {key}.",
        "context": {"fromObjectId": [key]},
    }


ROUTES = (Route("POST", "/crm/associations/VERSION/<from_type>/<to_type>/batch/read", _read),)
