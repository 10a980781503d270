"""A static list and who is on it."""

from __future__ import annotations

from datetime import datetime


class ContactList:
    """A static list; `members` holds contact ids with the instant each joined."""

    __slots__ = ("created_at", "deleted_at", "id", "members", "name", "processing_type", "version")

    def __init__(self, list_id: int, name: str, processing_type: str, created_at: datetime) -> None:
        self.id = list_id
        self.name = name
        self.processing_type = processing_type
        self.created_at = created_at
        self.deleted_at: datetime | None = None
        self.members: dict[int, datetime] = {}
        self.version = 1
