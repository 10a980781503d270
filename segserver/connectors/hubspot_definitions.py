"""The contact properties we write: created typed where missing, their options added, their values in our own spelling.

Options are added to our own properties only: what a property of somebody else may hold is theirs to say, and a value
it does not take is refused by HubSpot with the names of those it does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from segserver.clock import format_instant, parse_instant
from segserver.connectors.calls import ApiError
from segserver.connectors.hubspot_api import HubSpotApi
from segserver.connectors.mapping import OWN_PREFIX

GROUP = "segserver"
ENUMERATION = "enumeration"


@dataclass(frozen=True, slots=True)
class Form:
    """How a property is created.

    Attributes:
        type: of its values at HubSpot.
        field: how HubSpot's pages show it.
        ours: a value as HubSpot shows it, in the spelling in which we write it.
    """

    type: str
    field: str
    ours: Callable[[str], str] = str


TEXT = Form("string", "text")
FORMS: Mapping[str, Form] = {
    f"{OWN_PREFIX}channel": Form(ENUMERATION, "select"),
    f"{OWN_PREFIX}next_send_at": Form("datetime", "date", lambda text: format_instant(parse_instant(text))),
    f"{OWN_PREFIX}planned_rate": Form("number", "number", lambda text: f"{Decimal(text):.4f}"),
}
"""What scenarios tell; whatever else is written is text."""


class Definitions:
    """The definitions of one account's contact properties, remembered until something is refused."""

    def __init__(self, api: HubSpotApi) -> None:
        self._api = api
        self._known: dict[str, Any] | None = None

    def has(self, name: str) -> bool:
        """Whether a property exists."""
        return name in self._all()

    def forget(self) -> None:
        """Ask again next time: a person may have changed or deleted what we remember."""
        self._known = None

    def prepare(self, names: Sequence[str], values: Mapping[str, Collection[str]]) -> None:
        """Create what is missing, and add the options that our own enumerations lack.

        Args:
            names: of properties.
            values: by property, what is going to be written.

        Raises:
            ApiError: HubSpot refuses.
        """
        missing = [name for name in names if not self.has(name)]
        if missing:
            group = {"name": GROUP, "label": "segserver", "displayOrder": -1}
            self._create(f"{self._api.paths.contact_properties}/groups", group)
        for name in missing:
            self._create(self._api.paths.contact_properties, _definition(name, values.get(name, ())))
        if missing:
            self.forget()
        for name in names:
            self._add_options(name, values.get(name, ()))

    def in_our_words(self, name: str, value: str) -> str:
        """A value as HubSpot shows it, in the spelling in which we write it."""
        form = FORMS.get(name, TEXT)
        same_type = str(self._all().get(name, {}).get("type")) == form.type
        return form.ours(value) if same_type else value

    def _all(self) -> dict[str, Any]:
        if self._known is None:
            found = self._api.get(self._api.paths.contact_properties)["results"]
            self._known = {str(one["name"]): one for one in found}
        return self._known

    def _add_options(self, name: str, values: Collection[str]) -> None:
        known = self._all().get(name)
        if known is None:
            raise _cannot(name, "HubSpot has an archived property of this name; restore it or delete it for good")
        if known.get("type") != ENUMERATION or not name.startswith(OWN_PREFIX):
            return
        options = list(known.get("options") or ())
        new = sorted(set(values) - {str(one["value"]) for one in options})
        if not new:
            return
        kept = [{key: one.get(key) for key in ("label", "value", "displayOrder", "hidden")} for one in options]
        body = {"options": [*kept, *_options(new, len(kept))]}
        known["options"] = self._api.send("PATCH", f"{self._api.paths.contact_properties}/{name}", body)["options"]

    def _create(self, path: str, body: object) -> None:
        try:
            self._api.send("POST", path, body)
        except ApiError as error:
            if error.status != 409:
                raise
            # It exists already, which is what we want; whether it is archived shows when all are read again.


def _definition(name: str, values: Collection[str]) -> dict[str, object]:
    form = FORMS.get(name, TEXT)
    body: dict[str, object] = {
        "name": name,
        "label": name.replace("_", " ").capitalize(),
        "type": form.type,
        "fieldType": form.field,
        "groupName": GROUP,
    }
    return body | ({"options": _options(sorted(values), 0)} if form.type == ENUMERATION else {})


def _options(values: Sequence[str], first: int) -> list[dict[str, object]]:
    return [
        {"label": value, "value": value, "displayOrder": number, "hidden": False}
        for number, value in enumerate(values, start=first)
    ]


def _cannot(name: str, reason: str) -> ApiError:
    return ApiError(f"property {name}: {reason}", status=409, code="ARCHIVED", reason=reason, body=None)
