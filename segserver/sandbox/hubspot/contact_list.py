"""A static list and who is on it."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime


class Members(dict[int, datetime]):
    """Contact ids with the instant each joined; their order is kept from page to page while nobody joins or leaves."""

    def __init__(self) -> None:
        super().__init__()
        self._ordered: list[int] | None = None

    def __setitem__(self, contact: int, at: datetime) -> None:
        self._ordered = None
        super().__setitem__(contact, at)

    def leave(self, contact: int) -> bool:
        """Take somebody off; whether they were on it."""
        self._ordered = None
        return super().pop(contact, None) is not None

    def clear(self) -> None:
        """Take everybody off."""
        self._ordered = None
        super().clear()

    def page(self, after: int, limit: int) -> list[int]:
        """The next members from an id on, ascending."""
        if self._ordered is None:
            self._ordered = sorted(self)
        start = bisect_left(self._ordered, after)
        return self._ordered[start : start + limit]


class ContactList:
    """A static list; `members` holds contact ids with the instant each joined."""

    __slots__ = ("created_at", "deleted_at", "id", "members", "name", "processing_type", "version")

    def __init__(self, list_id: int, name: str, processing_type: str, created_at: datetime) -> None:
        self.id = list_id
        self.name = name
        self.processing_type = processing_type
        self.created_at = created_at
        self.deleted_at: datetime | None = None
        self.members = Members()
        self.version = 1
