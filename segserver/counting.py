"""Counts what a pull brings of a stream, and compares it with what earlier ones brought."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from segserver.drift.comparison import LEAST_ROWS, Drift, drifts
from segserver.drift.profiles import Profile
from segserver.drift.records import Profiles, fingerprint, profiled
from segserver.records import SourceItem
from segserver.specs.connections import ConnectionSpec
from segserver.store import stream_profiles
from segserver.store.session import Session

FIRST, LATER = "first", "later"
"""Populations: everybody, as a first pull brings them, and those who changed since."""


class Count:
    """One pull of one stream.

    Attributes:
        brought: what this pull brought, by kind of record.
    """

    def __init__(self, session: Session, spec: ConnectionSpec, stream: str, *, anew: bool) -> None:
        """Go on counting where the last pull of the population ended before its end.

        Args:
            session: the writer's.
            spec: the connection.
            stream: of it.
            anew: nothing of the stream was read before.
        """
        self.brought: Profiles = {}
        self._session = session
        self._spec = spec
        self._stream = stream
        begun = stream_profiles.open_profiles(session, spec.name, stream, FIRST)
        self._population = FIRST if anew or begun else LATER
        if self._population == LATER:
            begun = stream_profiles.open_profiles(session, spec.name, stream, LATER)
        self._open: Profiles = {records: Profile.from_dict(told) for records, told in begun.items()}

    def add(self, items: Sequence[SourceItem], now: datetime) -> None:
        """Count a group; `save` keeps it."""
        for records, profile in profiled(self._spec, items, now).items():
            for known in (self.brought, self._open):
                known.setdefault(records, Profile()).merge(profile)

    def save(self) -> None:
        """Keep what was counted; the caller holds the transaction that stores the group."""
        told = {records: profile.to_dict() for records, profile in self._open.items()}
        stream_profiles.save_open(self._session, self._spec.name, self._stream, self._population, told)

    def end(self, now: datetime) -> list[Drift]:
        """At the end of a whole pull: what differs from before, of kinds of records of which there are enough.

        Of changes there may be few at a time: they are counted on until there are enough.
        """
        found: list[Drift] = []
        for records, profile in sorted(self._open.items()):
            if self._population == LATER and profile.rows < LEAST_ROWS:
                continue
            fields = fingerprint(self._spec, records)
            place = (self._session, self._spec.name, self._stream, self._population, records, fields)
            before = Profile()
            for told in stream_profiles.before(*place):
                before.merge(Profile.from_dict(told))
            found += drifts(records, profile, before)
            stream_profiles.close(*place, now)
        return found

    def figures(self) -> dict[str, Any]:
        """What this pull brought, by kind of record: rows, repeated ones, shares of missing values."""
        return {records: profile.figures() for records, profile in sorted(self.brought.items())}
