"""What contacts did, as HubSpot's own tracking and custom events tell it; marketing e-mails are told elsewhere."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from flask import Response, request

from segserver.clock import from_epoch_ms, to_epoch_ms
from segserver.sandbox.hubspot.errors import invalid
from segserver.sandbox.hubspot.objects import bounded, names
from segserver.sandbox.hubspot.records import epoch_ms, instant
from segserver.sandbox.routing import Route, json_response

if TYPE_CHECKING:
    from segserver.sandbox.hubspot.account import HubSpotAccount

PAGE = 100
KNOWN = ("e_submitted_form", "e_visited_page")
"""Types that every account has."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something one contact did.

    Attributes:
        at: naive UTC.
        known_at: from when HubSpot shows it.
    """

    id: str
    kind: str
    contact: int
    at: datetime
    known_at: datetime
    properties: Mapping[str, str]


def _list(account: HubSpotAccount) -> Response:
    asked, limit = request.args, bounded("limit", 20, PAGE)
    if not asked.get("eventType") and not asked.get("objectId"):
        raise invalid("an event type or an object must be named")
    if asked.get("objectType", "contact") not in ("contact", "0-1"):
        raise invalid(f"there are no events of {asked['objectType']}")
    since, until, after = _bound("occurredAfter"), _bound("occurredBefore"), _place(asked.get("after", ""))
    found = _after(_candidates(account), after, since)
    page = list(islice((one for one in found if _wanted(account, one, until)), limit + 1))
    wanted = names("properties")
    reply: dict[str, object] = {"results": [_show(one, wanted) for one in page[:limit]]}
    if len(page) > limit:
        last = page[limit - 1]
        reply["paging"] = {"next": {"after": f"{to_epoch_ms(last.at)}.{last.id}", "link": request.base_url}}
    return json_response(reply)


def _candidates(account: HubSpotAccount) -> list[Occurrence]:
    """Occurrences of the type asked for, or all, in order of time."""
    kind = request.args.get("eventType")
    if kind:
        return account.occurrences.get(kind, [])
    return sorted((one for listed in account.occurrences.values() for one in listed), key=in_time)


def _place(token: str) -> tuple[datetime, str] | None:
    if not token:
        return None
    ms, _, number = token.partition(".")
    if not ms.isdigit() or not number:
        raise invalid("after is not a paging token of a former reply")
    return from_epoch_ms(int(ms)), number


def _after(
    listed: list[Occurrence], place: tuple[datetime, str] | None, since: datetime | None
) -> Iterator[Occurrence]:
    start = 0 if since is None else bisect_left(listed, (since, ""), key=in_time)
    start = max(start, 0 if place is None else bisect_right(listed, place, key=in_time))
    return (listed[number] for number in range(start, len(listed)))


def in_time(one: Occurrence) -> tuple[datetime, str]:
    """The order in which occurrences are shown."""
    return one.at, one.id


def _wanted(account: HubSpotAccount, one: Occurrence, until: datetime | None) -> bool:
    return (
        one.known_at <= account.clock.now()
        and request.args.get("objectId", str(one.contact)) == str(one.contact)
        and (until is None or one.at <= until)
    )


def _bound(parameter: str) -> datetime | None:
    text = request.args.get(parameter)
    if text is None:
        return None
    ms = epoch_ms(text)
    if ms is None:
        raise invalid(f"{parameter} is not an instant")
    return from_epoch_ms(ms)


def _show(one: Occurrence, wanted: list[str]) -> dict[str, object]:
    return {
        "id": one.id,
        "eventType": one.kind,
        "objectType": "CONTACT",
        "objectId": str(one.contact),
        "occurredAt": instant(one.at),
        "properties": {name: value for name, value in one.properties.items() if not wanted or name in wanted},
    }


def _types(account: HubSpotAccount) -> Response:
    return json_response({"eventTypes": sorted({*KNOWN, *account.occurrences})})


_BASE = "/events/event-occurrences/VERSION"
ROUTES = (Route("GET", _BASE, _list), Route("GET", f"{_BASE}/event-types", _types))
