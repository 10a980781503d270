"""Segments as Marketo static lists: found by name, created where missing, members added and removed.

Lists are filled by calls of 300 ids and not by bulk import, however many there are: an import would take fewer calls,
but it writes leads too, creates those it does not find, and says of each only later what became of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from segserver.connectors.base import Outcome, Status, Write
from segserver.connectors.batches import batches, deliver, is_id, itself, outcomes, ready, rounds
from segserver.connectors.calls import ApiError, Call
from segserver.connectors.marketo_api import BATCH, NOT_A_LEAD_ID, MarketoApi, reasons
from segserver.connectors.marketo_codes import NO_SUCH_ASSET, NO_SUCH_LEAD, NOT_IN_LIST, PASSING, splits

MEMBER = "member"
DEFAULT_FOLDER: Mapping[str, object] = {"id": 1, "type": "Folder"}

_BY_NAME = "/rest/asset/v1/staticList/byName.json"
_CREATE = "/rest/asset/v1/staticLists.json"


class StaticLists:
    """The static lists of one instance.

    Args:
        api: the instance.
        folder: where new lists go.
    """

    def __init__(self, api: MarketoApi, folder: Mapping[str, object]) -> None:
        self._api = api
        self._folder = folder
        self._ids: dict[str, str] = {}

    def write(self, name: str, writes: Sequence[Write]) -> Iterator[Sequence[Outcome]]:
        """Change who is in a list; adding and removing are separate calls."""
        nameless = [write for write in writes if not is_id(write.address)]
        if nameless:
            yield outcomes(nameless, Status.REJECTED, NOT_A_LEAD_ID)
        good, refused = ready([write for write in writes if is_id(write.address)], lambda _: self._id(name))
        if refused:
            yield refused
        work = [
            batch
            for one_each in rounds(good, key=lambda write: write.address)
            for adding in (True, False)
            for batch in batches([write for write in one_each if (write.value is not None) is adding], BATCH)
        ]
        yield from deliver(
            work, lambda batch: self._change(name, batch), itself, splits=lambda error: splits(error.status, error.code)
        )

    def holds(self, name: str) -> Iterator[dict[str, str]]:
        """Ids of the members, page by page; a list that does not exist has none."""
        self._ids.pop(name, None)
        list_id = self._find(name)
        more: dict[str, object] = {}
        while list_id is not None:
            answer = self._api.get(f"/rest/v1/lists/{list_id}/leads.json", fields="id", batchSize=BATCH, **more)
            yield {str(one["id"]): MEMBER for one in answer.get("result") or ()}
            if not answer.get("nextPageToken"):
                break
            more = {"nextPageToken": answer["nextPageToken"]}

    def _change(self, name: str, batch: Sequence[Write]) -> list[Outcome]:
        try:
            return self._send(name, batch)
        except ApiError as error:
            if error.code != NO_SUCH_ASSET:
                raise
            # Somebody deleted the list since we looked it up.
            self._ids.pop(name, None)
            return self._send(name, batch)

    def _send(self, name: str, batch: Sequence[Write]) -> list[Outcome]:
        method = "DELETE" if batch[0].value is None else "POST"
        path = f"/rest/v1/lists/{self._id(name)}/leads.json"
        answer = self._api.http.request(Call(method, path, params={"id": [write.address for write in batch]})).json()
        results = {str(one.get("id")): one for one in answer.get("result") or ()}
        return [_outcome(write, results.get(write.address)) for write in batch]

    def _id(self, name: str) -> str:
        return self._find(name) or self._create(name)

    def _find(self, name: str) -> str | None:
        if name not in self._ids:
            found = self._api.get(_BY_NAME, name=name).get("result") or []
            if not found:
                return None
            self._ids[name] = str(found[0]["id"])
        return self._ids[name]

    def _create(self, name: str) -> str:
        form = {"name": name, "description": "Kept by segserver", "folder": json.dumps(dict(self._folder))}
        try:
            answer = self._api.http.request(Call("POST", _CREATE, form=form)).json()
        except ApiError:
            # It exists already if the answer to a first attempt was lost.
            found = self._find(name)
            if found is None:
                raise
            return found
        self._ids[name] = str(answer["result"][0]["id"])
        return self._ids[name]


def _outcome(write: Write, result: Mapping[str, object] | None) -> Outcome:
    """A lead that does not exist cannot be added, and need not be removed; who is in or out already is fine.

    What Marketo says of a lead that is in the list already is not documented, so every other reason is taken as that.
    """
    if result is None:
        return Outcome(write, Status.FAILED, "Marketo's answer does not mention this lead")
    codes, text = reasons(result)
    if codes & PASSING:
        return Outcome(write, Status.FAILED, text)
    if NO_SUCH_LEAD in codes and write.value is not None:
        return Outcome(write, Status.REJECTED, text, gone=True)
    if write.value is None and codes - {NO_SUCH_LEAD, NOT_IN_LIST}:
        return Outcome(write, Status.REJECTED, text)
    return Outcome(write, Status.CONFIRMED)
