"""Who is in an audience of Google Analytics: a snapshot a day, and of it what is new since the last one.

Google needs a while to make an export. No run waits for it: the export's name is kept with the reader's place, and a
later run that finds it ready reads it. Whom it names is written to a key file before anything is handed out (as
`files_keys.py` does for data files), and compared with every earlier key file: who is new joined, who is missing left.

    000003-<event>-<export>.parquet       one entry a member: whether ads may be shaped to them, and who it is

Where there is no earlier snapshot, or it is lost, all that was told of the audience before is replaced. Who was
forgotten is taken out of all key files, and never stands in a later one.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any, cast

from segserver.clock import format_instant, parse_instant
from segserver.connectors.files_keys import KeyFiles, Present
from segserver.connectors.ga4_data import FAILED, DataApi, Export, Failures
from segserver.connectors.ga4_events import Names
from segserver.connectors.mapping import LeftOut, Reader, declaration_digest
from segserver.connectors.schema_events import ADS, MEMBER
from segserver.keys import Key
from segserver.records import Cursor, EventRecord, EventsWithin, Page
from segserver.specs.connections import EventSpec

AGAIN = timedelta(days=1)
"""Until an audience is asked for again, and how long an export may be under way; Google renews it about once a day."""

_PAGE = 10_000
_KEYS = ("audience/", "audience0")
_UNSET = ("", "(not set)")
_ALLOWED, _DENIED, _BY_USER, _BY_DEVICE = "1", "0", "u", "d"
_LEFT, _JOINED = "0", "1"


@dataclass(slots=True)
class _Place:
    """How far one audience is read.

    Attributes:
        digest: of its declaration.
        generation: of the snapshot that was read last; 0 before there is one.
        export: its name.
        begun: the instant it shows.
        pending: name of the export under way; "" if there is none.
    """

    digest: str
    generation: int = 0
    export: str = ""
    begun: str = ""
    pending: str = ""


class KeptMembers:
    """The key files of a connection's audiences: nobody who was forgotten, and no audience that is not declared.

    Args:
        folder: where they are kept.
        events: declared on audiences.
        names: kinds of identity.
        left_out: who must not be remembered.
    """

    def __init__(self, folder: Path, events: Iterable[str], names: Names, left_out: LeftOut) -> None:
        self._folder = folder
        self._events = frozenset(events)
        self._names = names
        self._left_out = left_out

    def of(self, event: str) -> KeyFiles:
        """The key files of one event's audience."""
        return KeyFiles(self._folder / event)

    def tidy(self) -> None:
        """Remove what is not declared any more and what was left half written, and take out who was forgotten."""
        folders = list(self._folder.glob("*/"))
        for folder in folders:
            if folder.name in self._events:
                KeyFiles(folder).remove_unfinished()
            else:
                shutil.rmtree(folder)
        since, marker = self._left_out.since, self._folder / "cleared"
        if since is None or not folders:
            return
        told = format_instant(since)
        if marker.exists() and marker.read_text(encoding="ascii") == told:
            return
        for event in self._events:
            keys = self.of(event)
            for path in keys.existing():
                keys.write(path, ((entry, 0) for entry in _read(keys, path) if not self.forgotten(entry)))
        marker.write_text(told, encoding="ascii")

    def forgotten(self, entry: str) -> bool:
        """Whether an entry is of somebody who must not be remembered."""
        return self._left_out.names(*self.identity(entry[1:]))

    def identity(self, who: str) -> Key:
        """The kind of identity and the value that an entry names."""
        by_user = who[0] == _BY_USER and self._names.user
        return by_user or self._names.client, who[1:]


class AudienceStream:
    """Reads audiences for all events declared on them.

    Args:
        events: each with the number of its audience.
        data: where exports are made.
        reader: types the properties.
        names: kinds of identity.
        kept: whom audiences held.
    """

    def __init__(
        self, events: Sequence[EventSpec], data: DataApi, reader: Reader, names: Names, kept: KeptMembers
    ) -> None:
        self._events = tuple(events)
        self._data = data
        self._reader = reader
        self._names = names
        self._kept = kept

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages of who joined and left; the stream is complete once each audience has been read."""
        places = {event.name: self._place(event, cursor) for event in self._events}
        failures = Failures()
        for event in self._events:
            with failures.of(event.name):
                for items in self._changes(event, places[event.name], until):
                    yield Page(items, _cursor(places), save=not items)
        failures.tell()
        known = all(place.generation for place in places.values())
        yield Page((), _cursor(places), until if known else None)

    def _place(self, event: EventSpec, cursor: Cursor | None) -> _Place:
        properties = [(one.name, *one.fields, str(one.type)) for one in event.properties]
        digest = declaration_digest(event.options["audience"], self._names.client, self._names.user, properties)
        known = cast("dict[str, dict[str, Any]]", (cursor or {}).get("events", {})).get(event.name)
        return _Place(**known) if known is not None and known["digest"] == digest else _Place(digest)

    def _changes(
        self, event: EventSpec, place: _Place, until: datetime
    ) -> Iterator[Sequence[EventRecord | EventsWithin]]:
        """What is told of an audience; nothing where only its place changed."""
        audience = str(event.options["audience"])
        if not place.pending:
            if place.begun and until - parse_instant(place.begun) < AGAIN:
                return
            place.pending = self._data.export(audience, until - AGAIN)
            yield ()
        export = self._data.look(place.pending)
        if export is None or export.state == FAILED:
            why = "Google has forgotten it" if export is None else export.error or "Google does not say why"
            self._reader.note(audience, "audience", f"the export of the audience came to nothing: {why}; made again")
            place.pending = ""
            yield ()
        elif export.ready:
            yield from self._snapshot(event, place, export, until)
        elif until - export.begun > AGAIN:
            self._reader.note(audience, "audience", "the export of the audience never became ready; made again")
            place.pending = ""
            yield ()

    def _snapshot(
        self, event: EventSpec, place: _Place, export: Export, until: datetime
    ) -> Iterator[Sequence[EventRecord | EventsWithin]]:
        keys = self._kept.of(event.name)
        last = keys.path(place.generation, event.name, _hashed(place.export))
        first = not place.generation or not last.exists()
        if first:
            keys.sweep(max(keys.existing().values(), default=0), ())
        else:
            keys.sweep(place.generation, [last])
        current = keys.path(place.generation + 1, event.name, _hashed(export.name))
        keys.write(current, ((entry, 0) for entry in self._entries(export) if not self._kept.forgotten(entry)))
        items: list[EventRecord | EventsWithin] = [EventsWithin(event.name, *_KEYS)] if first else []
        for record in self._records(event, export, _compared(keys, current, first=first), until):
            items.append(record)
            if len(items) == _PAGE:
                yield items
                items = []
        place.generation, place.export, place.pending = place.generation + 1, export.name, ""
        place.begun = format_instant(export.begun)
        yield items

    def _entries(self, export: Export) -> Iterator[str]:
        for device, user, ads in self._data.rows(export.name):
            allowed = _ALLOWED if ads == "true" else _DENIED
            if self._names.user and user not in _UNSET:
                yield allowed + _BY_USER + user
            elif device not in _UNSET:
                yield allowed + _BY_DEVICE + device

    def _records(
        self, event: EventSpec, export: Export, changes: Iterable[tuple[str, str | None]], until: datetime
    ) -> Iterator[EventRecord]:
        audience, number = event.options["audience"], export.name.rsplit("/", 1)[-1]
        for who, allowed in changes:
            raw = {MEMBER: allowed is not None, ADS: None if allowed is None else allowed == _ALLOWED}
            # Of one person's devices one may join as another leaves: the one that joins is told last.
            key = f"audience/{audience}/{number}/{_LEFT if allowed is None else _JOINED}/{who}"
            yield EventRecord(
                event=event.name,
                key=key,
                source_id=None,
                identity=self._kept.identity(who),
                occurred_at=export.begun,
                known_at=until,
                properties=self._reader.properties(event.properties, key, raw),
                # What brought somebody into an audience may have happened at any time before.
                begun_at=datetime.min,
            )


def _compared(keys: KeyFiles, current: Path, *, first: bool) -> Iterator[tuple[str, str | None]]:
    """Who is told, with whether ads are allowed; None for who left.

    A pull that was cut off may have told of its export. So who is missing from any earlier key file is new, and who is
    in any of them and not in the current one has left.
    """
    earlier = [] if first else [path for path in keys.existing() if path != current]
    members = Present()
    for entry in _read(keys, current):
        members.add(entry[1:])
    news = chain.from_iterable(_present(keys, path).missing(_resolved(keys, current)) for path in earlier)
    yield from ((entry[1:], entry[0]) for entry in (_resolved(keys, current) if first else news))
    told = (entry[1:] for path in earlier for entry in _read(keys, path))
    yield from ((who, None) for who in members.missing(told))


def _resolved(keys: KeyFiles, path: Path) -> Iterator[str]:
    """The entries of a key file; of several devices of one user the one that denies counts."""
    denied = Present()
    for entry in _read(keys, path):
        if entry[0] == _DENIED:
            denied.add(entry[1:])
    entries = _read(keys, path)
    while batch := list(islice(entries, _PAGE)):
        free = set(denied.missing([entry[1:] for entry in batch]))
        yield from ((_ALLOWED if entry[1:] in free else _DENIED) + entry[1:] for entry in batch)


def _present(keys: KeyFiles, path: Path) -> Present:
    present = Present()
    for entry in _resolved(keys, path):
        present.add(entry)
    return present


def _read(keys: KeyFiles, path: Path) -> Iterator[str]:
    return (entry for entry, _ in keys.read(path))


def _cursor(places: dict[str, _Place]) -> Cursor:
    return {"events": {name: asdict(place) for name, place in places.items()}}


def _hashed(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
