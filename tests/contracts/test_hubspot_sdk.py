"""HubSpot's own client for Python talks to the sandbox: it is not only what we believe of HubSpot.

The client checks each answer against its types.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import hubspot_sdk
import pytest

from segserver.clock import FixedClock
from segserver.sandbox.population import Person, Population
from segserver.sandbox.server import Sandbox

NOW = datetime(2026, 11, 22, 12)


@pytest.fixture
def sandbox() -> Sandbox:
    people = tuple(Person(f"person{number}@example.com", NOW - timedelta(days=9)) for number in range(300))
    return Sandbox(FixedClock(NOW), Population(people, (), ()))


@pytest.fixture
def hubspot(sandbox) -> Iterator[hubspot_sdk.HubSpot]:
    with (
        sandbox.serve() as server,
        hubspot_sdk.HubSpot(
            access_token=sandbox.hubspot.token,
            base_url=f"{server.url}/hubspot",
            max_retries=0,
            _strict_response_validation=True,
        ) as client,
    ):
        yield client


def ids(sandbox) -> list[str]:
    return [str(record.id) for record in sandbox.hubspot.contacts]


# ---- contacts


def test_a_contact_is_created_read_changed_and_archived(hubspot, sandbox):
    contacts = hubspot.crm.objects.contacts
    made = contacts.create(properties={"email": "ada@example.com", "firstname": "Ada"}, associations=[])
    read = contacts.get(made.id, properties=["firstname"])
    assert (read.id, read.properties["firstname"], read.archived) == (made.id, "Ada", False)
    contacts.update(made.id, properties={"firstname": "Augusta"})
    assert sandbox.hubspot.properties(made.id)["firstname"] == "Augusta"
    contacts.delete(made.id)
    assert made.id not in ids(sandbox)
    with pytest.raises(hubspot_sdk.NotFoundError):
        contacts.get(made.id)


def test_a_contact_that_exists_is_not_created_again(hubspot, sandbox):
    with pytest.raises(hubspot_sdk.ConflictError, match=f"Existing ID: {ids(sandbox)[0]}"):
        hubspot.crm.objects.contacts.create(properties={"email": "person0@example.com"}, associations=[])


def test_contacts_are_listed_page_by_page(hubspot, sandbox):
    pages = hubspot.crm.objects.contacts.list(limit=100, properties=["email"])
    found = [(one.id, one.properties["email"]) for one in pages]
    assert [number for number, _ in found] == ids(sandbox)
    assert len(sandbox.requests.to("/contacts", "GET")) == 3


def test_contacts_are_created_read_changed_and_archived_in_batches(hubspot, sandbox):
    batch = hubspot.crm.objects.contacts.batch
    made = batch.create(inputs=[{"properties": {"email": f"new{n}@example.com"}, "associations": []} for n in range(3)])
    new = [one.id for one in made.results]
    read = batch.get(inputs=[{"id": one} for one in new], properties=["email"], properties_with_history=[])
    assert sorted(one.properties["email"] for one in read.results) == [f"new{n}@example.com" for n in range(3)]
    batch.update(inputs=[{"id": one, "properties": {"firstname": "New"}} for one in new])
    assert {sandbox.hubspot.properties(one)["firstname"] for one in new} == {"New"}
    batch.delete(inputs=[{"id": one} for one in new])
    assert not set(new) & set(ids(sandbox))


def test_an_upsert_tells_the_new_from_the_known(hubspot, sandbox):
    answer = hubspot.crm.objects.contacts.batch.upsert(
        inputs=[
            {"id": email, "id_property": "email", "properties": {"firstname": "Up", "email": email}}
            for email in ("person1@example.com", "stranger@example.com")
        ]
    )
    assert sorted((one.id == ids(sandbox)[1], one.new) for one in answer.results) == [(False, True), (True, False)]


def test_contacts_are_found(hubspot, sandbox):
    found = hubspot.crm.objects.contacts.search(
        filter_groups=[{"filters": [{"property_name": "email", "operator": "EQ", "value": "person7@example.com"}]}],
        properties=["email"],
        sorts=[],
        limit=10,
        after="0",
    )
    assert (found.total, [one.id for one in found.results]) == (1, [ids(sandbox)[7]])


# ---- lists


def test_a_list_is_created_filled_paged_and_emptied(hubspot, sandbox):
    lists, everybody = hubspot.crm.lists, ids(sandbox)
    made = lists.create(name="Hot", object_type_id="0-1", processing_type="MANUAL").list
    added = lists.add_memberships(made.list_id, body=[*everybody, "999"])
    assert sorted(added.records_ids_added) == sorted(everybody)
    assert added.record_ids_missing == ["999"]
    assert lists.get_by_object_type_and_name("Hot", object_type_id="0-1").list.list_id == made.list_id
    pages = lists.list_memberships(made.list_id, limit=100)
    assert [one.record_id for one in pages] == everybody
    lists.remove_memberships(made.list_id, body=everybody[:10])
    changed = lists.add_and_remove_memberships(
        made.list_id, record_ids_to_add=everybody[:2], record_ids_to_remove=everybody[10:20]
    )
    assert len(changed.record_ids_removed) == 10
    assert sandbox.hubspot.lists["Hot"] == {*everybody[:2], *everybody[20:]}


def test_a_list_is_found_deleted_and_restored(hubspot, sandbox):
    lists = hubspot.crm.lists
    made = lists.create(name="Cold", object_type_id="0-1", processing_type="SNAPSHOT").list
    found = lists.list_by_search(query="col", offset=0, list_ids=[], processing_types=[])
    assert [one.list_id for one in found.lists] == [made.list_id]
    lists.delete(made.list_id)
    assert "Cold" not in sandbox.hubspot.lists
    lists.restore(made.list_id)
    assert sandbox.hubspot.lists["Cold"] == set()


# ---- properties


def test_a_property_is_created_and_read(hubspot):
    properties = hubspot.crm.properties
    properties.groups.create("contacts", name="segserver", label="Segserver")
    properties.create(
        "contacts",
        name="segserver_channel",
        label="Channel",
        type="enumeration",
        field_type="select",
        group_name="segserver",
        options=[{"label": "Mail", "value": "email", "display_order": 0, "hidden": False}],
    )
    read = properties.get("segserver_channel", object_type="contacts")
    assert (read.type, read.field_type, [one.value for one in read.options]) == ("enumeration", "select", ["email"])
    assert "segserver_channel" in [one.name for one in properties.list("contacts").results]


def test_a_property_that_exists_is_not_created_again(hubspot):
    with pytest.raises(hubspot_sdk.ConflictError):
        hubspot.crm.properties.create(
            "contacts", name="email", label="Mail", type="string", field_type="text", group_name="contactinformation"
        )


# ---- the account, and how it says no


def test_the_account_tells_who_it_is_and_when_its_day_ends(hubspot):
    details = hubspot.account.get()
    assert (details.portal_id, details.time_zone) == (62515, "UTC")


def test_refusals_are_those_that_the_client_knows(hubspot, sandbox):
    stranger = hubspot.with_options(access_token="pat-of-somebody-else")
    with pytest.raises(hubspot_sdk.AuthenticationError):
        stranger.crm.objects.contacts.get(ids(sandbox)[0])
    sandbox.faults(rate=1, kinds=["429"])
    with pytest.raises(hubspot_sdk.RateLimitError):
        hubspot.crm.objects.contacts.get(ids(sandbox)[0])
