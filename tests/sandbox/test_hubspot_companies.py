"""HubSpot's stand-in: companies and whose they are."""

from __future__ import annotations

import pytest

COMPANIES = "/crm/objects/2026-03/companies"
ASSOCIATIONS = "/crm/associations/2026-03/contacts/companies/batch/read"


@pytest.fixture
def ada(sandbox):
    return sandbox.hubspot.contact("ada@example.com")


def test_companies_are_made_read_searched_and_deleted(hubspot, conforms):
    made = hubspot("POST", COMPANIES, json={"properties": {"name": "Tea", "numberofemployees": "12"}}).json
    conforms("SimplePublicObject", made)
    listed = hubspot.get(COMPANIES, properties="name,numberofemployees")["results"]
    assert [one["properties"]["numberofemployees"] for one in listed] == ["12"]
    wanted = {"filterGroups": [{"filters": [{"propertyName": "name", "operator": "EQ", "value": "Tea"}]}]}
    assert hubspot("POST", f"{COMPANIES}/search", json=wanted).json["total"] == 1
    assert hubspot("DELETE", f"{COMPANIES}/{made['id']}").status_code == 204
    assert [one["id"] for one in hubspot.get(COMPANIES, archived="true")["results"]] == [made["id"]]


def test_the_primary_company_comes_first_with_its_label_and_in_a_property(hubspot, sandbox, ada, conforms):
    first = sandbox.hubspot.add_company({"name": "First"}, [ada])
    second = sandbox.hubspot.add_company({"name": "Second"}, [ada])
    sandbox.hubspot.link_company(ada, second, primary=True)
    reply = hubspot("POST", ASSOCIATIONS, json={"inputs": [{"id": str(ada.id)}]}).json
    conforms("BatchResponsePublicAssociationMultiWithLabel", reply)
    told = [
        (one["toObjectId"], [kind["typeId"] for kind in one["associationTypes"]]) for one in reply["results"][0]["to"]
    ]
    assert told == [(str(second.id), [279, 1]), (str(first.id), [279])]
    assert hubspot.get(f"/crm/objects/2026-03/contacts/{ada.id}", properties="associatedcompanyid")["properties"][
        "associatedcompanyid"
    ] == str(second.id)


def test_associations_of_a_record_with_many_come_in_pages(hubspot, sandbox, ada):
    for number in range(501):
        sandbox.hubspot.add_company({"name": str(number)}, [ada])
    inputs = [{"id": str(ada.id)}]
    first = hubspot("POST", ASSOCIATIONS, json={"inputs": inputs}).json["results"][0]
    assert len(first["to"]) == 500
    inputs[0]["after"] = first["paging"]["next"]["after"]
    second = hubspot("POST", ASSOCIATIONS, json={"inputs": inputs}).json["results"][0]
    assert len(second["to"]) == 1
    assert "paging" not in second


def test_a_merged_contact_brings_its_companies(sandbox, ada):
    ben = sandbox.hubspot.contact("ben@example.com")
    company = sandbox.hubspot.add_company({"name": "Bens"}, [ben])
    sandbox.merge_contacts(str(ada.id), str(ben.id))
    assert sandbox.hubspot.properties(str(ada.id))["associatedcompanyid"] == str(company.id)
    assert sandbox.hubspot.company_contacts[company.id] == [ada.id]
