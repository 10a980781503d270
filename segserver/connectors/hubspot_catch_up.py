"""The journal as a stream: what it mentions is read again; where it does not reach back far enough, everything is.

Between two pulls the cursor is {"offset": ..., "at": ...}. While everything is read again it also says which stream it
has come to, and where in it; after that the journal is read from its first file on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from segserver.clock import format_instant, parse_instant
from segserver.connectors.hubspot_journal import COMPANY, CONTACT, DEAL, Concerned, File, Journal, OffsetGone, concerned
from segserver.connectors.mapping import Reader, declaration_digest
from segserver.records import Cursor, Page, SourceItem

RETENTION = timedelta(days=3)
"""How long HubSpot keeps a file."""

GROUP = 500
"""Records that files may mention before they are read and the place is kept."""

_OBJECT_ACTIONS = ["CREATE", "UPDATE", "DELETE", "MERGE", "RESTORE"]
_LINK_ACTIONS = ["ASSOCIATION_ADDED", "ASSOCIATION_REMOVED"]
_LIST_ACTIONS = ["ADDED_TO_LIST", "REMOVED_FROM_LIST"]


class Readable(Protocol):
    """A stream of objects that can be read whole, and some of them again."""

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties that are read; changes of others, our own among them, are not asked for."""
        ...

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages after the cursor, up to `until`."""
        ...

    def by_id(self, source_ids: Sequence[str]) -> list[SourceItem]:
        """Fresh copies of some; what is gone is told as gone."""
        ...


class CatchUpStream:
    """Reads again what the journal mentions.

    Args:
        journal: of the app.
        portal: gives the account's id.
        streams: by object type id, those that are declared.
        reader: keeps notes for the report.
    """

    def __init__(
        self,
        journal: Journal,
        portal: Callable[[], int],
        streams: Mapping[str, Readable],
        reader: Reader,
    ) -> None:
        self._journal = journal
        self._portal = portal
        self._streams = streams
        self._reader = reader
        self._digest = declaration_digest("journal", {kind: stream.properties for kind, stream in streams.items()})

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages after the cursor, up to `until`."""
        if cursor is None or cursor.get("digest") != self._digest:
            cursor = yield from self._begin(cursor, until)
        elif "stream" not in cursor and until - parse_instant(str(cursor["at"])) >= RETENTION:
            cursor = self._lost(until)
        if "stream" in cursor:
            cursor = yield from self._everything(cursor, until)
        try:
            yield from self._files(cursor, until)
        except OffsetGone:
            cursor = yield from self._everything(self._lost(until), until)
            yield Page([], cursor, until)

    def _begin(self, cursor: Cursor | None, until: datetime) -> Generator[Page, None, Cursor]:
        """Subscribe, and begin with the first file there is: one that is read again does no harm."""
        self._journal.subscribe(subscriptions(self._portal(), self._streams))
        place: dict[str, object] = dict(cursor) if cursor else {"offset": None}
        place |= {"digest": self._digest, "at": place.get("at") or format_instant(until)}
        if "stream" in place:
            place |= {"stream": 0, "place": {}}
        yield Page([], dict(place))
        return place

    def _lost(self, until: datetime) -> dict[str, object]:
        reason = (
            f"the journal goes back {RETENTION.days} days and not to where it was left, so everything is read again; "
            "contacts erased for privacy before that are only found when they are read one by one"
        )
        self._reader.note("", "journal", reason)
        place = {"digest": self._digest, "offset": None, "at": format_instant(until)}
        return {**place, "stream": 0, "place": {}}

    def _everything(self, cursor: Cursor, until: datetime) -> Generator[Page, None, Cursor]:
        """Every record of every stream, as if the declaration were new; the cursor after it is returned."""
        base = {name: cursor[name] for name in ("digest", "offset", "at")}
        first = int(str(cursor["stream"]))
        place = cursor["place"]
        for number, stream in list(enumerate(self._streams.values()))[first:]:
            for page in stream.read(place if isinstance(place, Mapping) else {}, until):
                yield Page(page.items, {**base, "stream": number, "place": page.cursor})
            place = {}
            yield Page([], {**base, "stream": number + 1, "place": {}})
        return base

    def _files(self, cursor: Cursor, until: datetime) -> Iterator[Page]:
        place = {name: cursor[name] for name in ("digest", "offset", "at")}
        waiting: list[File] = []
        while True:
            files = self._journal.after(None if place["offset"] is None else str(place["offset"]))
            waiting += files
            mentioned = concerned(event for one in waiting for event in one.events)
            if files:
                place["offset"] = files[-1].offset
            else:
                yield Page(self._fresh(mentioned), {**place, "at": format_instant(until)}, until)
                return
            if len(mentioned.contacts) + len(mentioned.companies) + len(mentioned.deals) >= GROUP:
                yield Page(self._fresh(mentioned), dict(place))
                waiting = []

    def _fresh(self, mentioned: Concerned) -> list[SourceItem]:
        ids = {CONTACT: mentioned.contacts, COMPANY: mentioned.companies, DEAL: mentioned.deals}
        return [item for kind, stream in self._streams.items() if ids[kind] for item in stream.by_id(ids[kind])]


def subscriptions(portal: int, streams: Mapping[str, Readable]) -> list[dict[str, object]]:
    """What the journal is to hold: changes of what is read, associations, list members and privacy deletions."""
    every: dict[str, object] = {"portalId": portal, "objectIds": []}
    wanted: list[dict[str, object]] = [
        {
            **every,
            "subscriptionType": "OBJECT",
            "objectTypeId": kind,
            "actions": _OBJECT_ACTIONS,
            "properties": list(stream.properties),
        }
        for kind, stream in streams.items()
    ]
    others = [kind for kind in streams if kind != CONTACT]
    if others:
        link = {"subscriptionType": "ASSOCIATION", "objectTypeId": CONTACT, "actions": _LINK_ACTIONS}
        wanted.append({**every, **link, "associatedObjectTypeIds": others})
    wanted.append({**every, "subscriptionType": "LIST_MEMBERSHIP", "actions": _LIST_ACTIONS, "listIds": []})
    erased = {"subscriptionType": "GDPR_PRIVACY_DELETION", "objectTypeId": CONTACT, "actions": ["GDPR_DELETE"]}
    return [*wanted, {"portalId": portal, **erased}]
