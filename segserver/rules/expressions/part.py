"""What every part of a checked program has."""

from __future__ import annotations

from dataclasses import dataclass, field

from segserver.errors import Span

NOWHERE = Span("", 1, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class Part:
    """Anything in a checked program that was written somewhere.

    Attributes:
        span: where; `NOWHERE` if it was not written in a file.
    """

    span: Span = field(default=NOWHERE, compare=False, repr=False, kw_only=True)
