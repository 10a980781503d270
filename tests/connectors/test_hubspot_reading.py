"""HubSpot as a source: full load, incremental search, deletions, merges, history, deals and e-mail events."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

from segserver.connectors.build import Connector
from segserver.errors import RetryLater, SettingsError
from segserver.records import (
    AccountGone,
    AccountRecord,
    Change,
    ContactRecord,
    Deletion,
    Erasure,
    EventGone,
    EventRecord,
    Merge,
)

API = "https://api.hubapi.com"
CONTACTS = f"{API}/crm/objects/2026-03/contacts"
COMPANIES = f"{API}/crm/objects/2026-03/companies"
DEALS = f"{API}/crm/objects/2026-03/0-3"
ASSOCIATIONS = f"{API}/crm/associations/2026-03/0-3/0-1/batch/read"
NOW = datetime(2026, 11, 22, 12, 0)

PLAIN = """
    kind: hubspot
    token: env:HUBSPOT_TOKEN
    contacts:
      identities: {email: email}
      traits: {country: country, size: {from: household_size, type: number}}
      created: createdate
      consent:
        email: {from: hs_email_optout, means: opted out}
        sms: {from: sms_consent, means: granted}
"""
HISTORY = PLAIN.replace("country: country", "stage: {from: lifecyclestage, history: true}")
WITH_COMPANIES = (
    PLAIN
    + """
      account: associatedcompanyid
    accounts:
      traits: {industry: industry, size: {from: numberofemployees, type: number}}
"""
)
WITH_DEALS = (
    PLAIN
    + """
    events:
      purchase:
        stream: deals
        where: {dealstage: closedwon}
        at: closedate
        properties: {amount: {type: number}, categories: {type: list of text}}
"""
)
WITH_EMAILS = (
    PLAIN
    + """
    events:
      email_open: {stream: marketing_email, type: OPEN, properties: {campaign: {from: emailCampaignId}}}
"""
)


def contact(number: int, **properties: str) -> dict[str, Any]:
    return {
        "id": str(number),
        "properties": {"email": f"{number}@example.com", **properties},
        "createdAt": "2026-01-02T03:04:05.678Z",
        "updatedAt": "2026-11-22T11:00:00Z",
        "archived": False,
    }


def page(*results: Any, after: str | None = None) -> dict[str, Any]:
    return {"results": list(results), **({"paging": {"next": {"after": after}}} if after else {})}


def query(call: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(call.request.url).query)


def pull(connector: Connector, stream: str, cursor: Any = None, until: datetime = NOW) -> tuple[list[Any], Any, Any]:
    assert connector.source is not None
    pages = list(connector.source.read(stream, cursor, until))
    return [item for one in pages for item in one.items], pages[-1].cursor, pages[-1].complete_through


@pytest.fixture
def plain(connect: Callable[..., Connector]) -> Connector:
    return connect("crm", PLAIN)


def test_a_contact_is_typed_as_declared(plain: Connector, platform: responses.RequestsMock) -> None:
    raw = contact(
        1, country="FR", household_size="3", createdate="2025-05-05T00:00:00Z", hs_email_optout="true", sms_consent=""
    )
    platform.get(CONTACTS, json=page(raw))
    items, _, complete = pull(plain, "contacts")
    assert items == [
        ContactRecord(
            source_id="1",
            identities={"email": "1@example.com"},
            traits={"country": "FR", "size": Decimal("3.000000")},
            consent={"email": False, "sms": False},
            created_at=datetime(2025, 5, 5),
            updated_at=datetime(2026, 11, 22, 11),
        )
    ]
    assert complete == NOW
    assert set(query(platform.calls[0])["properties"][0].split(",")) >= {"country", "household_size", "createdate"}


def test_a_value_of_the_wrong_type_is_unknown_and_reported(plain: Connector, platform: responses.RequestsMock) -> None:
    platform.get(CONTACTS, json=page(contact(1, household_size="many", sms_consent="perhaps")))
    ((record,), _, _) = pull(plain, "contacts")
    assert record.traits["size"] is None
    assert record.consent["sms"] is False
    assert [(one.source_id, one.field) for one in plain.problems] == [("1", "household_size"), ("1", "sms_consent")]
    assert "'many' is not a number" in plain.problems[0].reason


def test_a_bounced_address_is_suppressed(plain: Connector, platform: responses.RequestsMock) -> None:
    platform.get(CONTACTS, json=page(contact(1, hs_email_hard_bounce_reason_enum="UNKNOWN_USER")))
    assert pull(plain, "contacts")[0][0].suppressed


def test_the_first_load_follows_after_and_resumes_at_any_page(
    plain: Connector, platform: responses.RequestsMock
) -> None:
    platform.get(CONTACTS, json=page(*(contact(n) for n in range(1, 101)), after="100"))
    platform.get(CONTACTS, json=page(contact(101)))
    assert plain.source is not None
    first = next(iter(plain.source.read("contacts", None, NOW)))
    cursor = json.loads(json.dumps(first.cursor))
    items, _, complete = pull(plain, "contacts", cursor)
    assert [item.source_id for item in items] == ["101"]
    assert query(platform.calls[1])["after"] == ["100"]
    assert query(platform.calls[1])["limit"] == ["100"]
    assert complete == NOW


def test_contacts_created_after_the_runs_instant_are_left_for_the_next_pull(
    plain: Connector, platform: responses.RequestsMock
) -> None:
    late = contact(2) | {"createdAt": "2026-11-22T12:00:01Z"}
    platform.get(CONTACTS, json=page(contact(1), late))
    assert [item.source_id for item in pull(plain, "contacts")[0]] == ["1"]


@pytest.fixture
def loaded(plain: Connector, platform: responses.RequestsMock) -> Any:
    platform.get(CONTACTS, json=page())
    return pull(plain, "contacts")[1]


def test_later_pulls_search_the_window_since_the_last_one_with_an_overlap(
    plain: Connector, platform: responses.RequestsMock, loaded: Any, sent: Any
) -> None:
    platform.post(f"{CONTACTS}/search", json=page(contact(5)))
    platform.get(CONTACTS, json=page())
    until = NOW + timedelta(minutes=15)
    items, _, complete = pull(plain, "contacts", loaded, until)
    body = sent(platform.calls[1])
    assert [one["value"] for one in body["filterGroups"][0]["filters"]] == ["1795348500000", "1795349700000"]
    assert body["sorts"] == [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]
    assert [item.source_id for item in items] == ["5"]
    assert complete == until


def test_more_than_ten_thousand_changes_are_read_without_any_offset(
    plain: Connector, platform: responses.RequestsMock, loaded: Any
) -> None:
    asked: list[int] = []

    def search(request: Any) -> tuple[int, dict[str, str], str]:
        body = json.loads(request.body)
        assert "after" not in body
        filters = {one["propertyName"]: one["value"] for one in body["filterGroups"][0]["filters"]}
        start = int(filters.get("hs_object_id", 1))
        asked.append(start)
        found = [contact(number) for number in range(start, min(start + 200, 12_001))]
        return 200, {}, json.dumps(page(*found, after="200" if start + 200 < 12_001 else None))

    platform.add_callback(responses.POST, f"{CONTACTS}/search", search)
    platform.get(CONTACTS, json=page())
    items, _, _ = pull(plain, "contacts", loaded)
    assert [item.source_id for item in items] == [str(number) for number in range(1, 12_001)]
    assert asked == list(range(1, 12_001, 200))


def test_a_pull_cut_short_finishes_its_own_window_before_the_next(
    plain: Connector, platform: responses.RequestsMock, loaded: Any, sent: Any
) -> None:
    platform.post(f"{CONTACTS}/search", json=page(*(contact(n) for n in range(1, 201)), after="200"))
    platform.post(f"{CONTACTS}/search", json=page(contact(201)))
    platform.post(f"{CONTACTS}/search", json=page())
    platform.get(CONTACTS, json=page())
    assert plain.source is not None
    cut = next(iter(plain.source.read("contacts", loaded, NOW + timedelta(hours=1))))
    items, cursor, complete = pull(plain, "contacts", cut.cursor, NOW + timedelta(hours=2))
    searches = [sent(call) for call in platform.calls if call.request.url.endswith("/search")]
    windows = [[one["value"] for one in body["filterGroups"][0]["filters"][:2]] for body in searches]
    assert windows[0] == windows[1]
    assert int(windows[2][1]) - int(windows[0][1]) == 3_600_000
    assert [item.source_id for item in items] == ["201"]
    assert complete == NOW + timedelta(hours=2)
    assert cursor["since"] == "2026-11-22T14:00:00Z"


def test_deletions_come_from_the_recycle_bin(plain: Connector, platform: responses.RequestsMock, loaded: Any) -> None:
    platform.post(f"{CONTACTS}/search", json=page())
    old = {"id": "7", "archivedAt": "2026-10-01T00:00:00Z", "properties": {}}
    new = {"id": "8", "archivedAt": "2026-11-22T12:10:00Z", "properties": {}}
    platform.get(CONTACTS, json=page(old, new))
    items, _, _ = pull(plain, "contacts", loaded, NOW + timedelta(hours=1))
    assert items == [Deletion("8", datetime(2026, 11, 22, 12, 10))]
    assert query(platform.calls[2])["archived"] == ["true"]


def test_merged_contacts_are_told_with_their_losers(plain: Connector, platform: responses.RequestsMock) -> None:
    platform.get(CONTACTS, json=page(contact(1, hs_merged_object_ids="3;4")))
    _, merge = pull(plain, "contacts")[0]
    assert merge == Merge("1", ("3", "4"), datetime(2026, 11, 22, 11))


def test_a_changed_declaration_reads_everything_again(
    connect: Callable[..., Connector], platform: responses.RequestsMock, loaded: Any
) -> None:
    wider = connect("crm", PLAIN.replace("country: country", "country: country, city: city"))
    platform.get(CONTACTS, json=page(contact(1, city="Paris")))
    ((record,), _, _) = pull(wider, "contacts", loaded)
    assert record.traits["city"] == "Paris"


def test_a_place_is_read_from_two_properties(
    connect: Callable[..., Connector], platform: responses.RequestsMock
) -> None:
    crm = connect("crm", PLAIN.replace("country: country", "home: {from: [lat, lon], type: place}"))
    platform.get(CONTACTS, json=page(contact(1, lat="48.85", lon="2.35"), contact(2), contact(3, lat="95", lon="2")))
    items, _, _ = pull(crm, "contacts")
    assert [item.traits["home"] for item in items] == [(48.85, 2.35), None, None]
    assert set(query(platform.calls[0])["properties"][0].split(",")) >= {"lat", "lon"}
    assert [(one.source_id, one.field) for one in crm.problems] == [("3", "lat")]


def test_a_contact_names_its_company(connect: Callable[..., Connector], platform: responses.RequestsMock) -> None:
    platform.get(
        CONTACTS, json=page(contact(1, associatedcompanyid="77"), contact(2, associatedcompanyid=""), contact(3))
    )
    items, _, _ = pull(connect("crm", WITH_COMPANIES), "contacts")
    assert [item.account for item in items] == ["77", None, None]
    assert "associatedcompanyid" in query(platform.calls[0])["properties"][0].split(",")


def test_companies_are_accounts_read_once_and_then_by_their_changes(
    connect: Callable[..., Connector], platform: responses.RequestsMock
) -> None:
    crm = connect("crm", WITH_COMPANIES)
    assert crm.source is not None
    assert list(crm.source.streams()) == ["contacts", "accounts"]
    properties = {"industry": "RETAIL", "numberofemployees": "12"}
    raw = {**contact(77), "properties": properties}
    platform.get(COMPANIES, json=page(raw))
    items, cursor, complete = pull(crm, "accounts")
    updated = datetime(2026, 11, 22, 11)
    assert items == [AccountRecord("77", {"industry": "RETAIL", "size": Decimal(12)}, updated)]
    assert complete == NOW
    assert query(platform.calls[0])["properties"] == ["industry,numberofemployees"]
    platform.post(f"{COMPANIES}/search", json=page({**raw, "properties": {**properties, "numberofemployees": "many"}}))
    platform.get(COMPANIES, json=page({"id": "78", "archivedAt": "2026-11-22T12:30:00Z", "properties": {}}))
    items, _, _ = pull(crm, "accounts", cursor, NOW + timedelta(hours=1))
    assert items == [AccountRecord("77", {"industry": "RETAIL", "size": None}, updated), AccountGone("78")]
    (filters,) = json.loads(platform.calls[1].request.body)["filterGroups"]
    assert {one["propertyName"] for one in filters["filters"]} == {"hs_lastmodifieddate"}
    assert [(one.source_id, one.field) for one in crm.problems] == [("77", "numberofemployees")]


def test_history_is_read_oldest_first_in_smaller_pages(
    connect: Callable[..., Connector], platform: responses.RequestsMock
) -> None:
    raw = contact(1, lifecyclestage="customer") | {
        "propertiesWithHistory": {
            "lifecyclestage": [
                {"value": "customer", "timestamp": "2026-06-01T00:00:00Z", "sourceType": "CRM_UI"},
                {"value": "lead", "timestamp": "2026-01-01T00:00:00Z", "sourceType": "FORM"},
            ]
        }
    }
    platform.get(CONTACTS, json=page(raw))
    ((record,), _, _) = pull(connect("crm", HISTORY), "contacts")
    assert record.history == {"stage": [Change("lead", datetime(2026, 1, 1)), Change("customer", datetime(2026, 6, 1))]}
    assert query(platform.calls[0])["limit"] == ["50"]


def test_history_of_changed_contacts_comes_by_batch_read_because_a_search_has_none(
    connect: Callable[..., Connector], platform: responses.RequestsMock, sent: Any
) -> None:
    connector = connect("crm", HISTORY)
    platform.get(CONTACTS, json=page())
    cursor = pull(connector, "contacts")[1]
    platform.post(f"{CONTACTS}/search", json=page(*(contact(n) for n in range(1, 61))))
    platform.post(f"{CONTACTS}/batch/read", json=page(*(contact(n) for n in range(1, 51))))
    platform.post(f"{CONTACTS}/batch/read", json=page(*(contact(n) for n in range(51, 61))))
    platform.get(CONTACTS, json=page())
    items, _, _ = pull(connector, "contacts", cursor)
    assert len(items) == 60
    assert [len(sent(call)["inputs"]) for call in platform.calls if "batch/read" in call.request.url] == [50, 10]
    assert sent(platform.calls[2])["propertiesWithHistory"] == ["lifecyclestage"]


class TestFreshCopies:
    def read(self, connector: Connector, ids: Sequence[str]) -> Any:
        assert connector.source is not None
        return connector.source.read_contacts(ids)

    def test_those_gone_are_deletions_with_their_instant(
        self, plain: Connector, platform: responses.RequestsMock
    ) -> None:
        missing = {"category": "OBJECT_NOT_FOUND", "message": "...", "context": {"ids": ["2", "3"]}}
        platform.post(f"{CONTACTS}/batch/read", json=page(contact(1)) | {"errors": [missing]}, status=207)
        in_bin = {"id": "2", "archivedAt": "2026-11-01T00:00:00Z", "properties": {}}
        platform.post(f"{CONTACTS}/batch/read", json=page(in_bin), status=207)
        platform.get(f"{CONTACTS}/3", status=404, json={"category": "OBJECT_NOT_FOUND"})
        record, archived, purged = self.read(plain, ["1", "2", "3"])
        assert record.source_id == "1"
        assert archived == Deletion("2", datetime(2026, 11, 1))
        assert purged == Erasure("3")
        assert query(platform.calls[1])["archived"] == ["true"]

    def test_an_id_that_was_merged_away_is_no_deletion(
        self, plain: Connector, platform: responses.RequestsMock
    ) -> None:
        platform.post(f"{CONTACTS}/batch/read", json=page(contact(1, hs_merged_object_ids="2")))
        record, merge = self.read(plain, ["2"])
        assert (record.source_id, merge.losers) == ("1", ("2",))

    def test_what_could_not_be_read_is_asked_for_again(
        self, plain: Connector, platform: responses.RequestsMock, sent: Any
    ) -> None:
        failed = {"category": "INTERNAL_ERROR", "message": "...", "context": {"ids": ["2"]}}
        platform.post(f"{CONTACTS}/batch/read", json=page(contact(1)) | {"errors": [failed]}, status=207)
        platform.post(f"{CONTACTS}/batch/read", json=page(contact(2)))
        assert [item.source_id for item in self.read(plain, ["1", "2"])] == ["1", "2"]
        assert sent(platform.calls[1])["inputs"] == [{"id": "2"}]

    @pytest.mark.parametrize("context", [{"ids": ["2"]}, {}], ids=["naming the id", "naming nothing"])
    def test_nobody_is_deleted_or_passed_over_because_a_read_failed(
        self, plain: Connector, platform: responses.RequestsMock, context: dict[str, list[str]]
    ) -> None:
        failed = {"category": "INTERNAL_ERROR", "message": "...", "context": context}
        platform.post(f"{CONTACTS}/batch/read", json=page(contact(1)) | {"errors": [failed]}, status=207)
        platform.post(f"{CONTACTS}/batch/read", json=page() | {"errors": [failed]}, status=207)
        with pytest.raises(RetryLater, match="could not read 1 of 2 records"):
            self.read(plain, ["1", "2"])


def deal(number: int, **properties: str) -> dict[str, Any]:
    won = {"dealstage": "closedwon", "closedate": "2026-11-01T10:00:00Z", "amount": "12.50", "categories": "TEA;MILK"}
    return contact(number) | {"properties": won | properties}


def linked(**deals: list[int]) -> dict[str, Any]:
    return {
        "status": "COMPLETE",
        "results": [
            {"from": {"id": key[1:]}, "to": [{"toObjectId": one, "associationTypes": []} for one in contacts]}
            for key, contacts in deals.items()
        ],
    }


class TestDeals:
    @pytest.fixture
    def shop(self, connect: Callable[..., Connector]) -> Connector:
        return connect("crm", WITH_DEALS)

    def test_a_won_deal_is_an_event_of_its_contact(self, shop: Connector, platform: responses.RequestsMock) -> None:
        platform.get(DEALS, json=page(deal(1), deal(2, dealstage="lost")))
        platform.post(ASSOCIATIONS, json=linked(d1=[77]))
        items, _, complete = pull(shop, "deals")
        properties = {"amount": Decimal("12.500000"), "categories": ("TEA", "MILK")}
        at = datetime(2026, 11, 1, 10)
        assert items == [EventRecord("purchase", "1", "77", None, at, None, properties)]
        assert complete == NOW

    def test_associations_are_asked_for_a_thousand_deals_at_a_time(
        self, shop: Connector, platform: responses.RequestsMock, sent: Any
    ) -> None:
        for start in range(0, 1_200, 100):
            after = str(start + 100) if start < 1_100 else None
            platform.get(DEALS, json=page(*(deal(start + n) for n in range(1, 101)), after=after))
        platform.post(ASSOCIATIONS, json=linked())
        pull(shop, "deals")
        asked = [call for call in platform.calls if "associations" in call.request.url]
        assert [len(sent(call)["inputs"]) for call in asked] == [1_000, 200]

    def test_a_deal_counts_once_for_each_contact_under_keys_that_can_be_withdrawn(
        self, shop: Connector, platform: responses.RequestsMock
    ) -> None:
        platform.get(DEALS, json=page(deal(1)))
        platform.post(ASSOCIATIONS, json=linked(d1=[9, 100]))
        first, cursor, _ = pull(shop, "deals")
        assert [(one.key, one.source_id) for one in first] == [("1", "9"), ("1:2", "100")]
        platform.post(f"{DEALS}/search", json=page(deal(1)))
        platform.post(ASSOCIATIONS, json=linked(d1=[100]))
        platform.get(DEALS, json=page())
        second, _, _ = pull(shop, "deals", cursor)
        assert [(one.key, one.source_id) for one in second if isinstance(one, EventRecord)] == [("1", "100")]
        assert EventGone("purchase", "1:2") in second

    def test_a_deal_that_left_its_stage_or_was_deleted_withdraws_its_events(
        self, shop: Connector, platform: responses.RequestsMock
    ) -> None:
        platform.get(DEALS, json=page())
        cursor = pull(shop, "deals")[1]
        platform.post(f"{DEALS}/search", json=page(deal(1, dealstage="lost")))
        platform.get(DEALS, json=page({"id": "2", "archivedAt": "2026-11-22T11:59:00Z", "properties": {}}))
        items, _, _ = pull(shop, "deals", cursor)
        assert {EventGone("purchase", "1"), EventGone("purchase", "2")} <= set(items)
        assert not any(isinstance(item, EventRecord) for item in items)

    def test_associations_that_page_are_read_to_the_end(
        self, shop: Connector, platform: responses.RequestsMock, sent: Any
    ) -> None:
        platform.get(DEALS, json=page(deal(1)))
        more = linked(d1=[5])
        more["results"][0]["paging"] = {"next": {"after": "abc"}}
        platform.post(ASSOCIATIONS, json=more)
        platform.post(ASSOCIATIONS, json=linked(d1=[6]))
        assert [one.source_id for one in pull(shop, "deals")[0]] == ["5", "6"]
        assert sent(platform.calls[2])["inputs"] == [{"id": "1", "after": "abc"}]

    def test_no_event_is_withdrawn_because_associations_could_not_be_read(
        self, shop: Connector, platform: responses.RequestsMock
    ) -> None:
        platform.get(DEALS, json=page(deal(1)))
        error = {"category": "INTERNAL_ERROR", "message": "...", "context": {"fromObjectId": ["1"]}}
        platform.post(ASSOCIATIONS, json=linked() | {"errors": [error]}, status=207)
        with pytest.raises(RetryLater, match="contacts of 1 deals"):
            pull(shop, "deals")

    def test_a_deal_of_nobody_is_no_event(self, shop: Connector, platform: responses.RequestsMock) -> None:
        platform.get(DEALS, json=page(deal(1)))
        error = {
            "category": "OBJECT_NOT_FOUND",
            "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
            "message": "...",
            "context": {"fromObjectId": ["1"]},
        }
        platform.post(ASSOCIATIONS, json=linked() | {"errors": [error]}, status=207)
        assert pull(shop, "deals")[0] == []

    def test_a_won_deal_without_an_instant_is_reported(self, shop: Connector, platform: responses.RequestsMock) -> None:
        platform.get(DEALS, json=page(deal(1, closedate="")))
        platform.post(ASSOCIATIONS, json=linked(d1=[77]))
        assert pull(shop, "deals")[0] == []
        assert [(one.source_id, one.field) for one in shop.problems] == [("1", "closedate")]


def test_email_events_are_read_by_offset_and_known_by_address(
    connect: Callable[..., Connector], platform: responses.RequestsMock
) -> None:
    connector = connect("crm", WITH_EMAILS)
    url = f"{API}/email/public/v1/events"

    def opened(number: int) -> dict[str, Any]:
        made = {"id": f"e{number}", "created": 1_790_000_000_000, "type": "OPEN", "emailCampaignId": 5}
        return made | {"recipient": "a@example.com"}

    platform.get(url, json={"hasMore": True, "offset": "xyz", "events": [opened(1)]})
    platform.get(url, json={"hasMore": False, "offset": "end", "events": [opened(2)]})
    items, cursor, complete = pull(connector, "marketing_email")
    assert [(one.key, one.identity) for one in items] == [
        ("e1:1790000000000", ("email", "a@example.com")),
        ("e2:1790000000000", ("email", "a@example.com")),
    ]
    assert items[0].properties == {"campaign": "5"}
    assert query(platform.calls[0])["eventType"] == ["OPEN"]
    assert query(platform.calls[1])["offset"] == ["xyz"]
    assert complete == NOW
    assert cursor["since"] == "2026-11-22T12:00:00Z"


def test_a_lacking_permission_is_named(plain: Connector, platform: responses.RequestsMock) -> None:
    body = {
        "category": "MISSING_SCOPES",
        "message": "This app hasn't been granted all required scopes",
        "errors": [{"context": {"requiredGranularScopes": ["crm.objects.contacts.read"]}}],
    }
    platform.get(CONTACTS, json=body, status=403)
    with pytest.raises(SettingsError, match=r"lacks the permission crm\.objects\.contacts\.read; .*HUBSPOT_TOKEN"):
        pull(plain, "contacts")


def test_what_we_write_ourselves_cannot_be_a_source(connect: Callable[..., Connector]) -> None:
    with pytest.raises(SettingsError, match=r"connectors/crm\.yml:\d+:\d+: segserver_channel is written by segserver"):
        connect("crm", PLAIN.replace("country: country", "channel: segserver_channel"))
