"""What is remembered of blocks that were checked without any finding, so that they need no second look.

A verdict holds for a block as long as its text, its place and all that it depends on stay the same (`seen`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from segserver.specs.targets import Target
from segserver.specs.types import Kind, Type


@dataclass(frozen=True, slots=True)
class Verdict:
    """A block without findings.

    Attributes:
        seen: hash of everything outside the block that its check depends on.
        declaration: of a trait, segment or model; else empty.
        type: of a trait; else None.
        targets: of a segment, in the order written.
        manual: file of manual members of a segment; else None.
    """

    seen: str
    declaration: str = ""
    type: Type | None = None
    targets: tuple[Target, ...] = ()
    manual: str | None = None


@dataclass(slots=True)
class Verdicts:
    """Verdicts by the digest of their block.

    Attributes:
        known: from earlier checks.
        held: those that were found to hold in this check, or made in it; what is worth keeping.
    """

    known: Mapping[str, Verdict] = field(default_factory=dict)
    held: dict[str, Verdict] = field(default_factory=dict)

    def find(self, digest: str, seen: str) -> Verdict | None:
        """The verdict about a block, if it still holds."""
        found = self.known.get(digest)
        if found is None or found.seen != seen:
            return None
        self.held[digest] = found
        return found


def to_data(verdicts: Mapping[str, Verdict]) -> dict[str, object]:
    """Verdicts as plain data."""
    return {digest: _plain(verdict) for digest, verdict in verdicts.items()}


def from_data(data: Any) -> dict[str, Verdict]:
    """The verdicts that `to_data` made the data of.

    Raises:
        ValueError: the data is nothing that `to_data` makes.
    """
    try:
        return {digest: _built(*item) for digest, item in data.items()}
    except (TypeError, AttributeError) as error:
        raise ValueError(f"no verdicts: {error}") from error


def _plain(verdict: Verdict) -> list[object]:
    kind = [verdict.type.kind.value, verdict.type.unit] if verdict.type else None
    targets = [[target.connection, target.kind, target.name] for target in verdict.targets]
    return [verdict.seen, verdict.declaration, kind, targets, verdict.manual]


def _built(seen: str, declaration: str, kind: Any, targets: Any, manual: str | None) -> Verdict:
    found = None if kind is None else Type(Kind(kind[0]), kind[1])
    return Verdict(seen, declaration, found, tuple(Target(*target) for target in targets), manual)
