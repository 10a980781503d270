"""A thousand requests that differ from a signed one in one place, at every door that platforms call: all refused."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from segserver.clock import to_epoch_ms
from segserver.connectors.notifications import signature
from segserver.connectors.signatures import MAX_AGE
from segserver.sandbox.hubspot import signing

from .conftest import NOW, SECRET

MUTANTS = 1_000
ORIGIN = "http://localhost"
EVENTS = json.dumps(
    [
        {
            "eventId": 1,
            "subscriptionId": 12,
            "portalId": 7,
            "occurredAt": 1772366400000,
            "subscriptionType": "contact.propertyChange",
            "objectId": 100001,
            "propertyName": "country",
            "propertyValue": "FR",
        }
    ]
).encode()
EXECUTION = json.dumps(
    {
        "callbackId": "ap-7-1-0",
        "object": {"objectId": 100001, "objectType": "CONTACT"},
        "inputFields": {"segment": "vip"},
    }
).encode()
SIGNED = json.dumps({"id": "d1", "contacts": [{"id": "7", "change": "changed"}]}).encode()


@dataclass(frozen=True)
class Sent:
    """A request as it leaves its sender, `late` after it was signed."""

    path: str
    query: str
    headers: dict
    body: bytes
    method: str = "POST"
    late: timedelta = timedelta(0)


def _hubspot(path, query, body, version):
    url = ORIGIN + path + (f"?{query}" if query else "")
    headers = {
        "v1": lambda: signing.v1(body, SECRET),
        "v2": lambda: signing.v2("POST", url, body, SECRET),
        "v3": lambda: signing.v3("POST", url, body, SECRET, NOW),
    }[version]()
    return Sent(path, query, headers, body)


def _any_sender():
    timestamp = str(to_epoch_ms(NOW))
    headers = {"X-Segserver-Timestamp": timestamp, "X-Segserver-Signature": signature(timestamp, SIGNED, SECRET)}
    return Sent("/hooks/shop", "", headers, SIGNED)


DOORS = {
    "webhook v3": _hubspot("/hooks/crm", "from=a%3Ab&to=%20", EVENTS, "v3"),
    "webhook v1": _hubspot("/hooks/crm", "", EVENTS, "v1"),
    "action v3": _hubspot("/plugin/hubspot/crm/check-segment", "", EXECUTION, "v3"),
    "action v2": _hubspot("/plugin/hubspot/crm/check-segment", "", EXECUTION, "v2"),
    "any sender": _any_sender(),
}
COVERED = {
    "webhook v3": ("method", "path", "query", "body", "header", "timestamp", "late"),
    "webhook v1": ("body", "header"),
    "action v3": ("method", "path", "query", "body", "header", "timestamp", "late"),
    "action v2": ("method", "path", "query", "body", "header"),
    "any sender": ("body", "header", "timestamp", "late"),
}
"""What each signature covers; v1 covers the body alone, v2 no instant, which is why v3 counts where it is there."""


def _flipped(text, chosen):
    place = chosen.randrange(len(text))
    other = chosen.choice([one for one in "abcdefXYZ0123456789" if one != text[place]])
    return text[:place] + other + text[place + 1 :]


def _mutant(sent, part, chosen):
    match part:
        case "method":
            return replace(sent, method=chosen.choice(["PUT", "PATCH", "DELETE", "GET"]))
        case "path":
            return replace(
                sent, path=chosen.choice([sent.path + "/", sent.path.replace("crm", "CRM"), sent.path + "%20"])
            )
        case "query":
            return replace(sent, query=_flipped(sent.query, chosen) if sent.query else f"x={chosen.randrange(99)}")
        case "body":
            place = chosen.randrange(len(sent.body))
            other = bytes([sent.body[place] ^ (1 << chosen.randrange(7))])
            return replace(sent, body=sent.body[:place] + other + sent.body[place + 1 :])
        case "header":
            name = next(one for one in sent.headers if "Signature" in one and "Version" not in one)
            changed = chosen.choice([_flipped(sent.headers[name], chosen), "", sent.headers[name][:-1]])
            return replace(sent, headers={**sent.headers, name: changed})
        case "timestamp":
            name = next(one for one in sent.headers if "Timestamp" in one)
            return replace(sent, headers={**sent.headers, name: _flipped(sent.headers[name], chosen)})
        case _:
            return replace(sent, late=MAX_AGE + timedelta(seconds=chosen.randint(1, 10**6)))


def _send(client, clock, sent):
    clock.advance(NOW + sent.late - clock.now())
    path = sent.path + (f"?{sent.query}" if sent.query else "")
    return client.open(path, method=sent.method, headers=sent.headers, data=sent.body)


@pytest.mark.parametrize("door", DOORS)
def test_the_request_itself_is_taken(client, clock, door):
    assert _send(client, clock, DOORS[door]).status_code == 200


def test_a_thousand_mutants_are_refused_and_leave_nothing(client, backend, clock):
    chosen, tried = random.Random(4), {}
    for _ in range(MUTANTS):
        door = chosen.choice(list(DOORS))
        part = chosen.choice(COVERED[door])
        mutant = _mutant(DOORS[door], part, chosen)
        answer = _send(client, clock, mutant)
        assert answer.status_code in (401, 404, 405, 308), (door, part, mutant)
        assert SECRET not in answer.text
        tried[door, part] = tried.get((door, part), 0) + 1
    assert set(tried) == {(door, part) for door, parts in COVERED.items() for part in parts}
    assert (backend.inbox, backend.executed) == ({}, [])


def test_a_replay_within_the_window_is_counted_as_nothing_new(client, backend, clock):
    first, again = (_send(client, clock, DOORS["webhook v3"]).json for _ in range(2))
    assert (first["new"], again["new"], len(backend.inbox)) == (1, 0, 1)


def test_a_replay_after_the_window_is_refused(client, clock):
    late = replace(DOORS["webhook v3"], late=MAX_AGE + timedelta(milliseconds=1))
    assert _send(client, clock, late).status_code == 401
