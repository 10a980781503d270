"""What each destination holds, as far as it said so."""

from __future__ import annotations

from dataclasses import asdict

import click

from segserver.cli import tables
from segserver.cli.invocation import Invocation
from segserver.cli.writing import FORMAT


@click.command()
@FORMAT
@click.pass_obj
def status(invocation: Invocation, form: str) -> None:
    """Show what each destination holds of ours: confirmed, only sent, refused, and when it was last read back."""
    from segserver.cli.answering import plain
    from segserver.compiler.windows import to_local
    from segserver.store.held import standing

    with invocation.open() as engine:
        zone = engine.workspace.program.zone
        with engine.store.session() as session:
            found = standing(session)
    if form == "json":
        invocation.print_json([plain(asdict(target) | asdict(one)) for target, one in found.items()])
        return
    numbers = ("confirmed", "sent", "found", "refused", "unsure")
    table = tables.plain_table("destination", *numbers, f"read back ({zone})", right=numbers)
    for target, one in found.items():
        counts = [f"{number:,}" if number else "" for number in (getattr(one, name) for name in numbers)]
        read_at = f"{to_local(one.read_at, zone):%Y-%m-%d %H:%M}" if one.read_at else "never"
        table.add_row(str(target), *counts, read_at)
    invocation.console.print(table if found else "nothing was pushed yet")


COMMANDS = (status,)
