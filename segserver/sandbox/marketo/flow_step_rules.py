"""What Marketo demands of a flow step's definition and of its callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

RESERVED = ("success", "reason", "errorCode", "id")
TYPES = ("boolean", "integer", "date", "datetime", "email", "float", "score", "string", "url", "text")
_BYTES = {"string": 255, "url": 255, "text": 2_000}


class ServiceFault(Exception):
    """A service does not keep to the interface, so Marketo would not install it or show an error."""


def check_definition(definition: Mapping[str, Any]) -> None:
    """Refuse a service that cannot be installed.

    Raises:
        ServiceFault: what is wrong.
    """
    flow = [one["apiName"] for one in definition["invocationPayloadDef"]["flowAttributes"]]
    back = [one["apiName"] for one in definition["callbackPayloadDef"]["attributes"]]
    names = [*flow, *back, *(one["serviceAttribute"] for one in definition["callbackPayloadDef"]["fields"])]
    demand(definition["primaryAttribute"] in flow, "the primary attribute is no attribute of the flow step")
    demand(not set(flow) & set(back), "an attribute of the flow step is one of the activity as well")
    demand(not set(names) & set(RESERVED), "a reserved name is used")
    parts = definition["callbackPayloadDef"]
    kinds = [one["dataType"] for one in (*parts["attributes"], *parts["fields"])]
    demand(set(kinds) <= set(TYPES), "a type is not known")


def activity(data: Mapping[str, Any], attributes: Mapping[str, str]) -> Mapping[str, Any]:
    """What is kept with the activity of one lead.

    Args:
        data: the callback's `activityData`.
        attributes: types of the declared attributes by name.

    Raises:
        ServiceFault: it holds something else.
    """
    unknown = set(data) - set(attributes) - {"success", "reason", "errorCode"}
    demand(not unknown, f"{', '.join(sorted(unknown))} is not declared")
    demand(isinstance(data.get("success"), bool), "success is missing")
    return {name: held(attributes[name], value) if name in attributes else value for name, value in data.items()}


def held(kind: str, value: Any) -> Any:
    """A value as Marketo keeps it: texts are cut, and a wrong type refuses the callback.

    Raises:
        ServiceFault: of a wrong type.
    """
    if kind == "boolean":
        demand(isinstance(value, bool), f"{value!r} is not true or false")
    elif kind == "datetime":
        try:
            datetime.fromisoformat(value)
        except (TypeError, ValueError):
            raise ServiceFault(f"{value!r} is not an instant") from None
    else:
        demand(isinstance(value, str), f"{value!r} is not text")
        return value.encode()[: _BYTES.get(kind, 255)].decode("utf-8", "ignore")
    return value


def demand(good: object, reason: str) -> None:
    """Refuse for a reason unless something holds."""
    if not good:
        raise ServiceFault(reason)
