"""Kinds of connections, as `kind:` names them: found among the entry points of what is installed, ours included.

A distribution that brings a kind declares it in the group `segserver.connectors`: the name is the word after `kind:`,
the value a `Kind`. Only the kinds that connections name are loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from segserver.clock import Clock
from segserver.connectors import schema
from segserver.connectors.base import Destination, Source
from segserver.errors import SettingsError
from segserver.specs.connections import ConnectionSpec

if TYPE_CHECKING:
    from segserver.connectors.http import Session
    from segserver.connectors.limits import AccountLimits, Budget, Budgets
    from segserver.connectors.mapping import Reader

GROUP = "segserver.connectors"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all connectors need from outside.

    Attributes:
        clock: the time.
        sleep: waits so many seconds.
        environ: where secrets and endpoints are.
        workspace_dir: for paths of files.
        session: of requests; None for a new one.
        limits: whether to keep the platform's limits; None: unless its endpoint is on this machine.
        budgets: of the accounts.
        state_directory: beside the store, for what a connection has to remember itself; None: the store is in memory.
    """

    clock: Clock
    sleep: Callable[[float], None]
    environ: Mapping[str, str]
    workspace_dir: Path
    session: Session | None
    limits: bool | None
    budgets: Budgets
    state_directory: Path | None = None

    def budget(
        self,
        spec: ConnectionSpec,
        limits: AccountLimits,
        endpoint: str,
        account: str,
        credential: str = "",
        *,
        daily: bool = True,
    ) -> Budget | None:
        """Our share of the limits; None on this machine unless asked for, where nobody else's share is at stake."""
        held = urlsplit(endpoint).hostname not in LOOPBACK if self.limits is None else self.limits
        return self.budgets.budget(spec.name, account, limits, spec.quota, credential, daily=daily) if held else None


Sides = tuple[Source | None, Destination | None]
"""What a connection is read by and written by; the same object may be both."""

Make = Callable[[ConnectionSpec, Surroundings, "Reader"], Sides]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of connection.

    Attributes:
        schema: the keys of its file.
        make: its source and destination; nothing may be sent yet.
    """

    schema: type[schema.Connection]
    make: Make


def names() -> list[str]:
    """Every kind there is."""
    return sorted(_found())


def kind(name: str) -> Kind:
    """A kind by its name.

    Raises:
        KeyError: there is none.
        SettingsError: what brings it cannot be used.
    """
    found = _found()[name]
    if len(found) > 1:
        raise SettingsError(f"several installed packages bring connections of kind {name}; uninstall all but one")
    return _loaded(found[0])


@cache
def _found() -> Mapping[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for one in entry_points(group=GROUP):
        # An editable installation may be listed twice.
        if all(one.value != other.value for other in found.setdefault(one.name, [])):
            found[one.name].append(one)
    return found


@cache
def _loaded(entry: EntryPoint) -> Kind:
    try:
        made = entry.load()
    except Exception as error:
        raise SettingsError(
            f"the connector of kind {entry.name} cannot be loaded ({type(error).__name__}: {error}); "
            f"mend or uninstall the package that brings {entry.value}"
        ) from error
    if not isinstance(made, Kind):
        raise SettingsError(f"the connector of kind {entry.name} is no Kind; {entry.value} has to name one")
    return made


# ---- ours --------------------------------------------------------------------------------------------------------


def _ours(name: str) -> Kind:
    def make(spec: ConnectionSpec, around: Surroundings, reader: Reader) -> Sides:
        # Declarations are checked without what talks to platforms.
        from segserver.connectors.build import SIDES

        return SIDES[name](spec, around, reader)

    return Kind(schema.KINDS[name], make)


HUBSPOT, MARKETO, GA4, FILES = map(_ours, ("hubspot", "marketo", "ga4", "files"))
