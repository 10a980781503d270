"""Lead fields: what they are called, what they hold, and how an account gets more of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from flask import Response, request

from segserver.sandbox.marketo.errors import MarketoError, invalid, success
from segserver.sandbox.routing import Route, json_body, whole

if TYPE_CHECKING:
    from segserver.sandbox.marketo.account import MarketoAccount

PAGE, NEW_FIELDS = 300, 100
CREATABLE = {
    "boolean",
    "currency",
    "date",
    "datetime",
    "email",
    "float",
    "integer",
    "percent",
    "phone",
    "score",
    "string",
    "url",
}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_STRING_LIMIT = 255


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a lead; `number` is its id in type 13 activities."""

    number: int
    name: str
    label: str
    type: str
    read_only: bool = False
    custom: bool = False


_STANDARD = (
    ("id", "Id", "integer", True),
    ("email", "Email Address", "email", False),
    ("firstName", "First Name", "string", False),
    ("lastName", "Last Name", "string", False),
    ("country", "Country", "string", False),
    ("city", "City", "string", False),
    ("leadSource", "Lead Source", "string", False),
    ("unsubscribed", "Unsubscribed", "boolean", False),
    ("unsubscribedReason", "Unsubscribed Reason", "string", False),
    ("emailInvalid", "Email Invalid", "boolean", False),
    ("emailInvalidCause", "Email Invalid Cause", "string", False),
    ("marketingSuspended", "Marketing Suspended", "boolean", False),
    ("blackListed", "Black Listed", "boolean", False),
    ("createdAt", "Created At", "datetime", True),
    ("updatedAt", "Updated At", "datetime", True),
)
SEARCHABLE = ("id", "email", "firstName", "lastName", "country", "city", "leadSource")
DEFAULT = ("email", "updatedAt", "createdAt", "lastName", "firstName", "id")


def standard_fields() -> dict[str, Field]:
    """The fields every account has."""
    numbered = enumerate(_STANDARD, start=1)
    return {name: Field(number, name, label, kind, fixed) for number, (name, label, kind, fixed) in numbered}


def check_names(fields: Mapping[str, Field], asked: Iterable[str]) -> None:
    """Refuse unknown fields.

    Raises:
        MarketoError: 1006.
    """
    for name in asked:
        if name not in fields:
            raise MarketoError("1006", f"Field '{name}' not found")


def typed(field: Field, value: object) -> object:
    """A value that a caller sends, as the field holds it; null and empty text clear.

    Raises:
        MarketoError: 1001 where it does not fit.
    """
    if value is None or value == "":
        return None
    text = str(value)
    try:
        if field.type in ("integer", "score", "percent"):
            return int(text)
        if field.type in ("float", "currency"):
            return float(text)
        if field.type in ("date", "datetime"):
            datetime.fromisoformat(text.removesuffix("+0000") + ("+00:00" if text.endswith("+0000") else ""))
        if field.type == "boolean" and text.lower() not in ("true", "false", "1", "0"):
            raise ValueError(text)
    except ValueError:
        raise MarketoError("1001", f"Invalid value '{text}'. Required of type '{field.type}'") from None
    if field.type == "boolean":
        return text.lower() in ("true", "1")
    if field.type == "string" and len(text) > _STRING_LIMIT:
        raise invalid(f"Value for field '{field.name}' exceeds max length {_STRING_LIMIT}")
    return text


def _describe(account: MarketoAccount) -> Response:
    return success(
        [
            {
                "id": field.number,
                "displayName": field.label,
                "dataType": field.type,
                **_length(field),
                "rest": {"name": field.name, "readOnly": field.read_only},
                "soap": {"name": field.name[:1].upper() + field.name[1:], "readOnly": field.read_only},
            }
            for field in account.fields.values()
        ]
    )


def _describe2(account: MarketoAccount) -> Response:
    fields = [
        {
            "name": field.name,
            "displayName": field.label,
            "dataType": field.type,
            **_length(field),
            "updateable": not field.read_only,
            "crmManaged": False,
        }
        for field in account.fields.values()
    ]
    return success([{"name": "API Lead", "searchableFields": [[name] for name in SEARCHABLE], "fields": fields}])


def _schema(account: MarketoAccount) -> Response:
    size = whole(request.args.get("batchSize", PAGE))
    if not 0 < size <= PAGE:
        raise invalid(f"batchSize must be between 1 and {PAGE}")
    start = account.place(request.args.get("nextPageToken"))
    fields = list(account.fields.values())
    more = {"nextPageToken": account.token_at(start + size)} if start + size < len(fields) else {}
    return success([_definition(field) for field in fields[start : start + size]], **more)


def _schema_of(account: MarketoAccount, name: str) -> Response:
    check_names(account.fields, [name])
    return success([_definition(account.fields[name])])


def _create(account: MarketoAccount) -> Response:
    inputs = json_body().get("input") or []
    if not 0 < len(inputs) <= NEW_FIELDS:
        raise invalid(f"input must hold 1 to {NEW_FIELDS} fields")
    for wanted in inputs:
        _check_new(account.fields, wanted)
    if sum(field.custom for field in account.fields.values()) + len(inputs) > NEW_FIELDS:
        raise invalid(f"no more than {NEW_FIELDS} custom fields can be created")
    for wanted in inputs:
        name, number = str(wanted["name"]), len(account.fields) + 1
        account.fields[name] = Field(number, name, str(wanted["displayName"]), str(wanted["dataType"]), custom=True)
    return success([{"name": wanted["name"], "status": "created"} for wanted in inputs])


def _check_new(fields: Mapping[str, Field], wanted: Mapping[str, object]) -> None:
    missing = [key for key in ("displayName", "name", "dataType") if not wanted.get(key)]
    if missing:
        raise MarketoError("1002", f"Missing value for required parameter '{missing[0]}'")
    name = str(wanted["name"])
    if not _NAME.fullmatch(name):
        raise invalid(f"'{name}' is not a valid field name")
    if wanted["dataType"] not in CREATABLE:
        raise invalid(f"Data type '{wanted['dataType']}' cannot be created")
    if name.lower() in {known.lower() for known in fields}:
        raise MarketoError("1017", f"Field '{name}' already exists")


def _definition(field: Field) -> dict[str, object]:
    return {
        "displayName": field.label,
        "name": field.name,
        "description": None,
        "dataType": field.type,
        **_length(field),
        "isHidden": False,
        "isHtmlEncodingInEmail": True,
        "isSensitive": False,
        "isCustom": field.custom,
        "isApiCreated": field.custom,
    }


def _length(field: Field) -> dict[str, int]:
    return {"length": _STRING_LIMIT} if field.type in ("string", "email") else {}


ROUTES = (
    Route("GET", "/rest/v1/leads/describe.json", _describe),
    Route("GET", "/rest/v1/leads/describe2.json", _describe2),
    Route("GET", "/rest/v1/leads/schema/fields.json", _schema),
    Route("POST", "/rest/v1/leads/schema/fields.json", _create),
    Route("GET", "/rest/v1/leads/schema/fields/<name>.json", _schema_of),
)
