"""Values as HubSpot contact properties: created where missing, written in batches with an outcome for each contact."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from segserver.connectors.base import VALUE, Outcome, Status, Trigger, Write
from segserver.connectors.batches import OPT_OUT, Edit, batches, deliver, edit_batches, outcomes, ready
from segserver.connectors.calls import ApiError
from segserver.connectors.hubspot_api import BATCH, HISTORY_PAGE, HubSpotApi
from segserver.connectors.hubspot_definitions import Definitions
from segserver.errors import RetryLater

_OPT_OUTS = "hs_email_optout"
"""What the names of HubSpot's opt-outs begin with; HubSpot has one for all mail and one for each subscription."""

_PASSING = frozenset({"RATE_LIMIT", "RATE_LIMITS", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "CONFLICT", "LOCKED"})

_UNKNOWN = "OBJECT_NOT_FOUND"
"""HubSpot's category where there is no contact of an id."""


class Properties:
    """The contact properties of one account.

    Args:
        api: the account.
        consent: properties with the contact's own word on channels.
    """

    def __init__(self, api: HubSpotApi, consent: Collection[str] = ()) -> None:
        self._api = api
        self._consent = frozenset(consent)
        self._definitions = Definitions(api)

    def write(self, writes: Sequence[Write]) -> Iterator[Sequence[Outcome]]:
        """Set or clear properties; all properties of a contact go in one input."""
        consent = [write for write in writes if self._is_consent(write.target.name)]
        if consent:
            yield outcomes(consent, Status.REJECTED, OPT_OUT)
        values: dict[str, set[str]] = {}
        for write in writes:
            values.setdefault(write.target.name, set()).update({write.value} if write.value else ())
        good, refused = ready(
            [write for write in writes if not self._is_consent(write.target.name)],
            lambda names: self._definitions.prepare(names, values),
        )
        if refused:
            yield refused
        yield from deliver(
            edit_batches(good, BATCH),
            self._update,
            lambda edit: edit.writes,
            splits=lambda error: error.status in (400, 413),
        )

    def holds(self, name: str) -> Iterator[dict[str, str]]:
        """Contacts that have a value, page by page; none where the property does not exist."""
        self._definitions.forget()
        if not self._definitions.has(name):
            return
        last: int | None = 0
        present = [{"propertyName": name, "operator": "HAS_PROPERTY"}]
        while last is not None:
            found, last = self._api.search(self._api.paths.contacts, present, [name], last)
            held = {str(one["id"]): one["properties"].get(name) for one in found}
            yield {key: self._definitions.in_our_words(name, str(value)) for key, value in held.items() if value}

    def read_back(self, triggers: Sequence[Trigger]) -> list[Outcome]:
        """Touches that were started by setting a property: whether it has, or had, that value."""
        result: list[Outcome] = []
        for batch in batches(triggers, HISTORY_PAGE):
            names = sorted({trigger.campaign for trigger in batch})
            try:
                found = self._api.batch_read(
                    self._api.paths.contacts, sorted({one.address for one in batch}), (), names
                )
            except (RetryLater, ApiError) as error:
                result += outcomes(batch, Status.UNKNOWN, f"the contacts cannot be read: {error}")
                continue
            held = {str(one["id"]): one.get("propertiesWithHistory") or {} for one in found}
            result += [_read_touch(trigger, held.get(trigger.address)) for trigger in batch]
        return result

    def _is_consent(self, name: str) -> bool:
        return name.startswith(_OPT_OUTS) or name in self._consent

    def _update(self, batch: Sequence[Edit]) -> list[Outcome]:
        inputs = [
            {
                "id": edit.address,
                "properties": {write.target.name: write.value or "" for write in edit.writes},
                "objectWriteTraceId": str(number),
            }
            for number, edit in enumerate(batch)
        ]
        answer = self._api.send("POST", f"{self._api.paths.contacts}/batch/update", {"inputs": inputs})
        found = _read_outcomes(batch, answer)
        if any(outcome.status is Status.REJECTED for outcome in found):
            # Perhaps somebody changed a property since we looked at it: the next run looks again.
            self._definitions.forget()
        return found


def _read_outcomes(batch: Sequence[Edit], answer: Any) -> list[Outcome]:
    """Outcomes of a batch: an input is confirmed if it is in `results`, or if errors and results add up to all.

    Errors name their input by trace id, or by the record's id; one that names nobody is told with all that are open.
    """
    results, errors = answer.get("results") or (), answer.get("errors") or ()
    faults: dict[int, Any] = {}
    loose: list[Any] = []
    for error in errors:
        numbers = _concerned(batch, error)
        faults |= dict.fromkeys(numbers, error)
        loose += [] if numbers else [error]
    written = {str(one["id"]) for one in results}
    complete = not loose and len(results) + len(faults) == len(batch)
    unsaid = "; ".join(_message(error) for error in loose) or "HubSpot's answer does not mention this contact"
    found: list[Outcome] = []
    for number, edit in enumerate(batch):
        fault = faults.get(number)
        if fault is not None:
            gone = str(fault.get("category")) == _UNKNOWN
            found += outcomes(edit.writes, _status(fault), _message(fault), gone=gone)
        elif complete or edit.address in written:
            found += outcomes(edit.writes, Status.CONFIRMED)
        else:
            found += outcomes(edit.writes, Status.FAILED, unsaid)
    return found


def _concerned(batch: Sequence[Edit], error: Any) -> list[int]:
    """Positions of the inputs that an error is about."""
    context = error.get("context") or {}
    traces = {str(one) for one in context.get("objectWriteTraceId") or ()}
    ids = {str(one) for key in ("ids", "id") for one in context.get(key) or ()}
    return [n for n, edit in enumerate(batch) if str(n) in traces or (not traces and edit.address in ids)]


def _message(error: Any) -> str:
    return str(error.get("message") or error.get("category"))


def _read_touch(trigger: Trigger, history: Mapping[str, Any] | None) -> Outcome:
    if history is None:
        return Outcome(trigger, Status.REJECTED, "HubSpot does not know this contact any more", gone=True)
    values = {str(past.get("value")) for past in history.get(trigger.campaign) or ()}
    if trigger.tokens.get(VALUE) in values:
        return Outcome(trigger, Status.CONFIRMED)
    return Outcome(trigger, Status.FAILED, f"HubSpot's history of {trigger.campaign} does not show it")


def _status(fault: Any) -> Status:
    return Status.FAILED if str(fault.get("category", "")).upper() in _PASSING else Status.REJECTED
