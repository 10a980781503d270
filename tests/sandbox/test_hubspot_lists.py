"""Lists, memberships and property definitions at HubSpot."""

from __future__ import annotations

import pytest

LISTS, PROPERTIES = "/crm/lists/2026-03", "/crm/properties/2026-03/contacts"
ADA, BEN, CLEO = "100001", "100002", "100003"


@pytest.fixture
def vip(hubspot):
    """The id of a fresh list."""
    body = {"name": "Best customers", "objectTypeId": "0-1", "processingType": "MANUAL"}
    return hubspot("POST", LISTS, json=body).json["list"]["listId"]


def _members(hubspot, list_id, **query):
    return [entry["recordId"] for entry in hubspot.get(f"{LISTS}/{list_id}/memberships", **query)["results"]]


def test_a_list_is_found_by_its_name(hubspot, vip, conforms):
    """Find before create; the reply has the published shape."""
    assert hubspot("GET", f"{LISTS}/object-type-id/0-1/name/Other").status_code == 404
    found = hubspot.get(f"{LISTS}/object-type-id/0-1/name/Best customers")
    conforms("ListFetchResponse", found)
    assert found["list"]["listId"] == vip


def test_names_of_lists_are_unique(hubspot, vip):
    """A second list of the same name is refused."""
    body = {"name": "Best customers", "objectTypeId": "0-1", "processingType": "MANUAL"}
    assert hubspot("POST", LISTS, json=body).status_code == 400


def test_members_are_added_and_removed_in_one_call(hubspot, vip, sandbox, conforms):
    """The reply says who was added, who removed and who does not exist."""
    hubspot("PUT", f"{LISTS}/{vip}/memberships/add", json=[ADA])
    body = {"recordIdsToAdd": [BEN, "999"], "recordIdsToRemove": [ADA]}
    answer = hubspot("PUT", f"{LISTS}/{vip}/memberships/add-and-remove", json=body).json
    conforms("MembershipsUpdateResponse", answer)
    assert answer == {"recordsIdsAdded": [BEN], "recordIdsRemoved": [ADA], "recordIdsMissing": ["999"]}
    assert sandbox.hubspot.lists == {"Best customers": {BEN}}


def test_adding_twice_changes_nothing(hubspot, vip):
    """Memberships are idempotent."""
    for added in ([ADA], []):
        assert hubspot("PUT", f"{LISTS}/{vip}/memberships/add", json=[ADA]).json["recordsIdsAdded"] == added


def test_members_are_paged_in_order_of_id(hubspot, vip):
    """`after` goes on where the page ended."""
    hubspot("PUT", f"{LISTS}/{vip}/memberships/add", json=[CLEO, ADA, BEN])
    first = hubspot.get(f"{LISTS}/{vip}/memberships", limit=2)
    after = first["paging"]["next"]["after"]
    assert [entry["recordId"] for entry in first["results"]] == [ADA, BEN]
    assert _members(hubspot, vip, limit=2, after=after) == [CLEO]


def test_a_deleted_contact_leaves_its_lists(hubspot, vip):
    """Nobody who is gone is still a member."""
    hubspot("PUT", f"{LISTS}/{vip}/memberships/add", json=[ADA, BEN])
    hubspot("DELETE", f"/crm/objects/2026-03/contacts/{ADA}")
    assert _members(hubspot, vip) == [BEN]


def test_ids_must_be_text(hubspot, vip):
    """Numbers are refused, as are other bodies."""
    assert hubspot("PUT", f"{LISTS}/{vip}/memberships/add", json=[100001]).status_code == 400
    assert hubspot("PUT", f"{LISTS}/{vip}/memberships/add-and-remove", json=[ADA]).status_code == 400


def test_a_dynamic_list_is_not_filled_by_hand(hubspot):
    """Only MANUAL and SNAPSHOT lists take members."""
    body = {"name": "Live", "objectTypeId": "0-1", "processingType": "DYNAMIC"}
    live = hubspot("POST", LISTS, json=body).json["list"]["listId"]
    assert hubspot("PUT", f"{LISTS}/{live}/memberships/add", json=[ADA]).status_code == 400


def test_a_deleted_list_is_gone_until_restored(hubspot, vip):
    """Its name is free meanwhile."""
    hubspot("DELETE", f"{LISTS}/{vip}")
    assert hubspot("GET", f"{LISTS}/{vip}").status_code == 404
    hubspot("PUT", f"{LISTS}/{vip}/restore")
    assert hubspot.get(f"{LISTS}/{vip}")["list"]["name"] == "Best customers"


def test_lists_are_searched_page_by_page(hubspot, vip, conforms):
    """`offset` and `hasMore` lead through the lists."""
    hubspot("POST", LISTS, json={"name": "Best leads", "objectTypeId": "0-1", "processingType": "SNAPSHOT"})
    first = hubspot("POST", f"{LISTS}/search", json={"query": "best", "count": 1}).json
    conforms("ListSearchResponse", {**first, "lists": []})
    rest = hubspot("POST", f"{LISTS}/search", json={"query": "best", "count": 1, "offset": first["offset"]}).json
    names = [entry["name"] for entry in first["lists"] + rest["lists"]]
    assert (names, first["hasMore"], rest["hasMore"]) == (["Best customers", "Best leads"], True, False)


def test_a_contacts_lists_can_be_asked_for(hubspot, vip):
    """The other way round."""
    hubspot("PUT", f"{LISTS}/{vip}/memberships/add", json=[ADA])
    assert [entry["listId"] for entry in hubspot.get(f"{LISTS}/records/0-1/{ADA}/memberships")["results"]] == [vip]


def test_a_property_needs_its_group_and_is_then_writable(hubspot, sandbox):
    """Group first, then the property, then values; a second creation is a conflict."""
    wanted = {
        "name": "segserver_channel",
        "label": "Channel",
        "type": "string",
        "fieldType": "text",
        "groupName": "segserver",
    }
    assert hubspot("POST", PROPERTIES, json=wanted).status_code == 400
    hubspot("POST", f"{PROPERTIES}/groups", json={"name": "segserver", "label": "Segserver"})
    assert hubspot("POST", PROPERTIES, json=wanted).status_code == 201
    assert hubspot("POST", PROPERTIES, json=wanted).status_code == 409
    hubspot("PATCH", f"/crm/objects/2026-03/contacts/{ADA}", json={"properties": {"segserver_channel": "email"}})
    assert sandbox.state()["hubspot"]["properties"] == {ADA: {"segserver_channel": "email"}}


def test_definitions_have_the_published_shape(hubspot, conforms):
    """Every definition and group conforms to the OpenAPI description."""
    for definition in hubspot.get(PROPERTIES)["results"]:
        conforms("Property", definition)
    for group in hubspot.get(f"{PROPERTIES}/groups")["results"]:
        conforms("PropertyGroup", group)
    conforms("PortalInformationResponse", hubspot.get("/account-info/2026-03/details"))


def test_a_batch_of_properties_reports_the_ones_that_failed(hubspot):
    """207 with the name in the context."""
    good = {"name": "score_a", "label": "A", "type": "number", "fieldType": "number", "groupName": "contactinformation"}
    answer = hubspot(
        "POST", f"{PROPERTIES}/batch/create", json={"inputs": [good, {**good, "type": "colour", "name": "b"}]}
    )
    assert answer.status_code == 207
    assert [made["name"] for made in answer.json["results"]] == ["score_a"]
    assert answer.json["errors"][0]["context"] == {"name": ["b"]}
