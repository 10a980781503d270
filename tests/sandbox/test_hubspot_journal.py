"""HubSpot's stand-in: the webhooks journal."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest

JOURNAL = "/webhooks-journal/journal/2026-03/batch"
SUBSCRIPTIONS = "/webhooks-journal/subscriptions/2026-03"
CONTACTS = {
    "subscriptionType": "OBJECT",
    "objectTypeId": "0-1",
    "portalId": 62515,
    "objectIds": [],
    "actions": ["CREATE", "UPDATE", "DELETE", "MERGE", "RESTORE"],
    "properties": ["country"],
}


@pytest.fixture
def app(sandbox, connect):
    """A client with the app's token."""

    def fresh():
        form = {
            "grant_type": "client_credentials",
            "client_id": sandbox.hubspot.client_id,
            "client_secret": sandbox.hubspot.client_secret,
        }
        reply = sandbox.app.test_client().post("/hubspot/oauth/2026-03/token", data=form).json
        return connect(sandbox, "/hubspot", reply["access_token"])

    return fresh


@pytest.fixture
def subscribed(app, conforms):
    """A client whose app asked for contacts and their country."""
    client = app()
    conforms("JournalSubscriptionResponse", client("POST", SUBSCRIPTIONS, json=CONTACTS).json)
    return client


def events(sandbox, entry):
    parts = urlsplit(entry["url"])
    return sandbox.app.test_client().get(f"{parts.path}?{parts.query}")


def test_only_what_was_asked_for_is_kept(sandbox, subscribed, conforms):
    sandbox.change_contact("ada@example.com", {"city": "Lyon"})
    sandbox.change_contact("ada@example.com", {"country": "BE"})
    sandbox.delete_contact("ben@example.com", for_privacy=True)
    reply = subscribed.get(f"{JOURNAL}/earliest/10")
    conforms("BatchResponseJournalFetchResponse", reply)
    (entry,) = reply["results"]
    (event,) = events(sandbox, entry).json["journalEvents"]
    assert (event["action"], event["objectTypeId"], event["propertyName"]) == ("UPDATE", "0-1", "country")


def test_files_follow_one_another_until_there_is_nothing_newer(sandbox, subscribed):
    for country in ("BE", "CH", "DE"):
        sandbox.change_contact("ada@example.com", {"country": country})
    first = subscribed.get(f"{JOURNAL}/earliest/2")["results"]
    assert [one["currentOffset"] for one in first] == ["1", "2"]
    second = subscribed.get(f"{JOURNAL}/2/next/2")["results"]
    assert [one["currentOffset"] for one in second] == ["3"]
    assert subscribed.get(f"{JOURNAL}/latest/1")["results"][0]["currentOffset"] == "3"
    assert subscribed("GET", f"{JOURNAL}/3/next/2").status_code == 204


def test_an_address_expires_and_cannot_be_made_up(sandbox, subscribed, clock):
    sandbox.change_contact("ada@example.com", {"country": "BE"})
    (entry,) = subscribed.get(f"{JOURNAL}/earliest/1")["results"]
    forged = entry | {"url": entry["url"][:-1] + ("0" if entry["url"][-1] != "0" else "1")}
    assert events(sandbox, forged).status_code == 403
    assert events(sandbox, entry).status_code == 200
    clock.advance(sandbox.hubspot.journal.link_life)
    assert events(sandbox, entry).status_code == 403


def test_files_are_kept_for_three_days(sandbox, subscribed, app, clock):
    sandbox.change_contact("ada@example.com", {"country": "BE"})
    clock.advance(timedelta(days=2))
    sandbox.change_contact("ada@example.com", {"country": "CH"})
    clock.advance(timedelta(days=1))
    client = app()
    assert client("GET", f"{JOURNAL}/0/next/1").status_code == 404
    assert client.get(f"{JOURNAL}/1/next/1")["results"][0]["currentOffset"] == "2"


@pytest.mark.parametrize("late", [False, True])
def test_the_journal_wants_a_living_token_of_the_app(sandbox, hubspot, subscribed, clock, late):
    if late:
        clock.advance(timedelta(minutes=30))
    client = subscribed if late else hubspot
    assert client("GET", f"{JOURNAL}/earliest/1").status_code == 401


def test_a_token_is_only_given_for_the_apps_secret(sandbox):
    form = {"grant_type": "client_credentials", "client_id": sandbox.hubspot.client_id, "client_secret": "guessed"}
    assert sandbox.app.test_client().post("/hubspot/oauth/2026-03/token", data=form).status_code == 401


@pytest.mark.parametrize("lacking", ["properties", "actions", "portalId"])
def test_a_subscription_without_what_it_needs_is_refused(app, lacking):
    body = {key: value for key, value in CONTACTS.items() if key != lacking}
    assert app()("POST", SUBSCRIPTIONS, json=body).status_code == 400


def test_list_members_associations_and_erasures_are_told_to_those_who_ask(sandbox, app, hubspot):
    client, account = app(), sandbox.hubspot
    every = {"portalId": 62515, "objectIds": []}
    asked = [
        {
            **every,
            "subscriptionType": "LIST_MEMBERSHIP",
            "actions": ["ADDED_TO_LIST", "REMOVED_FROM_LIST"],
            "listIds": [],
        },
        {
            **every,
            "subscriptionType": "ASSOCIATION",
            "objectTypeId": "0-1",
            "actions": ["ASSOCIATION_ADDED"],
            "associatedObjectTypeIds": ["0-2"],
        },
        {
            "portalId": 62515,
            "subscriptionType": "GDPR_PRIVACY_DELETION",
            "objectTypeId": "0-1",
            "actions": ["GDPR_DELETE"],
        },
    ]
    assert {client("POST", SUBSCRIPTIONS, json=one).status_code for one in asked} == {201}
    assert len(client.get(SUBSCRIPTIONS)["results"]) == 3
    body = {"name": "VIP", "objectTypeId": "0-1", "processingType": "MANUAL"}
    vip = hubspot("POST", "/crm/lists/2026-03", json=body).json["list"]["listId"]
    ada = account.contact("ada@example.com")
    for change in ("add", "remove"):
        hubspot("PUT", f"/crm/lists/2026-03/{vip}/memberships/{change}", json=[str(ada.id)])
    account.add_company({"name": "Tea"}, [ada])
    sandbox.delete_contact(str(ada.id), for_privacy=True)
    told = [events(sandbox, entry).json["journalEvents"][0] for entry in client.get(f"{JOURNAL}/earliest/9")["results"]]
    assert [(one["type"], one["action"]) for one in told] == [
        ("LIST_MEMBERSHIP", "ADDED_TO_LIST"),
        ("LIST_MEMBERSHIP", "REMOVED_FROM_LIST"),
        ("ASSOCIATION", "ASSOCIATION_ADDED"),
        ("GDPR_PRIVACY_DELETION", "GDPR_DELETE"),
    ]
