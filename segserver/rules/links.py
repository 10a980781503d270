"""What depends on what in a checked program, for `graph`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from segserver.rules.checking.scope import CREATED_AT
from segserver.rules.expressions.conditions import Consents, InSegment, Likely, Percentile, Top
from segserver.rules.expressions.history import SegmentChange, SequenceStep, WasIn
from segserver.rules.expressions.values import AccountTrait, Aggregate, ComputedTrait, CreatedAt, Score, TraitValue
from segserver.rules.program import Program, ScenarioBlock, SegmentBlock
from segserver.rules.walk import walk
from segserver.specs.cadence import Sender
from segserver.specs.targets import Target

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

Key = tuple[str, str]
"""Kind and name of a block or of what lies outside the rules; a target is ("target", its name in words)."""

SOURCES = ("event", "synced trait", "account trait", "consent", "file")
"""Kinds of what is read and does not come from a block. A consent's name is its channel."""


@dataclass(frozen=True, slots=True)
class Link:
    """One block depends on another thing.

    Attributes:
        reader: the block.
        how: "reads" (so it is computed first), "looks back at" (only at its earlier runs, so no order follows),
            "orders" (an exclusive group its segments), "yields to" (one of them the one before), "is for",
            "takes members from" (a manual list), "fills in" (in a template key), "is pushed to",
            "sends email by", "informs".
        read: what it depends on.
    """

    reader: Key
    how: str
    read: Key


def blocks(program: Program) -> list[Key]:
    """Every named block, each kind in the order of computing."""
    held = (
        ("trait", program.traits),
        ("model", program.models),
        ("segment", program.segments),
        ("exclusive", program.exclusives),
        ("scenario", program.scenarios),
    )
    return [(kind, name) for kind, named in held for name in named]


def sources(links: Iterable[Link]) -> list[Key]:
    """Everything outside the rules that a block reads, kind by kind, by name."""
    found = {link.read for link in links if link.read[0] in SOURCES}
    return sorted(found, key=lambda key: (SOURCES.index(key[0]), key[1]))


def links(program: Program) -> list[Link]:
    """Every dependency, once, by reader in the order of `blocks`."""
    found: list[Link] = []
    for trait in program.traits.values():
        found += _reads(("trait", trait.name), trait.value)
    for model in program.models.values():
        found += _reads(
            ("model", model.name), (model.label, model.population, *(item.value for item in model.features))
        )
    for segment in program.segments.values():
        found += _of_segment(segment)
    for group in program.exclusives.values():
        found += [Link(("exclusive", group.name), "orders", ("segment", name)) for name in group.segments]
        later = pairwise(group.segments)
        found += [Link(("segment", name), "yields to", ("segment", earlier)) for earlier, name in later]
    for scenario in program.scenarios.values():
        found += _of_scenario(scenario)
        found += _named_in_templates(scenario, program.traits)
    order = {key: index for index, key in enumerate(blocks(program))}
    return sorted(dict.fromkeys(found), key=lambda link: order[link.reader])


def _of_segment(segment: SegmentBlock) -> Iterator[Link]:
    key = ("segment", segment.name)
    yield from _reads(key, (segment.where, segment.stay, segment.limit))
    if segment.manual is not None:
        yield Link(key, "takes members from", ("file", segment.manual))
    for target in segment.targets:
        yield Link(key, "is pushed to", _place(target))


def _of_scenario(scenario: ScenarioBlock) -> Iterator[Link]:
    key = ("scenario", scenario.name)
    yield Link(key, "is for", ("segment", scenario.segment))
    yield from _reads(key, (scenario.value, scenario.stop))
    for sender in scenario.senders:
        yield Link(key, f"sends {sender.channel} by", _place(sender))
    for target in scenario.inform:
        yield Link(key, "informs", _place(target))


def _named_in_templates(scenario: ScenarioBlock, computed: Collection[str]) -> Iterator[Link]:
    for template in (scenario.content, *(step.content for step in scenario.steps)):
        for name in _PLACEHOLDER.findall(template or ""):
            read = ("trait" if name in computed else "synced trait", name)
            yield Link(("scenario", scenario.name), "fills in", read)


def _place(target: Target | Sender) -> Key:
    place = f"{target.connection} {target.kind}"
    return "target", f'{place} "{target.name}"' if target.name else place


def _reads(reader: Key, tree: object) -> Iterator[Link]:
    """What stands in a checked tree, by name."""
    found = {link for item in walk(tree) if (link := _read(item)) is not None}
    for how, read in sorted(found):
        yield Link(reader, how, read)


def _read(item: object) -> tuple[str, Key] | None:
    """How one node reads something, and what; None if it reads nothing by itself."""
    match item:
        case SegmentChange() | WasIn():
            return "looks back at", ("segment", item.segment)
        case InSegment():
            return "reads", ("segment", item.segment)
        case Top(among=str(among)) | Percentile(among=str(among)):
            return "reads", ("segment", among)
        case Score() | Likely():
            return "reads", ("model", item.model)
        case ComputedTrait():
            return "reads", ("trait", item.name)
        case _:
            source = _source(item)
            return None if source is None else ("reads", source)


def _source(item: object) -> Key | None:
    match item:
        case Aggregate() | SequenceStep():
            return "event", item.event
        case TraitValue():
            return "synced trait", item.name
        case CreatedAt():
            return "synced trait", CREATED_AT
        case AccountTrait():
            return "account trait", item.name
        case Consents():
            return "consent", item.channel
        case _:
            return None
