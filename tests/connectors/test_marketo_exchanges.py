"""The connector and its stand-in, held by the same table of requests and replies."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

from segserver.clock import FixedClock
from segserver.connectors import marketo_extract as extract
from segserver.connectors.base import Outcome, Status, Trigger, Write
from segserver.connectors.calls import ApiError
from segserver.connectors.http import HttpClient
from segserver.connectors.marketo_api import ACTIVITIES, CHANGES, DELETIONS, MarketoApi
from segserver.connectors.marketo_campaigns import Campaigns
from segserver.connectors.marketo_codes import judge
from segserver.connectors.marketo_custom import CustomActivities, CustomActivity
from segserver.connectors.marketo_fields import Fields
from segserver.connectors.marketo_lists import StaticLists
from segserver.sandbox.population import Activity, Person, Population
from segserver.sandbox.server import Sandbox
from segserver.specs.targets import Target
from tests.connectors.marketo_exchanges import EXCHANGES, JOB, MANY, Exchange

HOST = "https://123-abc-456.mktorest.com"
NOW = datetime(2026, 3, 1, 12)
FOLDER = {"id": 34, "type": "Folder"}
CITY, LIST = Target("engage", "property", "city"), Target("engage", "list", "SEG Offers")
SEND_AT = Target("engage", "property", "segserver_next_send_at")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


# ---- the connector -------------------------------------------------------------------------------------------------


@pytest.fixture
def api(clock: FixedClock) -> MarketoApi:
    http = HttpClient(
        HOST,
        account="engage",
        clock=clock,
        sleep=lambda _: None,
        judge=lambda call, answer: judge(call, answer, clock.now()),
    )
    return MarketoApi(http, clock)


def _written(writer: Any, *writes: Write) -> list[str]:
    return [str(outcome.status) for batch in writer.write(writes) for outcome in batch]


def _members(api: MarketoApi, *writes: tuple[str, str | None]) -> list[str]:
    lists = StaticLists(api, FOLDER)
    made = [Write(LIST, f"c{lead}", lead, value) for lead, value in writes]
    return [str(outcome.status) for batch in lists.write(LIST.name, made) for outcome in batch]


def _feed(api: MarketoApi, path: str, **params: object) -> list[Any]:
    return [item for page in api.feed(path, "T0", NOW, **params, batchSize=300) for item in page.items]


def _refusal(call: Callable[[], object]) -> str:
    with pytest.raises(ApiError) as caught:
        call()
    return caught.value.reason


def _trigger(api: MarketoApi, lead: str) -> list[Outcome]:
    trigger = Trigger("k1", "c1", lead, "Win back", {"template": "a"})
    return Campaigns(api, timedelta()).trigger([trigger])


FEBRUARY = (extract.CREATED, datetime(2026, 2, 1), datetime(2026, 3, 1))

ACTIONS: Mapping[str, tuple[tuple[str, ...], Callable[[MarketoApi], object], object]] = {
    "fields described": ((), lambda api: api.fields(), {"city": "string"}),
    "activity types": ((), lambda api: [one.attributes for one in api.activity_types().values()], [("Webpage URL",)]),
    "field created": (
        ("fields described", "leads updated"),
        lambda api: _written(Fields(api), Write(SEND_AT, "c1", "5001", None), Write(SEND_AT, "c2", "99", None)),
        ["confirmed", "rejected"],
    ),
    "leads by id": ((), lambda api: [one["id"] for one in api.leads(["5001", "99"], ["email", "city"])], [5001]),
    "no leads": ((), lambda api: api.leads(["99"], ["email"]), []),
    "an unknown field": (
        (),
        lambda api: _refusal(lambda: api.leads(["5001"], ["nonsense"])),
        "1006: Field 'nonsense' not found",
    ),
    "leads by a query too long": ((), lambda api: len(api.leads(MANY.split(","), ["email"])), 1),
    "leads updated": (
        ("fields described",),
        lambda api: _written(Fields(api), Write(CITY, "c1", "5001", "Lyon"), Write(CITY, "c2", "99", None)),
        ["confirmed", "rejected"],
    ),
    "paging token": ((), lambda api: api.paging_token(datetime(2026, 2, 18)), "T0"),
    "activities": ((), lambda api: len(_feed(api, ACTIVITIES, activityTypeIds="1,10")), 1),
    "changes of leads": ((), lambda api: len(_feed(api, CHANGES, fields="city")), 1),
    "deletions": ((), lambda api: _feed(api, DELETIONS), []),
    "custom activities added": (
        (),
        lambda api: [
            str(one.status)
            for one in CustomActivities(api, {"offer": CustomActivity(100_001, "Campaign")}, None, timedelta()).send(
                [Trigger(f"k{lead}", "c1", lead, "offer", {"template": "a"}) for lead in ("5001", "99")]
            )
        ],
        ["confirmed", "rejected"],
    ),
    "export created": ((), lambda api: extract.create(api, ["id", "email", "city"], *FEBRUARY), JOB),
    "export too long": (
        (),
        lambda api: _refusal(
            lambda: extract.create(api, ["id"], extract.CREATED, datetime(2026, 1, 1), datetime(2026, 3, 1))
        ),
        "1003: the range of createdAt is longer than 31 days",
    ),
    "export queued": (("export created status",), lambda api: extract.look(api, JOB), "Queued"),
    "export completed": (
        ("export probed",),
        lambda api: extract.look(api, JOB),
        extract.Finished(JOB, 1, 42, "0" * 64),
    ),
    "export probed": (
        ("export completed",),
        lambda api: extract.look(api, JOB),
        extract.Finished(JOB, 1, 42, "0" * 64),
    ),
    "no file": (("export completed",), lambda api: extract.look(api, JOB), "without its file"),
    "list not found": ((), lambda api: list(StaticLists(api, FOLDER).holds(LIST.name)), []),
    "list created": (
        ("list not found", "members added"),
        lambda api: _members(api, ("5001", "member"), ("99", "member")),
        ["confirmed", "rejected"],
    ),
    "list found": (("members",), lambda api: list(StaticLists(api, FOLDER).holds(LIST.name)), [{"5001": "member"}]),
    "members added": (
        ("list found",),
        lambda api: _members(api, ("5001", "member"), ("99", "member")),
        ["confirmed", "rejected"],
    ),
    "members removed": (
        ("list found",),
        lambda api: _members(api, ("5001", None), ("5002", None)),
        ["confirmed", "confirmed"],
    ),
    "members": (("list found",), lambda api: list(StaticLists(api, FOLDER).holds(LIST.name)), [{"5001": "member"}]),
    "campaign found": (
        ("campaign requested",),
        lambda api: [one.status for one in _trigger(api, "5001")],
        [Status.CONFIRMED],
    ),
    "campaign requested": (
        ("campaign found",),
        lambda api: [one.status for one in _trigger(api, "5001")],
        [Status.CONFIRMED],
    ),
    "campaign for nobody": (
        ("campaign found",),
        lambda api: [one.reason for one in _trigger(api, "99")],
        ["1004: Lead '99' not found"],
    ),
}
"""Exchange to: others that the connector needs on the way, what it does, and what it makes of the replies."""

CREATED_STATUS = Exchange("GET", f"/bulk/v1/leads/export/{JOB}/status.json", EXCHANGES["export created"].reply)


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_connector_sends_the_request_and_understands_the_reply(name: str, api: MarketoApi) -> None:
    others, act, expected = ACTIONS[name]
    exchange = EXCHANGES[name]
    with responses.RequestsMock() as platform:
        for one in (exchange, *(EXCHANGES.get(other, CREATED_STATUS) for other in others)):
            text = one.reply if isinstance(one.reply, str) else json.dumps(one.reply)
            kind = "text/plain" if isinstance(one.reply, str) else "application/json"
            platform.add(one.method, HOST + one.path, body=text, status=one.status, content_type=kind)
        assert act(api) == expected
        assert any(_is(exchange, call.request) for call in platform.calls), [c.request.url for c in platform.calls]


def _is(exchange: Exchange, request: Any) -> bool:
    """Whether a request is the one of the table, in every part."""
    address = urlsplit(request.url)
    body = request.body.decode() if isinstance(request.body, bytes) else request.body
    return (
        (request.method, address.path) == (exchange.method, exchange.path)
        and parse_qs(address.query) == {key: _many(value) for key, value in exchange.query.items()}
        and (json.loads(body) if exchange.json is not None and body else None) == exchange.json
        and (exchange.form is None or parse_qs(body) == {key: [value] for key, value in exchange.form.items()})
        and all(request.headers.get(key) == value for key, value in exchange.headers.items())
    )


def _many(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


# ---- the stand-in --------------------------------------------------------------------------------------------------


@pytest.fixture
def sandbox(clock: FixedClock) -> Sandbox:
    names = ("ada", "ben", "cleo", "dan", "eve")
    people = tuple(
        Person(f"{name}@example.com", NOW - timedelta(days=100 - number)) for number, name in enumerate(names)
    )
    visit = Activity(0, 1, NOW - timedelta(days=11), "/coffee", (("Webpage URL", "/coffee"),))
    made = Sandbox(clock, Population(people, (), (visit,)))
    made.marketo.add_lead({"email": "fay@example.com"}, NOW - timedelta(days=9), source="New lead")
    return made


@pytest.fixture
def ask(sandbox: Sandbox) -> Callable[[Exchange], Any]:
    """Puts a request of the table to the stand-in; a page token of the table is the one that it gave last."""
    client, token, places = sandbox.app.test_client(), sandbox.marketo.access_token()[0], {"T0": "T0"}

    def put(exchange: Exchange) -> Any:
        query = {
            key: places.get(value, value) if isinstance(value, str) else value for key, value in exchange.query.items()
        }
        answer = client.open(
            f"/marketo{exchange.path}",
            method=exchange.method,
            query_string=[(key, one) for key, value in query.items() for one in _many(value)],
            headers={"Authorization": f"Bearer {token}", **exchange.headers},
            **({"json": exchange.json} if exchange.json is not None else {"data": exchange.form}),
        )
        assert answer.status_code == exchange.status, answer.text
        if exchange.path.endswith("pagingtoken.json"):
            places["T0"] = answer.json["nextPageToken"]
        return answer.text if isinstance(exchange.reply, str) else answer.json

    return put


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_stand_in_answers_the_request_with_such_a_reply(name: str, ask: Callable[[Exchange], Any]) -> None:
    exchange = EXCHANGES[name]
    for before in exchange.after:
        ask(EXCHANGES[before])
    answer = ask(exchange)
    if isinstance(answer, dict):
        assert answer.keys() == exchange.reply.keys()
        answer = answer | {"requestId": exchange.reply["requestId"]}
    if exchange.same:
        assert answer == exchange.reply
    else:
        _alike(answer, exchange.reply, exchange.optional, name)


def _alike(answer: Any, reply: Any, optional: frozenset[str], place: str) -> None:
    """Check that two values have the same shape: keys, types, and and entries of a list like those of the table."""
    assert type(answer) is type(reply) or None in (answer, reply), place
    if isinstance(reply, dict) and isinstance(answer, dict):
        assert reply.keys() - optional <= answer.keys() <= reply.keys() | optional, place
        for key in reply.keys() & answer.keys():
            if key in ("status", "success", "code"):
                assert answer[key] == reply[key], f"{place}.{key}"
            _alike(answer[key], reply[key], optional, f"{place}.{key}")
    elif isinstance(reply, list) and reply:
        assert answer or place.endswith(".attributes"), place
        matching = zip(answer, reply, strict=True) if len(answer) == len(reply) else ((one, reply[0]) for one in answer)
        for entry, like in matching:
            _alike(entry, like, optional, place)


def test_every_exchange_is_held_by_both_sides() -> None:
    assert ACTIONS.keys() == EXCHANGES.keys()
