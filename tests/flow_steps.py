"""Adobe's description of Self-Service Flow Steps, and whether documents and bodies keep to it.

`schema.yaml` says what an installed document must satisfy. Where it is wrong as JSON Schema it is mended here, so that
what its authors meant is really demanded:

- codes of answers are unquoted, so that YAML reads numbers: made texts;
- what a submission, its callback and its security must hold stands there without the words that demand it: `_MEANT`
  and `_SECURITY` demand it;
- a callback's parameters are said to be texts, and its own comment shows objects.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from segserver.sandbox.recording import RequestLog
from segserver.sandbox.webhooks import Reply, Send, SignedRequest

FOLDER = Path(__file__).parent / "contracts" / "openapi" / "marketo-ssfs"
_URI = "flow-steps:"

_CALLBACK = {
    "type": "object",
    "required": ["requestBody", "parameters", "responses"],
    "properties": {
        "parameters": {"type": "array", "minItems": 2, "items": {"type": "object", "required": ["in", "name"]}},
        "responses": {"type": "object", "required": ["405", "404"]},
    },
}
_MEANT = {
    "type": "object",
    "required": ["requestBody", "callbacks", "responses"],
    "properties": {
        "responses": {"type": "object", "required": ["201", "400", "401", "403", "429", "500"]},
        "callbacks": {
            "type": "object",
            "required": ["selfServiceFlowComplete"],
            "properties": {
                "selfServiceFlowComplete": {
                    "type": "object",
                    "required": ["{$request.body#/flowComplete}"],
                    "properties": {
                        "{$request.body#/flowComplete}": {
                            "type": "object",
                            "required": ["post"],
                            "properties": {"post": _CALLBACK},
                        }
                    },
                }
            },
        },
    },
}
_SECURITY = {
    "type": "array",
    "minItems": 1,
    "items": {"anyOf": [{"required": [name]} for name in ("apiKey", "oauth2", "basic")]},
}


def check_document(document: dict[str, Any]) -> None:
    """Hold an install document to the description.

    Raises:
        AssertionError: it does not keep to it.
    """
    _assert_valid(_install_schema(), document)


def check(schema: str, body: object) -> None:
    """Hold a body to a schema of the interface: "async", "flowCallBack", "serviceStatus", ...

    Raises:
        AssertionError: it does not keep to it.
    """
    document = _interface()
    registry = Registry().with_resource(_URI, DRAFT202012.create_resource(document))
    _assert_valid({"$ref": f"{_URI}#/components/schemas/{schema}"}, body, registry)


def _assert_valid(schema: dict[str, Any], body: object, registry: Registry | None = None) -> None:
    validator = Draft202012Validator(schema, **({"registry": registry} if registry else {}))
    faults = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(body)]
    assert not faults, "\n".join(faults)


@cache
def _install_schema() -> dict[str, Any]:
    schema = _texts(yaml.safe_load((FOLDER / "schema.yaml").read_text(encoding="utf-8")))
    schema["components"]["schemas"]["submitAsyncAction"]["properties"]["post"] = _MEANT
    schema["properties"]["security"] = _SECURITY
    return schema


@cache
def _interface() -> dict[str, Any]:
    return _texts(yaml.safe_load((FOLDER / "CFA-Swagger.yaml").read_text(encoding="utf-8")))


def _texts(part: Any) -> Any:
    """With keys and demanded names as texts."""
    if isinstance(part, dict):
        return {
            str(key): [str(one) for one in value] if key == "required" and isinstance(value, list) else _texts(value)
            for key, value in part.items()
        }
    return [_texts(one) for one in part] if isinstance(part, list) else part


_ANSWERS = {
    "getServiceDefinition": "serviceDefinition",
    "status": "serviceStatus",
    "getPicklist": "picklistObject",
}
_REQUESTS = {"submitAsyncAction": "async", "getPicklist": "getPicklistRequest"}
_STATUSES = {"submitAsyncAction": {201, 400, 401, 403, 429, 500}}


def watched(carry: Send) -> Send:
    """Carries requests as before, and holds each and its answer to the interface."""

    def checked(request: SignedRequest) -> Reply:
        name = request.url.rsplit("/", 1)[-1]
        if name in _REQUESTS:
            check(_REQUESTS[name], json.loads(request.body))
        reply = carry(request)
        assert reply.status in _STATUSES.get(name, {200, 400, 401, 404}), f"{name} was answered with {reply.status}"
        if name in _ANSWERS and reply.status == 200:
            check(_ANSWERS[name], json.loads(reply.body))
        if name == "install":
            check_document(json.loads(reply.body))
        return reply

    return checked


def check_callbacks(requests: RequestLog) -> None:
    """Hold the callbacks that Marketo was sent to the interface.

    Raises:
        AssertionError: one does not keep to it.
    """
    for one in requests.to("/flow-steps/callbacks", "POST"):
        names = {name.lower() for name in one.headers}
        assert {"x-api-key", "x-callback-token"} <= names
        check("flowCallBack", one.json)
