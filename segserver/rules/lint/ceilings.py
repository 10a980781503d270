"""Caps that can never bind, because another cap of the same channel always binds first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from segserver.errors import Span
from segserver.rules.findings import Findings
from segserver.rules.lint.advice import Advice
from segserver.rules.program import Program
from segserver.rules.reading import block_nodes
from segserver.rules.reading.parse import parse
from segserver.specs.cadence import CapSpec


def look(program: Program, sources: Mapping[str, str], advice: Advice) -> None:
    """Report each cap that the others of its channel make idle."""
    if program.caps is None:
        return
    file = program.caps.span.file
    places = _places(file, sources.get(file, ""))
    for channel in program.caps.channels:
        idle: set[int] = set()
        for number, cap in enumerate(channel.caps):
            others = [place for place in range(len(channel.caps)) if place != number and place not in idle]
            first = next((place for place in others if _binds_first(channel.caps[place], cap)), None)
            if first is not None:
                idle.add(number)
                spans = places.get(channel.channel, ())
                _report(cap, channel.caps[first], number, first, spans or (program.caps.span,), advice)


def _binds_first(first: CapSpec, cap: CapSpec) -> bool:
    """Whether who keeps to one cap always keeps to the other."""
    return first.count * -(-cap.window // first.window) <= cap.count


def _report(cap: CapSpec, first: CapSpec, number: int, other: int, spans: Iterable[Span], advice: Advice) -> None:
    places = list(spans)
    most = first.count * -(-cap.window // first.window)
    message = (
        f"{cap.count} per {_days(cap.window)} is never reached: "
        f"{first.count} per {_days(first.window)} allows {most} in that time"
    )
    related = [(places[other], "the cap that binds first")] if other < len(places) else []
    place = places[number] if number < len(places) else places[0]
    advice.give("cap-never-binds", place, message, "lower it, or leave it out", related)


def _days(window: timedelta) -> str:
    number = window / timedelta(days=1)
    return "day" if number == 1 else f"{number:g} days"


def _places(file: str, text: str) -> dict[str, tuple[Span, ...]]:
    """Where each cap of a channel is written; the checked program has only the block's place."""
    for block in parse(file, text, Findings()):
        if isinstance(block, block_nodes.BlockNode) and block.keyword == "caps":
            contents = (clause.content for clause in block.clauses)
            return {
                content.channel.text: tuple(cap.span for cap in content.caps)
                for content in contents
                if isinstance(content, block_nodes.ChannelCapsNode)
            }
    return {}
