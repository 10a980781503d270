"""HubSpot's further streams against its stand-in: companies, deals, occurrences, subscriptions and the journal."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from segserver.errors import RetryLater, SettingsError
from segserver.records import (
    AccountGone,
    AccountRecord,
    ContactRecord,
    Deletion,
    Erasure,
    EventGone,
    EventRecord,
    Merge,
)

ADA, BEN, CLEO = "100001", "100002", "100003"
NOW = datetime(2026, 11, 22, 12, 0)

PLAIN = """
    kind: hubspot
    token: env:HUBSPOT_TOKEN
    contacts:
      identities: {email: email}
      traits: {country: country}
"""
COMPANIES = (
    PLAIN
    + """
      account: associatedcompanyid
    accounts:
      traits: {industry: industry, size: {from: numberofemployees, type: number}}
"""
)
DEALS = """
    events:
      purchase: {stream: deals, at: closedate, properties: {amount: {type: number}}}
"""
VIEWS = (
    PLAIN
    + """
    events:
      view: {stream: occurrences, type: e_visited_page, properties: {url: hs_url}}
      signup:
        stream: occurrences
        type: pe62515_signup
        where: {plan: [pro, team]}
        properties: {seats: {type: number}}
    latency: 1 hour
"""
)
NEWSLETTER = (
    PLAIN
    + """
      consent:
        email: {from: hs_email_optout, means: MEANS, subscription: 77}
"""
)
JOURNAL = """
    client_id: env:HUBSPOT_CLIENT_ID
    client_secret: env:HUBSPOT_CLIENT_SECRET
    journal: true
"""


def by_id(items: Any) -> dict[str, ContactRecord]:
    return {item.source_id: item for item in items if isinstance(item, ContactRecord)}


class TestCompanies:
    def test_a_contact_of_several_companies_belongs_to_the_primary_one(self, hubspot: Any) -> None:
        crm, account = hubspot.connect(COMPANIES), hubspot.account
        ada = account.contact(ADA)
        first = account.add_company({"name": "First", "industry": "RETAIL", "numberofemployees": "12"}, [ada])
        second = account.add_company({"name": "Second"}, [ada])
        assert by_id(hubspot.pull(crm, "contacts"))[ADA].account == str(first.id)
        assert [(one.key, one.traits) for one in hubspot.pull(crm, "accounts")] == [
            (str(first.id), {"industry": "RETAIL", "size": Decimal(12)}),
            (str(second.id), {"industry": None, "size": None}),
        ]
        hubspot.later(hours=1)
        account.link_company(ada, second, primary=True)
        assert by_id(hubspot.pull(crm, "contacts"))[ADA].account == str(second.id)

    def test_a_contact_that_leaves_its_companies_has_no_account(self, hubspot: Any) -> None:
        crm, account = hubspot.connect(COMPANIES), hubspot.account
        ada = account.contact(ADA)
        company = account.add_company({"name": "First"}, [ada])
        hubspot.pull(crm, "contacts")
        hubspot.later(hours=1)
        account.unlink_company(ada, company)
        assert by_id(hubspot.pull(crm, "contacts"))[ADA].account is None

    def test_a_deleted_company_is_gone(self, hubspot: Any) -> None:
        crm, account = hubspot.connect(COMPANIES), hubspot.account
        company = account.add_company({"name": "First"})
        hubspot.pull(crm, "accounts")
        hubspot.later(hours=1)
        account.companies.archive(company, hubspot.clock.now())
        assert AccountGone(str(company.id)) in hubspot.pull(crm, "accounts")


class TestContacts:
    def test_a_contact_merged_away_is_told_as_merged_and_not_as_deleted(self, hubspot: Any) -> None:
        crm = hubspot.connect(PLAIN)
        hubspot.sandbox.merge_contacts(ADA, BEN)
        assert crm.source is not None
        record, merge = crm.source.read_contacts([BEN])
        assert (record.source_id, merge) == (ADA, Merge(ADA, (BEN,), NOW))

    def test_a_merge_that_the_survivor_does_not_mention_yet_is_found_by_asking_for_the_old_id(
        self, hubspot: Any
    ) -> None:
        crm = hubspot.connect(PLAIN)
        hubspot.sandbox.merge_contacts(ADA, BEN)
        del hubspot.account.contact(ADA).properties["hs_merged_object_ids"]
        assert crm.source is not None
        items = crm.source.read_contacts([BEN, CLEO])
        assert Merge(ADA, (BEN,), NOW) in items
        assert not any(isinstance(item, Deletion) for item in items)

    def test_an_erased_contact_is_told_as_erased(self, hubspot: Any) -> None:
        crm = hubspot.connect(PLAIN)
        hubspot.sandbox.delete_contact(BEN, for_privacy=True)
        assert crm.source is not None
        assert crm.source.read_contacts([BEN]) == [Erasure(BEN)]

    def test_a_contact_that_leaves_the_bin_between_two_readings_is_not_taken_for_erased(self, hubspot: Any) -> None:
        crm = hubspot.connect(PLAIN)
        hubspot.sandbox.delete_contact(BEN)
        seen = hubspot.sandbox.requests.watchers

        def restore(exchange: Any) -> None:
            seen.remove(restore)
            hubspot.account.restore_contact(BEN)

        seen.append(restore)
        assert crm.source is not None
        assert set(by_id(crm.source.read_contacts([BEN]))) == {BEN}

    def test_a_fresh_copy_says_when_it_was_seen_and_a_page_does_not(self, hubspot: Any) -> None:
        crm = hubspot.connect(PLAIN)
        assert {one.seen_at for one in by_id(hubspot.pull(crm, "contacts")).values()} == {None}
        assert crm.source is not None
        assert by_id(crm.source.read_contacts([BEN]))[BEN].seen_at == NOW

    def test_a_restored_contact_comes_back(self, hubspot: Any) -> None:
        crm = hubspot.connect(PLAIN)
        hubspot.pull(crm, "contacts")
        hubspot.sandbox.delete_contact(BEN)
        hubspot.later(hours=1)
        assert Deletion(BEN, NOW) in hubspot.pull(crm, "contacts")
        hubspot.later(hours=1)
        hubspot.account.restore_contact(BEN)
        record = by_id(hubspot.pull(crm, "contacts"))[BEN]
        assert record.updated_at is not None
        assert record.updated_at > NOW

    def test_a_change_that_the_index_shows_late_is_not_lost(self, hubspot: Any) -> None:
        crm = hubspot.connect(PLAIN)
        hubspot.pull(crm, "contacts")
        hubspot.account.search_lag = timedelta(minutes=2)
        hubspot.later(hours=1)
        hubspot.sandbox.change_contact(BEN, {"country": "BE"})
        assert BEN not in by_id(hubspot.pull(crm, "contacts"))
        hubspot.later(minutes=15)
        assert by_id(hubspot.pull(crm, "contacts"))[BEN].traits == {"country": "BE"}

    def test_more_contacts_changed_at_one_instant_than_a_search_shows_are_all_read(
        self, hubspot: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("segserver.sandbox.hubspot.search.WINDOW", 400)
        crm, table = hubspot.connect(PLAIN), hubspot.account.contacts
        records = [table.create({"email": f"p{number}@example.com"}, NOW) for number in range(1_000)]
        hubspot.pull(crm, "contacts")
        hubspot.later(hours=1)
        for record in records:
            table.update(record, {"country": "BE"}, hubspot.clock.now())
        found = by_id(hubspot.pull(crm, "contacts"))
        assert {key for key, one in found.items() if one.traits["country"] == "BE"} == {str(one.id) for one in records}
        assert len(hubspot.asked("/search")) == 5

    def test_many_properties_with_history_are_read_although_their_names_fit_no_address(self, hubspot: Any) -> None:
        group = {"groupName": "contactinformation", "type": "string", "fieldType": "text"}
        names = [f"{'property_with_a_long_name':x<60}_{number}" for number in range(150)]
        schema = hubspot.account.schema("contacts")
        for name in names:
            schema[name] = schema["city"] | group | {"name": name}
        hubspot.sandbox.change_contact(BEN, {names[-1]: "yes"})
        traits = ", ".join(f"t{number}: {{from: {name}, history: true}}" for number, name in enumerate(names))
        crm = hubspot.connect(PLAIN.replace("country: country", traits))
        ben = by_id(hubspot.pull(crm, "contacts"))[BEN]
        assert ben.traits["t149"] == "yes"
        assert [one.value for one in ben.history["t149"]] == ["yes"]


class TestDeals:
    def test_a_contact_linked_to_a_deal_later_counts_once_the_journal_tells(self, hubspot: Any) -> None:
        crm = hubspot.connect(PLAIN + DEALS + JOURNAL)
        account = hubspot.account
        deal = account.deals.create({"closedate": "2026-11-01T10:00:00Z", "amount": "5"}, NOW - timedelta(days=1))
        account.deal_contacts[deal.id] = [int(ADA)]
        key = str(deal.id)
        assert [one.source_id for one in hubspot.pull(crm, "deals")] == [ADA]
        hubspot.pull(crm, "journal")
        hubspot.later(hours=1)
        account.link_deal(account.contact(BEN), deal)
        hubspot.later(minutes=10)
        assert not [one for one in hubspot.pull(crm, "deals") if isinstance(one, EventRecord)]
        found = [one for one in hubspot.pull(crm, "journal") if isinstance(one, EventRecord)]
        assert [(one.key, one.source_id) for one in found] == [(key, ADA), (f"{key}:2", BEN)]


class TestOccurrences:
    def test_occurrences_of_every_declared_type_are_events_of_their_contacts(self, hubspot: Any) -> None:
        crm, account = hubspot.connect(VIEWS), hubspot.account
        ben, at = account.contact(BEN), NOW - timedelta(days=1)
        account.add_occurrence(ben, "e_visited_page", at, {"hs_url": "/tea", "hs_browser": "x"})
        account.add_occurrence(ben, "pe62515_signup", at, {"plan": "pro", "seats": "3"})
        account.add_occurrence(ben, "pe62515_signup", at, {"plan": "free", "seats": "1"})
        assert hubspot.pull(crm, "occurrences") == [
            EventRecord("view", "00000001", BEN, None, at, None, {"url": "/tea"}),
            EventRecord("signup", "00000002", BEN, None, at, None, {"seats": Decimal(3)}),
        ]

    def test_a_type_that_the_account_does_not_have_is_reported_once(self, hubspot: Any) -> None:
        crm = hubspot.connect(VIEWS.replace("e_visited_page", "e_visited_pag"))
        hubspot.account.add_occurrence(hubspot.account.contact(BEN), "pe62515_signup", NOW, {})
        hubspot.pull(crm, "occurrences")
        hubspot.pull(crm, "occurrences")
        (told,) = crm.problems
        assert told.reason == "HubSpot has no events of type e_visited_pag; did you mean e_visited_page?"

    def test_all_pages_of_a_type_are_read(self, hubspot: Any) -> None:
        crm, account = hubspot.connect(VIEWS), hubspot.account
        for number in range(250):
            at = NOW - timedelta(minutes=number)
            account.add_occurrence(account.contact(BEN), "e_visited_page", at, {"hs_url": str(number)})
        assert {one.properties["url"] for one in hubspot.pull(crm, "occurrences")} == set(map(str, range(250)))
        assert len(hubspot.asked("event-occurrences")) == 5

    def test_the_next_pull_looks_back_as_far_as_events_may_be_late(self, hubspot: Any) -> None:
        crm, account = hubspot.connect(VIEWS), hubspot.account
        hubspot.pull(crm, "occurrences")
        late = NOW - timedelta(minutes=50)
        account.add_occurrence(account.contact(BEN), "e_visited_page", late, {}, NOW + timedelta(minutes=5))
        hubspot.later(minutes=15)
        assert [one.occurred_at for one in hubspot.pull(crm, "occurrences")] == [late]

    def test_a_pull_cut_short_goes_on_with_the_next_page(self, hubspot: Any) -> None:
        crm, account = hubspot.connect(VIEWS), hubspot.account
        for number in range(150):
            account.add_occurrence(account.contact(BEN), "e_visited_page", NOW - timedelta(minutes=number), {})
        assert crm.source is not None
        first = next(iter(crm.source.read("occurrences", None, NOW)))
        rest = [one for page in crm.source.read("occurrences", first.cursor, NOW) for one in page.items]
        assert len(first.items) == 100
        assert len(rest) == 50


class TestSubscriptions:
    @pytest.mark.parametrize(
        ("means", "status", "allowed"),
        [
            ("opted out", None, True),
            ("opted out", "NOT_SPECIFIED", True),
            ("opted out", "SUBSCRIBED", True),
            ("opted out", "UNSUBSCRIBED", False),
            ("granted", None, False),
            ("granted", "SUBSCRIBED", False),
        ],
    )
    def test_a_channel_is_open_only_if_property_and_subscription_allow_it(
        self, hubspot: Any, means: str, status: str | None, allowed: bool
    ) -> None:
        if status:
            hubspot.account.set_subscription("Ben@example.com", "77", status)
        hubspot.account.set_subscription("ben@example.com", "78", "UNSUBSCRIBED")
        crm = hubspot.connect(NEWSLETTER.replace("MEANS", means))
        assert by_id(hubspot.pull(crm, "contacts"))[BEN].consent == {"email": allowed}

    def test_the_opt_out_of_the_contact_wins_over_a_subscription(self, hubspot: Any) -> None:
        hubspot.account.set_subscription("ben@example.com", "77", "SUBSCRIBED")
        hubspot.sandbox.change_contact(BEN, {"hs_email_optout": "true"})
        crm = hubspot.connect(NEWSLETTER.replace("MEANS", "opted out"))
        assert by_id(hubspot.pull(crm, "contacts"))[BEN].consent == {"email": False}

    def test_many_addresses_are_asked_in_one_call(self, hubspot: Any) -> None:
        hubspot.pull(hubspot.connect(NEWSLETTER.replace("MEANS", "opted out")), "contacts")
        (asked,) = hubspot.asked("communication-preferences")
        assert asked.json == {"inputs": ["ada@example.com", "ben@example.com", "cleo@example.com"]}
        assert asked.query == (("channel", "EMAIL"),)

    def test_without_the_permission_for_many_each_address_is_asked_and_the_report_says_so(self, hubspot: Any) -> None:
        hubspot.account.lacking = {"communication_preferences.statuses.batch.read"}
        hubspot.account.set_subscription("ben@example.com", "77", "UNSUBSCRIBED")
        crm = hubspot.connect(NEWSLETTER.replace("MEANS", "opted out"))
        found = by_id(hubspot.pull(crm, "contacts"))
        assert {key: one.consent["email"] for key, one in found.items()} == {ADA: True, BEN: False, CLEO: True}
        assert len(hubspot.asked("statuses/batch/read")) == 1
        assert len(hubspot.asked("@example.com")) == 3
        (told,) = crm.problems
        assert "lacks communication_preferences.statuses.batch.read" in told.reason

    def test_a_key_that_may_read_no_status_at_all_stops_the_pull(self, hubspot: Any) -> None:
        hubspot.account.lacking = {"communication_preferences.statuses.batch.read", "communication_preferences.read"}
        crm = hubspot.connect(NEWSLETTER.replace("MEANS", "opted out"))
        with pytest.raises(SettingsError, match=r"lacks the permission communication_preferences\.read") as caught:
            hubspot.pull(crm, "contacts")
        assert "ada@example.com" not in str(caught.value)

    def test_an_address_whose_statuses_cannot_be_read_is_not_used(self, hubspot: Any) -> None:
        hubspot.sandbox.change_contact(BEN, {"email": "ben at example"})
        crm = hubspot.connect(NEWSLETTER.replace("MEANS", "opted out"))
        found = by_id(hubspot.pull(crm, "contacts"))
        assert {key: one.consent["email"] for key, one in found.items()} == {ADA: True, BEN: False, CLEO: True}
        assert [(one.source_id, one.field) for one in crm.problems] == [(BEN, "subscriptions")]

    def test_a_change_of_a_subscription_is_seen_though_the_contact_did_not_change(self, hubspot: Any) -> None:
        crm = hubspot.connect(NEWSLETTER.replace("MEANS", "opted out"))
        assert hubspot.pull(crm, "subscriptions") == []
        hubspot.later(hours=1)
        hubspot.account.set_subscription("ben@example.com", "77", "UNSUBSCRIBED")
        hubspot.account.set_subscription("nobody@example.com", "77", "UNSUBSCRIBED")
        (record,) = hubspot.pull(crm, "subscriptions")
        assert (record.source_id, record.consent) == (BEN, {"email": False})
        hubspot.later(hours=1)
        hubspot.pull(crm, "subscriptions")
        hubspot.later(hours=1)
        assert hubspot.pull(crm, "subscriptions") == []


class TestJournal:
    @pytest.fixture
    def crm(self, hubspot: Any) -> Any:
        crm = hubspot.connect(COMPANIES + DEALS + JOURNAL)
        for stream in ("contacts", "accounts", "deals", "journal"):
            hubspot.pull(crm, stream)
        hubspot.later(minutes=30)
        return crm

    def test_changes_deletions_and_merges_are_told_by_fresh_copies(self, hubspot: Any, crm: Any) -> None:
        hubspot.sandbox.change_contact(ADA, {"country": "BE"})
        hubspot.sandbox.delete_contact(BEN)
        items = hubspot.pull(crm, "journal")
        assert by_id(items)[ADA].traits == {"country": "BE"}
        assert Deletion(BEN, hubspot.clock.now()) in items
        hubspot.later(minutes=30)
        hubspot.sandbox.merge_contacts(ADA, CLEO)
        assert Merge(ADA, (CLEO,), hubspot.clock.now()) in hubspot.pull(crm, "journal")

    def test_an_erased_contact_is_forgotten_though_no_list_shows_it(self, hubspot: Any, crm: Any) -> None:
        hubspot.sandbox.delete_contact(BEN, for_privacy=True)
        assert Erasure(BEN) in hubspot.pull(crm, "journal")

    def test_a_restored_contact_comes_back(self, hubspot: Any, crm: Any) -> None:
        hubspot.sandbox.delete_contact(BEN)
        hubspot.account.restore_contact(BEN)
        assert set(by_id(hubspot.pull(crm, "journal"))) == {BEN}

    def test_a_contact_that_changes_company_is_read_again(self, hubspot: Any, crm: Any) -> None:
        company = hubspot.account.add_company({"name": "New", "industry": "FOOD"}, [hubspot.account.contact(BEN)])
        items = hubspot.pull(crm, "journal")
        assert by_id(items)[BEN].account == str(company.id)
        assert [one.traits["industry"] for one in items if isinstance(one, AccountRecord)] == ["FOOD"]

    def test_whoever_joins_or_leaves_a_list_is_read_again(self, hubspot: Any, crm: Any) -> None:
        client, key = hubspot.sandbox.app.test_client(), {"Authorization": f"Bearer {hubspot.account.token}"}
        body = {"name": "VIP", "objectTypeId": "0-1", "processingType": "MANUAL"}
        made = client.post("/hubspot/crm/lists/2026-03", json=body, headers=key).json["list"]
        client.put(f"/hubspot/crm/lists/2026-03/{made['listId']}/memberships/add", json=[CLEO], headers=key)
        assert set(by_id(hubspot.pull(crm, "journal"))) == {CLEO}

    def test_a_deleted_deal_withdraws_its_events(self, hubspot: Any, crm: Any) -> None:
        deal = hubspot.account.deals.create({"closedate": "2026-11-01T10:00:00Z", "amount": "5"}, NOW)
        hubspot.account.deals.archive(deal, hubspot.clock.now())
        hubspot.account.emit("object.deletion", deal.id, objectTypeId="0-3")
        assert EventGone("purchase", str(deal.id)) in hubspot.pull(crm, "journal")

    def test_changes_of_our_own_properties_are_not_asked_for(self, hubspot: Any, crm: Any) -> None:
        schema = hubspot.account.schema("contacts")
        schema["segserver_channel"] = schema["city"] | {"name": "segserver_channel"}
        hubspot.sandbox.change_contact(ADA, {"segserver_channel": "email"})
        assert hubspot.pull(crm, "journal") == []

    def test_each_file_is_read_once_and_the_place_is_kept(self, hubspot: Any, crm: Any) -> None:
        hubspot.sandbox.change_contact(ADA, {"country": "BE"})
        hubspot.sandbox.change_contact(BEN, {"country": "CH"})
        hubspot.pull(crm, "journal")
        hubspot.later(minutes=30)
        hubspot.sandbox.change_contact(CLEO, {"country": "DE"})
        hubspot.pull(crm, "journal")
        assert [one.path.rsplit("/", 1)[-1] for one in hubspot.asked("/journal-files/")] == ["1", "2", "3"]

    def test_records_that_several_files_mention_are_read_once_and_together(self, hubspot: Any, crm: Any) -> None:
        before = len(hubspot.asked("contacts/batch/read"))
        for country in ("BE", "CH", "DE"):
            hubspot.sandbox.change_contact(ADA, {"country": country})
            hubspot.sandbox.change_contact(BEN, {"country": country})
        assert len(hubspot.pull(crm, "journal")) == 2
        assert len(hubspot.asked("contacts/batch/read")) == before + 1

    def test_an_address_that_expired_is_asked_for_again(self, hubspot: Any, crm: Any) -> None:
        hubspot.account.journal.link_life = timedelta(0)
        hubspot.sandbox.change_contact(ADA, {"country": "BE"})
        with pytest.raises(RetryLater, match="expired before it could be read"):
            hubspot.pull(crm, "journal")
        hubspot.account.journal.link_life = timedelta(minutes=1)
        assert set(by_id(hubspot.pull(crm, "journal"))) == {ADA}

    def test_a_token_that_ran_out_is_fetched_again(self, hubspot: Any, crm: Any) -> None:
        hubspot.later(hours=2)
        hubspot.pull(crm, "journal")
        assert len(hubspot.asked("/oauth/")) == 2

    @pytest.mark.parametrize("noticed", ["by the calendar", "by the answer"])
    def test_where_it_does_not_reach_back_everything_is_read_again_and_the_report_says_so(
        self, hubspot: Any, crm: Any, noticed: str
    ) -> None:
        company = hubspot.account.add_company({"name": "New"})
        hubspot.pull(crm, "journal")
        hubspot.sandbox.change_contact(ADA, {"country": "BE"})
        if noticed == "by the calendar":
            hubspot.later(days=4)
        else:
            hubspot.later(hours=1)
            hubspot.account.journal.files.clear()
        items = hubspot.pull(crm, "journal")
        assert set(by_id(items)) == {ADA, BEN, CLEO}
        assert str(company.id) in {one.key for one in items if isinstance(one, AccountRecord)}
        assert ["everything is read again" in one.reason for one in crm.problems] == [True]
        hubspot.later(minutes=30)
        assert hubspot.pull(crm, "journal") == []

    def test_an_erasure_is_found_though_the_place_was_forgotten(self, hubspot: Any, crm: Any) -> None:
        hubspot.sandbox.delete_contact(BEN, for_privacy=True)
        hubspot.later(days=2)
        hubspot.forget("journal")
        assert Erasure(BEN) in hubspot.pull(crm, "journal")

    def test_reading_everything_again_goes_on_where_it_was_cut_short(self, hubspot: Any, crm: Any) -> None:
        hubspot.later(days=4)
        cursor = hubspot.cursor("journal")
        pages = crm.source.read("journal", cursor, hubspot.clock.now())
        first = next(iter(pages))
        while not first.items:
            first = next(pages)
        rest = [one for page in crm.source.read("journal", first.cursor, hubspot.clock.now()) for one in page.items]
        assert set(by_id(first.items)) == {ADA, BEN, CLEO}
        assert by_id(rest) == {}

    def test_a_token_is_asked_for_without_permissions_where_their_names_are_refused(self, hubspot: Any) -> None:
        hubspot.account.journal.known_scopes = frozenset()
        crm = hubspot.connect(PLAIN + JOURNAL)
        hubspot.pull(crm, "journal")
        assert ["scope" in one.body for one in hubspot.asked("/oauth/")] == [True, False]

    def test_an_app_that_gets_no_token_is_told_what_to_check(self, hubspot: Any) -> None:
        crm = hubspot.connect(PLAIN + JOURNAL)
        hubspot.account.journal.revoked = True
        with pytest.raises(SettingsError, match=r"no token for the journal: .*HUBSPOT_CLIENT_SECRET"):
            hubspot.pull(crm, "journal")

    def test_a_secret_of_the_app_that_is_refused_names_its_variable(self, hubspot: Any) -> None:
        crm = hubspot.connect(PLAIN + JOURNAL)
        hubspot.account.client_secret = "another"
        with pytest.raises(SettingsError, match="HUBSPOT_CLIENT_SECRET"):
            hubspot.pull(crm, "journal")
