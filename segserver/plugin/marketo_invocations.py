"""What Marketo submits: one request for a batch of leads of any size, read lead by lead.

Of each lead only what the question needs is kept, and leads with the same question together, so that a large batch
takes little more than its ids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit

from segserver.connectors.signatures import BadPayload
from segserver.plugin.consent import refused
from segserver.specs.connections import ConnectionSpec

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()
_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Group:
    """Leads of whom the same is asked.

    Attributes:
        settings: what was chosen in the flow step; empty settings are left out.
        refused: channels that these leads refuse, as Marketo sends it along.
        leads: Marketo's ids.
    """

    settings: Mapping[str, str]
    refused: tuple[str, ...]
    leads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Invocation:
    """One submitted batch.

    Attributes:
        munchkin: the subscription it came from; None where Marketo does not say.
        batch: Marketo's id of the run.
        token: admits one callback; like `callback_key` it is a secret.
        callback_url: where the answers go.
        digest: of the body.
    """

    munchkin: str | None
    batch: str
    token: str
    callback_key: str
    callback_url: str
    groups: tuple[Group, ...]
    digest: str

    @property
    def key(self) -> str:
        """By which a repeated submission is recognised; nothing can be read from it."""
        named = json.dumps([self.munchkin, self.batch, self.token] if self.token else [self.munchkin, self.digest])
        return sha256(named.encode()).hexdigest()

    @property
    def leads(self) -> list[str]:
        """Every lead once, in the order of first mention."""
        return list(dict.fromkeys(lead for group in self.groups for lead in group.leads))


def read(body: bytes, spec: ConnectionSpec) -> Invocation:
    """An invocation from a verified request.

    Raises:
        BadPayload: the body does not keep to the interface; nothing of it may be used.
    """
    gathered: dict[tuple[tuple[tuple[str, str], ...], tuple[str, ...]], list[str]] = {}

    def take(number: int, item: object) -> None:
        lead, settings, refusals = _lead(number, item, spec)
        gathered.setdefault((settings, refusals), []).append(lead)

    try:
        found = _members(body.decode("utf-8"), "objectData", take)
    except (ValueError, RecursionError):
        raise BadPayload("the body is not a JSON object") from None
    subscription = _object(_object(found.get("context"), "context").get("subscription"), "context.subscription")
    return Invocation(
        munchkin=_text(subscription.get("munchkinId")) or None,
        batch=_text(found.get("batchid")),
        token=_text(found.get("token")),
        callback_key=_text(found.get("apiCallBackKey")),
        callback_url=_address(found.get("callbackUrl")),
        groups=tuple(Group(dict(settings), seen, tuple(leads)) for (settings, seen), leads in gathered.items()),
        digest=sha256(body).hexdigest(),
    )


# ---- one lead ------------------------------------------------------------------------------------------------------


def _lead(number: int, item: object, spec: ConnectionSpec) -> tuple[str, tuple[tuple[str, str], ...], tuple[str, ...]]:
    place = f"objectData[{number}]"
    if not isinstance(item, dict) or item.get("objectType", "lead") != "lead":
        raise BadPayload(f"{place} is not a lead")
    held = _object(item.get("objectContext"), f"{place}.objectContext")
    chosen = _object(item.get("flowStepContext"), f"{place}.flowStepContext")
    settings = {str(name): _text(value) for name, value in chosen.items()}
    return (
        _id(held.get("id"), place),
        tuple(sorted((name, value) for name, value in settings.items() if value)),
        tuple(sorted(refused(spec, held))),
    )


def _id(value: object, place: str) -> str:
    text = "" if isinstance(value, bool) else str(value)
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) <= _LARGEST_ID:
        raise BadPayload(f"{place}.objectContext.id is not the id of a lead")
    return str(int(text))


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _object(value: object, place: str) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadPayload(f"{place} is not an object")
    return value


def _address(value: object) -> str:
    try:
        parts = urlsplit(_text(value))
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.fragment and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise BadPayload("callbackUrl is not an address")
    return _text(value)


# ---- JSON, one element at a time -------------------------------------------------------------------------------------


def _members(text: str, key: str, take: Callable[[int, object], None]) -> dict[str, object]:
    """The members of a JSON object; the elements of the array under `key` are handed over one by one instead.

    Raises:
        ValueError: the text is not one JSON object.
    """
    found: dict[str, object] = {}
    at = _expect(text, 0, "{")
    more = not _is(text, at, "}")
    while more:
        name, at = _DECODER.raw_decode(text, _skip(text, at))
        if not isinstance(name, str):
            raise ValueError("a member has no name")
        at = _skip(text, _expect(text, at, ":"))
        if name == key and _is(text, at, "["):
            at = _elements(text, at, take)
        else:
            found[name], at = _DECODER.raw_decode(text, at)
        more = _is(text, at, ",")
        at = _expect(text, at, ",") if more else at
    if _skip(text, _expect(text, at, "}")) != len(text):
        raise ValueError("something follows the object")
    return found


def _elements(text: str, at: int, take: Callable[[int, object], None]) -> int:
    at, number = _expect(text, at, "["), 0
    if _is(text, at, "]"):
        return _expect(text, at, "]")
    while True:
        item, at = _DECODER.raw_decode(text, _skip(text, at))
        take(number, item)
        number += 1
        if not _is(text, at, ","):
            return _expect(text, at, "]")
        at = _expect(text, at, ",")


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _is(text: str, at: int, mark: str) -> bool:
    return text.startswith(mark, _skip(text, at))


def _expect(text: str, at: int, mark: str) -> int:
    if not _is(text, at, mark):
        raise ValueError(f"{mark} is missing")
    return _skip(text, at) + len(mark)
