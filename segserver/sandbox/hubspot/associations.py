"""Which deals and companies belong to which contacts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Response

from segserver.sandbox.hubspot.errors import invalid
from segserver.sandbox.routing import Route, json_body, json_response, whole

if TYPE_CHECKING:
    from segserver.sandbox.hubspot.account import HubSpotAccount

BATCH, PER_RECORD = 1_000, 500


@dataclass(frozen=True, slots=True)
class Kinds:
    """The numbers of a kind of association: the plain one, and that of the primary record where there is one."""

    plain: int
    primary: int | None = None


_KINDS = {
    ("0-1", "0-3"): Kinds(4),
    ("0-3", "0-1"): Kinds(3),
    ("0-1", "0-2"): Kinds(279, 1),
    ("0-2", "0-1"): Kinds(280),
}


def _read(account: HubSpotAccount, from_type: str, to_type: str) -> Response:
    links = account.links(from_type, to_type)
    if links is None:
        raise invalid(f"no associations from {from_type} to {to_type}")
    inputs = json_body().get("inputs")
    if not isinstance(inputs, list) or not 0 < len(inputs) <= BATCH:
        raise invalid(f"inputs must hold 1 to {BATCH} records")
    kinds = _KINDS[account.type_id(from_type), account.type_id(to_type)]
    results, without = [], []
    for entry in inputs:
        key, after = str(entry.get("id")), whole(entry.get("after", 0))
        others = links.get(int(key), []) if key.isdigit() else []
        if others:
            results.append(_result(key, others, after, kinds))
        else:
            without.append(key)
    return json_response(*account.batch_reply(results, [_none(from_type, to_type, key) for key in without]))


def _result(key: str, others: list[int], after: int, kinds: Kinds) -> dict[str, object]:
    def types(other: int) -> list[dict[str, object]]:
        plain: dict[str, object] = {"category": "HUBSPOT_DEFINED", "typeId": kinds.plain, "label": None}
        if kinds.primary is None or other != others[0]:
            return [plain]
        return [plain, {"category": "HUBSPOT_DEFINED", "typeId": kinds.primary, "label": "Primary"}]

    page = others[after : after + PER_RECORD]
    result: dict[str, object] = {
        "from": {"id": key},
        "to": [{"toObjectId": str(other), "associationTypes": types(other)} for other in page],
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
