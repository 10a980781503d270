"""The Admin API's custom dimensions: listed a page at a time, made once each, as many as a property has slots."""

from __future__ import annotations

import re

from flask import Response, request

from segserver.sandbox.ga4.google import GoogleError
from segserver.sandbox.ga4.property import Ga4Property
from segserver.sandbox.ga4.warehouse import PROPERTY
from segserver.sandbox.routing import json_body, json_response, whole

SLOTS = {"USER": 25, "EVENT": 50, "ITEM": 10}
LONGEST = {"USER": 24, "EVENT": 40, "ITEM": 40}
MOST_PER_PAGE, USUAL_PER_PAGE = 200, 50

_PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_DISPLAY = re.compile(r"[A-Za-z][A-Za-z0-9_ ]{0,81}", re.ASCII)


def list_dimensions(prop: Ga4Property, number: str) -> Response:
    """Dimensions that are not archived."""
    _check(number)
    size = min(whole(request.args.get("pageSize", USUAL_PER_PAGE)), MOST_PER_PAGE, prop.dimensions_per_page)
    start = whole(request.args.get("pageToken", 0))
    found = list(prop.dimensions.values())
    body: dict[str, object] = {}
    if found[start : start + size]:
        body["customDimensions"] = found[start : start + size]
    if start + size < len(found):
        body["nextPageToken"] = str(start + size)
    return json_response(body)


def create_dimension(prop: Ga4Property, number: str) -> Response:
    """Make one, unless its name is taken or its scope is full."""
    _check(number)
    body = json_body()
    scope, parameter = str(body.get("scope")), str(body.get("parameterName", ""))
    if scope not in SLOTS:
        raise GoogleError(400, "The scope is missing")
    if not _PARAMETER.fullmatch(parameter) or len(parameter) > LONGEST[scope]:
        raise GoogleError(400, f"The parameter name {parameter} is not valid")
    if not _DISPLAY.fullmatch(str(body.get("displayName", ""))):
        raise GoogleError(400, "The display name is not valid")
    if (scope, parameter) in prop.dimensions:
        raise GoogleError(409, "A custom dimension of that parameter name exists already")
    if sum(one["scope"] == scope for one in prop.dimensions.values()) >= SLOTS[scope]:
        raise GoogleError(400, f"The property has no slot left for dimensions of scope {scope}")
    return json_response(prop.add_dimension(PROPERTY, parameter, str(body["displayName"]), scope))


def _check(number: str) -> None:
    if number != PROPERTY:
        raise GoogleError(403, "The caller does not have permission")
