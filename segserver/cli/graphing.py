"""`graph`: what depends on what, as text, JSON or Graphviz."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from segserver.cli.invocation import Invocation

if TYPE_CHECKING:
    from segserver.rules.links import Key, Link

_SHAPES = {
    "trait": "ellipse",
    "model": "hexagon",
    "segment": "box",
    "exclusive": "folder",
    "scenario": "component",
    "target": "cds",
    "event": "cylinder",
    "synced trait": "note",
    "account trait": "note",
    "consent": "note",
    "file": "tab",
}


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "dot"]),
    default="text",
    help="For people, machines or Graphviz.",
)
@click.pass_obj
def graph(invocation: Invocation, form: str) -> None:
    """Show what each trait, model, segment and scenario depends on, and where it goes.

    Events, synced traits and all else the rules read stand at the end, each with its readers.
    """
    from segserver.rules.links import blocks, links, sources
    from segserver.workspace import load

    program = load(invocation.settings.workspace).program
    held, found = blocks(program), links(program)
    read = sources(found)
    if form == "json":
        invocation.print_json(_data(held, read, found))
    elif form == "dot":
        invocation.say(_dot([*held, *read], found))
    else:
        invocation.say(_text([*held, *read], found))


def _text(things: Sequence[Key], links: Sequence[Link]) -> str:
    """Each block with what it depends on and what depends on it; and what lies outside the rules."""
    lines: dict[Key, list[str]] = {key: [] for key in things}
    for link in links:
        lines[link.reader].append(f"  {link.how} {_named(link.read)}")
    for link in links:
        if link.read in lines:
            lines[link.read].append(f"  <- {_named(link.reader)} {link.how} it")
    return "\n".join("\n".join([" ".join(key), *held]) for key, held in lines.items()) or "no blocks"


def _named(key: Key) -> str:
    kind, name = key
    return name if kind == "target" else f"{kind} {name}"


def _data(blocks: Sequence[Key], sources: Sequence[Key], links: Sequence[Link]) -> dict[str, object]:
    def plain(key: Key) -> dict[str, str]:
        return {"kind": key[0], "name": key[1]}

    return {
        "blocks": [plain(key) for key in blocks],
        "sources": [plain(key) for key in sources],
        "links": [{"from": plain(link.reader), "how": link.how, "to": plain(link.read)} for link in links],
    }


def _dot(things: Sequence[Key], links: Sequence[Link]) -> str:
    """A Graphviz digraph; an arrow goes from what is read to its reader, the way data goes."""
    targets = [link.read for link in links if link.read[0] == "target"]
    lines = ["digraph rules {", "  rankdir=LR;"]
    lines += [
        f"  {_quoted(' '.join(key))} [label={_quoted(_named(key))}, shape={_SHAPES[key[0]]}];"
        for key in dict.fromkeys([*things, *targets])
    ]
    for link in links:
        ends = [link.read, link.reader] if link.read[0] != "target" else [link.reader, link.read]
        style = ", style=dashed" if link.how == "looks back at" else ""
        arrow = " -> ".join(_quoted(" ".join(end)) for end in ends)
        lines.append(f"  {arrow} [label={_quoted(link.how)}{style}];")
    return "\n".join([*lines, "}"])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


COMMANDS = (graph,)
