"""Values as HubSpot contact properties: created where missing, written in batches with an outcome for each contact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from segserver.connectors.base import VALUE, Outcome, Status, Trigger, Write
from segserver.connectors.batches import Edit, batches, deliver, edit_batches, outcomes, ready
from segserver.connectors.calls import ApiError
from segserver.connectors.hubspot_api import BATCH, CONTACTS, HISTORY_PAGE, PROPERTIES, HubSpotApi
from segserver.errors import RetryLater

GROUP = "segserver"

_PASSING = frozenset({"RATE_LIMIT", "RATE_LIMITS", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "CONFLICT", "LOCKED"})


class Properties:
    """The contact properties of one account."""

    def __init__(self, api: HubSpotApi) -> None:
        self._api = api
        self._known: set[str] | None = None

    def write(self, writes: Sequence[Write]) -> Iterator[Sequence[Outcome]]:
        """Set or clear properties; all properties of a contact go in one input."""
        good, refused = ready(writes, self._ensure)
        if refused:
            yield refused
        yield from deliver(
            edit_batches(good, BATCH),
            self._update,
            lambda edit: edit.writes,
            splits=lambda error: error.status in (400, 413),
        )

    def holds(self, name: str) -> dict[str, str]:
        """Contacts that have a value; none where the property does not exist."""
        if name not in self._names():
            return {}
        held: dict[str, str] = {}
        last: int | None = 0
        present = [{"propertyName": name, "operator": "HAS_PROPERTY"}]
        while last is not None:
            found, last = self._api.search(CONTACTS, present, [name], last)
            held |= {str(one["id"]): str(one["properties"][name]) for one in found if one["properties"].get(name)}
        return held

    def read_back(self, triggers: Sequence[Trigger]) -> list[Outcome]:
        """Touches that were started by setting a property: whether it has, or had, that value."""
        result: list[Outcome] = []
        for batch in batches(triggers, HISTORY_PAGE):
            names = sorted({trigger.campaign for trigger in batch})
            try:
                found = self._api.batch_read(CONTACTS, sorted({one.address for one in batch}), (), names)["results"]
            except (RetryLater, ApiError) as error:
                result += outcomes(batch, Status.UNKNOWN, f"the contacts cannot be read: {error}")
                continue
            held = {str(one["id"]): one.get("propertiesWithHistory") or {} for one in found}
            result += [_read_touch(trigger, held.get(trigger.address)) for trigger in batch]
        return result

    def _update(self, batch: Sequence[Edit]) -> list[Outcome]:
        inputs = [
            {
                "id": edit.address,
                "properties": {write.target.name: write.value or "" for write in edit.writes},
                "objectWriteTraceId": str(number),
            }
            for number, edit in enumerate(batch)
        ]
        answer = self._api.send("POST", f"{CONTACTS}/batch/update", {"inputs": inputs})
        return _read_outcomes(batch, answer)

    def _names(self) -> set[str]:
        if self._known is None:
            self._known = {str(one["name"]) for one in self._api.get(PROPERTIES)["results"]}
        return self._known

    def _ensure(self, names: Sequence[str]) -> None:
        missing = [name for name in names if name not in self._names()]
        if not missing:
            return
        self._create(f"{PROPERTIES}/groups", {"name": GROUP, "label": "segserver", "displayOrder": -1})
        for name in missing:
            label = name.replace("_", " ").capitalize()
            body = {"name": name, "label": label, "type": "string", "fieldType": "text", "groupName": GROUP}
            self._create(PROPERTIES, body)
            self._names().add(name)

    def _create(self, path: str, body: object) -> None:
        try:
            self._api.send("POST", path, body)
        except ApiError as error:
            if error.status != 409:
                raise
            # It exists already, which is what we want.


def _read_outcomes(batch: Sequence[Edit], answer: Any) -> list[Outcome]:
    """Outcomes by trace id: an input is confirmed if it is in `results`, or if errors and results add up to all."""
    faults: dict[str, Any] = {}
    for error in answer.get("errors") or ():
        for trace in (error.get("context") or {}).get("objectWriteTraceId") or ():
            faults[str(trace)] = error
    written = {str(one["id"]) for one in answer.get("results") or ()}
    complete = len(answer.get("results") or ()) + len(faults) == len(batch)
    result: list[Outcome] = []
    for number, edit in enumerate(batch):
        fault = faults.get(str(number))
        if fault is not None:
            result += outcomes(edit.writes, _status(fault), str(fault.get("message") or fault.get("category")))
        elif complete or edit.address in written:
            result += outcomes(edit.writes, Status.CONFIRMED)
        else:
            result += outcomes(edit.writes, Status.FAILED, "HubSpot's answer does not mention this contact")
    return result


def _read_touch(trigger: Trigger, history: Mapping[str, Any] | None) -> Outcome:
    if history is None:
        return Outcome(trigger, Status.REJECTED, "HubSpot does not know this contact any more")
    values = {str(past.get("value")) for past in history.get(trigger.campaign) or ()}
    if trigger.tokens.get(VALUE) in values:
        return Outcome(trigger, Status.CONFIRMED)
    return Outcome(trigger, Status.FAILED, f"HubSpot's history of {trigger.campaign} does not show it")


def _status(fault: Any) -> Status:
    return Status.FAILED if str(fault.get("category", "")).upper() in _PASSING else Status.REJECTED
