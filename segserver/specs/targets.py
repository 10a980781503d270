"""Places at destinations."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """A place at a destination that holds one value per contact.

    Attributes:
        connection: its name.
        kind: "list" (value "member"), "property" (a contact's property or field), "user property" (GA4),
            or "file" (an audience file).
        name: the list, property or file name at the destination.
    """

    connection: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.connection} {self.kind} {self.name!r}".replace("'", '"')
