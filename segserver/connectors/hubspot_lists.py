"""Segments as HubSpot lists: found by name, created where missing, members added and removed in one call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any
from urllib.parse import quote

from segserver.connectors.base import Outcome, Status, Write
from segserver.connectors.batches import batches, deliver, is_id, itself, outcomes, ready, rounds
from segserver.connectors.calls import ApiError
from segserver.connectors.hubspot_api import HubSpotApi, all_pages

MEMBERS_PER_CALL = 1_000
MEMBERS_PER_PAGE = 250
MEMBER = "member"

_WRITABLE = ("MANUAL", "SNAPSHOT")


class Lists:
    """The lists of one account."""

    def __init__(self, api: HubSpotApi) -> None:
        self._api = api
        self._ids: dict[str, str] = {}

    def write(self, name: str, writes: Sequence[Write]) -> Iterator[Sequence[Outcome]]:
        """Change who is in a list."""
        nameless = [write for write in writes if not is_id(write.address)]
        if nameless:
            yield outcomes(nameless, Status.REJECTED, "the address is not a HubSpot contact id")
        good, refused = ready([write for write in writes if is_id(write.address)], lambda _: self._id(name))
        if refused:
            yield refused
        work = [
            batch
            for one_each in rounds(good, key=lambda write: write.address)
            for batch in batches(one_each, MEMBERS_PER_CALL)
        ]
        yield from deliver(
            work, lambda batch: self._change(name, batch), itself, splits=lambda error: error.status in (400, 413)
        )

    def holds(self, name: str) -> Iterator[dict[str, str]]:
        """Ids of the members, page by page; a list that does not exist has none."""
        self._ids.pop(name, None)
        list_id = self._find(name)
        if list_id is not None:
            members = all_pages(self._api, f"{self._api.paths.lists}/{list_id}/memberships", limit=MEMBERS_PER_PAGE)
            while page := list(islice(members, MEMBERS_PER_PAGE)):
                yield {str(member["recordId"]): MEMBER for member in page}

    def _change(self, name: str, batch: Sequence[Write]) -> list[Outcome]:
        body = {
            "recordIdsToAdd": [write.address for write in batch if write.value is not None],
            "recordIdsToRemove": [write.address for write in batch if write.value is None],
        }
        try:
            answer = self._send(name, body)
        except ApiError as error:
            if error.status != 404:
                raise
            # Somebody deleted the list since we looked it up.
            self._ids.pop(name, None)
            answer = self._send(name, body)
        missing = {str(one) for one in answer.get("recordIdsMissing") or ()}
        return [_outcome(write, missing) for write in batch]

    def _send(self, name: str, body: object) -> Any:
        return self._api.send("PUT", f"{self._api.paths.lists}/{self._id(name)}/memberships/add-and-remove", body)

    def _id(self, name: str) -> str:
        return self._find(name) or self._create(name)

    def _find(self, name: str) -> str | None:
        if not name:
            raise ApiError("a list needs a name", status=400, code="", reason="a list needs a name", body=None)
        if name not in self._ids:
            try:
                found = self._api.get(f"{self._api.paths.lists_by_name}/{quote(name, safe='')}")["list"]
            except ApiError as error:
                if error.status == 404:
                    return None
                raise
            self._ids[name] = _writable(found)
        return self._ids[name]

    def _create(self, name: str) -> str:
        body = {"name": name, "objectTypeId": "0-1", "processingType": "MANUAL"}
        try:
            made = self._api.send("POST", self._api.paths.lists, body)
        except ApiError:
            # It exists already if the answer to a first attempt was lost.
            found = self._find(name)
            if found is None:
                raise
            return found
        self._ids[name] = str(made["list"]["listId"])
        return self._ids[name]


def _writable(found: Any) -> str:
    """The id of a list that takes members by hand.

    Raises:
        ApiError: HubSpot fills the list itself.
    """
    kind = found.get("processingType")
    if kind not in _WRITABLE:
        reason = f"the list {found.get('name')!r} is {kind} and takes no members; rename it, or push to another name"
        raise ApiError(reason, status=409, code=str(kind), reason=reason, body=None)
    return str(found["listId"])


def _outcome(write: Write, missing: set[str]) -> Outcome:
    """A contact HubSpot does not know cannot be added, and need not be removed."""
    if write.value is not None and write.address in missing:
        return Outcome(write, Status.REJECTED, "HubSpot has no contact with this id", gone=True)
    return Outcome(write, Status.CONFIRMED)
