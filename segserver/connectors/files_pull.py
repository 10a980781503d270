"""One pull of one stream of files: check everything, then hand out pages.

    match the files -> which changed -> read the changed ones once, for findings and keys
        -> any finding: raise, nothing handed out
        -> rows that vanished, then the changed files' rows, then the closing page

A file is worked on through a private copy, and read a second time only if it still has the content that was checked.
The cursor holds, for each file, size, mtime and SHA-256 of the content that was read; it is extended with the last
page of each file, so a pull that is cut off goes on with the file it was in. Another declaration makes every file new.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from segserver.clock import format_instant, parse_instant
from segserver.connectors.files_findings import Findings
from segserver.connectors.files_keys import KeyFiles, Present
from segserver.connectors.files_rows import Read, Rows
from segserver.connectors.files_tables import Table, open_table
from segserver.connectors.suggestions import closest
from segserver.connectors.values import shown
from segserver.errors import RetryLater, SettingsError, Span
from segserver.records import Cursor, Page, SourceItem

PAGE = 10_000
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class _File:
    """A data file as it was read.

    Attributes:
        generation: of the pull that read it.
        later: the first instant of its events that were left for a later pull, None if there were none.
    """

    size: int
    mtime_ns: int
    sha256: str = ""
    generation: int = 0
    later: datetime | None = None

    @classmethod
    def of_cursor(cls, entry: Mapping[str, object]) -> _File:
        later = entry.get("later")
        return cls(
            cast(int, entry["size"]),
            cast(int, entry["mtime_ns"]),
            cast(str, entry["sha256"]),
            cast(int, entry["generation"]),
            parse_instant(str(later)) if later else None,
        )

    def to_cursor(self) -> dict[str, object]:
        entry: dict[str, object] = {"size": self.size, "mtime_ns": self.mtime_ns, "sha256": self.sha256}
        entry["generation"] = self.generation
        return entry | ({"later": format_instant(self.later)} if self.later else {})


class Pull:
    """One pull; make a new one for each."""

    def __init__(self, rows: Rows, directory: Path, state: Path, cursor: Cursor | None, until: datetime) -> None:
        """Prepare a pull.

        Args:
            rows: how rows become records.
            directory: the workspace.
            state: folder for what is remembered about this stream.
            cursor: from the last committed page.
            until: events after it are left for a later pull.
        """
        self._rows = rows
        self._directory = directory
        self._state = state
        self._keys = KeyFiles(state)
        self._until = until
        entries = cast(Mapping[str, Mapping[str, object]], cursor["files"]) if cursor else {}
        self._before = {name: _File.of_cursor(entry) for name, entry in entries.items()}
        self._completed = cast(int, cursor["generation"]) if cursor else 0
        self._redeclared = cursor is not None and cursor["declaration"] != rows.declaration
        self._findings = Findings()
        self._present = Present()
        self._total = 0

    def pages(self) -> Iterator[Page]:
        """Pages as `Source.read` promises them."""
        names = match(self._directory, self._rows.pattern, self._rows.declared)
        self._keys.sweep(self._completed, (self._key_file(name, file) for name, file in self._before.items()))
        live = {self._key_file(name, self._before[name]) for name in names if name in self._before}
        leftover = [path for path in self._keys.existing() if path not in live]
        done = {name: same for name in names if (same := self._unchanged(name, leftover)) is not None}
        changed = [name for name in names if name not in done]
        if not changed and not leftover:
            yield Page([], self._next(done, self._completed), self._until, 0)
            return
        generation = max([self._completed, *self._keys.existing().values()]) + 1
        fresh = self._check(changed, done, generation)
        yield from self._gone_pages(done, fresh)
        progress = dict(done)
        for name, file in fresh.items():
            for items in self._batches(name, file):
                yield Page(items, self._next(progress, self._completed), total=self._total)
            progress[name] = file
        yield Page([], self._next(progress, generation), self._until, self._total)

    # ---- which files changed ---------------------------------------------------------------------------------------

    def _unchanged(self, name: str, leftover: list[Path]) -> _File | None:
        """What is known of a file that needs no reading; None for one that does."""
        file = self._before.get(name)
        if file is None or self._redeclared or not self._key_file(name, file).exists():
            return None
        if file.later is not None and file.later <= self._until:
            return None
        if any(self._keys.belongs(path, name) for path in leftover):
            return None
        now = self._stat(name)
        if (now.size, now.mtime_ns) == (file.size, file.mtime_ns):
            return file
        with self._copied(name) as (_, digest):
            return replace(file, mtime_ns=now.mtime_ns) if digest == file.sha256 else None

    def _stat(self, name: str) -> _File:
        with readable(name):
            found = (self._directory / name).stat()
            return _File(found.st_size, found.st_mtime_ns)

    def _key_file(self, name: str, file: _File) -> Path:
        return self._keys.path(file.generation, name, file.sha256)

    @contextmanager
    def _copied(self, name: str) -> Iterator[tuple[BinaryIO, str]]:
        """A private copy of a file, which nobody can change while it is read, and its SHA-256."""
        self._state.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._state) as copy:
            digest = hashlib.sha256()
            with readable(name), (self._directory / name).open("rb") as original:
                while chunk := original.read(_CHUNK):
                    digest.update(chunk)
                    copy.write(chunk)
            copy.seek(0)
            yield copy, digest.hexdigest()

    # ---- checking --------------------------------------------------------------------------------------------------

    def _check(self, changed: list[str], done: Mapping[str, _File], generation: int) -> dict[str, _File]:
        """Read the changed files once: their keys are written down, or everything wrong with them is raised."""
        for name, file in done.items():
            for key, _ in self._keys.read(self._key_file(name, file)):
                self._present.add(key)
        fresh = {name: self._scan(name, generation) for name in changed}
        self._report_repeated(done, changed)
        if self._findings:
            for name, file in fresh.items():
                self._key_file(name, file).unlink(missing_ok=True)
            raise self._findings.error()
        return fresh

    def _scan(self, name: str, generation: int) -> _File:
        file = replace(self._stat(name), generation=generation)
        with self._copied(name) as (copy, digest):
            scan = _Scan(self._until)
            keys = scan.keys(self._read(copy, name), self._present)
            self._keys.write(self._keys.path(generation, name, digest), keys)
        self._total += scan.wanted
        return replace(file, sha256=digest, later=scan.later)

    def _read(self, copy: BinaryIO, name: str) -> Iterator[Read]:
        table = open_table(copy, name, self._findings)
        return self._rows.read(table, self._findings) if table is not None else iter(())

    def _report_repeated(self, done: Mapping[str, _File], changed: list[str]) -> None:
        """Two rows with one key: reported at the later one, with the place of the first."""
        suspects = self._present.repeated()
        if not suspects or self._rows.key_column is None:
            return
        first: dict[str, Span] = {}
        for name, file in done.items():
            for key, line in self._keys.read(self._key_file(name, file)):
                if hash(key) in suspects:
                    first[key] = Span(name, line, 1, line, 1)
        for name in changed:
            with self._copied(name) as (copy, _):
                table = open_table(copy, name, Findings())
                if table is not None:
                    reads = self._rows.read(table, Findings())
                    self._compare(table, (read for read in reads if hash(read.key) in suspects), first)

    def _compare(self, table: Table, reads: Iterator[Read], first: dict[str, Span]) -> None:
        column = self._rows.key_column
        for read in reads:
            place = table.place(read.row, column)
            if first.setdefault(read.key, place) is place:
                self._findings.quote(table.name, read.row)
                continue
            hint = "keep one of the rows, or declare a column that tells them apart as key:"
            message = f"{column}: {shown(read.key)} is given twice"
            related = ((first[read.key], "first given here"),)
            self._findings.add("duplicated-key", place, message, hint, row=read.row, related=related)

    # ---- handing out -----------------------------------------------------------------------------------------------

    def _gone_pages(self, done: Mapping[str, _File], fresh: Mapping[str, _File]) -> Iterator[Page]:
        """What vanished since earlier pulls.

        Until all of it is out the cursor names no file that was not left alone, since one that is put back has to be
        read again, and no generation, so that every key file is kept.
        """
        current = {self._key_file(name, file) for name, file in {**done, **fresh}.items()}
        earlier = (path for path in self._keys.existing() if path not in current)
        keys = (key for path in earlier for key, _ in self._keys.read(path))
        gone = [self._rows.gone(key, self._until) for key in self._present.missing(keys)]
        self._total += len(gone)
        for start in range(0, len(gone), PAGE):
            yield Page(gone[start : start + PAGE], self._next(done, 0), total=self._total)

    def _batches(self, name: str, file: _File) -> Iterator[Sequence[SourceItem]]:
        with self._copied(name) as (copy, digest):
            if digest != file.sha256:
                raise RetryLater(f"{name} changed while it was being read; the next pull reads it again")
            items = (read.item for read in self._read(copy, name) if _later(read, self._until) is None)
            while batch := list(islice(items, PAGE)):
                yield batch

    def _next(self, files: Mapping[str, _File], generation: int) -> Cursor:
        entries = {name: file.to_cursor() for name, file in files.items()}
        return {"generation": generation, "declaration": self._rows.declaration, "files": entries}


class _Scan:
    """Counts while the keys of a file go by.

    Attributes:
        wanted: records to hand out.
        later: the first instant of events left for a later pull.
    """

    def __init__(self, until: datetime) -> None:
        self._until = until
        self.wanted = 0
        self.later: datetime | None = None

    def keys(self, reads: Iterator[Read], present: Present) -> Iterator[tuple[str, int]]:
        """Keys with their lines, also of events that are left for later: their rows have not vanished."""
        for read in reads:
            present.add(read.key)
            at = _later(read, self._until)
            if at is None:
                self.wanted += 1
            else:
                self.later = min(at, self.later or at)
            yield read.key, read.row.line


def _later(read: Read, until: datetime) -> datetime | None:
    """The instant of an event that is left for a later pull."""
    at = read.occurred_at
    return at if at is not None and at > until else None


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turns failures to open or read a data file into what the caller can act upon.

    Raises:
        RetryLater: it is gone.
        SettingsError: it cannot be read.
    """
    try:
        yield
    except FileNotFoundError:
        raise RetryLater(f"{name} vanished while it was being read; the next pull looks again") from None
    except OSError as error:
        raise SettingsError(f"{name} cannot be read: {error.strerror}; check its permissions") from None


def match(directory: Path, pattern: str, declared: Span) -> list[str]:
    """Files a pattern stands for, sorted, relative to the workspace; hidden ones are left out.

    Raises:
        SettingsError: there is none. A file that cannot be seen must not look like one whose rows were all removed.
    """
    found = sorted(
        path.relative_to(directory).as_posix()
        for path in directory.glob(pattern)
        if path.is_file() and not path.name.startswith(".")
    )
    if not found:
        parent = (directory / pattern).parent
        beside = [path.name for path in parent.iterdir() if path.is_file()] if parent.is_dir() else []
        near = closest(Path(pattern).name, beside)
        cure = f"did you mean {near}?" if near else "put the file there, or mend path:"
        raise SettingsError(f"{declared}: there is no file {pattern}; {cure}")
    return found
