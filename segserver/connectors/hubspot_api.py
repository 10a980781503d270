"""HubSpot's endpoints by date-based path, its paging, and how it says no."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from segserver.clock import Clock
from segserver.connectors.calls import ApiError, Call
from segserver.connectors.http import HttpClient
from segserver.connectors.hubspot_answers import DETAILS
from segserver.connectors.hubspot_paths import Paths
from segserver.errors import RetryLater

DEFAULT_ENDPOINT = "https://api.hubapi.com"

SEARCH_PAGE = 200
LIST_PAGE = 100
HISTORY_PAGE = 50
BATCH = 100
ASSOCIATIONS_BATCH = 1_000
READINGS = 3
"""How often a batch is asked for the records it could not read."""


class HubSpotApi:
    """The calls of one account.

    Attributes:
        clock: the time.
        paths: where its endpoints are.
    """

    def __init__(self, http: HttpClient, clock: Clock, paths: Paths) -> None:
        self._http = http
        self.clock = clock
        self.paths = paths

    def get(self, path: str, *, shown: str = "", **params: object) -> Any:
        """GET; parameters that are None are left out. `shown` is the path in messages."""
        given = {name: value for name, value in params.items() if value is not None}
        return self._http.request(Call("GET", path, params=given, shown=shown)).json()

    def send(self, method: str, path: str, body: object, **params: object) -> Any:
        """A call with a JSON body; all of ours may be repeated."""
        return self._http.request(Call(method, path, params=params, json=body)).json()

    def portal(self) -> int:
        """The account's number."""
        return int(self.get(DETAILS)["portalId"])

    def search(
        self, path: str, filters: Sequence[Mapping[str, str]], properties: Sequence[str], after_id: int
    ) -> tuple[list[Any], int | None]:
        """One page of a search, in the order of ids.

        Pages go on from the last id and not by offset: offsets end at 10,000, and records that change meanwhile leave
        the window and shift them.

        Returns:
            The records, and the last id where there may be more.
        """
        past = {"propertyName": "hs_object_id", "operator": "GTE", "value": str(after_id + 1)}
        body = {
            "filterGroups": [{"filters": [*filters, *([past] if after_id else [])]}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": list(properties),
            "limit": SEARCH_PAGE,
        }
        answer = self._http.request(Call("POST", f"{path}/search", json=body, lane="search")).json()
        found = answer["results"]
        more = bool(found) and "next" in (answer.get("paging") or {})
        return found, int(found[-1]["id"]) if more else None

    def batch_read(
        self,
        path: str,
        ids: Sequence[str],
        properties: Sequence[str],
        history: Sequence[str] = (),
        *,
        key: str | None = None,
        archived: bool = False,
    ) -> list[Any]:
        """Records by id, or by the unique property `key`; those that do not exist are left out.

        Args:
            path: of the object type.
            ids: at most `BATCH`, or `HISTORY_PAGE` with history.
            properties: to read.
            history: of these the changes too.
            key: the property that `ids` are values of; None: the record's id.
            archived: whether to look into the recycle bin.

        Raises:
            RetryLater: some could not be read though they may exist; nobody is deleted for a failed read.
        """
        body: dict[str, object] = {"inputs": [{"id": one} for one in ids], "properties": list(properties)}
        if history:
            body["propertiesWithHistory"] = list(history)
        if key:
            body["idProperty"] = key
        params = {"archived": "true"} if archived else {}
        records: list[Any] = []
        for _ in range(READINGS):
            answer = self.send("POST", f"{path}/batch/read", body, **params)
            records += answer["results"]
            left = unread(answer)
            if not left:
                return records
            seen = {str(one["id"]) for one in records}
            body["inputs"] = [{"id": one} for one in ids if one in left or (not left & set(ids) and one not in seen)]
        raise RetryLater(
            f"HubSpot could not read {len(left)} of {len(ids)} records of {path}; the next run tries again"
        )

    def survivor(self, path: str, record_id: str) -> str | None:
        """The id that a record answers by, which differs from its own once it was merged; None if there is none."""
        try:
            return str(self.get(f"{path}/{record_id}", properties="hs_object_id")["id"])
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def associated_contacts(self, deal_ids: Sequence[str]) -> dict[str, list[str]]:
        """Contacts of each deal, in the order of their ids; deals without one are missing.

        Raises:
            RetryLater: HubSpot could not tell all of them.
        """
        contacts: dict[str, list[str]] = {}
        inputs = [{"id": one} for one in deal_ids]
        while inputs:
            answer = self.send("POST", self.paths.deal_contacts, {"inputs": inputs})
            if failed := unread(answer):
                raise RetryLater(
                    f"HubSpot could not tell the contacts of {len(failed)} deals; the next run tries again"
                )
            inputs = []
            for result in answer["results"]:
                deal = str(result["from"]["id"])
                contacts.setdefault(deal, []).extend(str(to["toObjectId"]) for to in result["to"])
                after = ((result.get("paging") or {}).get("next") or {}).get("after")
                if after:
                    inputs.append({"id": deal, "after": after})
        return {deal: sorted(set(found), key=int) for deal, found in contacts.items()}


def unread(answer: Mapping[str, Any]) -> set[str]:
    """Inputs of a batch that were not read for another reason than that there is nothing to read."""
    failed: set[str] = set()
    for error in answer.get("errors") or ():
        kind = f"{error.get('category', '')} {error.get('subCategory', '')}".upper()
        if "NOT_FOUND" in kind or "NO_ASSOCIATIONS" in kind:
            continue
        named = {
            str(one) for listed in (error.get("context") or {}).values() if isinstance(listed, list) for one in listed
        }
        failed |= named or {"unnamed"}
    return failed


def paged(answer: Mapping[str, Any]) -> str | None:
    """Where a list goes on; None at its end."""
    after = ((answer.get("paging") or {}).get("next") or {}).get("after")
    return None if after is None else str(after)


def all_pages(api: HubSpotApi, path: str, **params: object) -> Iterator[Any]:
    """Every record of a list that is read by `after`."""
    after: str | None = None
    while True:
        answer = api.get(path, shown="", after=after, **params)
        yield from answer["results"]
        after = paged(answer)
        if after is None:
            return
