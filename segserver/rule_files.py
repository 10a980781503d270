"""Rule files as they were read before: a workspace's memory of trees and verdicts, under `.segserver/rules/`.

Reading text is what costs most in a check, so each file's tree is kept under a hash of its text and of this version of
the language, and what a check found to be without fault is not checked again until it, or something it depends on,
changes. All of it is JSON with a checksum, never code; what is damaged, foreign or out of date is as good as absent.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import get_ident

from segserver.rules import catalog_text
from segserver.rules.checking.verdicts import Verdicts, from_data, to_data
from segserver.rules.reading.parsed import ParsedFile, from_lines, read, to_lines
from segserver.specs.catalog import Catalog
from segserver.workspace_files import STANDARD_INPUT

WORTH_PROCESSES = 400_000
"""Bytes of text from which on starting processes costs less than it saves."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of checks.

    Attributes:
        catalog, zone: what the rules were checked against.
        verdicts: of the blocks that were without fault.
    """

    catalog: Catalog
    zone: str
    verdicts: Verdicts


class RuleFiles:
    """The memory of one workspace."""

    def __init__(self, directory: Path) -> None:
        self._trees = directory / ".segserver" / "rules" / "trees"
        self._memory = directory / ".segserver" / "rules" / "verdicts"

    def read(self, sources: Mapping[str, bytes]) -> list[ParsedFile]:
        """Every file, in the order of `_place`; only what is not remembered is read from its text."""
        names = {name: _key(version(), raw) for name, raw in sorted(sources.items(), key=_place)}
        found = {name: self._remembered(key, name) for name, key in names.items()}
        fresh = {name: sources[name] for name, parsed in found.items() if parsed is None}
        for name, lines in zip(fresh, _read(fresh), strict=True):
            self._keep(self._trees / names[name], lines)
            found[name] = from_lines(lines, name)
        if fresh:
            self._forget(names.values())
        return [parsed for parsed in found.values() if parsed is not None]

    def memory(self, others: Mapping[str, bytes]) -> Memory | None:
        """What is remembered of earlier checks with the same other files and the same version; None if nothing is.

        Args:
            others: every file of the workspace that holds no rules.
        """
        text = _whole(self._memory)
        try:
            key, catalog, zone, verdicts = json.loads(text) if text is not None else ("", None, "", {})
            if key != _others_key(others):
                return None
            return Memory(catalog_text.from_data(catalog), zone, Verdicts(from_data(verdicts)))
        except (ValueError, TypeError):
            return None

    def keep(self, others: Mapping[str, bytes], memory: Memory) -> None:
        """Remember the verdicts of a check; those that did not come up in it are forgotten."""
        if dict(memory.verdicts.known) != memory.verdicts.held:
            catalog, verdicts = catalog_text.to_data(memory.catalog), to_data(memory.verdicts.held)
            told = [_others_key(others), catalog, memory.zone, verdicts]
            self._keep(self._memory, json.dumps(told, separators=(",", ":")))

    # ---- on disk

    def _remembered(self, key: str, name: str) -> ParsedFile | None:
        text = _whole(self._trees / key)
        try:
            return None if text is None else from_lines(text, name)
        except ValueError:
            return None

    def _keep(self, path: Path, text: str) -> None:
        """Write whole or not at all; a workspace that cannot be written to is checked all the same."""
        written = path.with_name(f"{path.name}.{os.getpid()}.{get_ident()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            written.write_bytes(f"{_checksum(text)}\n{text}".encode())
            written.replace(path)
        except OSError as error:
            _log.info("what was read of the rules is not remembered: %s", error)

    def _forget(self, keys: Iterable[str]) -> None:
        wanted = set(keys)
        try:
            for path in self._trees.iterdir():
                if path.name not in wanted:
                    path.unlink(missing_ok=True)
        except OSError as error:
            _log.info("old trees of rules stay where they are: %s", error)


def _place(file: tuple[str, bytes]) -> tuple[bool, str]:
    """Standard input comes last: what it shares with a file is its own mistake."""
    name, _ = file
    return name == STANDARD_INPUT, name


def _whole(path: Path) -> str | None:
    """The text of a file if it is just what was written there."""
    try:
        checksum, _, text = path.read_bytes().decode("utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return text if checksum == _checksum(text) else None


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _key(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        content = part if isinstance(part, bytes) else part.encode("utf-8")
        digest.update(f"{len(content)}\x1f".encode())
        digest.update(content)
    return digest.hexdigest()


def _others_key(others: Mapping[str, bytes]) -> str:
    return _key(version(), *(part for name in sorted(others) for part in (name, others[name])))


@cache
def version() -> str:
    """A hash of the code that reads and checks rules: what another version remembered does not count."""
    package = Path(__file__).parent
    sources = [*(package / "rules").rglob("*.py"), *(package / "specs").rglob("*.py"), package / "errors.py"]
    return _key(*(path.read_bytes() for path in sorted(sources)))


# ---- reading text --------------------------------------------------------------------------------------------------


def _read(sources: Mapping[str, bytes]) -> list[str]:
    """Every file as lines of a `ParsedFile`, on all processors where there is enough to read."""
    processors = os.cpu_count() or 1
    if processors == 1 or len(sources) == 1 or sum(map(len, sources.values())) < WORTH_PROCESSES:
        return [_lines(name, raw) for name, raw in sources.items()]
    from joblib import Parallel, delayed  # most checks start no process, and need not wait for this import

    return list(Parallel(n_jobs=processors)(delayed(_lines)(name, raw) for name, raw in sources.items()))


def _lines(name: str, raw: bytes) -> str:
    return to_lines(read(name, raw))
