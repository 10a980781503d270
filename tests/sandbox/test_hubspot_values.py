"""HubSpot's stand-in: what values a property takes, how it keeps them, and what a request may hold."""

from __future__ import annotations

import pytest

CONTACT = "/crm/objects/2026-03/contacts/100001"
PROPERTIES = "/crm/properties/2026-03/contacts"
OPTIONS = [
    {"label": name.title(), "value": name, "displayOrder": number, "hidden": False}
    for number, name in enumerate(("email", "sms"))
]


@pytest.fixture
def make(hubspot):
    """Makes a property of a type."""

    def made(kind, field, **more):
        body = {"name": "mine", "label": "Mine", "type": kind, "fieldType": field, "groupName": "contactinformation"}
        return hubspot("POST", PROPERTIES, json=body | more)

    return made


@pytest.mark.parametrize(
    ("kind", "field", "value", "kept"),
    [
        ("number", "number", "12.50", "12.5"),
        ("number", "number", "100", "100"),
        ("datetime", "date", "2026-03-01T09:30:00Z", "2026-03-01T09:30:00.000Z"),
        ("datetime", "date", "1772357400000", "2026-03-01T09:30:00.000Z"),
        ("date", "date", "2026-03-01", "2026-03-01"),
        ("date", "date", "1772323200000", "2026-03-01"),
        ("bool", "booleancheckbox", "true", "true"),
        ("enumeration", "checkbox", "email;sms", "email;sms"),
        ("string", "text", "anything", "anything"),
    ],
)
def test_a_value_of_its_type_is_kept(hubspot, make, kind, field, value, kept):
    make(kind, field, options=OPTIONS if kind == "enumeration" else [])
    answer = hubspot("PATCH", CONTACT, json={"properties": {"mine": value}})
    assert answer.status_code == 200, answer.text
    assert hubspot.get(CONTACT, properties="mine")["properties"]["mine"] == kept


@pytest.mark.parametrize(
    ("kind", "field", "value", "code"),
    [
        ("number", "number", "many", "INVALID_NUMBER"),
        ("datetime", "date", "tomorrow", "INVALID_DATE"),
        ("date", "date", "1772357400000", "INVALID_DATE"),
        ("date", "date", "2026-03-01T09:30:00Z", "INVALID_DATE"),
        ("bool", "booleancheckbox", "yes", "INVALID_OPTION"),
        ("enumeration", "checkbox", "email;fax", "INVALID_OPTION"),
    ],
)
def test_a_value_of_another_type_is_refused(hubspot, make, kind, field, value, code):
    make(kind, field, options=OPTIONS if kind == "enumeration" else [])
    answer = hubspot("PATCH", CONTACT, json={"properties": {"mine": value}})
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (400, code)


def test_options_are_added_by_giving_all_of_them(hubspot, make, conforms):
    make("enumeration", "select", options=OPTIONS[:1])
    assert hubspot("PATCH", CONTACT, json={"properties": {"mine": "sms"}}).status_code == 400
    conforms("Property", hubspot("PATCH", f"{PROPERTIES}/mine", json={"options": OPTIONS}).json)
    assert hubspot("PATCH", CONTACT, json={"properties": {"mine": "sms"}}).status_code == 200


@pytest.mark.parametrize("options", [[{"value": "email"}], [OPTIONS[0], OPTIONS[0]], "email"])
def test_options_that_are_none_are_refused(hubspot, make, options):
    make("enumeration", "select", options=OPTIONS)
    assert hubspot("PATCH", f"{PROPERTIES}/mine", json={"options": options}).status_code == 400


def test_definitions_of_hubspots_own_are_read_only(hubspot):
    assert hubspot("PATCH", f"{PROPERTIES}/country", json={"options": OPTIONS}).status_code == 400
    assert hubspot("PATCH", f"{PROPERTIES}/nothing", json={"options": OPTIONS}).status_code == 404


def test_type_and_field_must_fit(make):
    assert make("datetime", "text").status_code == 400
    assert make("datetime", "date").status_code == 201


def test_one_record_stands_in_a_batch_once(hubspot):
    inputs = [{"id": "100001", "properties": {"city": name}, "objectWriteTraceId": name} for name in ("a", "b")]
    answer = hubspot("POST", "/crm/objects/2026-03/contacts/batch/update", json={"inputs": inputs})
    assert (answer.status_code, answer.json["message"]) == (400, "Duplicate IDs found in batch input")


def test_an_address_can_be_too_long(hubspot):
    answer = hubspot("GET", "/crm/objects/2026-03/contacts", query_string={"properties": "x" * 8_000})
    assert answer.status_code == 414


def test_a_call_takes_so_many_ids_for_a_list(hubspot):
    body = {"name": "VIP", "objectTypeId": "0-1", "processingType": "MANUAL"}
    vip = hubspot("POST", "/crm/lists/2026-03", json=body).json["list"]["listId"]
    path = f"/crm/lists/2026-03/{vip}/memberships/add"
    assert hubspot("PUT", path, json=[str(number) for number in range(100_001)]).status_code == 400


def test_a_restored_contact_is_found_again(hubspot, sandbox):
    sandbox.delete_contact("ada@example.com")
    assert hubspot("GET", CONTACT).status_code == 404
    sandbox.hubspot.restore_contact("100001")
    assert hubspot.get(CONTACT)["archived"] is False
    with pytest.raises(KeyError):
        sandbox.hubspot.restore_contact("100001")
