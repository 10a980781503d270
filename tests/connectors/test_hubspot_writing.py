"""HubSpot as a destination: lists, properties, and an outcome for every write."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
import responses

from segserver.connectors.base import VALUE, Destination, Outcome, Status, Trigger, Write
from segserver.connectors.build import Connector
from segserver.specs.targets import Target

API = "https://api.hubapi.com"
LISTS = f"{API}/crm/lists/2026-03"
BY_NAME = f"{LISTS}/object-type-id/0-1/name/hot%20leads"
CHANGE = f"{LISTS}/31/memberships/add-and-remove"
UPDATE = f"{API}/crm/objects/2026-03/contacts/batch/update"
PROPERTIES = f"{API}/crm/properties/2026-03/contacts"

LIST = Target("crm", "list", "hot leads")
CHANNEL = Target("crm", "property", "segserver_channel")
CAP = Target("crm", "property", "segserver_frequency_cap")

FOUND = {"list": {"listId": "31", "name": "hot leads", "processingType": "MANUAL"}}
CONSENTING = """
    kind: hubspot
    token: env:HUBSPOT_TOKEN
    contacts: {identities: {email: email}, consent: {sms: {from: sms_consent, means: granted}}}
    audiences: true
"""
NOTHING_MISSING: dict[str, list[str]] = {"recordsIdsAdded": [], "recordIdsRemoved": [], "recordIdsMissing": []}
KNOWN = {"results": [{"name": "segserver_channel"}, {"name": "segserver_frequency_cap"}]}


def _held(destination: Destination, target: Target) -> dict[str, str]:
    """Everything a destination says that it holds at a target."""
    found = destination.holds(target)
    assert found is not None
    return {address: value for page in found.pages for address, value in page.items()}


def write(target: Target, number: int, value: str | None) -> Write:
    return Write(target, f"c{number}", str(number), value)


def apply(destination: Destination, writes: Sequence[Write]) -> list[Outcome]:
    outcomes = [outcome for batch in destination.write(writes) for outcome in batch]
    assert sorted(map(id, (outcome.item for outcome in outcomes))) == sorted(map(id, writes))
    return outcomes


def statuses(outcomes: Sequence[Outcome]) -> dict[str, str]:
    return {outcome.item.contact_id: str(outcome.status) for outcome in outcomes}


@pytest.fixture
def connector(connect: Callable[..., Connector]) -> Connector:
    text = """
        kind: hubspot
        token: env:HUBSPOT_TOKEN
        contacts: {identities: {email: email}}
        audiences: true
    """
    return connect("crm", text)


@pytest.fixture
def crm(connector: Connector) -> Destination:
    assert connector.destination is not None
    return connector.destination


class TestLists:
    def test_members_are_added_and_removed_in_calls_of_a_thousand(
        self, crm: Destination, platform: responses.RequestsMock, sent: Any
    ) -> None:
        platform.get(BY_NAME, json=FOUND)
        platform.put(CHANGE, json=NOTHING_MISSING)
        writes = [write(LIST, number, "member" if number % 2 else None) for number in range(1, 2_502)]
        outcomes = apply(crm, writes)
        bodies = [sent(call) for call in platform.calls if call.request.method == "PUT"]
        assert [len(one["recordIdsToAdd"]) + len(one["recordIdsToRemove"]) for one in bodies] == [1_000, 1_000, 501]
        assert bodies[0]["recordIdsToAdd"][:2] == ["1", "3"]
        assert bodies[0]["recordIdsToRemove"][:2] == ["2", "4"]
        assert {outcome.status for outcome in outcomes} == {Status.CONFIRMED}

    def test_a_list_that_does_not_exist_is_created_once(
        self, crm: Destination, platform: responses.RequestsMock, sent: Any
    ) -> None:
        platform.get(BY_NAME, status=404, json={"status": "error", "category": "OBJECT_NOT_FOUND"})
        platform.post(LISTS, json=FOUND)
        platform.put(CHANGE, json=NOTHING_MISSING)
        apply(crm, [write(LIST, 1, "member")])
        apply(crm, [write(LIST, 2, "member")])
        made = [sent(call) for call in platform.calls if call.request.method == "POST"]
        assert made == [{"name": "hot leads", "objectTypeId": "0-1", "processingType": "MANUAL"}]

    def test_a_contact_hubspot_does_not_know_cannot_enter_and_need_not_leave(
        self, crm: Destination, platform: responses.RequestsMock
    ) -> None:
        platform.get(BY_NAME, json=FOUND)
        platform.put(CHANGE, json=NOTHING_MISSING | {"recordIdsMissing": ["2", "3"]})
        outcomes = apply(crm, [write(LIST, 1, "member"), write(LIST, 2, "member"), write(LIST, 3, None)])
        assert statuses(outcomes) == {"c1": "confirmed", "c2": "rejected", "c3": "confirmed"}
        assert outcomes[1].reason == "HubSpot has no contact with this id"

    def test_a_list_deleted_by_hand_is_made_again(self, crm: Destination, platform: responses.RequestsMock) -> None:
        platform.get(BY_NAME, json=FOUND)
        platform.get(BY_NAME, status=404)
        platform.put(CHANGE, status=404)
        platform.post(LISTS, json={"list": {"listId": "32"}})
        platform.put(CHANGE.replace("31", "32"), json=NOTHING_MISSING)
        assert statuses(apply(crm, [write(LIST, 1, "member")])) == {"c1": "confirmed"}

    def test_a_list_that_hubspot_fills_itself_is_not_touched(
        self, crm: Destination, platform: responses.RequestsMock
    ) -> None:
        platform.get(BY_NAME, json={"list": {"listId": "31", "name": "hot leads", "processingType": "DYNAMIC"}})
        (outcome,) = apply(crm, [write(LIST, 1, "member")])
        assert outcome.status is Status.REJECTED
        assert "is DYNAMIC and takes no members" in str(outcome.reason)

    def test_who_is_in_a_list_is_read_in_pages(self, crm: Destination, platform: responses.RequestsMock) -> None:
        platform.get(BY_NAME, json=FOUND)
        members = f"{LISTS}/31/memberships"
        platform.get(members, json={"results": [{"recordId": "1"}], "paging": {"next": {"after": "x"}}})
        platform.get(members, json={"results": [{"recordId": "2"}]})
        assert _held(crm, LIST) == {"1": "member", "2": "member"}

    def test_a_list_that_does_not_exist_holds_nobody(self, crm: Destination, platform: responses.RequestsMock) -> None:
        platform.get(BY_NAME, status=404)
        assert _held(crm, LIST) == {}

    def test_a_platform_that_does_not_answer_fails_every_batch_and_is_left_alone(
        self, crm: Destination, platform: responses.RequestsMock
    ) -> None:
        platform.get(BY_NAME, json=FOUND)
        platform.put(CHANGE, status=503)
        outcomes = apply(crm, [write(LIST, number, "member") for number in range(1, 2_002)])
        assert {outcome.status for outcome in outcomes} == {Status.FAILED}
        assert len([call for call in platform.calls if call.request.method == "PUT"]) == 8


class TestProperties:
    def test_all_properties_of_a_contact_go_in_one_input_of_batches_of_a_hundred(
        self, crm: Destination, platform: responses.RequestsMock, sent: Any
    ) -> None:
        platform.get(PROPERTIES, json=KNOWN)
        platform.add_callback(responses.POST, UPDATE, _all_written)
        writes = [write(target, number, "3") for target in (CHANNEL, CAP) for number in range(1, 151)]
        assert set(statuses(apply(crm, writes)).values()) == {"confirmed"}
        bodies = [sent(call) for call in platform.calls if call.request.url == UPDATE]
        assert [len(body["inputs"]) for body in bodies] == [100, 50]
        assert bodies[0]["inputs"][0] == {
            "id": "1",
            "properties": {"segserver_channel": "3", "segserver_frequency_cap": "3"},
            "objectWriteTraceId": "0",
        }

    def test_clearing_sends_the_empty_text(self, crm: Destination, platform: responses.RequestsMock, sent: Any) -> None:
        platform.get(PROPERTIES, json=KNOWN)
        platform.add_callback(responses.POST, UPDATE, _all_written)
        apply(crm, [write(CHANNEL, 1, None)])
        assert sent(platform.calls[1])["inputs"][0]["properties"] == {"segserver_channel": ""}

    def test_a_missing_property_is_created_in_our_group(
        self, crm: Destination, platform: responses.RequestsMock, sent: Any
    ) -> None:
        platform.get(PROPERTIES, json={"results": [{"name": "email"}]})
        platform.post(f"{PROPERTIES}/groups", status=409, json={"category": "CONFLICT"})
        platform.post(PROPERTIES, status=201, json={})
        platform.get(PROPERTIES, json=KNOWN)
        platform.add_callback(responses.POST, UPDATE, _all_written)
        apply(crm, [write(CAP, 1, "2 per week")])
        assert sent(platform.calls[2]) == {
            "name": "segserver_frequency_cap",
            "label": "Segserver frequency cap",
            "type": "string",
            "fieldType": "text",
            "groupName": "segserver",
        }

    def test_a_property_that_somebody_archived_is_not_taken_for_created(
        self, crm: Destination, platform: responses.RequestsMock
    ) -> None:
        platform.get(PROPERTIES, json={"results": [{"name": "email"}]})
        platform.post(f"{PROPERTIES}/groups", status=409, json={"category": "CONFLICT"})
        platform.post(PROPERTIES, status=409, json={"category": "CONFLICT"})
        (outcome,) = apply(crm, [write(CAP, 1, "2 per week")])
        assert outcome.status is Status.REJECTED
        assert "archived property of this name" in str(outcome.reason)

    def test_an_opt_out_is_never_written(
        self, connect: Callable[..., Connector], platform: responses.RequestsMock
    ) -> None:
        crm = connect("crm", CONSENTING).destination
        assert crm is not None
        targets = [Target("crm", "property", name) for name in ("hs_email_optout", "hs_email_optout_77", "sms_consent")]
        outcomes = apply(crm, [write(target, 1, value) for target in targets for value in ("true", None)])
        assert {(one.status, one.reason) for one in outcomes} == {
            (Status.REJECTED, "an opt-out is the contact's own word and is never written")
        }
        assert len(platform.calls) == 0

    def test_partial_errors_are_matched_by_trace_id(self, crm: Destination, platform: responses.RequestsMock) -> None:
        platform.get(PROPERTIES, json=KNOWN)
        errors = [
            {"category": "OBJECT_NOT_FOUND", "message": "no contact 2", "context": {"objectWriteTraceId": ["1"]}},
            {"category": "INTERNAL_ERROR", "message": "try again", "context": {"objectWriteTraceId": ["2"]}},
        ]
        answer = {"status": "COMPLETE", "results": [{"id": "1"}], "numErrors": 2, "errors": errors}
        platform.post(UPDATE, status=207, json=answer)
        outcomes = apply(crm, [write(CHANNEL, number, "email") for number in (1, 2, 3)])
        assert statuses(outcomes) == {"c1": "confirmed", "c2": "rejected", "c3": "failed"}
        assert [outcome.reason for outcome in outcomes] == [None, "no contact 2", "try again"]

    @pytest.mark.parametrize("status", [200, 207])
    def test_errors_without_a_trace_id_are_matched_by_the_record(
        self, crm: Destination, platform: responses.RequestsMock, status: int
    ) -> None:
        platform.get(PROPERTIES, json=KNOWN)
        error = {"category": "OBJECT_NOT_FOUND", "message": "no contact 2", "context": {"ids": ["2"]}}
        platform.post(UPDATE, status=status, json={"results": [{"id": "1"}], "numErrors": 1, "errors": [error]})
        outcomes = apply(crm, [write(CHANNEL, number, "email") for number in (1, 2)])
        assert statuses(outcomes) == {"c1": "confirmed", "c2": "rejected"}

    def test_an_error_that_names_nobody_leaves_open_who_is_not_in_the_results(
        self, crm: Destination, platform: responses.RequestsMock
    ) -> None:
        platform.get(PROPERTIES, json=KNOWN)
        answer = {"results": [{"id": "1"}], "numErrors": 1, "errors": [{"message": "one was locked"}]}
        platform.post(UPDATE, status=207, json=answer)
        outcomes = apply(crm, [write(CHANNEL, number, "email") for number in (1, 2)])
        assert statuses(outcomes) == {"c1": "confirmed", "c2": "failed"}
        assert outcomes[1].reason == "one was locked"

    def test_a_contact_the_answer_does_not_mention_is_not_taken_for_done(
        self, crm: Destination, platform: responses.RequestsMock
    ) -> None:
        platform.get(PROPERTIES, json=KNOWN)
        platform.post(UPDATE, json={"status": "COMPLETE", "results": [{"id": "1"}]})
        outcomes = apply(crm, [write(CHANNEL, number, "email") for number in (1, 2)])
        assert statuses(outcomes) == {"c1": "confirmed", "c2": "failed"}

    def test_a_batch_refused_as_a_whole_is_halved_until_the_culprit_stands_alone(
        self, crm: Destination, platform: responses.RequestsMock
    ) -> None:
        def refuse_seven(request: Any) -> tuple[int, dict[str, str], str]:
            if any(one["id"] == "7" for one in json.loads(request.body)["inputs"]):
                return 400, {}, json.dumps({"category": "VALIDATION_ERROR", "message": "7 is not valid"})
            return _all_written(request)

        platform.get(PROPERTIES, json=KNOWN)
        platform.add_callback(responses.POST, UPDATE, refuse_seven)
        outcomes = apply(crm, [write(CHANNEL, number, "email") for number in range(1, 11)])
        bad = [outcome for outcome in outcomes if outcome.status is not Status.CONFIRMED]
        assert [(one.item.contact_id, one.status, one.reason) for one in bad] == [
            ("c7", Status.REJECTED, "7 is not valid")
        ]

    def test_two_values_for_one_property_go_in_two_calls_in_their_order(
        self, crm: Destination, platform: responses.RequestsMock, sent: Any
    ) -> None:
        platform.get(PROPERTIES, json=KNOWN)
        platform.add_callback(responses.POST, UPDATE, _all_written)
        apply(crm, [write(CHANNEL, 1, "email"), write(CHANNEL, 1, "sms")])
        values = [
            sent(call)["inputs"][0]["properties"]["segserver_channel"]
            for call in platform.calls
            if call.request.url == UPDATE
        ]
        assert values == ["email", "sms"]

    def test_who_has_a_value_is_found_by_search(
        self, crm: Destination, platform: responses.RequestsMock, sent: Any
    ) -> None:
        platform.get(PROPERTIES, json=KNOWN)
        found = {"id": "5", "properties": {"segserver_channel": "email"}}
        platform.post(f"{API}/crm/objects/2026-03/contacts/search", json={"results": [found]})
        assert _held(crm, CHANNEL) == {"5": "email"}
        filters = sent(platform.calls[1])["filterGroups"][0]["filters"]
        assert filters == [{"propertyName": "segserver_channel", "operator": "HAS_PROPERTY"}]


def _all_written(request: Any) -> tuple[int, dict[str, str], str]:
    inputs = json.loads(request.body)["inputs"]
    return 200, {}, json.dumps({"status": "COMPLETE", "results": [{"id": one["id"]} for one in inputs]})


def test_the_days_end_fails_what_is_left_without_further_calls(
    connect: Callable[..., Connector], platform: responses.RequestsMock
) -> None:
    text = "{kind: hubspot, token: env:HUBSPOT_TOKEN, contacts: {identities: {email: email}}, audiences: true}"
    crm = connect("crm", text, limits=True).destination
    assert crm is not None
    platform.get(f"{API}/account-info/2026-03/details", json={"portalId": 62515, "timeZone": "UTC"})
    platform.get(BY_NAME, json=FOUND)
    platform.put(CHANGE, json=NOTHING_MISSING)
    platform.get(PROPERTIES, json=KNOWN)
    body = {"status": "error", "policyName": "DAILY", "message": "You have reached your daily limit."}
    platform.post(UPDATE, status=429, json=body)
    outcomes = apply(crm, [write(CHANNEL, n, "x") for n in range(1, 301)] + [write(LIST, 1, "member")])
    assert len([call for call in platform.calls if call.request.url == UPDATE]) <= 1
    failed = [outcome for outcome in outcomes if outcome.item.target == CHANNEL]
    assert {outcome.status for outcome in failed} == {Status.FAILED}
    assert "goes on after 2026-11-23 00:00 UTC" in str(failed[0].reason)


def test_the_burst_limit_follows_the_headers(
    connect: Callable[..., Connector], platform: responses.RequestsMock, sleep: Any
) -> None:
    text = """
        kind: hubspot
        token: env:HUBSPOT_TOKEN
        quota: 100%
        contacts: {identities: {email: email}}
        audiences: true
    """
    crm = connect("crm", text, limits=True).destination
    assert crm is not None
    platform.get(f"{API}/account-info/2026-03/details", json={"portalId": 62515, "timeZone": "UTC"})
    platform.get(PROPERTIES, json=KNOWN)
    headers = {"X-HubSpot-RateLimit-Max": "20", "X-HubSpot-RateLimit-Interval-Milliseconds": "10000"}

    def written(request: Any) -> tuple[int, dict[str, str], str]:
        status, _, body = _all_written(request)
        return status, headers, body

    platform.add_callback(responses.POST, UPDATE, written)
    apply(crm, [write(CHANNEL, number, "x") for number in range(1, 2_501)])
    assert sum(sleep.naps) == pytest.approx(10.1)


def test_other_targets_and_triggers_are_refused_by_name(crm: Destination) -> None:
    (outcome,) = apply(crm, [write(Target("crm", "user property", "x"), 1, "1")])
    assert outcome.status is Status.REJECTED
    assert crm.trigger_batch == 0
    assert crm.trigger([Trigger("k", "c1", "1", "Win back", {})])[0].status is Status.REJECTED


class TestTouchesStartedByAProperty:
    READ = f"{API}/crm/objects/2026-03/contacts/batch/read"

    @staticmethod
    def told(crm: Destination, *numbers: int) -> dict[str, str]:
        touches = [Trigger(f"k{one}", f"c{one}", str(one), "segserver_send", {VALUE: "word 1"}) for one in numbers]
        return statuses(crm.read_back([(touch, datetime(2026, 1, 1)) for touch in touches]))

    def test_the_history_of_the_property_says_what_became_of_them(
        self, crm: Destination, platform: responses.RequestsMock
    ) -> None:
        def record(number: int, *values: str) -> dict[str, Any]:
            past = [{"value": value, "timestamp": "2026-01-01T00:00:00Z"} for value in values]
            return {"id": str(number), "properties": {}, "propertiesWithHistory": {"segserver_send": past}}

        platform.post(self.READ, json={"results": [record(1, "word 1"), record(2), record(3, "word 2", "word 1")]})
        assert self.told(crm, 1, 2, 3, 4) == {"c1": "confirmed", "c2": "failed", "c3": "confirmed", "c4": "rejected"}

    def test_they_stay_unknown_where_the_contacts_cannot_be_read(
        self, crm: Destination, platform: responses.RequestsMock
    ) -> None:
        platform.post(self.READ, status=503)
        assert self.told(crm, 1) == {"c1": "unknown"}
