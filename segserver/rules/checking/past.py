"""What a model may not read, because nobody keeps what it was in the past."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from segserver.errors import Span
from segserver.rules.expressions.conditions import AccountAny, Consents, InSegment, Likely, Percentile, Top
from segserver.rules.expressions.values import AccountCount, AccountTrait, Score, TraitValue
from segserver.rules.findings import Findings
from segserver.rules.program import ExclusiveBlock, ModelBlock, SegmentBlock, TraitBlock
from segserver.rules.reading.unsupported import refuse
from segserver.rules.walk import walk_with_traits
from segserver.specs.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of all that a model may read.

    Attributes:
        traits, segments, exclusives: the checked blocks by name.
        catalog: says which traits keep their history.
    """

    traits: Mapping[str, TraitBlock]
    segments: Mapping[str, SegmentBlock]
    exclusives: Mapping[str, ExclusiveBlock]
    catalog: Catalog

    def state(self, segment: str) -> str | None:
        """The clause that makes a segment's members depend on more than the instant; None if none does."""
        block = self.segments.get(segment)
        if block is None:
            return None
        clauses = {
            "stay while": block.stay,
            "enter after": block.enter_after,
            "limit": block.limit,
            "manual": block.manual,
            "frozen at": block.frozen_at,
        }
        written = next((clause for clause, content in clauses.items() if content is not None), None)
        grouped = any(segment in group.segments for group in self.exclusives.values())
        return written or ("exclusive" if grouped else None)


@dataclass(frozen=True, slots=True)
class _ContactZone:
    """Something that is meant in the contact's time zone."""


_Unkept = (
    TraitValue
    | Consents
    | AccountTrait
    | AccountAny
    | AccountCount
    | InSegment
    | Score
    | Likely
    | Top
    | Percentile
    | _ContactZone
)


def refuse_unkept(model: ModelBlock, kept: Kept, findings: Findings) -> None:
    """Report what a model's features, label or population read and the past does not keep.

    Args:
        model: the checked block.
        kept: the blocks it may read, and the catalog.
        findings: takes what is wrong, at the place in the model.
    """
    wanted: list[tuple[object, Span]] = [(feature.value, feature.value.span) for feature in model.features]
    wanted += [] if model.population is None else [(model.population, model.population.span)]
    wanted.append((model.label, model.label.span))
    for value, place in wanted:
        for node in dict.fromkeys(_read(value, kept)):
            if isinstance(node, Consents) and value is model.population:
                continue
            if isinstance(node, Top | Percentile):
                written = "top ... by" if isinstance(node, Top) else "percentile of"
                refuse(findings, place, f"`{written}` in a model")
                continue
            fault = _fault(node, model, kept)
            if fault is not None:
                findings.error("not-kept-in-the-past", place, *fault)


def _fault(node: _Unkept, model: ModelBlock, kept: Kept) -> tuple[str, str] | None:
    """Why the past does not know something, and the cure; None if it does."""
    match node:
        case TraitValue(current=False) if not kept.catalog.traits[node.name].history:
            message = f"`{node.name}` keeps no history, so a model cannot know what it was at a past cutoff"
            cure = "add `history: true` to the trait in its connection, leave it out, or say that today's value will do"
            return message, f"{cure}: `current({node.name})`"
        case Consents():
            message = f"who consented to {node.channel} at a past cutoff is not kept"
            return message, "leave it out, or say under `for` that the model is about those who consent today"
        case AccountTrait():
            message = f"`account.{node.name}` keeps no history, so a model cannot know what it was at a past cutoff"
            return message, "leave it out"
        case AccountAny() | AccountCount():
            return "which contacts an account had at a past cutoff is not kept", "leave it out"
        case Score() | Likely() if node.model != model.name:
            return f"the score of `{node.model}` at a past cutoff is not kept", "use the features of that model instead"
        case InSegment() if (clause := kept.state(node.segment)) is not None:
            message = f"`{node.segment}` has `{clause}`, so who was in it at a past cutoff cannot be computed"
            return message, "use its conditions instead"
        case _ContactZone():
            return "the time zone of a contact at a past cutoff is not kept", "leave `in contact's time zone` out"
    return None


def _read(value: object, kept: Kept) -> Iterator[_Unkept]:
    """What may not be kept anywhere inside a value, through computed traits and segments."""
    seen: set[str] = set()

    def members(item: object) -> object:
        if not isinstance(item, InSegment) or item.segment in seen or kept.state(item.segment) is not None:
            return None
        seen.add(item.segment)
        return kept.segments[item.segment].where if item.segment in kept.segments else None

    for item in walk_with_traits(value, kept.traits, members):
        if isinstance(item, _Unkept):
            yield item
        if getattr(item, "in_contact_zone", False):
            yield _ContactZone()
