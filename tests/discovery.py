"""Google's own descriptions of the Admin and Data APIs, and whether what is asked of Google and answered keeps to them.

Google publishes no description of the Measurement Protocol: the schema of its calls is written here, from its manual.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from segserver.sandbox.recording import Exchange, Recorded

FOLDER = Path(__file__).parent / "contracts" / "openapi" / "google"
FILES = ("analyticsadmin.v1beta.json", "analyticsdata.v1beta.json")
_URI = "google:"
_KEPT = ("type", "enum", "pattern")
_PATHS = ("/v1beta/", "/v1alpha/")

ERROR: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string"},
                "status": {"type": "string", "pattern": "^[A-Z_]+$"},
            },
            "required": ["code", "message", "status"],
        }
    },
    "required": ["error"],
}

_PROPERTY = {
    "type": "object",
    "properties": {
        "value": {"type": ["string", "number"], "maxLength": 36},
        "timestamp_micros": {"type": "integer"},
    },
    "required": ["value"],
    "additionalProperties": False,
}
_EVENT = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": r"^[A-Za-z]\w{0,39}$"},
        "params": {
            "type": "object",
            "maxProperties": 25,
            "propertyNames": {"pattern": r"^[A-Za-z]\w{0,39}$"},
            "additionalProperties": {"type": ["string", "number"], "maxLength": 100},
        },
        "timestamp_micros": {"type": "integer"},
    },
    "required": ["name"],
    "additionalProperties": False,
}
_AGREED = {"enum": ["GRANTED", "DENIED"]}
COLLECT: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "client_id": {"type": "string", "minLength": 1},
        "user_id": {"type": "string", "maxLength": 256},
        "timestamp_micros": {"type": "integer"},
        "user_properties": {
            "type": "object",
            "maxProperties": 25,
            "propertyNames": {"pattern": r"^[A-Za-z]\w{0,23}$"},
            "additionalProperties": _PROPERTY,
        },
        "consent": {
            "type": "object",
            "properties": {"ad_user_data": _AGREED, "ad_personalization": _AGREED},
            "additionalProperties": False,
        },
        "validation_behavior": {"enum": ["RELAXED", "ENFORCE_RECOMMENDATIONS"]},
        "events": {"type": "array", "minItems": 1, "maxItems": 25, "items": _EVENT},
    },
    "required": ["client_id", "events"],
    "additionalProperties": False,
}


class Discovery:
    """Finds the method of a call and checks both sides of it."""

    def __init__(self, documents: Iterable[Mapping[str, Any]]) -> None:
        self._methods = []
        for document in documents:
            # The documents use some names of schemas for different things.
            schemas = {name: json_schema(schema) for name, schema in document["schemas"].items()}
            registry = Registry().with_resource(_URI, DRAFT202012.create_resource({"schemas": schemas}))
            self._methods += [
                (method["httpMethod"], _path(method["flatPath"]), method, document["parameters"], registry)
                for method in _methods(document["resources"])
            ]

    def faults(self, exchange: Exchange) -> list[str]:
        """What is wrong with an exchange; nothing for what is described elsewhere."""
        recorded = exchange.recorded
        if recorded.platform != "ga4" or _by_hand(recorded):
            return []
        if recorded.path == "/mp/collect":
            found = [*_check(Draft202012Validator(COLLECT), recorded.json, "request")]
        elif recorded.path.startswith(_PATHS):
            found = [*self._both_sides(exchange)]
        else:
            found = []
        return [f"{recorded.method} {recorded.path} ({recorded.status}): {fault}" for fault in found]

    def _both_sides(self, exchange: Exchange) -> Iterator[str]:
        recorded = exchange.recorded
        fitting = (one for one in self._methods if one[0] == recorded.method and one[1].fullmatch(recorded.path))
        found = next(fitting, None)
        if found is None:
            yield "not described"
            return
        _, _, method, common, registry = found
        for name, value in recorded.query:
            described = method.get("parameters", {}).get(name) or common.get(name)
            if described is None or described.get("location") != "query":
                yield f"the query has no {name}"
            elif described["type"] == "integer" and not value.isdecimal():
                yield f"{name}={value} is no whole number"
        if "request" in method:
            yield from _check(_of(method["request"], registry), recorded.json, "request")
        elif recorded.body:
            yield "there is a body and should be none"
        if recorded.status is not None:
            schema = _of(method["response"], registry) if recorded.status < 300 else Draft202012Validator(ERROR)
            yield from _check(schema, json.loads(exchange.answer), "answer")


def _of(reference: Mapping[str, Any], registry: Registry) -> Draft202012Validator:
    return Draft202012Validator(json_schema(reference), registry=registry)


def json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema of a discovery document as JSON Schema; no object may have keys that it does not name."""
    if "$ref" in schema:
        return {"$ref": f"{_URI}#/schemas/{schema['$ref']}"}
    made: dict[str, Any] = {key: schema[key] for key in _KEPT if key in schema}
    if made.get("type") == "any":
        del made["type"]
    if schema.get("format") in ("int64", "uint64"):
        made["pattern"] = r"^-?\d+$"
    if schema.get("type") == "object":
        more = schema.get("additionalProperties")
        made["properties"] = {name: json_schema(one) for name, one in schema.get("properties", {}).items()}
        made["additionalProperties"] = json_schema(more) if more else False
    if "items" in schema:
        made["items"] = json_schema(schema["items"])
    return made


@cache
def google() -> Discovery:
    """Google's descriptions, read once."""
    return Discovery([json.loads((FOLDER / name).read_text(encoding="utf-8")) for name in FILES])


def _methods(resources: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for resource in resources.values():
        yield from resource.get("methods", {}).values()
        yield from _methods(resource.get("resources", {}))


def _path(flat: str) -> re.Pattern[str]:
    return re.compile("/" + re.sub(r"\\\{\w+\\\}", "[^/:]+", re.escape(flat)))


def _by_hand(recorded: Recorded) -> bool:
    """Whether a test made it to see what the sandbox says."""
    return recorded.headers.get("User-Agent", "").startswith("Werkzeug")


def _check(validator: Draft202012Validator, value: object, place: str) -> Iterator[str]:
    for error in validator.iter_errors(value):
        yield f"{place}{error.json_path.removeprefix('$')}: {error.message[:300]}"
