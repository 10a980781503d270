"""The webhooks journal: files of what an app asked for, kept for three days, each behind an address that expires."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from flask import Response, request

from segserver.clock import to_epoch_ms
from segserver.sandbox.hubspot.errors import HubSpotError, invalid
from segserver.sandbox.hubspot.records import instant
from segserver.sandbox.routing import Route, json_body, json_response, whole

if TYPE_CHECKING:
    from segserver.sandbox.hubspot.account import HubSpotAccount

MOST_FILES = 100
SCOPES = frozenset(
    f"developer.webhooks_journal.{scope}" for scope in ("read", "subscriptions.read", "subscriptions.write")
)
RETENTION, TOKEN_LIFE = timedelta(days=3), timedelta(minutes=30)
FILES = "/journal-files/"
_ACTIONS = {
    "OBJECT": {"CREATE", "UPDATE", "DELETE", "MERGE", "RESTORE"},
    "ASSOCIATION": {"ASSOCIATION_ADDED", "ASSOCIATION_REMOVED"},
    "LIST_MEMBERSHIP": {"ADDED_TO_LIST", "REMOVED_FROM_LIST"},
    "GDPR_PRIVACY_DELETION": {"GDPR_DELETE"},
}
_CONTACT = "0-1"
_OF_WEBHOOKS = {
    "creation": "CREATE",
    "propertyChange": "UPDATE",
    "deletion": "DELETE",
    "merge": "MERGE",
    "restore": "RESTORE",
}
_REQUIRED = {
    "OBJECT": ("actions", "objectIds", "objectTypeId", "portalId", "properties"),
    "ASSOCIATION": ("actions", "associatedObjectTypeIds", "objectIds", "objectTypeId", "portalId"),
    "LIST_MEMBERSHIP": ("actions", "listIds", "objectIds", "portalId"),
    "GDPR_PRIVACY_DELETION": ("actions", "objectTypeId", "portalId"),
}

Subscription = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JournalFile:
    """What happened at one instant."""

    number: int
    at: datetime
    events: tuple[Mapping[str, object], ...]


class JournalLog:
    """The journal of the account's one app.

    Attributes:
        subscriptions: by what they are about; the last one asked for holds.
        files: oldest first; those past their time are dropped when somebody asks.
        link_life: how long the address of a file is good.
        token: the app's token, and until when; "" before the first.
        known_scopes: permissions that may be asked for by name.
        revoked: whether the account took the app's permissions away.
    """

    def __init__(self, secret: str) -> None:
        self.subscriptions: dict[tuple[str, str], Subscription] = {}
        self.files: list[JournalFile] = []
        self.link_life = timedelta(minutes=5)
        self.token = ("", datetime.min)
        self.known_scopes = SCOPES
        self.revoked = False
        self._secret = secret
        self._last = 0

    def note(self, kind: str, event: Mapping[str, object], at: datetime) -> None:
        """Keep an event that somebody asked for."""
        if any(_asks_for(one, kind, event) for one in self.subscriptions.values()):
            self._last += 1
            told = {"type": kind, "occurredAt": instant(at), **event}
            self.files.append(JournalFile(self._last, at, (told,)))

    def note_webhook(self, kind: str, object_id: int, about: Mapping[str, object], at: datetime) -> None:
        """Keep what a webhook told, in the journal's words."""
        what = kind.partition(".")[2]
        if what == "privacyDeletion":
            event = {"action": "GDPR_DELETE", "objectTypeId": _CONTACT, "objectId": str(object_id)}
            self.note("GDPR_PRIVACY_DELETION", event, at)
        elif what in _OF_WEBHOOKS:
            told = {key: value for key, value in about.items() if key != "objectTypeId"}
            self.note_object(str(about.get("objectTypeId", _CONTACT)), object_id, _OF_WEBHOOKS[what], at, **told)

    def note_object(self, kind: str, object_id: int, action: str, at: datetime, **about: object) -> None:
        """Keep what happened to a record."""
        self.note("OBJECT", {"action": action, "objectTypeId": kind, "objectId": str(object_id), **about}, at)

    def note_link(self, contact: int, kind: str, other: int, action: str, at: datetime) -> None:
        """Keep that a contact was linked with another record, or is not any more."""
        ends = {"fromObjectId": str(contact), "toObjectId": str(other), "toObjectTypeId": kind}
        self.note("ASSOCIATION", {"action": action, "objectTypeId": _CONTACT, **ends}, at)

    def note_member(self, list_id: int, contact: int, action: str, at: datetime) -> None:
        """Keep who joined or left a list."""
        about = {"listId": str(list_id), "recordId": str(contact), "objectTypeId": _CONTACT}
        self.note("LIST_MEMBERSHIP", {"action": action, **about}, at)

    def kept(self, now: datetime) -> list[JournalFile]:
        """Files that are not past their time."""
        past = next((n for n, one in enumerate(self.files) if now - one.at < RETENTION), len(self.files))
        del self.files[:past]
        return self.files

    def forgotten(self, number: int) -> bool:
        """Whether a file after this one is gone already."""
        return number < (self.files[0].number - 1 if self.files else self._last)

    def signature(self, number: int, expires: int) -> str:
        """What makes an address good."""
        return hmac.new(self._secret.encode(), f"{number}:{expires}".encode(), hashlib.sha256).hexdigest()


def _asks_for(subscription: Subscription, kind: str, event: Mapping[str, object]) -> bool:
    if subscription["subscriptionType"] != kind or event["action"] not in subscription["actions"]:
        return False
    if kind != "LIST_MEMBERSHIP" and subscription["objectTypeId"] != event["objectTypeId"]:
        return False
    if kind == "ASSOCIATION":
        return event["toObjectTypeId"] in subscription["associatedObjectTypeIds"]
    changed = event.get("propertyName")
    return changed is None or changed in subscription["properties"]


# ---- what an app may ask -------------------------------------------------------------------------------------------


def client_credentials(account: HubSpotAccount) -> Response:
    """The app's own token, with which it reads the journal."""
    form = request.form
    if account.journal.revoked:
        raise HubSpotError(400, "BAD_AUTH", "the app is not installed in this account")
    unknown = set(form.get("scope", "").split()) - account.journal.known_scopes
    if unknown:
        raise HubSpotError(400, "BAD_SCOPE", f"there are no scopes {', '.join(sorted(unknown))}")
    until = account.clock.now() + TOKEN_LIFE
    account.journal.token = (f"cc-{account.client_id}-{to_epoch_ms(until)}", until)
    reply = {"access_token": account.journal.token[0], "expires_in": 1800, "token_type": "bearer"}
    return json_response({**reply, "token_use": "client_credentials", "scopes": form.get("scope", "").split()})


def check_token(account: HubSpotAccount) -> None:
    """Refuse a call of the journal without the app's token."""
    token, until = account.journal.token
    if not token or request.headers.get("Authorization") != f"Bearer {token}" or account.clock.now() >= until:
        raise HubSpotError(401, "INVALID_AUTHENTICATION", "The journal is read with a client-credentials token.")


def _subscribe(account: HubSpotAccount) -> Response:
    body = json_body()
    kind = str(body.get("subscriptionType"))
    lacking = [name for name in _REQUIRED.get(kind, ("subscriptionType",)) if name not in body]
    if lacking or not set(body["actions"]) <= _ACTIONS[kind]:
        raise invalid(f"a subscription of type {kind} needs {', '.join(lacking) or 'actions that it has'}")
    about = (kind, str(body.get("objectTypeId", "")))
    account.journal.subscriptions[about] = body
    return json_response(_shown(account, about), 201)


def _subscriptions(account: HubSpotAccount) -> Response:
    return json_response({"results": [_shown(account, about) for about in account.journal.subscriptions]})


def _shown(account: HubSpotAccount, about: tuple[str, str]) -> dict[str, object]:
    now = instant(account.clock.now())
    known = list(account.journal.subscriptions)
    fixed = {"id": known.index(about) + 1, "appId": 1_160_452, "createdAt": now, "updatedAt": now, "objectTypeId": ""}
    return {**fixed, **account.journal.subscriptions[about]}


def _earliest(account: HubSpotAccount, count: str) -> Response:
    return _entries(account, account.journal.kept(account.clock.now())[: _count(count)])


def _latest(account: HubSpotAccount, count: str) -> Response:
    return _entries(account, account.journal.kept(account.clock.now())[-_count(count) :])


def _next(account: HubSpotAccount, offset: str, count: str) -> Response:
    kept, number = account.journal.kept(account.clock.now()), whole(offset)
    if account.journal.forgotten(number):
        raise HubSpotError(404, "OBJECT_NOT_FOUND", f"There is no journal entry with the offset {offset}")
    start = number - kept[0].number + 1 if kept else 0
    return _entries(account, kept[start : start + _count(count)])


def _count(text: str) -> int:
    count = whole(text)
    if not 0 < count <= MOST_FILES:
        raise invalid(f"count must be between 1 and {MOST_FILES}")
    return count


def _entries(account: HubSpotAccount, found: Sequence[JournalFile]) -> Response:
    if not found:
        return Response(status=204)
    until = account.clock.now() + account.journal.link_life
    return json_response(*account.batch_reply([_entry(account, one.number, until) for one in found], []))


def _entry(account: HubSpotAccount, number: int, until: datetime) -> dict[str, object]:
    expires = to_epoch_ms(until)
    query = f"expires={expires}&signature={account.journal.signature(number, expires)}"
    address = f"{request.host_url}hubspot{FILES}{number}?{query}"
    return {"url": address, "expiresAt": instant(until), "currentOffset": str(number)}


def _file(account: HubSpotAccount, number: str) -> Response:
    expires, signature = whole(request.args.get("expires", 0)), request.args.get("signature", "")
    good = hmac.compare_digest(signature, account.journal.signature(whole(number), expires))
    kept = [one for one in account.journal.kept(account.clock.now()) if one.number == whole(number)]
    if not good or expires <= to_epoch_ms(account.clock.now()) or not kept:
        return Response("<Error><Code>AccessDenied</Code></Error>", status=403, mimetype="application/xml")
    one = kept[0]
    told = {"offset": str(one.number), "journalEvents": list(one.events), "publishedAt": instant(one.at)}
    return json_response(told)


_BASE = "/webhooks-journal/journal/2026-03"
ROUTES = (
    Route("POST", "/webhooks-journal/subscriptions/2026-03", _subscribe),
    Route("GET", "/webhooks-journal/subscriptions/2026-03", _subscriptions),
    Route("GET", f"{_BASE}/batch/earliest/<count>", _earliest),
    Route("GET", f"{_BASE}/batch/latest/<count>", _latest),
    Route("GET", f"{_BASE}/batch/<offset>/next/<count>", _next),
    Route("GET", f"{FILES}<number>", _file),
)
