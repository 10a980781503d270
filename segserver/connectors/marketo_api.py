"""Marketo's calls, and its envelope: nearly all failures come as HTTP 200 with `success: false` and a code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from segserver.clock import Clock, format_instant, parse_instant
from segserver.connectors.calls import READ_TIMEOUT, Answer, Call, Move, Verdict, judge_by_status, query_length
from segserver.connectors.http import HttpClient
from segserver.connectors.limits import AccountLimits, Allowance
from segserver.connectors.suggestions import closest
from segserver.errors import SettingsError

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

_TOKEN = frozenset({"600", "601", "602"})
_TOO_MANY = {"606": 5.0, "615": 1.0}
"""Seconds to wait after too many calls in a while, or at once: Marketo does not say, and others share the account."""

_PASSING = frozenset({"502", "604", "608", "611", "614", "713", "719"})
_DENIED = {
    "603": "access is denied (603): the API user's role lacks a permission, or the IP allow-list keeps us out",
    "616": "the subscription does not include this call (616)",
}
_DAILY = "607"

PASSING = _PASSING | _TOO_MANY.keys()
"""Codes that also come for single records, and then mean: later."""

NO_SUCH_LEAD = "1004"
NOT_A_LEAD_ID = "the address is not a Marketo lead id"


def judge(call: Call, answer: Answer, now: datetime) -> Verdict:
    """What an answer of Marketo means, by HTTP status and then by the code in its envelope."""
    plain = judge_by_status(call, answer, now)
    # A file that cannot be had comes as an envelope too.
    enveloped = not call.binary or "json" in answer.headers.get("Content-Type", "")
    body = answer.json() if enveloped else None
    if plain.move is not Move.ACCEPT or not isinstance(body, dict) or body.get("success") is not False:
        return plain
    errors = body.get("errors") or [{}]
    code, message = str(errors[0].get("code", "")), str(errors[0].get("message", ""))
    reason = f"{code}: {message}"
    if code in _TOKEN:
        return Verdict(Move.RENEW, code, reason, unprocessed=True)
    if code in _TOO_MANY:
        return Verdict(Move.RETRY, code, reason, _TOO_MANY[code], unprocessed=True, shared=True)
    if code in _PASSING:
        return Verdict(Move.RETRY, code, reason)
    if code == _DAILY:
        return Verdict(Move.EXHAUSTED, code, reason)
    if code in _DENIED:
        return Verdict(Move.STOP, code, _DENIED[code])
    return Verdict(Move.REFUSED, code, reason)


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


class MarketoApi:
    """The calls of one instance."""

    def __init__(self, http: HttpClient, clock: Clock) -> None:
        self.http = http
        self.clock = clock
        self._fields: dict[str, str] | None = None

    def get(self, path: str, **params: object) -> Any:
        """A GET, or a POST in its place where the query is too long for an address."""
        return self._get(path, params, READ_TIMEOUT)

    def _get(self, path: str, params: Mapping[str, object], timeout: float) -> Any:
        if query_length(params) <= LONGEST_QUERY:
            return self.http.request(Call("GET", path, params=params, timeout=timeout)).json()
        form = {name: str(value) for name, value in params.items()}
        return self.http.request(Call("POST", path, params={"_method": "GET"}, form=form, timeout=timeout)).json()

    def post(self, path: str, body: object = None, **params: object) -> Any:
        """A POST with a JSON body that may be repeated."""
        return self.http.request(Call("POST", path, params=params, json=body)).json()

    def fields(self) -> dict[str, str]:
        """The instance's lead fields by REST name, with their data types; asked for once."""
        if self._fields is None:
            described = self.get("/rest/v1/leads/describe.json").get("result") or []
            self._fields = {str(one["rest"]["name"]): str(one["dataType"]) for one in described if one.get("rest")}
        return self._fields

    def forget_fields(self) -> None:
        """Ask again next time: the fields have changed."""
        self._fields = None

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


def check_fields(api: MarketoApi, wanted: Sequence[str], place: object) -> None:
    """Check that the instance has the fields that a connection maps.

    Raises:
        SettingsError: it lacks one.
    """
    known = api.fields()
    for name in wanted:
        if name not in known:
            near = closest(name, known)
            hint = f"; did you mean {near}?" if near else "; see the REST names in Admin > Field Management"
            raise SettingsError(f"{place}: connection {api.http.account}: Marketo has no lead field {name}{hint}")


def reasons(result: Mapping[str, Any]) -> tuple[set[str], str | None]:
    """Codes of a record's result, and them with their messages as text; None where there are none."""
    listed = [*(result.get("reasons") or ()), *(result.get("errors") or ())]
    text = "; ".join(f"{one.get('code')}: {one.get('message')}" for one in listed)
    return {str(one.get("code")) for one in listed}, text or None
