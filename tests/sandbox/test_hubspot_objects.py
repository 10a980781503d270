"""Contacts and deals one by one and in batches, as HubSpot answers them."""

from __future__ import annotations

from datetime import timedelta

import pytest

CONTACTS = "/crm/objects/2026-03/contacts"
ADA, BEN, CLEO, EVE = "100001", "100002", "100003", "100004"


def test_pages_follow_after_until_everybody_was_shown(hubspot):
    """Paging ends without a `paging` key, and nobody is shown twice."""
    seen, after = [], {}
    while True:
        page = hubspot.get(CONTACTS, limit=2, properties="email", **after)
        seen += [record["properties"]["email"] for record in page["results"]]
        if "paging" not in page:
            break
        after = {"after": page["paging"]["next"]["after"]}
    assert seen == ["ada@example.com", "ben@example.com", "cleo@example.com", "eve@example.com"]


def test_people_only_marketo_knows_are_not_contacts(hubspot):
    """Dan is a lead but no contact."""
    assert hubspot("GET", f"{CONTACTS}/dan@example.com?idProperty=email").status_code == 404


def test_answers_have_the_published_shape(hubspot, conforms):
    """A contact, a page of a batch and a search reply conform to the OpenAPI description."""
    conforms("SimplePublicObjectWithAssociations", hubspot.get(f"{CONTACTS}/{ADA}", propertiesWithHistory="country"))
    batch = hubspot("POST", f"{CONTACTS}/batch/read", json={"inputs": [{"id": ADA}], "properties": ["country"]})
    conforms("BatchResponseSimplePublicObject", batch.json)
    found = hubspot("POST", f"{CONTACTS}/search", json={"properties": ["email"], "limit": 2})
    conforms("CollectionResponseWithTotalSimplePublicObject", found.json)


def test_asked_properties_without_a_value_are_null(hubspot):
    """What is asked for is always there, and so are id and dates."""
    shown = hubspot.get(f"{CONTACTS}/{ADA}", properties="city,country")["properties"]
    assert shown["city"] is None
    assert shown["country"] == "FR"
    assert {"hs_object_id", "createdate", "lastmodifieddate"} <= set(shown)


def test_history_comes_newest_first_and_halves_the_page(hubspot):
    """`propertiesWithHistory` gives every value with its instant; a page then holds fifty at most."""
    shown = hubspot.get(f"{CONTACTS}/{ADA}", propertiesWithHistory="lifecyclestage")
    past = shown["propertiesWithHistory"]["lifecyclestage"]
    assert [entry["value"] for entry in past] == ["customer", "subscriber"]
    assert past[0]["timestamp"] > past[1]["timestamp"]
    assert hubspot("GET", f"{CONTACTS}?limit=100&propertiesWithHistory=country").status_code == 400


def test_a_change_moves_the_modification_date_and_the_history(hubspot, clock):
    """PATCH is seen at once by reading, with the sandbox's own time."""
    clock.advance(timedelta(hours=1))
    assert hubspot("PATCH", f"{CONTACTS}/{ADA}", json={"properties": {"country": "BE"}}).status_code == 200
    shown = hubspot.get(f"{CONTACTS}/{ADA}", properties="country", propertiesWithHistory="country")
    assert shown["properties"]["lastmodifieddate"] == "2026-03-01T13:00:00.000Z"
    assert [entry["value"] for entry in shown["propertiesWithHistory"]["country"]] == ["BE", "FR"]


def test_empty_text_clears_a_property(hubspot, sandbox):
    """After clearing, the property is unknown."""
    hubspot("PATCH", f"{CONTACTS}/{ADA}", json={"properties": {"country": ""}})
    assert "country" not in sandbox.hubspot.properties(ADA)


@pytest.mark.parametrize(
    ("name", "code"), [("nonsense", "PROPERTY_DOESNT_EXIST"), ("hs_email_optout", "READ_ONLY_VALUE")]
)
def test_unknown_and_read_only_properties_are_refused(hubspot, name, code):
    """Opt-out in particular cannot be written."""
    answer = hubspot("PATCH", f"{CONTACTS}/{ADA}", json={"properties": {name: "x"}})
    assert answer.status_code == 400
    assert answer.json["category"] == "VALIDATION_ERROR"
    assert answer.json["errors"][0]["code"] == code


def test_a_second_contact_with_the_same_address_is_refused_with_the_id_of_the_first(hubspot):
    """Creating what exists is a conflict, whatever the spelling."""
    answer = hubspot("POST", CONTACTS, json={"properties": {"email": "ADA@example.com"}})
    assert answer.status_code == 409
    assert answer.json["message"].endswith(f"Existing ID: {ADA}")


def test_batch_update_reports_the_bad_record_by_its_trace_id(hubspot, sandbox):
    """207: the good records are done, the bad one is named through `context.objectWriteTraceId`."""
    inputs = [
        {"id": ADA, "properties": {"country": "CH"}, "objectWriteTraceId": "a"},
        {"id": "999", "properties": {"country": "CH"}, "objectWriteTraceId": "b"},
    ]
    answer = hubspot("POST", f"{CONTACTS}/batch/update", json={"inputs": inputs})
    assert answer.status_code == 207
    assert [result["objectWriteTraceId"] for result in answer.json["results"]] == ["a"]
    assert answer.json["numErrors"] == 1
    assert answer.json["errors"][0]["context"]["objectWriteTraceId"] == ["b"]
    assert sandbox.hubspot.properties(ADA)["country"] == "CH"


def test_without_trace_ids_one_bad_record_fails_the_whole_batch(hubspot, sandbox):
    """400, and none of the records is changed."""
    inputs = [{"id": ADA, "properties": {"country": "CH"}}, {"id": BEN, "properties": {"nonsense": "CH"}}]
    assert hubspot("POST", f"{CONTACTS}/batch/update", json={"inputs": inputs}).status_code == 400
    assert sandbox.hubspot.properties(ADA)["country"] == "FR"


def test_a_batch_holds_a_hundred_records_at_most(hubspot):
    """One more is refused."""
    inputs = [{"id": ADA, "properties": {}}] * 101
    assert hubspot("POST", f"{CONTACTS}/batch/update", json={"inputs": inputs}).status_code == 400


def test_upsert_says_which_records_are_new(hubspot):
    """An unknown address becomes a contact, a known one is changed."""
    inputs = [
        {"id": "ada@example.com", "idProperty": "email", "properties": {"country": "DE"}, "objectWriteTraceId": "1"},
        {"id": "new@example.com", "idProperty": "email", "properties": {"country": "DE"}, "objectWriteTraceId": "2"},
    ]
    answer = hubspot("POST", f"{CONTACTS}/batch/upsert", json={"inputs": inputs})
    assert [(result["id"], result["new"]) for result in answer.json["results"]] == [(ADA, False), ("100005", True)]


def test_batch_read_names_missing_ids_in_207(hubspot):
    """Known records come back, unknown ids are listed."""
    answer = hubspot("POST", f"{CONTACTS}/batch/read", json={"inputs": [{"id": ADA}, {"id": "999"}]})
    assert answer.status_code == 207
    assert answer.json["errors"][0]["context"]["ids"] == ["999"]


def test_deleted_contacts_are_shown_only_when_archived_ones_are_asked_for(hubspot):
    """The recycle bin is listed by `archived=true` and by nothing else."""
    assert hubspot("DELETE", f"{CONTACTS}/{BEN}").status_code == 204
    assert BEN not in [record["id"] for record in hubspot.get(CONTACTS, limit=100)["results"]]
    gone = hubspot.get(CONTACTS, limit=100, archived="true")["results"]
    assert [(record["id"], record["archived"], "archivedAt" in record) for record in gone] == [(BEN, True, True)]
    assert hubspot("GET", f"{CONTACTS}/{BEN}").status_code == 404


def test_a_privacy_deletion_leaves_nothing(hubspot):
    """Erased contacts are not in the recycle bin either."""
    assert hubspot("POST", f"{CONTACTS}/gdpr-delete", json={"objectId": BEN}).status_code == 204
    assert hubspot.get(CONTACTS, archived="true")["results"] == []


def test_a_merged_contact_answers_by_its_old_id_with_the_survivor(hubspot, sandbox):
    """The loser's id resolves to the survivor, which lists it and has its deals."""
    hubspot("POST", f"{CONTACTS}/merge", json={"primaryObjectId": CLEO, "objectIdToMerge": ADA})
    shown = hubspot.get(f"{CONTACTS}/{ADA}", properties="hs_merged_object_ids")
    assert shown["id"] == CLEO
    assert shown["properties"]["hs_merged_object_ids"] == ADA
    assert len(sandbox.hubspot.contact_deals[int(CLEO)]) == 2


def test_deals_carry_amount_categories_and_their_contact(hubspot):
    """A purchase is a won deal, joined to its contact by the associations batch."""
    wanted = "amount,categories,items,dealstage,closedate"
    deals = hubspot.get("/crm/objects/2026-03/deals", limit=100, properties=wanted)["results"]
    first = deals[0]["properties"]
    assert (first["amount"], first["categories"], first["items"]) == ("19.90", "COFFEE;MILK", "3")
    assert [deal["properties"]["dealstage"] for deal in deals] == ["closedwon", "closedwon", "closedlost"]
    inputs = [{"id": deal["id"]} for deal in deals]
    read = hubspot("POST", "/crm/associations/2026-03/deals/contacts/batch/read", json={"inputs": inputs})
    assert [entry["to"][0]["toObjectId"] for entry in read.json["results"]] == [ADA, ADA, BEN]


def test_associations_conform_and_name_records_without_any(hubspot, conforms):
    """The reply is the published one, and 207 names the contact without deals."""
    path = "/crm/associations/2026-03/contacts/deals/batch/read"
    conforms("BatchResponsePublicAssociationMultiWithLabel", hubspot("POST", path, json={"inputs": [{"id": ADA}]}).json)
    answer = hubspot("POST", path, json={"inputs": [{"id": ADA}, {"id": CLEO}]})
    assert answer.status_code == 207
    assert answer.json["errors"][0]["context"] == {"fromObjectId": [CLEO]}


def test_a_wrong_or_missing_key_is_401(sandbox, connect):
    """No answer without the token."""
    answer = connect(sandbox, "/hubspot", "guessed")("GET", CONTACTS)
    assert answer.status_code == 401
    assert answer.json["category"] == "INVALID_AUTHENTICATION"


def test_unknown_paths_and_broken_json_are_refused_in_hubspots_words(hubspot):
    """404 and 400 carry the usual error body."""
    assert hubspot("GET", "/crm/objects/2020-01/contacts").json["status"] == "error"
    broken = hubspot("POST", f"{CONTACTS}/search", data="{", headers={"Content-Type": "application/json"})
    assert (broken.status_code, broken.json["category"]) == (400, "VALIDATION_ERROR")
    assert hubspot("POST", f"{CONTACTS}/search", json=["no object"]).status_code == 400
    assert hubspot("POST", f"{CONTACTS}/search", json={"limit": "many"}).status_code == 400


def test_marketing_email_events_page_by_an_opaque_offset(hubspot, sandbox):
    """The legacy feed filters by type and time and says whether there is more."""
    sandbox.hubspot.email_events += [
        {"id": str(n), "created": 1_000 + n, "type": "OPEN" if n % 2 else "SENT", "recipient": "ada@example.com"}
        for n in range(6)
    ]
    path = "/email/public/v1/events"
    first = hubspot.get(path, eventType="OPEN", limit=2)
    rest = hubspot.get(path, eventType="OPEN", limit=2, offset=first["offset"])
    assert [event["id"] for event in first["events"] + rest["events"]] == ["1", "3", "5"]
    assert (first["hasMore"], rest["hasMore"]) == (True, False)
