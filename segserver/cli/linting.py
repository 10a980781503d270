"""The command that gives advice about rules: lint."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from segserver.cli.invocation import Invocation
from segserver.cli.writing import FORMAT
from segserver.errors import SettingsError, StopError, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segserver.errors import Diagnostic
    from segserver.workspace import Reading


@click.command()
@click.argument("files", nargs=-1)
@FORMAT
@click.pass_obj
def lint(invocation: Invocation, files: tuple[str, ...], form: str) -> int:
    """Say what in the rules is allowed and yet may not be what was meant.

    The whole workspace is read; with FILES only what concerns these is shown. A file `-` is rules from standard input,
    read with those of the workspace.
    """
    from segserver.rules.lint import lint as advise
    from segserver.store.profile import FILE, read_profile
    from segserver.workspace import read
    from segserver.workspace_files import STANDARD_INPUT

    settings = invocation.settings
    replacing = {STANDARD_INPUT: sys.stdin.buffer.read()} if STANDARD_INPUT in files else {}
    reading = read(settings.workspace, replacing)
    chosen = _chosen(files, settings.workspace, reading)
    if reading.workspace is None:
        _show(invocation, reading, reading.diagnostics, form)
        return 1
    try:
        profile = read_profile(settings.state_directory)
    except ValueError as error:
        raise StopError(f"{settings.state_directory / FILE} is damaged; the next `segserver run` renews it") from error
    found = advise(reading.workspace.program, _rules(reading), profile)
    shown = [item for item in found if not chosen or item.span.file in chosen]
    _show(invocation, reading, shown, form)
    return 3 if shown else 0


def _rules(reading: Reading) -> dict[str, str]:
    from segserver.workspace_files import STANDARD_INPUT

    return {name: text for name, text in reading.sources.items() if name.endswith(".seg") or name == STANDARD_INPUT}


def _chosen(files: tuple[str, ...], workspace: Path, reading: Reading) -> set[str]:
    """The named files as the workspace calls them.

    Raises:
        SettingsError: one is no rule file of the workspace.
    """
    known = _rules(reading)
    root = workspace.resolve()
    chosen: set[str] = set()
    for name in files:
        places = [place.resolve() for place in (Path(name), workspace / name)]
        meant = [name, *(place.relative_to(root).as_posix() for place in places if place.is_relative_to(root))]
        matching = [place for place in meant if place in known]
        if not matching:
            listed = ", ".join(known) or "none yet"
            raise SettingsError(f"{name} is no rule file of this workspace; rule files: {listed}")
        chosen.add(matching[0])
    return chosen


def _show(invocation: Invocation, reading: Reading, shown: Sequence[Diagnostic], form: str) -> None:
    if form == "json":
        invocation.print_json([item.to_dict() for item in shown])
        return
    files = sum(bool(text.strip()) for text in _rules(reading).values())
    counted = f"{files} rule file{'s' * (files != 1)}"
    if reading.workspace is None:
        invocation.say(f"{render(shown, reading.sources)}\n\nadvice is given once these are mended")
    elif shown:
        pieces = "1 piece" if len(shown) == 1 else f"{len(shown)} pieces"
        invocation.say(f"{render(shown, reading.sources)}\n\n{pieces} of advice in {counted}")
    else:
        invocation.say(f"nothing to say about {counted}")


COMMANDS = (lint,)
