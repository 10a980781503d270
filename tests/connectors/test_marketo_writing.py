"""Marketo as a destination: lists, fields, and campaign requests that are never made twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from segserver.clock import FixedClock
from segserver.connectors.base import Destination, Outcome, Status, Trigger, Write
from segserver.connectors.build import Connector
from segserver.errors import SettingsError
from segserver.sandbox.marketo.records import ActivityKind
from segserver.sandbox.population import Person, Population
from segserver.sandbox.server import Sandbox
from segserver.specs.targets import Target

HOST = "https://123-abc-456.mktorest.com"
BY_NAME = f"{HOST}/rest/asset/v1/staticList/byName.json"
CREATE = f"{HOST}/rest/asset/v1/staticLists.json"
MEMBERS = f"{HOST}/rest/v1/lists/9/leads.json"
LEADS = f"{HOST}/rest/v1/leads.json"
DESCRIBE = f"{HOST}/rest/v1/leads/describe.json"
SCHEMA = f"{HOST}/rest/v1/leads/schema/fields.json"
CAMPAIGNS = f"{HOST}/rest/v1/campaigns.json"
TRIGGER = f"{HOST}/rest/v1/campaigns/4/trigger.json"
PAGING = f"{HOST}/rest/v1/activities/pagingtoken.json"
ACTIVITIES = f"{HOST}/rest/v1/activities.json"
NOW = datetime(2026, 11, 22, 12, 0)

LIST = Target("engage", "list", "hot")
CHANNEL = Target("engage", "property", "segserver_channel")
CAP = Target("engage", "property", "segserver_cap")
TEXT = f"""
    kind: marketo
    client_id: env:MARKETO_CLIENT_ID
    client_secret: env:MARKETO_CLIENT_SECRET
    endpoint: {HOST}
    contacts: {{identities: {{email: email}}}}
    audiences: true
"""


def _held(destination: Destination, target: Target) -> dict[str, str]:
    """Everything a destination says that it holds at a target."""
    found = destination.holds(target)
    assert found is not None
    return {address: value for page in found.pages for address, value in page.items()}


def ok(*result: Any, **more: Any) -> dict[str, Any]:
    return {"requestId": "1#2", "success": True, **({"result": list(result)} if result else {}), **more}


def refused(code: str, message: str = "no") -> dict[str, Any]:
    return {"requestId": "1#2", "success": False, "errors": [{"code": code, "message": message}]}


def write(target: Target, number: int | str, value: str | None) -> Write:
    return Write(target, f"c{number}", str(number), value)


def apply(destination: Destination, writes: Sequence[Write]) -> list[Outcome]:
    outcomes = [outcome for batch in destination.write(writes) for outcome in batch]
    assert sorted(map(id, (outcome.item for outcome in outcomes))) == sorted(map(id, writes))
    return outcomes


def statuses(outcomes: Sequence[Outcome]) -> dict[str, str]:
    return {outcome.item.contact_id: str(outcome.status) for outcome in outcomes}


def ids(request: Any) -> list[str]:
    return parse_qs(urlsplit(request.url).query)["id"]


@pytest.fixture
def platform(platform: responses.RequestsMock) -> responses.RequestsMock:
    platform.get(f"{HOST}/identity/oauth/token", json={"access_token": "t1", "expires_in": 3599})
    return platform


@pytest.fixture
def engage(connect: Callable[..., Connector]) -> Destination:
    destination = connect("engage", TEXT).destination
    assert destination is not None
    return destination


class TestLists:
    def test_members_are_added_and_removed_three_hundred_at_a_time(
        self, engage: Destination, platform: responses.RequestsMock
    ) -> None:
        def each(status: str) -> Callable[[Any], tuple[int, dict[str, str], str]]:
            return lambda request: (200, {}, json.dumps(ok(*({"id": int(n), "status": status} for n in ids(request)))))

        platform.get(BY_NAME, json=ok({"id": 9, "name": "hot"}))
        platform.add_callback(responses.POST, MEMBERS, each("added"))
        platform.add_callback(responses.DELETE, MEMBERS, each("removed"))
        writes = [write(LIST, n, "member") for n in range(1, 402)] + [write(LIST, n, None) for n in range(500, 510)]
        assert {outcome.status for outcome in apply(engage, writes)} == {Status.CONFIRMED}
        calls = [
            (call.request.method, len(ids(call.request))) for call in platform.calls if "lists/9" in call.request.url
        ]
        assert calls == [("POST", 300), ("POST", 101), ("DELETE", 10)]

    def test_a_missing_list_is_created_as_a_form_in_the_declared_folder(
        self, connect: Callable[..., Connector], platform: responses.RequestsMock
    ) -> None:
        engage = connect("engage", TEXT + "    folder: {id: 12, type: Program}\n").destination
        assert engage is not None
        platform.get(BY_NAME, json=ok(warnings=["No assets found for the given search criteria."]))
        platform.post(CREATE, json=ok({"id": 9}))
        platform.post(MEMBERS, json=ok({"id": 1, "status": "added"}))
        apply(engage, [write(LIST, 1, "member")])
        form = parse_qs(platform.calls[2].request.body)
        assert form["name"] == ["hot"]
        assert json.loads(form["folder"][0]) == {"id": 12, "type": "Program"}

    def test_a_list_that_exists_already_after_a_lost_answer_is_used(
        self, engage: Destination, platform: responses.RequestsMock
    ) -> None:
        platform.get(BY_NAME, json=ok())
        platform.get(BY_NAME, json=ok({"id": 9}))
        platform.post(CREATE, json=refused("709", "Static list name already exists"))
        platform.post(MEMBERS, json=ok({"id": 1, "status": "added"}))
        assert statuses(apply(engage, [write(LIST, 1, "member")])) == {"c1": "confirmed"}

    def test_outcomes_are_read_record_by_record(self, engage: Destination, platform: responses.RequestsMock) -> None:
        def skipped(number: int, code: str) -> dict[str, Any]:
            return {"id": number, "status": "skipped", "reasons": [{"code": code, "message": "..."}]}

        platform.get(BY_NAME, json=ok({"id": 9}))
        platform.post(MEMBERS, json=ok(skipped(1, "1004"), skipped(2, "719"), {"id": 3, "status": "skipped"}))
        platform.delete(MEMBERS, json=ok(skipped(4, "1015"), skipped(5, "1004")))
        writes = [write(LIST, n, "member") for n in (1, 2, 3)] + [write(LIST, n, None) for n in (4, 5)]
        outcomes = apply(engage, [*writes, write(LIST, "a@example.com", "member")])
        assert statuses(outcomes) == {
            "c1": "rejected",
            "c2": "failed",
            "c3": "confirmed",
            "c4": "confirmed",
            "c5": "confirmed",
            "ca@example.com": "rejected",
        }

    def test_a_list_deleted_by_hand_is_made_again(self, engage: Destination, platform: responses.RequestsMock) -> None:
        platform.get(BY_NAME, json=ok({"id": 8}))
        platform.get(BY_NAME, json=ok())
        platform.post(MEMBERS.replace("/9/", "/8/"), json=refused("1013", "List not found"))
        platform.post(CREATE, json=ok({"id": 9}))
        platform.post(MEMBERS, json=ok({"id": 1, "status": "added"}))
        assert statuses(apply(engage, [write(LIST, 1, "member")])) == {"c1": "confirmed"}

    def test_who_is_in_a_list_is_read_by_page_tokens(
        self, engage: Destination, platform: responses.RequestsMock
    ) -> None:
        platform.get(BY_NAME, json=ok({"id": 9}))
        platform.get(MEMBERS, json=ok({"id": 1}, nextPageToken="N"))
        platform.get(MEMBERS, json=ok({"id": 2}))
        assert _held(engage, LIST) == {"1": "member", "2": "member"}
        assert engage.holds(CHANNEL) is None


class TestFields:
    def test_leads_are_updated_by_id_three_hundred_at_a_time_and_never_created(
        self, engage: Destination, platform: responses.RequestsMock, sent: Any
    ) -> None:
        def updated(request: Any) -> tuple[int, dict[str, str], str]:
            body = json.loads(request.body)
            return 200, {}, json.dumps(ok(*({"id": one["id"], "status": "updated"} for one in body["input"])))

        fields = ({"rest": {"name": name}, "dataType": "string"} for name in ("segserver_channel", "segserver_cap"))
        platform.get(DESCRIBE, json=ok(*fields))
        platform.add_callback(responses.POST, LEADS, updated)
        writes = [write(target, n, "3") for target in (CHANNEL, CAP) for n in range(1, 351)] + [
            write(CHANNEL, 351, None)
        ]
        assert {outcome.status for outcome in apply(engage, writes)} == {Status.CONFIRMED}
        bodies = [sent(call) for call in platform.calls if call.request.url == LEADS]
        assert [len(body["input"]) for body in bodies] == [300, 51]
        assert (bodies[0]["action"], bodies[0]["lookupField"]) == ("updateOnly", "id")
        assert bodies[0]["input"][0] == {"id": 1, "segserver_channel": "3", "segserver_cap": "3"}
        assert bodies[1]["input"][-1] == {"id": 351, "segserver_channel": None}

    def test_missing_fields_are_created_first(
        self, engage: Destination, platform: responses.RequestsMock, sent: Any
    ) -> None:
        platform.get(DESCRIBE, json=ok({"rest": {"name": "email"}, "dataType": "email"}))
        platform.post(SCHEMA, json=ok({"name": "segserver_channel", "status": "created"}))
        platform.post(LEADS, json=ok({"id": 1, "status": "updated"}))
        apply(engage, [write(CHANNEL, 1, "email")])
        made = {"displayName": "Segserver channel", "name": "segserver_channel", "dataType": "string"}
        assert sent(platform.calls[2]) == {"input": [made]}

    def test_consent_is_never_written(
        self, connect: Callable[..., Connector], platform: responses.RequestsMock, sent: Any
    ) -> None:
        consent = "contacts: {identities: {email: email}, consent: {sms: {from: smsOptIn, means: granted}}}"
        engage = connect("engage", TEXT.replace("contacts: {identities: {email: email}}", consent)).destination
        assert engage is not None
        names = ("unsubscribed", "Unsubscribed", "emailInvalid", "blackListed", "marketingSuspended", "smsOptIn")
        targets = [Target("engage", "property", name) for name in names]
        platform.get(DESCRIBE, json=ok({"rest": {"name": "segserver_channel"}, "dataType": "string"}))
        platform.post(LEADS, json=ok({"id": 1, "status": "updated"}))
        writes = [write(target, 1, value) for target in targets for value in ("true", None)]
        *refusals, good = apply(engage, [*writes, write(CHANNEL, 1, "email")])
        assert {(one.status, one.reason) for one in refusals} == {
            (Status.REJECTED, "an opt-out is the contact's own word and is never written")
        }
        assert good.status is Status.CONFIRMED
        assert sent(platform.calls[-1])["input"] == [{"id": 1, "segserver_channel": "email"}]

    def test_a_field_that_exists_already_after_a_lost_answer_is_used(
        self, engage: Destination, platform: responses.RequestsMock
    ) -> None:
        platform.get(DESCRIBE, json=ok({"rest": {"name": "email"}, "dataType": "email"}))
        platform.get(DESCRIBE, json=ok({"rest": {"name": "segserver_channel"}, "dataType": "string"}))
        platform.post(SCHEMA, json=refused("1017", "Field already exists"))
        platform.post(LEADS, json=ok({"id": 1, "status": "updated"}))
        assert statuses(apply(engage, [write(CHANNEL, 1, "email")])) == {"c1": "confirmed"}

    def test_skipped_leads_carry_marketos_reason(self, engage: Destination, platform: responses.RequestsMock) -> None:
        platform.get(DESCRIBE, json=ok({"rest": {"name": "segserver_channel"}, "dataType": "string"}))
        gone = {"status": "skipped", "reasons": [{"code": "1004", "message": "Lead not found"}]}
        busy = {"status": "skipped", "reasons": [{"code": "719", "message": "Lock wait timeout"}]}
        platform.post(LEADS, json=ok(gone, busy, {"id": 3, "status": "updated"}))
        outcomes = apply(engage, [write(CHANNEL, n, "email") for n in (1, 2, 3)])
        assert statuses(outcomes) == {"c1": "rejected", "c2": "failed", "c3": "confirmed"}
        assert outcomes[0].reason == "1004: Lead not found"

    def test_a_new_field_is_of_the_type_of_what_it_holds(
        self, engage: Destination, platform: responses.RequestsMock, sent: Any
    ) -> None:
        platform.get(DESCRIBE, json=ok({"rest": {"name": "email"}, "dataType": "email"}))
        platform.post(SCHEMA, json=ok())
        platform.post(LEADS, json=ok({"id": 1, "status": "updated"}))
        values = {
            "hot": ("true", "boolean"),
            "segserver_next_send_at": ("2026-11-23T09:00:00Z", "datetime"),
            "segserver_planned_rate": ("0.2500", "float"),
            "segserver_template": ("7", "string"),
        }
        apply(engage, [write(Target("engage", "property", name), 1, value) for name, (value, _) in values.items()])
        made = {one["name"]: one["dataType"] for one in sent(platform.calls[2])["input"]}
        assert made == {name: kind for name, (_, kind) in values.items()}

    def test_values_are_written_as_json_of_the_fields_type(
        self, engage: Destination, platform: responses.RequestsMock, sent: Any
    ) -> None:
        types = {"flag": "boolean", "count": "integer", "rate": "float", "text": "string", "odd": "integer"}
        platform.get(DESCRIBE, json=ok(*({"rest": {"name": name}, "dataType": kind} for name, kind in types.items())))
        platform.post(LEADS, json=ok({"id": 1, "status": "updated"}))
        values = {"flag": "true", "count": "3", "rate": "0.25", "text": "3", "odd": "many"}
        apply(engage, [write(Target("engage", "property", name), 1, value) for name, value in values.items()])
        expected = {"id": 1, "flag": True, "count": 3, "rate": 0.25, "text": "3", "odd": "many"}
        assert sent(platform.calls[-1])["input"] == [expected]

    def test_without_the_permission_to_make_fields_the_role_is_named(
        self, engage: Destination, platform: responses.RequestsMock
    ) -> None:
        platform.get(DESCRIBE, json=ok({"rest": {"name": "email"}, "dataType": "email"}))
        platform.post(SCHEMA, json=refused("603", "Access denied"))
        with pytest.raises(
            SettingsError, match=r"engage: POST .* role of the API user lacks Read-Write Schema Custom F"
        ):
            apply(engage, [write(CHANNEL, 1, "email")])

    def test_a_batch_that_takes_too_long_goes_in_halves(
        self, engage: Destination, platform: responses.RequestsMock, sent: Any
    ) -> None:
        def slow(request: Any) -> tuple[int, dict[str, str], str]:
            leads = json.loads(request.body)["input"]
            done = ok(*({"id": one["id"], "status": "updated"} for one in leads))
            return 200, {}, json.dumps(done if len(leads) <= 2 else refused("604", "Request timed out"))

        platform.get(DESCRIBE, json=ok({"rest": {"name": "segserver_channel"}, "dataType": "string"}))
        platform.add_callback(responses.POST, LEADS, slow)
        outcomes = apply(engage, [write(CHANNEL, n, "email") for n in range(1, 6)])
        assert {outcome.status for outcome in outcomes} == {Status.CONFIRMED}
        sizes = [len(sent(call)["input"]) for call in platform.calls if call.request.url == LEADS]
        assert sizes == [5, 2, 3, 1, 2]

    def test_leads_are_written_by_one_call_at_a_time(
        self, engage: Destination, platform: responses.RequestsMock
    ) -> None:
        alone: list[bool] = []

        def updated(_: Any) -> tuple[int, dict[str, str], str]:
            alone.append(engage._fields._api.writing.locked())  # type: ignore[attr-defined]
            return 200, {}, json.dumps(ok({"id": 1, "status": "updated"}))

        platform.get(DESCRIBE, json=ok({"rest": {"name": "segserver_channel"}, "dataType": "string"}))
        platform.add_callback(responses.POST, LEADS, updated)
        apply(engage, [write(CHANNEL, 1, "email")])
        assert alone == [True]
        assert not engage._fields._api.writing.locked()  # type: ignore[attr-defined]

    @pytest.mark.parametrize("code", ["1007", "1036"])
    def test_a_lead_that_marketo_cannot_tell_from_others_is_refused_alone(
        self, engage: Destination, platform: responses.RequestsMock, code: str
    ) -> None:
        platform.get(DESCRIBE, json=ok({"rest": {"name": "segserver_channel"}, "dataType": "string"}))
        skipped = {"status": "skipped", "reasons": [{"code": code, "message": "..."}]}
        platform.post(LEADS, json=ok(skipped, {"id": 2, "status": "updated"}))
        outcomes = apply(engage, [write(CHANNEL, n, "email") for n in (1, 2)])
        assert statuses(outcomes) == {"c1": "rejected", "c2": "confirmed"}


class TestCustomActivities:
    """Touches told as activities, against the stand-in."""

    DUE = 100_002

    @pytest.fixture
    def sandbox(self, clock: FixedClock) -> Sandbox:
        people = tuple(Person(f"p{n}@example.com", NOW - timedelta(days=1, seconds=n)) for n in range(3))
        made = Sandbox(clock, Population(people, (), ()))
        made.marketo.activity_kinds[self.DUE] = ActivityKind("Offer Due", "Template", ("segserverKey",), custom=True)
        return made

    @pytest.fixture
    def told(self, sandbox: Sandbox, connect: Callable[..., Connector]) -> Iterator[Destination]:
        activities = "    activities: {offer_due: {type: 100002, key: segserverKey}, keyless: {type: 100002}}\n"
        activities += "    event: {type: 100002, key: segserverKey}\n"
        with sandbox.serve() as server:
            text = TEXT.replace(HOST, "env:MARKETO_ENDPOINT") + activities
            destination = connect("engage", text, **server.environ).destination
            assert destination is not None
            yield destination

    def due(self, lead: int, campaign: str = "offer_due") -> Trigger:
        return Trigger(f"k{lead}", f"c{lead}", str(lead), campaign, {"template": "a"})

    def written(self, sandbox: Sandbox) -> list[tuple[int, str | None, tuple[tuple[str, object], ...]]]:
        return [(one.lead, one.asset, one.attributes) for one in sandbox.marketo.log if one.type == self.DUE]

    def test_a_touch_of_a_declared_name_is_an_activity_with_our_key(self, told: Destination, sandbox: Sandbox) -> None:
        outcomes = told.trigger([self.due(5001), self.due(99), self.due(5002)])
        assert statuses(outcomes) == {"c5001": "confirmed", "c99": "rejected", "c5002": "confirmed"}
        assert [one.reason for one in outcomes if one.reason] == ["1004: Lead '99' not found"]
        assert self.written(sandbox) == [
            (5001, "a", (("segserverKey", "k5001"),)),
            (5002, "a", (("segserverKey", "k5002"),)),
        ]
        assert len(sandbox.requests.to("external.json")) == 1
        assert not sandbox.marketo.requests

    def test_after_a_lost_answer_the_activities_tell_by_our_key(
        self, told: Destination, sandbox: Sandbox, clock: FixedClock
    ) -> None:
        at = clock.now()
        assert statuses(told.trigger([self.due(5001)])) == {"c5001": "confirmed"}  # finds the way there
        sandbox.faults(rate=1, kinds=["dropped-after"])
        assert statuses(told.trigger([self.due(5002)])) == {"c5002": "unknown"}
        sandbox.faults(rate=0)
        assert len(sandbox.requests.to("external.json")) == 2
        clock.advance(timedelta(minutes=30))
        asked = [(self.due(5002), at), (self.due(5003), at), (self.due(5003, "keyless"), at)]
        assert [str(one.status) for one in told.read_back(asked)] == ["unknown", "confirmed", "failed"]

    def test_who_enters_and_leaves_a_segment_is_told_by_the_declared_event(
        self, told: Destination, sandbox: Sandbox
    ) -> None:
        place = Target("engage", "event", "hot_leads")
        writes = [
            Write(place, f"c{n}", str(n), value, f"k{n}") for n, value in ((5001, "member"), (5002, None), (99, None))
        ]
        assert statuses(apply(told, writes)) == {"c5001": "confirmed", "c5002": "confirmed", "c99": "rejected"}
        assert self.written(sandbox) == [
            (5001, "hot_leads entered", (("segserverKey", "k5001"),)),
            (5002, "hot_leads left", (("segserverKey", "k5002"),)),
        ]

    def test_an_event_whose_answer_was_lost_is_not_told_twice(self, told: Destination, sandbox: Sandbox) -> None:
        place = Target("engage", "event", "hot_leads")
        apply(told, [Write(place, "c1", "5001", "member", "k1")])
        sandbox.faults(rate=1, kinds=["dropped-after"])
        (outcome,) = apply(told, [Write(place, "c2", "5002", "member", "k2")])
        assert (str(outcome.status), len(self.written(sandbox))) == ("sent", 2)
        assert "may have been carried out" in (outcome.reason or "")

    def test_without_a_declared_event_nothing_is_told(self, engage: Destination) -> None:
        (outcome,) = apply(engage, [Write(Target("engage", "event", "hot"), "c1", "5001", "member", "k1")])
        assert (str(outcome.status), outcome.reason) == ("rejected", "the connection names no event; add event: to it")

    def test_other_names_are_campaigns_still(self, told: Destination, sandbox: Sandbox) -> None:
        assert statuses(told.trigger([trigger(5001), self.due(5002)])) == {"c5001": "confirmed", "c5002": "confirmed"}
        assert sandbox.marketo.requests == {("Win back", 5001): 1}


class TestNumberOfCalls:
    """No more calls than the batches of the platform make necessary, against the stand-in."""

    @pytest.fixture
    def sandbox(self, clock: FixedClock) -> Sandbox:
        people = tuple(Person(f"p{n}@example.com", NOW - timedelta(days=1, seconds=n)) for n in range(1_000))
        return Sandbox(clock, Population(people, (), ()))

    @pytest.fixture
    def served(self, sandbox: Sandbox, connect: Callable[..., Connector]) -> Iterator[Destination]:
        with sandbox.serve() as server:
            text = TEXT.replace(HOST, "env:MARKETO_ENDPOINT")
            destination = connect("engage", text, **server.environ).destination
            assert destination is not None
            yield destination

    @pytest.mark.parametrize(("entering", "leaving"), [(1, 0), (300, 0), (301, 299), (700, 300), (0, 601), (999, 1)])
    def test_of_a_list(self, served: Destination, sandbox: Sandbox, entering: int, leaving: int) -> None:
        leads = [str(number) for number in sandbox.marketo.leads]
        apply(served, [write(LIST, one, "member") for one in leads[entering : entering + leaving]])
        sandbox.requests.clear()
        writes = [write(LIST, one, "member") for one in leads[:entering]]
        writes += [write(LIST, one, None) for one in leads[entering : entering + leaving]]
        apply(served, writes)
        assert sandbox.marketo.lists == {"hot": set(leads[:entering])}
        new = 0 if leaving else 2  # looked up, and made
        calls = [one for one in sandbox.requests if "identity" not in one.path]
        assert len(calls) == ceil(entering / 300) + ceil(leaving / 300) + new

    @pytest.mark.parametrize("size", [1, 300, 301, 950])
    def test_of_fields_however_many_there_are(self, served: Destination, sandbox: Sandbox, size: int) -> None:
        leads = [str(number) for number in sandbox.marketo.leads][:size]
        apply(served, [write(target, leads[0], "x") for target in (CHANNEL, CAP)])
        sandbox.requests.clear()
        apply(served, [write(target, one, "y") for target in (CHANNEL, CAP) for one in leads])
        assert [one.path for one in sandbox.requests if "describe" not in one.path] == ["/rest/v1/leads.json"] * ceil(
            size / 300
        )

    @pytest.mark.parametrize("size", [1, 100, 101, 250])
    def test_of_campaigns_with_the_same_tokens(self, served: Destination, sandbox: Sandbox, size: int) -> None:
        leads = list(sandbox.marketo.leads)[:size]
        outcomes = served.trigger([trigger(number) for number in leads])
        assert {outcome.status for outcome in outcomes} == {Status.CONFIRMED}
        assert len(sandbox.requests.to("trigger.json")) == ceil(size / 100)
        assert len(sandbox.requests.to("campaigns.json")) == 1


def trigger(number: int, campaign: str = "Win back", **tokens: str) -> Trigger:
    return Trigger(f"k{number}", f"c{number}", str(number), campaign, tokens or {"template": "a"})


class TestCampaigns:
    @pytest.fixture
    def named(self, platform: responses.RequestsMock) -> responses.RequestsMock:
        platform.get(CAMPAIGNS, json=ok({"id": 4, "name": "Win back", "active": True}))
        return platform

    def test_leads_with_the_same_tokens_share_calls_of_a_hundred(
        self, engage: Destination, named: responses.RequestsMock, sent: Any
    ) -> None:
        named.post(TRIGGER, json=ok({"id": 4}))
        triggers = [trigger(n) for n in range(1, 152)] + [trigger(200, template="b")]
        outcomes = engage.trigger(triggers)
        assert len(outcomes) == 152
        assert {outcome.status for outcome in outcomes} == {Status.CONFIRMED}
        bodies = [sent(call)["input"] for call in named.calls if call.request.url == TRIGGER]
        assert [len(body["leads"]) for body in bodies] == [100, 51, 1]
        assert bodies[2] == {"leads": [{"id": 200}], "tokens": [{"name": "{{my.template}}", "value": "b"}]}

    @pytest.mark.parametrize("lost", [requests.ConnectionError("reset"), requests.ReadTimeout("slow")])
    def test_a_lost_answer_is_unknown_for_the_whole_call_and_never_asked_again(
        self, engage: Destination, named: responses.RequestsMock, lost: Exception
    ) -> None:
        named.post(TRIGGER, body=lost)
        outcomes = engage.trigger([trigger(1), trigger(2)])
        assert statuses(outcomes) == {"c1": "unknown", "c2": "unknown"}
        assert len([call for call in named.calls if call.request.url == TRIGGER]) == 1

    @pytest.mark.parametrize("code", ["604", "608", "611", "502"])
    def test_a_failure_inside_marketo_may_come_after_the_deed(
        self, engage: Destination, named: responses.RequestsMock, code: str
    ) -> None:
        named.post(TRIGGER, json=refused(code))
        assert statuses(engage.trigger([trigger(1)])) == {"c1": "unknown"}
        assert len([call for call in named.calls if call.request.url == TRIGGER]) == 1

    @pytest.mark.parametrize("code", ["601", "602", "606", "615"])
    def test_a_refusal_before_processing_is_repeated(
        self, engage: Destination, named: responses.RequestsMock, code: str
    ) -> None:
        named.post(TRIGGER, json=refused(code))
        named.post(TRIGGER, json=ok({"id": 4}))
        assert statuses(engage.trigger([trigger(1)])) == {"c1": "confirmed"}

    def test_one_unknown_lead_does_not_stop_the_others(
        self, engage: Destination, named: responses.RequestsMock
    ) -> None:
        def refuse_two(request: Any) -> tuple[int, dict[str, str], str]:
            leads = [one["id"] for one in json.loads(request.body)["input"]["leads"]]
            return 200, {}, json.dumps(refused("1004", "Lead '2' not found") if 2 in leads else ok({"id": 4}))

        named.add_callback(responses.POST, TRIGGER, refuse_two)
        assert statuses(engage.trigger([trigger(n) for n in (1, 2, 3)])) == {
            "c1": "confirmed",
            "c2": "rejected",
            "c3": "confirmed",
        }

    def test_an_unknown_campaign_is_named(self, engage: Destination, platform: responses.RequestsMock) -> None:
        platform.get(CAMPAIGNS, json=ok())
        (outcome,) = engage.trigger([trigger(1)])
        assert (outcome.status, outcome.reason) == (
            Status.REJECTED,
            "Marketo has no campaign, or several, named 'Win back'",
        )

    def test_the_activities_tell_what_became_of_a_lost_call(
        self, engage: Destination, named: responses.RequestsMock
    ) -> None:
        def requested(lead: int, at: str, campaign: int = 4) -> dict[str, Any]:
            return {"leadId": lead, "activityDate": at, "activityTypeId": 47, "primaryAttributeValueId": campaign}

        named.get(PAGING, json=ok(nextPageToken="T0"))
        seen = [
            requested(1, "2026-11-22T11:00:03Z"),
            requested(2, "2026-11-22T11:00:03Z", campaign=5),
            requested(3, "2026-11-22T13:30:00Z"),
        ]
        named.get(ACTIVITIES, json=ok(nextPageToken="T1", moreResult=True))
        named.get(ACTIVITIES, json=ok(*seen, nextPageToken="T2", moreResult=False))
        long_ago, just_now = NOW - timedelta(hours=1), NOW - timedelta(minutes=2)
        asked = [(trigger(1), long_ago), (trigger(2), long_ago), (trigger(3), long_ago), (trigger(4), just_now)]
        outcomes = engage.read_back(asked)
        assert statuses(outcomes) == {"c1": "confirmed", "c2": "failed", "c3": "failed", "c4": "unknown"}
        feed = parse_qs(urlsplit(named.calls[-2].request.url).query)
        assert feed["activityTypeIds"] == ["47"]

    def test_one_request_speaks_for_one_trigger(self, engage: Destination, named: responses.RequestsMock) -> None:
        at = NOW - timedelta(minutes=50)
        activity = {"leadId": 1, "activityDate": "2026-11-22T11:10:05Z", "primaryAttributeValueId": 4}
        named.get(PAGING, json=ok(nextPageToken="T0"))
        named.get(ACTIVITIES, json=ok(activity, nextPageToken="T1", moreResult=False))
        twice = [(trigger(1), at), (Trigger("k1b", "c1", "1", "Win back", {"template": "b"}), at)]
        assert sorted(outcome.status for outcome in engage.read_back(twice)) == [Status.CONFIRMED, Status.FAILED]

    def test_a_feed_that_cannot_be_read_says_nothing(
        self, engage: Destination, platform: responses.RequestsMock
    ) -> None:
        platform.get(PAGING, status=503)
        (outcome,) = engage.read_back([(trigger(1), NOW - timedelta(hours=3))])
        assert outcome.status is Status.UNKNOWN
