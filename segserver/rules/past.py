"""What a model may not read, because nobody keeps what it was in the past."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from segserver.errors import Span
from segserver.rules.expressions import ComputedTrait, InSegment, Likely, Score, TraitValue
from segserver.rules.findings import Findings
from segserver.rules.program import ModelBlock, SegmentBlock, TraitBlock
from segserver.specs import Catalog


def refuse_unkept(
    model: ModelBlock,
    traits: Mapping[str, TraitBlock],
    segments: Mapping[str, SegmentBlock],
    catalog: Catalog,
    findings: Findings,
) -> None:
    """Report traits without history and scores that a model's features, label or population read.

    Args:
        model: the checked block.
        traits: the checked traits it may read.
        segments: the checked segments it may read.
        catalog: says which traits keep their history.
        findings: takes what is wrong, at the place in the model.
    """
    wanted: list[tuple[object, Span]] = [(feature.value, feature.span) for feature in model.features]
    wanted += [] if model.population is None else [(model.population, model.population.span)]
    wanted.append((model.label, model.label.span))
    for value, place in wanted:
        for node in dict.fromkeys(_read(value, traits, segments)):
            if isinstance(node, TraitValue) and not catalog.traits[node.name].history:
                findings.error(
                    "not-kept-in-the-past",
                    place,
                    f"`{node.name}` keeps no history, so a model cannot know what it was at a past cutoff",
                    "add `history: true` to the trait in its connection, or leave it out",
                )
            elif isinstance(node, Score | Likely) and node.model != model.name:
                findings.error(
                    "not-kept-in-the-past",
                    place,
                    f"the score of `{node.model}` at a past cutoff is not kept",
                    "use the features of that model instead",
                )


def _read(
    value: object, traits: Mapping[str, TraitBlock], segments: Mapping[str, SegmentBlock]
) -> Iterator[TraitValue | Score | Likely]:
    """Synced traits and scores anywhere inside a value, through computed traits and segments."""
    seen: set[str] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        match item:
            case TraitValue() | Score() | Likely():
                yield item
            case ComputedTrait(name=name) if name in traits and f"trait {name}" not in seen:
                seen.add(f"trait {name}")
                waiting.append(traits[name].value)
            case InSegment(segment=name) if name in segments and f"segment {name}" not in seen:
                seen.add(f"segment {name}")
                waiting.append(segments[name].where)
            case tuple():
                waiting.extend(item)
            case _ if is_dataclass(item):
                waiting.extend(getattr(item, field.name) for field in fields(item))
