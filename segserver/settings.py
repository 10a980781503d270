"""Settings that need a restart: defaults, then `SEGSERVER_*` variables, then flags.

What may change while the server runs is in the workspace's files (`workspace.py`). Secrets come only from variables.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from segserver.clock import Clock, ShiftedClock, SystemClock
from segserver.errors import SettingsError

PREFIX = "SEGSERVER_"


@dataclass(frozen=True, slots=True)
class Settings:
    """One process's settings.

    Attributes:
        workspace: directory with `rules/`, `connectors/`, `scenarios/` and `segserver.yml`.
        store: the database file; None: `.segserver/store.duckdb` in the workspace.
        host: address that `serve` listens on.
        port: port that `serve` listens on.
        public_url: how platforms reach this server (`https://segments.example.com`), for webhook signatures;
            None: the request's own URL.
        api_token: callers of the JSON API must send it; required where `host` is not a loopback address.
        clock_shift: added to the machine's clock; for trials against a sandbox that lives at another time.
    """

    workspace: Path = Path()
    store: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8700
    public_url: str | None = None
    api_token: str | None = None
    clock_shift: timedelta = timedelta(0)

    def __repr__(self) -> str:
        token = "set" if self.api_token else "not set"
        return f"Settings(workspace={str(self.workspace)!r}, host={self.host!r}, port={self.port}, api_token {token})"

    @property
    def state_directory(self) -> Path:
        """Where this process keeps its own files: beside the database."""
        return self.store_path.parent

    @property
    def store_path(self) -> Path:
        """The database file."""
        return self.store or self.workspace / ".segserver" / "store.duckdb"

    def clock(self) -> Clock:
        """The clock this process goes by."""
        return ShiftedClock.by(self.clock_shift) if self.clock_shift else SystemClock()


def read(environ: Mapping[str, str], **flags: object) -> Settings:
    """Settings from defaults, variables and flags, the later winning; a flag of None was not given.

    Raises:
        SettingsError: an unknown `SEGSERVER_*` variable, or a value that cannot be read.
    """
    names = {field.name for field in fields(Settings)}
    values: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = f"did you mean {PREFIX}{near[0].upper()}?" if near else f"known: {_known(names)}"
            raise SettingsError(f"unknown variable {variable}; {hint}")
        values[name] = _parse(variable, name, text)
    values |= {name: value for name, value in flags.items() if value is not None}
    settings = Settings(**values)
    if not _is_loopback(settings.host) and not settings.api_token:
        raise SettingsError(
            f"listening on {settings.host} would open the API to the network; set {PREFIX}API_TOKEN to a long secret"
        )
    return settings


def _known(names: set[str]) -> str:
    return ", ".join(PREFIX + name.upper() for name in sorted(names))


def _parse(variable: str, name: str, text: str) -> object:
    try:
        match name:
            case "workspace" | "store":
                return Path(text)
            case "port":
                port = int(text)
                if not 0 <= port <= 65535:
                    raise ValueError
                return port
            case "clock_shift":
                return timedelta(seconds=float(text))
            case _:
                return text or None
    except (ValueError, OverflowError):
        wanted = "a port from 0 to 65535" if name == "port" else "a number of seconds"
        raise SettingsError(f"{variable}={text!r} is not {wanted}") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
