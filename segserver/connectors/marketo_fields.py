"""Values as Marketo lead fields: created where missing, written by lead id so that no stray lead can appear.

Leads are written by one call at a time: Marketo warns of duplicates and locks where calls overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set

from segserver.connectors.base import Outcome, Status, Write
from segserver.connectors.batches import OPT_OUT, Edit, deliver, edit_batches, is_id, outcomes, ready
from segserver.connectors.calls import ApiError
from segserver.connectors.marketo_api import BATCH, NOT_A_LEAD_ID, MarketoApi, reasons
from segserver.connectors.marketo_codes import NO_SUCH_LEAD, PASSING, splits

_SCHEMA = "/rest/v1/leads/schema/fields.json"
_OURS = {"segserver_next_send_at": "datetime", "segserver_planned_rate": "float"}
"""What scenarios tell that is not text."""

_CONSENT = frozenset(
    {
        *("unsubscribed", "unsubscribedreason", "emailinvalid", "emailinvalidcause"),
        *("marketingsuspended", "marketingsuspendedcause", "blacklisted", "blacklistedcause"),
        *("emailsuspended", "emailsuspendedat", "emailsuspendedcause"),
    }
)
"""Fields of Marketo's own that say whether mail may go, and why not, in small letters."""

_NUMBERS: Mapping[str, Callable[[str], object]] = {
    "integer": int,
    "percent": int,
    "score": int,
    "float": float,
    "currency": float,
}


class Fields:
    """The lead fields of one instance.

    Args:
        api: the instance.
        consent: fields with the lead's own word on channels.
    """

    def __init__(self, api: MarketoApi, consent: Collection[str] = ()) -> None:
        self._api = api
        self._consent = _CONSENT | {name.lower() for name in consent}

    def write(self, writes: Sequence[Write]) -> Iterator[Sequence[Outcome]]:
        """Set or clear fields; all fields of a lead go in one input."""
        consent = [write for write in writes if self._is_consent(write.target.name)]
        if consent:
            yield outcomes(consent, Status.REJECTED, OPT_OUT)
        writes = [write for write in writes if not self._is_consent(write.target.name)]
        nameless = [write for write in writes if not is_id(write.address)]
        if nameless:
            yield outcomes(nameless, Status.REJECTED, NOT_A_LEAD_ID)
        addressed = [write for write in writes if is_id(write.address)]
        wanted: dict[str, set[str]] = {}
        for write in addressed:
            values = wanted.setdefault(write.target.name, set())
            if write.value is not None:
                values.add(write.value)
        good, refused = ready(addressed, lambda names: self._ensure({name: wanted[name] for name in names}))
        if refused:
            yield refused
        yield from deliver(
            edit_batches(good, BATCH),
            self._update,
            lambda edit: edit.writes,
            splits=lambda error: splits(error.status, error.code),
        )

    def _is_consent(self, name: str) -> bool:
        return name.lower() in self._consent

    def _update(self, batch: Sequence[Edit]) -> list[Outcome]:
        types = {name.lower(): type_ for name, type_ in self._api.fields().items()}
        inputs = [
            {"id": int(edit.address)}
            | {write.target.name: _typed(write.value, types.get(write.target.name.lower())) for write in edit.writes}
            for edit in batch
        ]
        with self._api.writing:
            body = {"action": "updateOnly", "lookupField": "id", "input": inputs}
            results = self._api.post("/rest/v1/leads.json", body).get("result") or []
        if len(results) != len(batch):
            every = [write for edit in batch for write in edit.writes]
            return outcomes(every, Status.FAILED, "Marketo's answer does not mention every lead")
        return [outcome for edit, result in zip(batch, results, strict=True) for outcome in _outcomes(edit, result)]

    def _ensure(self, wanted: Mapping[str, Set[str]]) -> None:
        """Create the fields that are missing, each of a type that holds its values."""
        missing = self._missing(wanted)
        if not missing:
            return
        fields = [
            {
                "displayName": name.replace("_", " ").capitalize(),
                "name": name,
                "dataType": _data_type(name, wanted[name]),
            }
            for name in missing
        ]
        try:
            self._api.post(_SCHEMA, {"input": fields})
        except ApiError:
            # They exist already if the answer to a first attempt was lost.
            self._api.forget_fields()
            if self._missing(wanted):
                raise
        self._api.forget_fields()

    def _missing(self, names: Iterable[str]) -> list[str]:
        known = {name.lower() for name in self._api.fields()}
        return [name for name in names if name.lower() not in known]


def _data_type(name: str, values: Set[str]) -> str:
    """The type of a new field; Marketo cannot change it later, so only what is certain is not text."""
    if values == {"true"}:
        return "boolean"
    return _OURS.get(name, "string")


def _typed(value: str | None, data_type: str | None) -> object:
    """A value as JSON writes those of a field; null clears, and what does not fit is left for Marketo to refuse."""
    try:
        if value is not None and data_type is not None and data_type in _NUMBERS:
            return _NUMBERS[data_type](value)
    except ValueError:
        return value
    return value == "true" if data_type == "boolean" and value in ("true", "false") else value


def _outcomes(edit: Edit, result: Mapping[str, object]) -> list[Outcome]:
    if result.get("status") == "updated":
        return outcomes(edit.writes, Status.CONFIRMED)
    codes, text = reasons(result)
    status = Status.FAILED if codes & PASSING else Status.REJECTED
    text = text or f"Marketo answered {result.get('status')}"
    return outcomes(edit.writes, status, text, gone=NO_SUCH_LEAD in codes)
