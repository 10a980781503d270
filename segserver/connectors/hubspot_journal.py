"""HubSpot's webhooks journal: what happened in an account in the last three days, in files one after another.

Each file is asked for by the offset of the one before; HubSpot answers with a signed address that soon expires. What a
file tells is only taken for a hint at which records to read again, so that a file which comes twice or late does no
harm. Privacy deletions and changes of associations show nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from segserver.connectors.auth import Grant
from segserver.connectors.calls import Answer, ApiError, Call, Move, Verdict, judge_by_status
from segserver.connectors.http import HttpClient
from segserver.errors import RetryLater, SettingsError

SCOPES = "developer.webhooks_journal.read developer.webhooks_journal.subscriptions.read " + (
    "developer.webhooks_journal.subscriptions.write"
)
CONTACT, COMPANY, DEAL = "0-1", "0-2", "0-3"
_FETCHES = 3
_FILES = 20
"""Files asked for at once; their addresses expire, so not too many."""

_GONE = (400, 404, 410)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

Opener = Callable[[str], HttpClient]
"""Makes a client, without any credential, for the host that a file lies on."""


class OffsetGone(Exception):
    """The journal does not reach back to where we stopped."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of the journal.

    Attributes:
        offset: to go on from.
        events: as HubSpot wrote them.
    """

    offset: str
    events: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Concerned:
    """Records that something happened to, by object type, in the order in which it did."""

    contacts: tuple[str, ...]
    companies: tuple[str, ...]
    deals: tuple[str, ...]


class Journal:
    """The journal of one app.

    Args:
        http: calls HubSpot with the app's token.
        base: where the journal is.
        subscriptions: where its subscriptions are.
        opener: makes clients for files.
    """

    def __init__(self, http: HttpClient, base: str, subscriptions: str, opener: Opener) -> None:
        self._http = http
        self._base = base
        self._subscriptions = subscriptions
        self._opener = opener
        self._hosts: dict[str, HttpClient] = {}

    def subscribe(self, wanted: Iterable[Mapping[str, object]]) -> None:
        """Ask for events; to ask again changes nothing."""
        for one in wanted:
            self._http.request(Call("POST", self._subscriptions, json=one))

    def after(self, offset: str | None) -> list[File]:
        """Some files after an offset, or the first there are; none when there is nothing newer.

        Raises:
            OffsetGone: the journal does not go back that far.
            RetryLater: the address of the next file expired each time before it could be read.
        """
        where = f"earliest/{_FILES}" if offset is None else f"{offset}/next/{_FILES}"
        for _ in range(_FETCHES):
            try:
                entries = self._entries(where)
            except ApiError as error:
                if offset is not None and error.status in _GONE:
                    raise OffsetGone from error
                raise
            files = self._read(entries)
            if files or not entries:
                return files
        raise RetryLater("the address of a journal file expired before it could be read; the next run tries again")

    def _entries(self, where: str) -> list[Any]:
        # The calls for one file answer with something that HubSpot's description does not name; these are described.
        answer = self._http.request(Call("GET", f"{self._base}/batch/{where}"))
        return [] if answer.status == 204 else list(answer.json()["results"])

    def _read(self, entries: Iterable[Mapping[str, Any]]) -> list[File]:
        """The files of entries, up to the first whose address is not good any more."""
        files: list[File] = []
        for entry in entries:
            content = self._content(str(entry["url"]))
            if content is None:
                break
            files.append(File(str(entry["currentOffset"]), tuple(content["journalEvents"])))
        return files

    def _content(self, url: str) -> Any:
        """What a file holds; None where its address is not good any more."""
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise RetryLater("HubSpot gave an address for a journal file that is not https; the next run tries again")
        # The query is the signature, so it must not be part of the path, which messages show.
        call = Call("GET", parts.path, params=dict(parse_qsl(parts.query, keep_blank_values=True)))
        host = f"{parts.scheme}://{parts.netloc}"
        if host not in self._hosts:
            self._hosts[host] = self._opener(host)
        try:
            return self._hosts[host].request(call).json()
        except ApiError as error:
            if error.status in (401, 403, 404, 410):
                return None
            raise


def judge_file(call: Call, answer: Answer, now: datetime) -> Verdict:
    """What the host of a file means. It knows no credential of ours: 401 and 403 say that the address has expired."""
    if answer.status in (401, 403):
        return Verdict(Move.REFUSED, "403", "the address has expired")
    return judge_by_status(call, answer, now)


def fetch_grant(http: HttpClient, path: str, client_id: str, client_secret: str, cure: str) -> Grant:
    """A token for the journal.

    Raises:
        SettingsError: HubSpot gives none; `cure` says what to do.
    """
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
    try:
        return _granted(http, path, {**form, "scope": SCOPES})
    except ApiError:
        # HubSpot's pages and its description name the permissions differently; without any, the app's own hold.
        pass
    try:
        return _granted(http, path, form)
    except ApiError as error:
        raise SettingsError(f"HubSpot gives no token for the journal: {error.reason}; {cure}") from error


def _granted(http: HttpClient, path: str, form: Mapping[str, str]) -> Grant:
    answer = http.request(Call("POST", path, form=form)).json()
    return Grant(str(answer["access_token"]), float(answer["expires_in"]))


def concerned(events: Iterable[Mapping[str, Any]]) -> Concerned:
    """Whom events are about. Of an association both ends count, of a merge all records that took part."""
    found: dict[str, dict[str, None]] = {CONTACT: {}, COMPANY: {}, DEAL: {}}
    for event in events:
        for kind, one in _mentions(event):
            if kind in found and one.isascii() and one.isdigit():
                found[kind][one] = None
    return Concerned(tuple(found[CONTACT]), tuple(found[COMPANY]), tuple(found[DEAL]))


def _mentions(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Object type and id of everything an event names; list memberships and privacy deletions are about contacts."""
    kind = str(event.get("objectTypeId") or event.get("fromObjectTypeId") or CONTACT)
    for key in ("objectId", "recordId", "fromObjectId", "primaryObjectId", "newObjectId"):
        if event.get(key) is not None:
            yield kind, str(event[key])
    for one in event.get("mergedObjectIds") or ():
        yield kind, str(one)
    if event.get("toObjectId") is not None:
        yield str(event.get("toObjectTypeId") or event.get("associatedObjectTypeId") or ""), str(event["toObjectId"])
