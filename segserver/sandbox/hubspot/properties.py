"""Property definitions: the schema of contacts and deals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from flask import Response, request

from segserver.sandbox.hubspot.errors import HubSpotError, invalid, not_found
from segserver.sandbox.routing import Route, json_body, json_response

if TYPE_CHECKING:
    from segserver.sandbox.hubspot.account import HubSpotAccount

Definition = dict[str, object]

_TYPES = {"bool", "date", "datetime", "enumeration", "number", "phone_number", "string"}
_FIELD_TYPES = {
    "booleancheckbox",
    "calculation_equation",
    "checkbox",
    "date",
    "file",
    "html",
    "number",
    "phonenumber",
    "radio",
    "select",
    "text",
    "textarea",
}
_FITTING = {
    "bool": {"booleancheckbox", "calculation_equation"},
    "date": {"date"},
    "datetime": {"date"},
    "enumeration": {"booleancheckbox", "checkbox", "radio", "select"},
    "number": {"number", "calculation_equation"},
    "phone_number": {"phonenumber"},
    "string": {"text", "textarea", "html", "file", "phonenumber", "calculation_equation"},
}
_OPTION = {"label", "value", "displayOrder", "hidden"}
_CHANGEABLE = ("label", "description", "groupName", "hidden", "formField", "options", "displayOrder")
_NAME = re.compile(r"[a-z][a-z0-9_]*")

_CONTACT = {
    "string": "email firstname lastname city ga_client_id hs_timezone hs_merged_object_ids home_ownership "
    "marital_status household_comp kids_count hs_email_hard_bounce_reason_enum",
    "enumeration": "country lifecyclestage age_band income_band",
    "number": "household_size num_associated_deals associatedcompanyid",
    "bool": "sms_consent",
    "datetime": "recent_deal_close_date",
}
_CONTACT_READ_ONLY = {
    "hs_object_id": "number",
    "createdate": "datetime",
    "lastmodifieddate": "datetime",
    "hs_email_optout": "bool",
    "hs_email_last_open_date": "datetime",
}
_COMPANY = {"string": "name domain city country hs_merged_object_ids industry", "number": "numberofemployees"}
_COMPANY_READ_ONLY = {"hs_object_id": "number", "createdate": "datetime", "hs_lastmodifieddate": "datetime"}
_DEAL = {
    "string": "dealname categories",
    "enumeration": "dealstage pipeline deal_currency_code",
    "number": "amount items",
    "datetime": "closedate",
}
_DEAL_READ_ONLY = {"hs_object_id": "number", "createdate": "datetime", "hs_lastmodifieddate": "datetime"}
_INPUTS = {
    "string": "text",
    "enumeration": "select",
    "number": "number",
    "bool": "booleancheckbox",
    "datetime": "date",
    "date": "date",
}


def schema(own: Mapping[str, str], read_only: Mapping[str, str], group: str) -> dict[str, Definition]:
    """The definitions an account starts with."""
    named = {name: kind for kind, names in own.items() for name in names.split()}
    return {
        **{name: define(name, kind, group) for name, kind in named.items()},
        **{name: define(name, kind, group, read_only=True) for name, kind in read_only.items()},
    }


def contact_schema() -> dict[str, Definition]:
    """Contacts as the sandbox knows them."""
    return schema(_CONTACT, _CONTACT_READ_ONLY, "contactinformation")


def company_schema() -> dict[str, Definition]:
    """Companies as the sandbox knows them."""
    return schema(_COMPANY, _COMPANY_READ_ONLY, "companyinformation")


def deal_schema() -> dict[str, Definition]:
    """Deals as the sandbox knows them."""
    return schema(_DEAL, _DEAL_READ_ONLY, "dealinformation")


def define(name: str, kind: str, group: str, *, read_only: bool = False) -> Definition:
    """One definition in HubSpot's shape."""
    return {
        "name": name,
        "label": name.replace("_", " ").capitalize(),
        "description": "",
        "type": kind,
        "fieldType": _INPUTS[kind],
        "groupName": group,
        "options": [],
        "calculated": False,
        "hasUniqueValue": name == "email",
        "hidden": False,
        "hubspotDefined": True,
        "formField": not read_only,
        "externalOptions": False,
        "archived": False,
        "dataSensitivity": "non_sensitive",
        "modificationMetadata": {"archivable": False, "readOnlyDefinition": True, "readOnlyValue": read_only},
    }


def read_only(definition: Definition) -> bool:
    """Whether callers may not set the property."""
    metadata = definition["modificationMetadata"]
    return isinstance(metadata, dict) and bool(metadata["readOnlyValue"])


def _list(account: HubSpotAccount, object_type: str) -> Response:
    archived = request.args.get("archived", "false") == "true"
    definitions = [] if archived else list(account.schema(object_type).values())
    return json_response({"results": definitions})


def _get(account: HubSpotAccount, object_type: str, name: str) -> Response:
    definition = account.schema(object_type).get(name)
    if definition is None:
        raise not_found(f"Property {name} does not exist for object type {object_type}")
    return json_response(definition)


def _create(account: HubSpotAccount, object_type: str) -> Response:
    return json_response(_add(account, object_type, json_body()), 201)


def _create_batch(account: HubSpotAccount, object_type: str) -> Response:
    added: list[Definition] = []
    errors: list[dict[str, object]] = []
    for wanted in json_body().get("inputs", []):
        try:
            added.append(_add(account, object_type, wanted))
        except HubSpotError as error:
            context = {"name": [str(wanted.get("name"))]}
            errors.append({"status": "error", "category": error.category, "message": error.message, "context": context})
    return json_response(*account.batch_reply(added, errors, done=201))


def _change(account: HubSpotAccount, object_type: str, name: str) -> Response:
    definition = account.schema(object_type).get(name)
    if definition is None:
        raise not_found(f"Property {name} does not exist for object type {object_type}")
    if definition["hubspotDefined"]:
        raise invalid(f"the definition of '{name}' is read only")
    wanted = json_body()
    _check_options(name, wanted.get("options", []))
    definition.update({key: wanted[key] for key in _CHANGEABLE if key in wanted})
    return json_response(definition)


def _check_options(name: str, options: object) -> None:
    listed = options if isinstance(options, list) else [options]
    good = [one for one in listed if isinstance(one, dict) and one.keys() >= _OPTION]
    if len(good) < len(listed):
        raise invalid(f"options of '{name}' need {', '.join(sorted(_OPTION))}")
    values = [one["value"] for one in good]
    if len(set(values)) != len(values):
        raise invalid(f"options of '{name}' repeat a value")


def _add(account: HubSpotAccount, object_type: str, wanted: Mapping[str, object]) -> Definition:
    missing = [key for key in ("name", "label", "type", "fieldType", "groupName") if not wanted.get(key)]
    if missing:
        raise invalid(f"Invalid input JSON: missing {', '.join(missing)}", *({"message": key} for key in missing))
    definitions, name = account.schema(object_type), str(wanted["name"])
    if name in definitions:
        raise HubSpotError(409, "OBJECT_ALREADY_EXISTS", f"A property named '{name}' already exists.")
    if not _NAME.fullmatch(name):
        raise invalid(f"Property name '{name}' is not valid: lower-case letters, digits and _ only")
    if wanted["type"] not in _TYPES or wanted["fieldType"] not in _FIELD_TYPES:
        raise invalid(f"Property '{name}' has an unknown type or fieldType")
    if wanted["fieldType"] not in _FITTING[str(wanted["type"])]:
        raise invalid(f"Property '{name}' cannot be of type {wanted['type']} and fieldType {wanted['fieldType']}")
    _check_options(name, wanted.get("options", []))
    if wanted["groupName"] not in account.groups(object_type):
        raise invalid(f"property group '{wanted['groupName']}' does not exist")
    base = define(name, "string", str(wanted["groupName"])) | {"hubspotDefined": False}
    metadata = {"archivable": True, "readOnlyDefinition": False, "readOnlyValue": False}
    definitions[name] = base | dict(wanted) | {"modificationMetadata": metadata}
    return definitions[name]


def _list_groups(account: HubSpotAccount, object_type: str) -> Response:
    return json_response({"results": list(account.groups(object_type).values())})


def _get_group(account: HubSpotAccount, object_type: str, name: str) -> Response:
    group = account.groups(object_type).get(name)
    if group is None:
        raise not_found(f"property group '{name}' does not exist")
    return json_response(group)


def _create_group(account: HubSpotAccount, object_type: str) -> Response:
    wanted = json_body()
    name, groups = str(wanted.get("name") or ""), account.groups(object_type)
    if not name or not wanted.get("label"):
        raise invalid("Invalid input JSON: a property group needs name and label")
    if name in groups:
        raise HubSpotError(409, "OBJECT_ALREADY_EXISTS", f"A property group named '{name}' already exists.")
    groups[name] = new_group(name, str(wanted["label"]), int(wanted.get("displayOrder", -1)))
    return json_response(groups[name], 201)


def new_group(name: str, label: str, order: int = 0) -> dict[str, object]:
    """A property group in HubSpot's shape."""
    return {"name": name, "label": label, "displayOrder": order, "archived": False}


_BASE = "/crm/properties/VERSION/<object_type>"
ROUTES = (
    Route("GET", _BASE, _list),
    Route("POST", _BASE, _create),
    Route("POST", f"{_BASE}/batch/create", _create_batch),
    Route("GET", f"{_BASE}/groups", _list_groups),
    Route("POST", f"{_BASE}/groups", _create_group),
    Route("GET", f"{_BASE}/groups/<name>", _get_group),
    Route("GET", f"{_BASE}/<name>", _get),
    Route("PATCH", f"{_BASE}/<name>", _change),
)
