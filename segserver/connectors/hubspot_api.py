"""HubSpot's endpoints by date-based path, its paging, and how it says no."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from segserver.clock import Clock
from segserver.connectors.calls import Answer, Call, Move, Verdict, judge_by_status
from segserver.connectors.http import HttpClient
from segserver.connectors.limits import AccountLimits, Allowance, Budget

DEFAULT_ENDPOINT = "https://api.hubapi.com"

LIMITS = AccountLimits(
    burst=Allowance(100, 10),
    lanes={"search": Allowance(5, 1)},
    daily=None,
    day_zone="UTC",
)
"""Of the smallest plan, until the answers' headers tell more. HubSpot's day ends at midnight in the account's zone;
after a refusal for the day we try again at the next midnight UTC."""

# HubSpot versions each endpoint for itself, and not every area moves its version by changing the date alone.
CONTACTS = "/crm/objects/2026-03/contacts"
COMPANIES = "/crm/objects/2026-03/companies"
DEALS = "/crm/objects/2026-03/0-3"
DEAL_CONTACTS = "/crm/associations/2026-03/0-3/0-1/batch/read"
PROPERTIES = "/crm/properties/2026-03/contacts"
LISTS = "/crm/lists/2026-03"
LISTS_BY_NAME = "/crm/lists/2026-03/object-type-id/0-1/name"
EMAIL_EVENTS = "/email/public/v1/events"

SEARCH_PAGE = 200
LIST_PAGE = 100
HISTORY_PAGE = 50
BATCH = 100
ASSOCIATIONS_BATCH = 1_000


def judge(call: Call, answer: Answer, budget: Budget | None, now: datetime) -> Verdict:
    """What an answer of HubSpot means; takes over the limits its headers tell."""
    if budget is not None:
        _adopt_limits(answer, budget)
    plain = judge_by_status(call, answer, now)
    if plain.move is Move.ACCEPT or answer.status < 400:
        return plain
    raw = answer.json()
    body = raw if isinstance(raw, dict) else {}
    if answer.status == 429 and body.get("policyName") == "DAILY":
        return Verdict(Move.EXHAUSTED, "DAILY", "the day's calls are used up")
    if plain.move is Move.STOP:
        return Verdict(Move.STOP, "403", _lacking(body))
    if plain.move is Move.REFUSED:
        return Verdict(Move.REFUSED, str(body.get("category") or plain.code), str(body.get("message") or plain.reason))
    return plain


def _adopt_limits(answer: Answer, budget: Budget) -> None:
    def number(name: str) -> int | None:
        text = answer.headers.get(f"X-HubSpot-RateLimit-{name}", "")
        return int(text) if text.isdigit() else None

    most, interval = number("Max"), number("Interval-Milliseconds")
    budget.adopt(Allowance(most, interval / 1000) if most and interval else None, number("Daily"))


def _lacking(body: Mapping[str, Any]) -> str:
    """The permissions a 403 asks for, from wherever HubSpot put them."""
    contexts = [body.get("context"), *(error.get("context") for error in body.get("errors") or ())]
    scopes = sorted(
        {
            str(scope)
            for context in contexts
            if isinstance(context, dict)
            for name, listed in context.items()
            if "scope" in name.lower() and isinstance(listed, list)
            for scope in listed
        }
    )
    if scopes:
        return f"the key lacks the permission {', '.join(scopes)}"
    return f"access is denied ({body.get('category') or 'no reason given'})"


class HubSpotApi:
    """The calls of one account."""

    def __init__(self, http: HttpClient, clock: Clock) -> None:
        self._http = http
        self.clock = clock

    def get(self, path: str, **params: object) -> Any:
        """GET; parameters that are None are left out."""
        given = {name: value for name, value in params.items() if value is not None}
        return self._http.request(Call("GET", path, params=given)).json()

    def send(self, method: str, path: str, body: object, **params: object) -> Any:
        """A call with a JSON body; all of ours may be repeated."""
        return self._http.request(Call(method, path, params=params, json=body)).json()

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
        history: Sequence[str],
        *,
        archived: bool = False,
    ) -> Any:
        """Records by id, with missing ones in `errors`; at most `BATCH`, or `HISTORY_PAGE` with history."""
        body: dict[str, object] = {"inputs": [{"id": one} for one in ids], "properties": list(properties)}
        if history:
            body["propertiesWithHistory"] = list(history)
        return self.send("POST", f"{path}/batch/read", body, **({"archived": "true"} if archived else {}))

    def associated_contacts(self, deal_ids: Sequence[str]) -> dict[str, list[str]]:
        """Contacts of each deal, in the order of their ids; deals without one are missing."""
        contacts: dict[str, list[str]] = {}
        inputs = [{"id": one} for one in deal_ids]
        while inputs:
            answer = self.send("POST", DEAL_CONTACTS, {"inputs": inputs})
            inputs = []
            for result in answer["results"]:
                deal = str(result["from"]["id"])
                contacts.setdefault(deal, []).extend(str(to["toObjectId"]) for to in result["to"])
                after = ((result.get("paging") or {}).get("next") or {}).get("after")
                if after:
                    inputs.append({"id": deal, "after": after})
        return {deal: sorted(set(found), key=int) for deal, found in contacts.items()}


def paged(answer: Mapping[str, Any]) -> str | None:
    """Where a list goes on; None at its end."""
    after = ((answer.get("paging") or {}).get("next") or {}).get("after")
    return None if after is None else str(after)


def all_pages(api: HubSpotApi, path: str, **params: object) -> Iterator[Any]:
    """Every record of a list that is read by `after`."""
    after: str | None = None
    while True:
        answer = api.get(path, after=after, **params)
        yield from answer["results"]
        after = paged(answer)
        if after is None:
            return
