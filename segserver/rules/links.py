"""What depends on what in a checked program, for `graph`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from segserver.rules.expressions import (
    ComputedTrait,
    InSegment,
    Likely,
    Percentile,
    Score,
    SegmentChange,
    Top,
    WasIn,
)
from segserver.rules.program import Program, ScenarioBlock, SegmentBlock
from segserver.rules.reading.walk import walk
from segserver.specs import Sender, Target

Key = tuple[str, str]
"""Kind and name of a block; a target is ("target", its name in words)."""


@dataclass(frozen=True, slots=True)
class Link:
    """One block depends on another thing.

    Attributes:
        reader: the block.
        how: "reads" (so it is computed first), "looks back at" (only at its earlier runs, so no order follows),
            "orders" (an exclusive group its segments), "yields to" (one of them the one before), "is for",
            "is pushed to", "sends email by", "informs".
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
    order = {key: index for index, key in enumerate(blocks(program))}
    return sorted(dict.fromkeys(found), key=lambda link: order[link.reader])


def _of_segment(segment: SegmentBlock) -> Iterator[Link]:
    key = ("segment", segment.name)
    yield from _reads(key, (segment.where, segment.stay, segment.limit))
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


def _place(target: Target | Sender) -> Key:
    place = f"{target.connection} {target.kind}"
    return "target", f'{place} "{target.name}"' if target.name else place


def _reads(reader: Key, tree: object) -> Iterator[Link]:
    """What stands in a checked tree, by name."""
    found: set[tuple[str, Key]] = set()
    for item in walk(tree, object):
        match item:
            case ComputedTrait():
                found.add(("reads", ("trait", item.name)))
            case Score() | Likely():
                found.add(("reads", ("model", item.model)))
            case InSegment():
                found.add(("reads", ("segment", item.segment)))
            case Top(among=str(among)) | Percentile(among=str(among)):
                found.add(("reads", ("segment", among)))
            case SegmentChange() | WasIn():
                found.add(("looks back at", ("segment", item.segment)))
    for how, read in sorted(found):
        yield Link(reader, how, read)
