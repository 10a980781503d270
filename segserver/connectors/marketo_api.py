"""Marketo's calls: queries that are too long for an address, feeds, and what the instance says of its fields."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from segserver.clock import Clock, format_instant, parse_instant
from segserver.connectors.calls import READ_TIMEOUT, ApiError, Call, query_length
from segserver.connectors.http import HttpClient
from segserver.connectors.limits import AccountLimits, Allowance

LIMITS = AccountLimits(
    burst=Allowance(100, 20),
    lanes={},
    daily=50_000,
    day_zone="America/Chicago",
    concurrent=10,
)
"""Of the whole instance, which all its integrations share; Marketo tells nothing of them in its answers."""

BATCH = 300
LONGEST_QUERY = 6_000
"""An address may have 8 KB; a longer query goes as the form of a POST that says it is a GET."""

TOKEN_TIMEOUT = 330.0
"""Seconds: Marketo itself takes up to 300 to make a paging token."""

NOT_A_LEAD_ID = "the address is not a Marketo lead id"

CHANGES = "/rest/v1/activities/leadchanges.json"
DELETIONS = "/rest/v1/activities/deletedleads.json"
ACTIVITIES = "/rest/v1/activities.json"
KEPT_FOR = timedelta(days=761)
"""Marketo keeps activities for 25 months; a first pull begins there."""

DESCRIBED_FOR = timedelta(hours=24)
"""How long a description of the instance's fields and activity types is believed."""


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A page of an activity feed that has items, or its last one.

    Attributes:
        items: up to the instant asked for.
        token: where to go on.
        last: whether the feed has nothing more now.
    """

    items: Sequence[Any]
    token: str
    last: bool


@dataclass(frozen=True, slots=True)
class ActivityType:
    """A type of activity as the instance describes it.

    Attributes:
        attributes: names that its activities may carry, beside the primary one.
    """

    name: str
    attributes: tuple[str, ...]


T = TypeVar("T")


@dataclass(slots=True)
class _Described(Generic[T]):
    """An answer that is believed for a day."""

    value: T | None = None
    at: datetime = field(default=datetime.min)

    def get(self, now: datetime) -> T | None:
        return self.value if now - self.at < DESCRIBED_FOR else None

    def put(self, value: T, now: datetime) -> T:
        self.value, self.at = value, now
        return value


class MarketoApi:
    """The calls of one instance.

    Attributes:
        writing: held while leads are written: Marketo wants one such call at a time.
    """

    def __init__(self, http: HttpClient, clock: Clock) -> None:
        self.http = http
        self.clock = clock
        self.writing = threading.Lock()
        self._fields: _Described[dict[str, str]] = _Described()
        self._types: _Described[dict[str, ActivityType]] = _Described()

    def get(self, path: str, **params: object) -> Any:
        """A GET, or a POST in its place where the query is too long for an address."""
        return self._get(path, params, READ_TIMEOUT)

    def _get(self, path: str, params: Mapping[str, object], timeout: float) -> Any:
        if query_length(params) <= LONGEST_QUERY:
            try:
                return self.http.request(Call("GET", path, params=params, timeout=timeout)).json()
            except ApiError as error:
                if error.status != 414:
                    raise
        form = {name: str(value) for name, value in params.items()}
        return self.http.request(Call("POST", path, params={"_method": "GET"}, form=form, timeout=timeout)).json()

    def post(self, path: str, body: object = None, **params: object) -> Any:
        """A POST with a JSON body that may be repeated."""
        return self.http.request(Call("POST", path, params=params, json=body)).json()

    def fields(self) -> dict[str, str]:
        """The instance's lead fields by REST name, with their data types."""
        now = self.clock.now()
        known = self._fields.get(now)
        if known is not None:
            return known
        described = self.get("/rest/v1/leads/describe.json").get("result") or []
        found = {str(one["rest"]["name"]): str(one["dataType"]) for one in described if one.get("rest")}
        return self._fields.put(found, now)

    def forget_fields(self) -> None:
        """Ask again next time: the fields have changed."""
        self._fields = _Described()

    def activity_types(self) -> dict[str, ActivityType]:
        """The instance's types of activities by their numbers."""
        now = self.clock.now()
        known = self._types.get(now)
        if known is not None:
            return known
        listed = self.get("/rest/v1/activities/types.json").get("result") or []
        found = {
            str(one["id"]): ActivityType(
                str(one.get("name", "")), tuple(str(each["name"]) for each in one.get("attributes") or ())
            )
            for one in listed
        }
        return self._types.put(found, now)

    def leads(self, ids: Sequence[str], fields: Sequence[str]) -> list[Any]:
        """Leads by id, at most `BATCH`; those that do not exist are left out."""
        answer = self.get(
            "/rest/v1/leads.json",
            filterType="id",
            filterValues=",".join(ids),
            fields=",".join(fields),
            batchSize=BATCH,
        )
        return answer.get("result") or []

    def paging_token(self, since: datetime) -> str:
        """The place in the feeds of an instant."""
        params = {"sinceDatetime": format_instant(since.replace(microsecond=0))}
        answer = self._get("/rest/v1/activities/pagingtoken.json", params, TOKEN_TIMEOUT)
        return str(answer["nextPageToken"])

    def feed(self, path: str, token: str, until: datetime, **params: object) -> Iterator[FeedPage]:
        """Pages of a feed from a token on.

        A page may be empty although there are more; only `moreResult` tells. A page with items after `until` is cut
        and not passed: the next pull starts with it.
        """
        while True:
            answer = self.get(path, nextPageToken=token, **params)
            items = answer.get("result") or []
            kept = [item for item in items if parse_instant(item["activityDate"]) <= until]
            if len(kept) < len(items):
                yield FeedPage(kept, token, last=True)
                return
            token = str(answer["nextPageToken"])
            last = not answer.get("moreResult")
            if kept or last:
                yield FeedPage(kept, token, last)
            if last:
                return


def reasons(result: Mapping[str, Any]) -> tuple[set[str], str | None]:
    """Codes of a record's result, and them with their messages as text; None where there are none."""
    listed = [*(result.get("reasons") or ()), *(result.get("errors") or ())]
    text = "; ".join(f"{one.get('code')}: {one.get('message')}" for one in listed)
    return {str(one.get("code")) for one in listed}, text or None
