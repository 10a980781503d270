"""The workspace's files while the server runs: edits are noticed, and a broken one leaves the last good version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from segserver.errors import Diagnostic, SettingsError, Severity, render
from segserver.workspace import Workspace, read
from segserver.workspace_files import RULE_DIRECTORIES, SETTINGS_FILE

Stamp = dict[Path, tuple[int, int, int]]
"""Each file's inode, size and time of change: cheap to take, different after every edit."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the files were at the last look.

    Attributes:
        findings: of all files.
        problem: why they cannot be used, as text for people; None where they can.
    """

    findings: tuple[Diagnostic, ...] = field(default=())
    problem: str | None = None


class Watch:
    """Looks at one workspace's files again and again; used by one thread, its `last` look read by any."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: Stamp | None = None
        self._lists: tuple[str, ...] = ()
        self.last = Look()

    def fresh(self) -> Workspace | None:
        """The workspace, if its files have changed since they were last looked at and are free of errors."""
        stamp = dict(_stamps(self._directory, self._lists))
        if stamp == self._seen:
            return None
        self._seen = stamp
        try:
            reading = read(self._directory)
        except (SettingsError, OSError) as error:
            self.last = Look(problem=str(error))
            return None
        self._lists = reading.lists  # looked at from the next time on, so that no edit falls between
        errors = [finding for finding in reading.diagnostics if finding.severity is Severity.ERROR]
        self.last = Look(reading.diagnostics, render(errors, reading.sources) if errors else None)
        return reading.workspace


def _stamps(directory: Path, lists: Iterable[str]) -> Iterator[tuple[Path, tuple[int, int, int]]]:
    patterns = [SETTINGS_FILE, "connectors/*.yml", *(f"{name}/**/*.seg" for name in RULE_DIRECTORIES)]
    paths = [path for pattern in patterns for path in directory.glob(pattern)]
    for path in (*paths, *(directory / name for name in lists)):
        try:
            found = path.stat()
        except FileNotFoundError:  # an editor that writes a new file and renames it, or a list still to be written
            continue
        yield path, (found.st_ino, found.st_size, found.st_mtime_ns)
