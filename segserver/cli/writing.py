"""Commands for those who write rules: init, check, test, help."""

from __future__ import annotations

import shlex
import shutil
import sys
from importlib.resources import as_file, files
from pathlib import Path

import click

from segserver.cli.invocation import Invocation
from segserver.errors import SettingsError, Severity, render
from segserver.rules.suggest import did_you_mean

FORMAT = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or machines."
)


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.pass_obj
def init(invocation: Invocation, directory: Path) -> None:
    """Start a workspace in DIRECTORY, with two spreadsheets and a first rule."""
    if directory.exists() and any(directory.iterdir()):
        raise SettingsError(f"{directory} is not empty; name a new directory")
    with as_file(files("segserver") / "starter") as starter:
        shutil.copytree(
            starter, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".gitkeep", "__pycache__")
        )
    for name in ("rules", "connectors", "scenarios"):
        (directory / name).mkdir(exist_ok=True)
    named = shlex.quote(str(directory))
    invocation.say(
        f"started a workspace in {directory}\n"
        f"  segserver -w {named} check\n"
        f"  segserver -w {named} test\n"
        f"  segserver -w {named} plan --as-of 2026-03-01"
    )


@click.command()
@click.argument("file", required=False)
@FORMAT
@click.pass_obj
def check(invocation: Invocation, file: str | None, form: str) -> int:
    """Check every file of the workspace and show all mistakes at once.

    FILE is `-` to check rules from standard input together with the workspace.
    """
    from segserver.examination import examine
    from segserver.workspace_files import STANDARD_INPUT

    replacing = {}
    if file == "-":
        replacing[STANDARD_INPUT] = sys.stdin.buffer.read()
    elif file is not None:
        raise SettingsError("check reads the whole workspace; name it with -w, or write - for standard input")
    reading = examine(invocation.settings.workspace, replacing)
    if form == "json":
        invocation.print_json([finding.to_dict() for finding in reading.diagnostics])
    elif reading.diagnostics:
        invocation.console.print(render(reading.diagnostics, reading.sources), markup=False, soft_wrap=True)
    errors = sum(finding.severity is Severity.ERROR for finding in reading.diagnostics)
    if form == "text":
        _say_checked(invocation, reading.files, errors, len(reading.diagnostics) - errors)
    if errors:
        return 1
    return 3 if reading.diagnostics else 0


def _say_checked(invocation: Invocation, read: int, errors: int, warnings: int) -> None:
    files = "1 file" if read == 1 else f"{read} files"
    if errors or warnings:
        counted = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
        invocation.console.print(f"\n{counted} in {files}")
    else:
        invocation.console.print(f"{files} {'is' if read == 1 else 'are'} fine")


@click.command()
@click.option("--match", default="", help="Only tests whose title contains this text.")
@click.option(
    "--junit",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the results here too, as JUnit's XML for build servers.",
)
@FORMAT
@click.pass_obj
def test(invocation: Invocation, match: str, junit: Path | None, form: str) -> int:
    """Run the `test` blocks of the rule files."""
    from segserver.ruletest import junit as as_junit
    from segserver.ruletest import run_tests
    from segserver.workspace import load

    results = run_tests(load(invocation.settings.workspace), match)
    if match and not results:
        raise SettingsError(f"no test has {match!r} in its title; `segserver test` without --match shows all titles")
    if junit is not None:
        junit.write_bytes(as_junit(results))
    if form == "json":
        invocation.print_json([result.to_dict() for result in results])
    else:
        for result in results:
            invocation.say(result.render(invocation.console.width))
        failed = sum(not result.passed for result in results)
        invocation.console.print(f"\n{len(results) - failed} passed, {failed} failed")
    return 0 if all(result.passed for result in results) else 1


@click.command(name="help")
@click.argument("page", required=False)
@click.pass_obj
def show_help(invocation: Invocation, page: str | None) -> None:
    """Read the manual: without PAGE, its list of pages.

    PAGE may also be the code of a finding, such as unknown-name.
    """
    from segserver.cli import manual

    pages = manual.pages()
    codes = manual.codes(pages)
    if page is None:
        for name, text in pages.items():
            invocation.say(f"  segserver help {name:<14} {text.splitlines()[0].lstrip('# ')}")
        return
    found = pages.get(page) or codes.get(page)
    if found is None:
        hint = did_you_mean(page, [*pages, *codes], otherwise=f"pages: {', '.join(pages)}")
        raise SettingsError(f"there is no page {page!r}; {hint}")
    if invocation.console.is_terminal:
        manual.show_page(invocation.console, found)
    else:
        invocation.say(found.rstrip("\n"))


COMMANDS = (init, check, test, show_help)
