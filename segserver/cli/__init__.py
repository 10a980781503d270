"""The command line: the front door that starts everything else.

Exit codes: 0 fine, 1 findings or failure, 2 wrong usage or settings, 3 advice only.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Sequence

import click
from rich.console import Console

from segserver.cli import (
    connecting,
    forgetting,
    formatting,
    graphing,
    identifying,
    linting,
    modelling,
    plugging,
    running,
    standing,
    starting,
    writing,
)
from segserver.cli.invocation import Invocation
from segserver.errors import SegserverError, SettingsError

PLAIN_WIDTH = 120
"""Columns of tables that go into a file or a pipe."""

YOUNG = 100_000
"""New objects before the collector looks at them; by default it would take a sixth of a short command's time."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--workspace", "-w", type=click.Path(file_okay=False), help="Directory of the workspace [default: .].")
@click.option("--store", type=click.Path(dir_okay=False), help="Database file [default: in the workspace].")
@click.version_option(package_name="segserver")
@click.pass_obj
def group(invocation: Invocation, workspace: str | None, store: str | None) -> None:
    """Segments, models and frequency caps as rule files, planned before they are pushed."""
    invocation.take_flags(workspace=workspace, store=store)


_MODULES = (
    writing,
    linting,
    formatting,
    graphing,
    running,
    modelling,
    standing,
    starting,
    connecting,
    identifying,
    forgetting,
    plugging,
)

for module in _MODULES:
    for command in module.COMMANDS:
        group.add_command(command)


def main() -> None:
    """The `segserver` program."""
    gc.set_threshold(YOUNG)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    arguments = sys.argv[1:]
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    errors = Console(highlight=False, stderr=True)
    sys.exit(execute(arguments, Invocation(os.environ, console, arguments, errors=errors)))


def execute(arguments: Sequence[str], invocation: Invocation) -> int:
    """Run one command line; prints to the invocation's console and returns the exit code."""
    try:
        code = group.main(list(arguments), prog_name="segserver", standalone_mode=False, obj=invocation)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        usage = f"\n{context.get_usage()}" if context is not None else ""
        invocation.complain(error.format_message() + usage)
        return 2
    except (KeyboardInterrupt, click.Abort):
        invocation.complain("interrupted; what was committed is kept, and the next run goes on from there")
        return 130
    except SegserverError as error:
        invocation.complain(str(error))
        return 2 if isinstance(error, SettingsError) else 1
    except OSError as error:
        if error.filename is None:  # no file the user could mend: a defect, which needs its traceback
            raise
        invocation.complain(f"{error.filename} cannot be used: {error.strerror}; mend that and run again")
        return 1
