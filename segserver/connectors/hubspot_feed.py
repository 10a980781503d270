"""Records of one HubSpot object type: everything once, then what changed, then what was deleted.

A pull has three phases, and the cursor says in which one it is:

    list      the first load, by `after`
    search    records modified in [since - overlap, through], in the order of ids
    archived  the recycle bin, of which only what was put there since is passed on

Between two pulls the cursor is {"phase": "search", "since": ...}. A pull that was cut short goes on within its own
window before a new one is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from segserver.clock import format_instant, parse_instant, to_epoch_ms
from segserver.connectors.hubspot_api import BATCH, HISTORY_PAGE, LIST_PAGE, HubSpotApi, paged
from segserver.records import Cursor

OVERLAP = timedelta(minutes=5)
"""HubSpot's search index shows changes a moment late; upserts make the repetition harmless."""

LONGEST_QUERY = 2_000
"""Characters of property names: a search takes bodies up to 3,000 characters, an address about 8,000."""


def archived_at(raw: Any) -> datetime:
    """When a record of the recycle bin was put there; its last change where HubSpot does not say."""
    return parse_instant(str(raw.get("archivedAt") or raw["updatedAt"]))


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Raw records of one phase, and the place after them.

    Attributes:
        known: whether records of this page may have been read before.
        complete_through: set on a pull's last page.
    """

    phase: str
    records: Sequence[Any]
    cursor: Cursor
    known: bool
    complete_through: datetime | None


@dataclass(frozen=True, slots=True)
class ObjectFeed:
    """Reads one object type.

    Attributes:
        path: of the object type.
        modified: its property that moves with every change.
        properties: to read.
        history: of these the changes too; only `batch/read` and the list give them, a search does not.
        digest: of the declaration; a cursor of another one is not continued.
        group: how many records to collect into one page.
    """

    api: HubSpotApi
    path: str
    modified: str
    properties: tuple[str, ...]
    history: tuple[str, ...]
    digest: str
    group: int

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[FeedPage]:
        """Pages after the cursor, up to `until`."""
        place = dict(cursor) if cursor and cursor.get("digest") == self.digest else None
        if place is None:
            again = cursor is not None
            place = {"digest": self.digest, "phase": "list", "since": format_instant(until), "again": again}
        if place["phase"] == "list":
            yield from self._list(place, until)
            if parse_instant(str(place["since"])) >= until:
                return
        while True:
            through = parse_instant(str(place.setdefault("through", format_instant(until))))
            since = parse_instant(str(place["since"])) - OVERLAP
            if place["phase"] == "search":
                yield from self._search(place, since, through)
            yield from self._archived(place, since, through, last=through >= until)
            if through >= until:
                return

    def _list(self, place: dict[str, object], until: datetime) -> Iterator[FeedPage]:
        records: list[Any] = []
        again = bool(place["again"])
        while True:
            answer = self._listed(place.get("after"))
            # Later ones belong to the next pull, which finds them by their modification.
            found = [one for one in answer["results"] if parse_instant(one["createdAt"]) <= until]
            records += self.by_id([str(one["id"]) for one in found]) if self._too_long() else found
            after = paged(answer)
            if after is None:
                break
            place["after"] = after
            if len(records) >= self.group:
                yield FeedPage("list", records, dict(place), again, None)
                records = []
        for name in ("after", "again"):
            place.pop(name, None)
        place["phase"] = "search"
        # A load that was cut short began at an earlier instant: what changed since in its first pages is not known yet.
        whole = parse_instant(str(place["since"])) >= until
        yield FeedPage("list", records, dict(place), again, until if whole else None)

    def _listed(self, after: object) -> Any:
        if self._too_long():
            return self.api.get(self.path, limit=LIST_PAGE, after=after, properties="hs_object_id")
        return self.api.get(
            self.path,
            limit=HISTORY_PAGE if self.history else LIST_PAGE,
            after=after,
            properties=",".join(self.properties),
            propertiesWithHistory=",".join(self.history) or None,
        )

    def _too_long(self) -> bool:
        """Whether the names of the properties do not fit into an address; a batch read takes them in its body."""
        return sum(len(name) + 3 for name in self.properties + self.history) > LONGEST_QUERY

    def _search(self, place: dict[str, object], since: datetime, through: datetime) -> Iterator[FeedPage]:
        filters = [
            {"propertyName": self.modified, "operator": "GTE", "value": str(to_epoch_ms(since))},
            {"propertyName": self.modified, "operator": "LTE", "value": str(to_epoch_ms(through))},
        ]
        records: list[Any] = []
        last: int | None = int(str(place.get("last", 0)))
        while last is not None:
            by_id = self.history or self._too_long()
            properties = ("hs_object_id",) if by_id else self.properties
            found, last = self.api.search(self.path, filters, properties, last)
            records += self.by_id([str(one["id"]) for one in found]) if by_id else found
            if last is None:
                place.pop("last", None)
                place["phase"] = "archived"
            else:
                place["last"] = last
            if last is None or len(records) >= self.group:
                yield FeedPage("search", records, dict(place), True, None)
                records = []

    def _archived(
        self, place: dict[str, object], since: datetime, through: datetime, *, last: bool
    ) -> Iterator[FeedPage]:
        records: list[Any] = []
        while True:
            answer = self.api.get(
                self.path, limit=LIST_PAGE, after=place.get("bin"), properties="hs_object_id", archived="true"
            )
            records += [one for one in answer["results"] if archived_at(one) >= since]
            after = paged(answer)
            if after is None:
                break
            place["bin"] = after
        for name in ("bin", "through"):
            place.pop(name, None)
        place.update(phase="search", since=format_instant(through))
        yield FeedPage("archived", records, dict(place), True, through if last else None)

    def by_id(self, ids: Sequence[str]) -> list[Any]:
        """Fresh copies; ids that no longer exist are left out."""
        size = HISTORY_PAGE if self.history else BATCH
        records: list[Any] = []
        for start in range(0, len(ids), size):
            records += self.api.batch_read(self.path, ids[start : start + size], self.properties, self.history)
        return records
