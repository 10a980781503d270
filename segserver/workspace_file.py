"""`segserver.yml`: the workspace's own settings, read again whenever the file changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import available_timezones

from segserver.connectors import declarations
from segserver.connectors.schema_base import Block, Declared, Written, refuse
from segserver.connectors.schema_fields import Length
from segserver.connectors.suggestions import closest
from segserver.errors import Diagnostic
from segserver.match_settings import KEY, Matching, spec_of
from segserver.specs.matching import MatchSpec

DEFAULT_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class WorkspaceFile:
    """What `segserver.yml` says.

    Attributes:
        zone: IANA name; "UTC" unless said otherwise.
        sources: connections, the first known value of a trait winning.
        run_every: time between two scheduled runs.
        matching: how contacts that may be one person are found; None where it is not declared.
    """

    zone: str = "UTC"
    sources: tuple[str, ...] = ()
    run_every: timedelta = DEFAULT_EVERY
    matching: MatchSpec | None = None


class _Zone(Written):
    """The IANA name of a time zone."""

    expected = "a time zone such as Europe/Paris"

    def _read(self, value: object) -> object:
        name = self.text_of(value)
        if name not in available_timezones():
            raise refuse("unknown-zone", f"there is no time zone {name!r}", _nearest_zone(name))
        return name


def _nearest_zone(name: str) -> str:
    """A hint: the zone of that city, or of a like name; there are too many to list."""
    zones = sorted(available_timezones())
    city = name.strip().replace(" ", "_").casefold()
    near = next((zone for zone in zones if zone.casefold().endswith(f"/{city}")), None) or closest(name, zones)
    return f"did you mean {near}?" if near else "zones are named by continent and city: Europe/Paris, America/New_York"


class _Names(Written):
    """A list of connections."""

    expected = "a list of connections: [crm, shop]"

    def _read(self, value: object) -> object:
        if (
            not isinstance(value, Sequence)
            or isinstance(value, str)
            or not all(isinstance(item, str) for item in value)
        ):
            raise refuse("wrong-type", f"{{key}} must be {self.expected}")
        return tuple(value)


class _File(Declared):
    """The keys of `segserver.yml`."""

    zone = _Zone(data_key="time zone", load_default="UTC")
    sources = _Names(load_default=())
    run_every = Length(zero=False, data_key="run every", load_default=DEFAULT_EVERY)
    matching = Block(Matching, data_key=KEY, load_default=None)


def load_workspace_file(source: str | bytes, file: str) -> tuple[WorkspaceFile, tuple[Diagnostic, ...]]:
    """Read the file; with findings, the defaults stand in for it so that everything else can still be checked."""
    values, findings = declarations.validated(source, file, _File)
    if values is None:
        return WorkspaceFile(), findings
    matching = values["matching"]
    return WorkspaceFile(
        values["zone"], values["sources"], values["run_every"], None if matching is None else spec_of(matching)
    ), findings
