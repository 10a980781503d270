"""HubSpot's own description of its dated paths, and whether a request and its answer keep to it.

The description is stricter here than as written: no object may have keys that it does not name. Where it is wrong, it
is mended by the functions of `CORRECTIONS`, each of which says why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from segserver.sandbox.recording import Exchange, Recorded

FILE = Path(__file__).parent / "contracts" / "openapi" / "hubspot" / "hubspot-2026-03.openapi.json"
_URI = "hubspot:"
_ENDS = 5
"""How many records at each end of an array are checked."""

_DATED = re.compile(r"/20\d\d-\d\d(/|$)")


# ---- where the description is wrong ----------------------------------------------------------------------------------


def requests_need_less(document: dict[str, Any]) -> None:
    """The client's types require keys for which the service has a default, such as `after` of a search."""
    for path, operations in document["paths"].items():
        for ending, needed in _NEEDED.items():
            if re.search(ending, path) and "requestBody" in operations.get("post", {}):
                operations["post"]["requestBody"]["content"]["application/json"]["schema"]["required"] = needed
    document["components"]["schemas"]["SimplePublicObjectBatchInputForCreateParam"]["required"] = ["properties"]


_NEEDED: Mapping[str, list[str]] = {
    r"^/crm/objects/.*/search$": [],
    r"^/crm/objects/.*/batch/read$": ["inputs"],
    r"^/crm/objects/2026-03/[^/]+$": ["properties"],
    r"^/crm/properties/.*/batch/read$": ["inputs"],
    r"^/crm/lists/2026-03/search$": [],
}


def searches_are_sorted_by_objects(document: dict[str, Any]) -> None:
    """The client's types say texts; HubSpot's documentation and other clients send the property and the direction."""
    properties = {"propertyName": {"type": "string"}, "direction": {"enum": ["ASCENDING", "DESCENDING"]}}
    sort = {"type": "object", "properties": properties, "required": ["propertyName", "direction"]}
    for path, operations in document["paths"].items():
        if not (path.startswith("/crm/objects/") and path.endswith("/search")):
            continue
        body = operations["post"]["requestBody"]["content"]["application/json"]["schema"]
        body["properties"]["sorts"]["items"] = {"anyOf": [{"type": "string"}, sort]}


def batches_may_fail_in_part(document: dict[str, Any]) -> None:
    """Success is shown as 2XX alone; with 207 a batch also has `errors` and `numErrors`."""
    errors = {"type": "array", "items": {"$ref": "#/components/schemas/StandardError"}}
    for name, schema in document["components"]["schemas"].items():
        if name.startswith("BatchResponse"):
            schema["properties"] |= {"numErrors": {"type": "integer"}, "errors": errors}


def errors_of_batches_may_lack_parts(document: dict[str, Any]) -> None:
    """The client's types require every key of an error; the error-handling page calls all of them optional."""
    for name in ("StandardError", "ErrorDetail"):
        document["components"]["schemas"][name]["required"] = ["message"]


def answers_may_hold_nulls(document: dict[str, Any]) -> None:
    """The client's types lost their nulls: a property asked for that has no value, an association without a label."""
    for name, schema in document["components"]["schemas"].items():
        held = schema.get("properties", {}).get("properties", {})
        if held.get("additionalProperties") == {"type": "string"} and not name.endswith("Param"):
            held["additionalProperties"] = {"type": ["string", "null"]}
    document["components"]["schemas"]["AssociationSpecWithLabel"]["properties"]["label"]["type"] = ["string", "null"]


CORRECTIONS: tuple[Callable[[dict[str, Any]], None], ...] = (
    requests_need_less,
    searches_are_sorted_by_objects,
    batches_may_fail_in_part,
    errors_of_batches_may_lack_parts,
    answers_may_hold_nulls,
)

SAME_SHAPE: Mapping[str, str] = {
    r"^/events/custom/2026-09(?=/)": "/events/2026-03",
    r"/2026-09(?=/|$)": "/2026-03",
}
"""Paths of 2026-09, which the description lacks, and those of the same shape that it has."""


# ---- the check -------------------------------------------------------------------------------------------------------


class Description:
    """Finds the operation of a request and checks both sides of it."""

    def __init__(self, document: dict[str, Any]) -> None:
        mended = deepcopy(document)
        for correct in CORRECTIONS:
            correct(mended)
        _close(mended["components"])
        _close(mended["paths"])
        self._paths = [(_pattern(path), operations) for path, operations in mended["paths"].items()]
        resource = DRAFT202012.create_resource(mended)
        self._registry = Registry().with_resource(_URI, resource)
        self._validators: dict[int, Draft202012Validator] = {}

    def faults(self, exchange: Exchange) -> list[str]:
        """What is wrong with an exchange; nothing for paths without a date."""
        recorded = exchange.recorded
        if recorded.platform != "hubspot" or not _DATED.search(recorded.path):
            return []
        operation = self._operation(recorded.method, recorded.path)
        if operation is None:
            return [f"{recorded.method} {recorded.path}: not described"] if recorded.status != 404 else []
        found = [*self._request_faults(operation, recorded), *self._answer_faults(operation, exchange)]
        return [f"{recorded.method} {recorded.path} ({recorded.status}): {fault}" for fault in found]

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        for pattern, replacement in SAME_SHAPE.items():
            path = re.sub(pattern, replacement, path)
        fitting = (operations for pattern, operations in self._paths if pattern.fullmatch(path))
        return next((one[method.lower()] for one in fitting if method.lower() in one), None)

    def _request_faults(self, operation: Mapping[str, Any], recorded: Recorded) -> Iterator[str]:
        if recorded.headers.get("User-Agent", "").startswith("Werkzeug"):
            # A test made it by hand to see what the sandbox says.
            return
        described = {one["name"]: one for one in operation.get("parameters", ()) if one["in"] == "query"}
        for name, value in recorded.query:
            if name not in described:
                yield f"the query has no {name}"
            else:
                yield from self._check(described[name]["schema"], _typed(described[name]["schema"], value), name)
        body = operation.get("requestBody")
        if body is None:
            if recorded.body:
                yield "there is a body and should be none"
        else:
            schema = next(iter(body["content"].values()))["schema"]
            form = "application/x-www-form-urlencoded" in body["content"]
            yield from self._check(schema, dict(parse_qsl(recorded.body)) if form else recorded.json, "request")

    def _answer_faults(self, operation: Mapping[str, Any], exchange: Exchange) -> Iterator[str]:
        status = exchange.recorded.status
        if status is None or "json" not in exchange.content_type:
            return
        answers = operation["responses"]
        described = answers.get(str(status)) or (answers.get("2XX") if status < 300 else answers.get("default"))
        if described is None or "content" not in described:
            yield "there is an answer and should be none"
        else:
            schema = described["content"]["application/json"]["schema"]
            yield from self._check(schema, json.loads(exchange.answer), "answer")

    def _check(self, schema: Mapping[str, Any], value: object, place: str) -> Iterator[str]:
        for error in self._validator(schema).iter_errors(_shortened(value)):
            yield f"{place}{error.json_path.removeprefix('$')}: {error.message[:300]}"

    def _validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        if id(schema) not in self._validators:
            self._validators[id(schema)] = Draft202012Validator(
                schema, registry=self._registry, format_checker=_FORMATS
            )
        return self._validators[id(schema)]


_FORMATS = FormatChecker(())


@_FORMATS.checks("date-time", raises=ValueError)
def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@cache
def hubspot() -> Description:
    """HubSpot's description, read once."""
    return Description(json.loads(FILE.read_text(encoding="utf-8")))


def _shortened(value: Any) -> Any:
    """A value with long arrays cut in their middle: one piece of code made all their records, and checks take time."""
    if isinstance(value, dict):
        return {name: _shortened(one) for name, one in value.items()}
    if isinstance(value, list):
        kept = value if len(value) <= 2 * _ENDS else value[:_ENDS] + value[-_ENDS:]
        return [_shortened(one) for one in kept]
    return value


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))


def _close(part: Any) -> None:
    """Let no object have keys that are not named, and let references name the document they are in."""
    if isinstance(part, list):
        for one in part:
            _close(one)
    elif isinstance(part, dict):
        if isinstance(part.get("$ref"), str) and part["$ref"].startswith("#"):
            part["$ref"] = _URI + part["$ref"]
        if part.get("type") == "object" and isinstance(part.get("properties"), dict):
            part.setdefault("additionalProperties", False)
        for one in part.values():
            _close(one)


def _typed(schema: Mapping[str, Any], value: str) -> object:
    """A value of a query as what it stands for."""
    kind, text = schema.get("type"), unquote(value)
    if kind == "integer":
        return int(text) if re.fullmatch(r"-?\d+", text) else text
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind == "array":
        return [_typed(schema["items"], one) for one in text.split(",")]
    return text
