"""What every command is given: settings, where to print, and the way to the store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from segserver.clock import FixedClock, format_instant
from segserver.errors import SettingsError
from segserver.progress import Progress, silent
from segserver.settings import Settings, read

if TYPE_CHECKING:
    from segserver.engine import Engine


@dataclass(slots=True)
class Invocation:
    """One run of a command line.

    Attributes:
        environ: variables; secrets are looked up there.
        console: where to print.
        arguments: the command line itself, to be sent to a server that owns the store.
        engine: given when the command runs inside that server; else None.
        flags: settings given before the command's name.
        errors: where to complain; None: where to print.
    """

    environ: Mapping[str, str]
    console: Console
    arguments: Sequence[str] = ()
    engine: Engine | None = None
    flags: dict[str, object] = field(default_factory=dict)
    errors: Console | None = None

    def take_flags(self, *, workspace: str | None, store: str | None) -> None:
        """Settings given on the command line."""
        self.flags = {
            "workspace": None if workspace is None else Path(workspace),
            "store": None if store is None else Path(store),
        }

    @property
    def settings(self) -> Settings:
        """The settings this command goes by."""
        return self.engine.settings if self.engine else read(self.environ, **self.flags)

    @contextmanager
    def open(self, as_of: datetime | None = None) -> Iterator[Engine]:
        """The engine: the owner's, or one opened for this command.

        Where a server owns the store, the whole command line is sent there, and this command ends with its exit code.

        Args:
            as_of: the command's clock stands at this instant.
        """
        if self.engine is not None:
            if as_of is not None:
                raise SettingsError("--as-of cannot be used while a server owns the store; stop it first")
            yield self.engine
            return
        from segserver.cli.forwarding import forward
        from segserver.engine import open_engine
        from segserver.store.owner import living_owner

        settings = self.settings
        owner = living_owner(settings.state_directory)
        if owner is not None:
            raise click.exceptions.Exit(forward(owner, self.arguments, self._print_plain))
        clock = settings.clock()
        if as_of is not None:
            if as_of > clock.now():
                raise SettingsError(f"--as-of {format_instant(as_of)} lies in the future; nobody knows what happens")
            clock = FixedClock(as_of)
        with open_engine(settings, self.environ, clock=clock) as engine:
            yield engine

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Bars on a terminal, nothing elsewhere."""
        if not self.console.is_terminal:
            yield silent
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Bars(*columns, console=self.console, transient=True) as bars:
            yield _shower(bars)

    def print_json(self, value: object) -> None:
        """Plain data for machines."""
        self._print_plain(json.dumps(value, indent=2, ensure_ascii=False, default=_plain) + "\n")

    def complain(self, text: str) -> None:
        """An error, plainly."""
        _print(self.errors or self.console, f"{text}\n")

    def say(self, text: str) -> None:
        """A line, as it is."""
        self._print_plain(f"{text}\n")

    def _print_plain(self, text: str) -> None:
        _print(self.console, text)


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True, end="")


def _plain(value: object) -> str:
    return format_instant(value) if isinstance(value, datetime) else str(value)


def _shower(bars: Bars) -> Progress:
    tasks: dict[str, TaskID] = {}

    def show(task: str, done: int, total: int | None) -> None:
        if task not in tasks:
            tasks[task] = bars.add_task(task, total=total)
        bars.update(tasks[task], completed=done, total=total)

    return show
