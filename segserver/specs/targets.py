"""Places at destinations."""

from __future__ import annotations

from dataclasses import dataclass

EVENT = "event"
"""The kind of a target that holds nothing: who enters and leaves is told there, each once."""

USER_PROPERTY = "user property"
"""The kind of a target at Google Analytics."""


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """A place at a destination that holds one value per contact.

    Attributes:
        connection: its name.
        kind: "list" (value "member"), "property" (a contact's property or field), "user property" (GA4),
            "file" (an audience file), or "event" (who enters and leaves a segment is told by events).
        name: the list, property or file name at the destination; of events the segment's.
    """

    connection: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.connection} {self.kind} {self.name!r}".replace("'", '"')
