"""The lead fields that a connection maps, as far as the instance has them.

A trait whose field is missing keeps what is known of it, and the report says so: a field that somebody removed at
Marketo must not empty segments. A missing identity or consent field stops the connection: without it, people would be
mistaken for others, or asked although they refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from segserver.connectors.calls import ApiError
from segserver.connectors.mapping import Reader, contact_fields
from segserver.connectors.marketo_api import MarketoApi
from segserver.connectors.marketo_codes import NO_SUCH_FIELD
from segserver.connectors.suggestions import closest
from segserver.errors import SettingsError
from segserver.records import ContactRecord
from segserver.specs.connections import ContactsSpec
from segserver.specs.types import Kind

SUPPRESSING = ("emailInvalid", "marketingSuspended", "blackListed", "emailSuspended")
"""Fields that stop all mail; which of them an instance has differs."""

OWN = ("id", "createdAt", "updatedAt")

_NUMBER = frozenset({Kind.NUMBER, Kind.TEXT})
_KINDS: Mapping[str, Collection[Kind]] = {
    **dict.fromkeys(("integer", "percent", "score", "currency", "float"), _NUMBER),
    "boolean": frozenset({Kind.BOOLEAN, Kind.TEXT}),
    "date": frozenset({Kind.DATE, Kind.INSTANT, Kind.TEXT}),
    "datetime": frozenset({Kind.DATE, Kind.INSTANT, Kind.TEXT}),
}
"""Marketo's types, and as what their values can be read; those of other types may hold anything."""

RawHistory = dict[str, list[tuple[object, datetime]]]
T = TypeVar("T")


class LeadSchema:
    """What is read of a lead, and how a raw lead becomes a record.

    Args:
        spec: what is declared.
        api: the instance.
        reader: types values and keeps problems.
    """

    def __init__(self, spec: ContactsSpec, api: MarketoApi, reader: Reader) -> None:
        self._spec = spec
        self._api = api
        self._reader = reader
        self._mapped = [name for name in contact_fields(spec) if name not in OWN]
        self._read: tuple[Mapping[str, str], ContactsSpec, bool] | None = None

    @property
    def declared(self) -> Sequence[str]:
        """Every field that the connection names, without Marketo's own."""
        return tuple(self._mapped)

    def check(self) -> None:
        """Note mapped fields that the instance lacks.

        Raises:
            SettingsError: it lacks one that holds an identity or consent.
        """
        known = self._api.fields()
        vital = {*self._spec.identities.values(), *(line.field for line in self._spec.consent)} - set(OWN)
        for name in sorted(vital - known.keys()):
            raise SettingsError(f"{self._spec.place}: connection {self._api.http.account}: {_missing(name, known)}")
        for name in self._mapped:
            if name not in known:
                self._reader.note("", name, f"{_missing(name, known)}; what is known of it stays")
        for trait in self._spec.traits:
            type_ = known.get(trait.field, "")
            if trait.type.kind not in _KINDS.get(type_, Kind):
                reason = f"Marketo's field is of type {type_} and trait {trait.name} is declared as {trait.type.kind}"
                fitting = ", ".join(sorted(_KINDS[type_]))
                self._reader.note("", trait.field, f"{reason}; its values cannot be read, declare one of {fitting}")

    def watched(self) -> list[str]:
        """Fields whose changes matter: the mapped ones, and those that stop all mail."""
        known = self._api.fields()
        return [name for name in dict.fromkeys([*self._mapped, *SUPPRESSING]) if name in known]

    def names(self) -> list[str]:
        """Every field to ask for."""
        return list(dict.fromkeys([*OWN, *self.watched()]))

    def histories(self) -> list[str]:
        """Fields of traits whose changes are kept."""
        known = self._api.fields()
        return sorted({trait.field for trait in self._spec.traits if trait.history and trait.field in known})

    def asking(self, call: Callable[[], T]) -> T:
        """Make a call that names fields; once more with a fresh description if one of them has gone since."""
        try:
            return call()
        except ApiError as error:
            if error.code != NO_SUCH_FIELD:
                raise
        self._api.forget_fields()
        self.check()
        return call()

    def record(self, raw: Mapping[str, Any], history: RawHistory | None = None) -> ContactRecord:
        """A contact from a lead, with the changes that are known of it."""
        spec, partial = self._readable()
        source_id = str(raw["id"])
        record = self._reader.contact(
            spec,
            source_id,
            raw,
            created_at=self._reader.instant(source_id, "createdAt", raw.get("createdAt")),
            updated_at=self._reader.instant(source_id, "updatedAt", raw.get("updatedAt")),
            suppressed=any(raw.get(name) in (True, "true", "1") for name in SUPPRESSING),
            changes=history,
        )
        return replace(record, partial=True) if partial else record

    def _readable(self) -> tuple[ContactsSpec, bool]:
        """What is declared without what the instance lacks, and whether that is less."""
        known = self._api.fields()
        if self._read is None or self._read[0] is not known:
            there = {*OWN, *known}
            spec, lost = self._spec, self._spec.account not in {None, *there}
            present = tuple(trait for trait in spec.traits if there >= set(trait.fields))
            self._read = known, replace(spec, traits=present), lost or len(present) < len(spec.traits)
        return self._read[1], self._read[2]


def _missing(name: str, known: Mapping[str, str]) -> str:
    near = closest(name, known)
    hint = f"did you mean {near}?" if near else "see the REST names in Admin > Field Management"
    return f"Marketo has no lead field {name}; {hint}"
