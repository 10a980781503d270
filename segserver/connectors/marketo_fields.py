"""Values as Marketo lead fields: created where missing, written by lead id so that no stray lead can appear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from segserver.connectors.base import Outcome, Status, Write
from segserver.connectors.batches import Edit, deliver, edit_batches, is_id, outcomes, ready
from segserver.connectors.calls import ApiError
from segserver.connectors.marketo_api import BATCH, NOT_A_LEAD_ID, PASSING, MarketoApi, reasons

_SCHEMA = "/rest/v1/leads/schema/fields.json"


class Fields:
    """The lead fields of one instance."""

    def __init__(self, api: MarketoApi) -> None:
        self._api = api

    def write(self, writes: Sequence[Write]) -> Iterator[Sequence[Outcome]]:
        """Set or clear fields; all fields of a lead go in one input."""
        nameless = [write for write in writes if not is_id(write.address)]
        if nameless:
            yield outcomes(nameless, Status.REJECTED, NOT_A_LEAD_ID)
        addressed = [write for write in writes if is_id(write.address)]
        good, refused = ready(addressed, self._ensure)
        if refused:
            yield refused
        yield from deliver(
            edit_batches(good, BATCH),
            self._update,
            lambda edit: edit.writes,
            splits=lambda error: error.status == 413 or error.code in ("1001", "1003"),
        )

    def _update(self, batch: Sequence[Edit]) -> list[Outcome]:
        body = {
            "action": "updateOnly",
            "lookupField": "id",
            "input": [
                {"id": int(edit.address), **{write.target.name: write.value for write in edit.writes}} for edit in batch
            ],
        }
        results = self._api.post("/rest/v1/leads.json", body).get("result") or []
        if len(results) != len(batch):
            every = [write for edit in batch for write in edit.writes]
            return outcomes(every, Status.FAILED, "Marketo's answer does not mention every lead")
        return [outcome for edit, result in zip(batch, results, strict=True) for outcome in _outcomes(edit, result)]

    def _ensure(self, names: Sequence[str]) -> None:
        missing = self._missing(names)
        if not missing:
            return
        fields = [
            {"displayName": name.replace("_", " ").capitalize(), "name": name, "dataType": "string"} for name in missing
        ]
        try:
            self._api.post(_SCHEMA, {"input": fields})
        except ApiError:
            # They exist already if the answer to a first attempt was lost.
            self._api.forget_fields()
            if self._missing(names):
                raise
        self._api.forget_fields()

    def _missing(self, names: Sequence[str]) -> list[str]:
        known = {name.lower() for name in self._api.fields()}
        return [name for name in names if name.lower() not in known]


def _outcomes(edit: Edit, result: Mapping[str, object]) -> list[Outcome]:
    if result.get("status") == "updated":
        return outcomes(edit.writes, Status.CONFIRMED)
    codes, text = reasons(result)
    status = Status.FAILED if codes & PASSING else Status.REJECTED
    return outcomes(edit.writes, status, text or f"Marketo answered {result.get('status')}")
