"""Whether a value is of a property's type, and how HubSpot then keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from segserver.clock import from_epoch_ms
from segserver.sandbox.hubspot.errors import invalid
from segserver.sandbox.hubspot.records import epoch_ms, instant

_DAY_MS = 86_400_000


def typed(definition: Mapping[str, Any], value: str) -> str:
    """A value as it is kept; the empty text clears.

    Raises:
        HubSpotError: 400, it is not of the type.
    """
    if value == "":
        return value
    kind, name = str(definition["type"]), str(definition["name"])
    if kind == "number":
        return _number(name, value)
    if kind == "datetime":
        ms = epoch_ms(value)
        return instant(from_epoch_ms(ms)) if ms is not None else _refuse(name, value, "INVALID_DATE", "a datetime")
    if kind == "date":
        return _date(name, value)
    if kind == "bool" and value not in ("true", "false"):
        return _refuse(name, value, "INVALID_OPTION", "true or false")
    options = [str(one["value"]) for one in definition["options"]]
    # Enumerations that HubSpot defines are open here: the stand-in does not list their options.
    if kind == "enumeration" and not definition["hubspotDefined"]:
        wrong = [one for one in value.removeprefix(";").split(";") if one not in options]
        return _refuse(name, wrong[0], "INVALID_OPTION", f"one of {options}") if wrong else value
    return value


def _number(name: str, value: str) -> str:
    try:
        number = Decimal(value)
    except InvalidOperation:
        return _refuse(name, value, "INVALID_NUMBER", "a number")
    return f"{number.normalize():f}"


def _date(name: str, value: str) -> str:
    if value.isdigit():
        if int(value) % _DAY_MS:
            return _refuse(name, value, "INVALID_DATE", "midnight UTC")
        return from_epoch_ms(int(value)).date().isoformat()
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        return _refuse(name, value, "INVALID_DATE", "a date")


def _refuse(name: str, value: str, code: str, wanted: str) -> str:
    message = f"{value} was not {wanted}"
    detail = {"message": message, "code": code, "context": {"propertyName": [name]}}
    raise invalid(f"Property values were not valid: {message}", detail)
