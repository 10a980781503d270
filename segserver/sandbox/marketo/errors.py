"""Marketo's way of saying no: HTTP 200, `success: false` and a code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, g

from segserver.sandbox.routing import json_response

if TYPE_CHECKING:
    from collections.abc import Sequence


class MarketoError(Exception):
    """A refusal of a whole request."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> MarketoError:
    """1003: the request does not make sense."""
    return MarketoError("1003", message)


def success(result: Sequence[object] | None = None, **more: object) -> Response:
    """The envelope of a good answer; nothing found leaves `result` away."""
    body: dict[str, object] = {"requestId": g.get("request_id", "sandbox#0"), "success": True}
    if result:
        body["result"] = result
    return json_response(body | more)


def failure(error: MarketoError) -> Response:
    """The envelope of a refusal."""
    errors = [{"code": error.code, "message": error.message}]
    return json_response({"requestId": g.get("request_id", "sandbox#0"), "success": False, "errors": errors})


def skipped(code: str, message: str, **about: object) -> dict[str, object]:
    """One record that was left out."""
    return {**about, "status": "skipped", "reasons": [{"code": code, "message": message}]}
