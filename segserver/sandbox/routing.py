"""Tables of routes: which function answers which path, with the account it answers from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint; the handler gets the account first, then the variables of the path by name."""

    method: str
    rule: str
    handler: Callable[..., Response]


def mount(blueprint: Blueprint, account: object, routes: Iterable[Route], versions: Sequence[str] = ("",)) -> None:
    """Add routes to a blueprint, each once per API version that its rule names as `VERSION`."""
    for number, route in enumerate(routes):
        for version in versions if "VERSION" in route.rule else versions[:1]:
            blueprint.add_url_rule(
                route.rule.replace("VERSION", version),
                endpoint=f"{route.handler.__module__.rsplit('.', 1)[-1]}-{route.handler.__name__}-{number}-{version}",
                view_func=partial(route.handler, account),
                methods=[route.method],
            )


def json_response(payload: Any, status: int = 200) -> Response:
    """A JSON answer, as compact as the platforms send it."""
    return Response(json.dumps(payload, separators=(",", ":")), status=status, mimetype="application/json")


def json_body() -> dict[str, Any]:
    """The request's JSON object.

    Raises:
        BadRequest: it holds something else; each platform says so in its own words.
    """
    body = request.get_json()
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    return body


def whole(value: object) -> int:
    """A whole number from a request.

    Raises:
        BadRequest: it is none.
    """
    text = str(value)
    if not text.removeprefix("-").isdecimal():
        raise BadRequest(f"{text!r} is not a whole number")
    return int(text)


def fraction(*parts: object) -> float:
    """A number in [0, 1) that depends on nothing but the parts: the sandbox's dice."""
    digest = sha256(":".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def made_up(purpose: str, seed: int, length: int = 32) -> str:
    """A key of the sandbox's own making, the same for the same seed."""
    return sha256(f"{purpose}:{seed}".encode()).hexdigest()[:length]
