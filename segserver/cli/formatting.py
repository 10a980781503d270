"""`fmt`: rule files in their canonical form."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from segserver.cli.invocation import Invocation
from segserver.cli.writing import FORMAT
from segserver.errors import Diagnostic, SettingsError, Span, render

if TYPE_CHECKING:
    from segserver.specs.types import Kind


RULES = ".seg"
"""How the names of rule files end."""

UNENDED = "\\ No newline at end of file"
"""What a diff says of a last line that does not end, so that `patch` takes it."""


@dataclass(frozen=True, slots=True)
class Formatted:
    """One file.

    Attributes:
        name: as findings name it.
        path: where it lies; None: standard input.
        before: its content.
        after: its canonical text; None if it cannot be read.
        diagnostics: why it cannot be read.
    """

    name: str
    path: Path | None
    before: bytes
    after: str | None
    diagnostics: tuple[Diagnostic, ...]

    @property
    def text(self) -> str:
        """What it said."""
        return self.before.decode("utf-8", "replace")

    @property
    def changed(self) -> bool:
        """Whether the canonical form is another one, be it by the ends of its lines alone."""
        return self.after is not None and self.after.encode() != self.before

    def diff(self) -> str:
        """What changes, as a unified diff."""
        before, after = (re.findall(r"[^\n]*\n|[^\n]+", text or "") for text in (self.text, self.after))
        lines = difflib.unified_diff(before, after, self.name, f"{self.name} (formatted)")
        return "".join(line if line.endswith("\n") else f"{line}\n{UNENDED}\n" for line in lines)

    def to_dict(self, *, diff: bool) -> dict[str, object]:
        """Plain data for `--format json`, with what changes where that is asked for."""
        problems = [finding.to_dict() for finding in self.diagnostics]
        shown = {"diff": self.diff() if self.changed else ""} if diff else {}
        return {"file": self.name, "changes": self.changed, "findings": problems, **shown}


@click.command()
@click.argument("paths", metavar="[FILES|-]", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--check", "only_check", is_flag=True, help="Write nothing; end with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@FORMAT
@click.pass_obj
def fmt(invocation: Invocation, paths: tuple[str, ...], only_check: bool, diff: bool, form: str) -> int:
    """Write rule files in their canonical form.

    FILES are by default all rule files of the workspace; `-` reads standard input and writes standard output. A file
    with a syntax error is left as it is.
    """
    if invocation.engine is not None:
        raise SettingsError("`segserver fmt` cannot be sent to a running server")
    if "-" in paths and len(paths) > 1:
        raise SettingsError("`-` stands alone: format files and standard input one after the other")
    results = list(_format(invocation.settings.workspace, paths))
    writes = not (only_check or diff)
    if writes:
        _demand_writable(results)
    for result in results:
        if writes and result.changed and result.path is not None and result.after is not None:
            _replace(result.path.resolve(), result.after)
    if form == "json":
        invocation.print_json([result.to_dict(diff=diff) for result in results])
    else:
        _show(invocation, results, writes=writes, diff=diff)
    unreadable = any(result.after is None for result in results)
    return 1 if unreadable or (only_check and any(result.changed for result in results)) else 0


def _format(directory: Path, paths: Sequence[str]) -> Iterator[Formatted]:
    from segserver.rules.findings import Findings
    from segserver.rules.formatting.canonical import canonical
    from segserver.rules.reading.source import decode

    files, kinds = _read(directory, paths)
    for name, (path, raw) in files.items():
        findings = Findings()
        before = decode(name, raw, findings)
        after = None if before is None else canonical(name, before, findings, kinds)
        yield Formatted(name, path, raw, after, findings.sorted())


def _read(directory: Path, paths: Sequence[str]) -> tuple[dict[str, tuple[Path | None, bytes]], Mapping[Span, Kind]]:
    """The files by name, and what their comparisons compare as far as a workspace tells."""
    from segserver.rules.formatting.respell import compared
    from segserver.workspace import read
    from segserver.workspace_files import SETTINGS_FILE, STANDARD_INPUT

    files = dict(_named(directory.resolve(), path) for path in paths)
    if paths and not (directory / SETTINGS_FILE).is_file():
        return files, {}
    reading = read(directory, {name: raw for name, (_, raw) in files.items() if name == STANDARD_INPUT})
    if not paths:
        names = sorted(name for name in reading.sources if name.endswith(RULES))
        files = {name: (directory / name, (directory / name).read_bytes()) for name in names}
    return files, compared(reading.workspace.program) if reading.workspace else {}


def _named(directory: Path, path: str) -> tuple[str, tuple[Path | None, bytes]]:
    if path == "-":
        return path, (None, sys.stdin.buffer.read())
    found = Path(path).resolve()
    if Path(path).suffix != RULES:
        raise SettingsError(f"{path} is no rule file: their names end in {RULES}")
    name = found.relative_to(directory).as_posix() if found.is_relative_to(directory) else path
    return name, (found, found.read_bytes())


def _demand_writable(results: Sequence[Formatted]) -> None:
    """Refuse before the first file is touched: one that may not be written would be replaced all the same."""
    for result in results:
        if result.changed and result.path is not None and not _is_writable(result.path):
            raise SettingsError(f"{result.name} may not be written; allow it (chmod u+w), or name the other files")


def _is_writable(path: Path) -> bool:
    """Whether the owner may write; asked of the mode, for which root is no exception."""
    return bool(path.stat().st_mode & stat.S_IWUSR) and os.access(path, os.W_OK)


def _replace(path: Path, text: str) -> None:
    """Put a text in a file's place, so that nobody ever reads half of it."""
    draft = path.with_name(f".{path.name}.formatted")
    draft.write_bytes(text.encode())
    shutil.copymode(path, draft)
    draft.replace(path)


def _show(invocation: Invocation, results: Sequence[Formatted], *, writes: bool, diff: bool) -> None:
    for result in results:
        if result.after is None:
            invocation.complain(render(result.diagnostics, {result.name: result.text}))
        elif diff:
            invocation.console.file.write(result.diff())
        elif result.path is None and writes:
            invocation.console.file.write(result.after)
        elif result.changed and result.path is not None:
            invocation.say(f"{'formatted' if writes else 'would format'} {result.name}")
    if all(result.path is not None for result in results):
        invocation.say(_counted(results, writes=writes))


def _counted(results: Sequence[Formatted], *, writes: bool) -> str:
    changed = sum(result.changed for result in results)
    unreadable = sum(result.after is None for result in results)
    fine = len(results) - changed - unreadable
    parts = ((changed, "formatted" if writes else "to format"), (fine, "already so"), (unreadable, "left as written"))
    return ", ".join(f"{count} {what}" for count, what in parts if count) or "no rule files"


COMMANDS = (fmt,)
