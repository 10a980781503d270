"""A connection's field map at work: a vendor's raw record becomes a typed one.

A value that cannot be typed does not stop a pull: the trait is unknown for that record, and the problem is kept for
the report.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from segserver.connectors import values
from segserver.errors import SettingsError
from segserver.records import AccountRecord, Change, ContactRecord
from segserver.specs.connections import AccountsSpec, ConnectionSpec, ContactsSpec, EventSpec, FieldSpec, PropertySpec
from segserver.specs.types import INSTANT, TEXT, Type

OWN_PREFIX = "segserver_"
"""Fields we write ourselves; reading them back as traits would make our own output an input."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that could not be read as declared.

    Attributes:
        source_id: of the record at the source.
        field: at the source.
        reason: why, with the cure where there is one.
    """

    source_id: str
    field: str
    reason: str


Raw = Mapping[str, object]
RawChanges = Sequence[tuple[object, datetime]]


def _nobody(_kind: str, _value: str) -> bool:
    return False


@dataclass(slots=True)
class LeftOut:
    """Whom a person had us forget: a reader that remembers people between two pulls must not remember them.

    Attributes:
        since: when the last one was forgotten; None where nobody was.
        names: whether a kind of identity and its value name one of them.
    """

    since: datetime | None = None
    names: Callable[[str, str], bool] = _nobody


@dataclass(slots=True)
class Reader:
    """Types raw values and keeps the problems."""

    problems: list[Problem] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)

    def note(self, source_id: str, field: str, reason: str) -> None:
        """Keep a problem for the report."""
        self.problems.append(Problem(source_id, field, reason))

    def value(self, source_id: str, name: str, raw: object, type: Type) -> object:
        """A typed value; None and a problem where it is not of that type."""
        try:
            return values.parse(raw, type)
        except ValueError as error:
            self.note(source_id, name, str(error))
            return None

    def instant(self, source_id: str, name: str, raw: object) -> datetime | None:
        """A naive UTC instant; None where there is none or it cannot be read."""
        at = self.value(source_id, name, raw, INSTANT)
        return at if isinstance(at, datetime) else None

    def contact(
        self,
        spec: ContactsSpec,
        source_id: str,
        raw: Raw,
        *,
        created_at: datetime | None = None,
        updated_at: datetime | None = None,
        suppressed: bool = False,
        changes: Mapping[str, RawChanges] | None = None,
    ) -> ContactRecord:
        """A contact from its raw fields.

        Args:
            spec: the map.
            source_id: the source's own id.
            raw: field to raw value.
            created_at: used where the declaration names no field for it.
            updated_at: the source's modification instant.
            suppressed: as the platform says.
            changes: by field, raw values with their instants, oldest first.
        """
        created = self.instant(source_id, spec.created, raw.get(spec.created)) if spec.created else None
        return ContactRecord(
            source_id=source_id,
            identities=_identities(spec, raw),
            traits={trait.name: self.mapped(source_id, trait, raw) for trait in spec.traits},
            consent=self._consent(spec, source_id, raw),
            suppressed=suppressed,
            created_at=created or created_at,
            updated_at=updated_at,
            history=self._history(spec, source_id, changes or {}),
            account=self._account(spec, source_id, raw),
        )

    def account(self, spec: AccountsSpec, key: str, raw: Raw, *, updated_at: datetime | None = None) -> AccountRecord:
        """An account from its raw fields.

        Args:
            spec: the map.
            key: by which contacts name it.
            raw: field to raw value.
            updated_at: the source's modification instant.
        """
        return AccountRecord(key, {trait.name: self.mapped(key, trait, raw) for trait in spec.traits}, updated_at)

    def mapped(self, source_id: str, spec: FieldSpec, raw: Raw) -> object:
        """What a trait or a property is, from its field, or for a place from its two fields."""
        parts = tuple(raw.get(name) for name in spec.fields)
        return self.value(source_id, spec.field, parts if spec.longitude else parts[0], spec.type)

    def properties(self, specs: Iterable[PropertySpec], key: str, raw: Raw) -> dict[str, object]:
        """An event's typed properties."""
        return {spec.name: self.mapped(key, spec, raw) for spec in specs}

    def _account(self, spec: ContactsSpec, source_id: str, raw: Raw) -> str | None:
        """The key of the contact's account; None where it has none."""
        key = self.value(source_id, spec.account, raw.get(spec.account), TEXT) if spec.account else None
        return (str(key).strip() or None) if key is not None else None

    def _consent(self, spec: ContactsSpec, source_id: str, raw: Raw) -> dict[str, bool]:
        consent: dict[str, bool] = {}
        for line in spec.consent:
            try:
                allowed = values.allowed(raw.get(line.field), line.means)
            except ValueError as error:
                self.note(source_id, line.field, f"{error}; {line.channel} is not used meanwhile")
                allowed = False
            consent[line.channel] = allowed
        return consent

    def _history(
        self, spec: ContactsSpec, source_id: str, changes: Mapping[str, RawChanges]
    ) -> dict[str, list[Change]]:
        history: dict[str, list[Change]] = {}
        for trait in spec.traits:
            for raw, at in changes.get(trait.field, ()) if trait.history else ():
                try:
                    change = Change(values.parse(raw, trait.type), at)
                except ValueError as error:
                    self.note(source_id, trait.field, str(error))
                    continue
                history.setdefault(trait.name, []).append(change)
        return history


def _identities(spec: ContactsSpec, raw: Raw) -> dict[str, str]:
    return {kind: str(raw[name]) for kind, name in spec.identities.items() if raw.get(name) not in (None, "")}


def contact_fields(spec: ContactsSpec) -> list[str]:
    """Every field of the source that the declaration names, sorted, each once."""
    fields = {*spec.identities.values(), *(name for trait in spec.traits for name in trait.fields)}
    fields |= {line.field for line in spec.consent}
    fields |= {name for name in (spec.created, spec.account) if name}
    return sorted(fields)


def consent_fields(spec: ContactsSpec | None) -> list[str]:
    """The fields with the contact's own word on channels, sorted, each once; they are read and never written."""
    return sorted({line.field for line in spec.consent}) if spec else []


def matches(where: object, raw: Raw) -> bool:
    """Whether a record is meant by `where:`; a list names several good values.

    Args:
        where: field to value or list of values; None means every record.
        raw: the record's fields.
    """
    if not isinstance(where, Mapping):
        return True
    for name, wanted in where.items():
        options = wanted if isinstance(wanted, (list, tuple)) else (wanted,)
        if _written(raw.get(str(name))) not in {_written(option) for option in options}:
            return False
    return True


def _written(value: object) -> str:
    """A value as platforms write it, so that `true` of YAML equals "true" of HubSpot."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def declaration_digest(*parts: object) -> str:
    """A short name of what is read; a cursor from another declaration is not continued, or a new field stays empty."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def events_of(spec: ConnectionSpec, stream: str) -> tuple[EventSpec, ...]:
    """The declared events that come from a stream."""
    return tuple(event for event in spec.events if event.options.get("stream") == stream)


def refuse_own_fields(spec: ConnectionSpec) -> None:
    """Check that no field is read that we write.

    Raises:
        SettingsError: one is.
    """
    mapped: list[FieldSpec] = [*spec.contacts.traits] if spec.contacts else []
    mapped += spec.accounts.traits if spec.accounts else ()
    mapped += [prop for event in spec.events for prop in event.properties]
    for name, place in ((name, one.place) for one in mapped for name in one.fields):
        if name.lower().startswith(OWN_PREFIX):
            raise SettingsError(
                f"{place}: {name} is written by segserver itself and cannot be a source; map another field"
            )
