"""How many calls the work takes: as few as the platforms' batches allow, since all integrations share the quota."""

from __future__ import annotations

from collections import Counter

import pytest

from segserver.connectors.base import Trigger, Write
from segserver.specs.targets import Target


def write(destination, writes):
    return [outcome for batch in destination.write(writes) for outcome in batch]


def members(place, addresses, value="member"):
    return [Write(place, f"c-{one}", one, value) for one in addresses]


def test_hubspot_takes_a_thousand_members_in_a_call(hubspot, traffic):
    destination, place, known = hubspot.destination(), hubspot.places[0], hubspot.known()[:1_300]
    write(destination, members(place, known))
    changes = traffic.to("/memberships/add-and-remove", "PUT")
    assert [len(call.json["recordIdsToAdd"]) for call in changes] == [1_000, 300]
    assert len(traffic.calls) == len(changes) + 2, "one call finds the list and one makes it"


def test_hubspot_adds_and_removes_in_one_call(hubspot, traffic):
    destination, place, known = hubspot.destination(), hubspot.places[0], hubspot.known()
    write(destination, members(place, known[:300]))
    traffic.forget()
    write(destination, members(place, known[300:500]) + members(place, known[:100], None))
    (call,) = traffic.calls
    assert len(call.json["recordIdsToAdd"]) == 200
    assert len(call.json["recordIdsToRemove"]) == 100


def test_hubspot_takes_all_properties_of_a_hundred_contacts_in_a_call(hubspot, traffic):
    destination, known = hubspot.destination(), hubspot.known()[:250]
    places = [Target("crm", "property", name) for name in ("segserver_a", "segserver_b", "segserver_c")]
    writes = [one for place in places for one in members(place, known, "x")]
    write(destination, writes)
    updates = traffic.to("/batch/update")
    assert [len(call.json["inputs"]) for call in updates] == [100, 100, 50]
    assert all(len(entry["properties"]) == 3 for call in updates for entry in call.json["inputs"])
    traffic.forget()
    write(destination, writes)
    assert len(traffic.calls) == 3, "the properties are known by now"


def test_marketo_takes_three_hundred_leads_in_a_call(marketo, traffic):
    destination, place, known = marketo.destination(), marketo.places[0], marketo.known()[:700]
    write(destination, members(place, known))
    assert [len(call.params["id"]) for call in traffic.to("/leads.json", "POST")] == [300, 300, 100]
    traffic.forget()
    write(destination, members(place, known[:400], None))
    assert [(call.method, len(call.params["id"])) for call in traffic.calls] == [("DELETE", 300), ("DELETE", 100)]


def test_marketo_takes_all_fields_of_three_hundred_leads_in_a_call(marketo, traffic):
    destination, known = marketo.destination(), marketo.known()[:700]
    places = [Target("engage", "property", name) for name in ("segserver_a", "segserver_b", "segserver_c")]
    writes = [one for place in places for one in members(place, known, "x")]
    write(destination, writes)
    assert len(traffic.to("/schema/fields.json")) == 1, "all new fields are made by one call"
    traffic.forget()
    write(destination, writes)
    assert [len(call.json["input"]) for call in traffic.to("/rest/v1/leads.json")] == [300, 300, 100]
    assert len(traffic.calls) <= 4, "the fields may be asked for once more"


def test_ga4_takes_twenty_five_properties_of_a_client_in_a_call(ga4, traffic):
    places = [Target("analytics", "user property", f"seg_{number}") for number in range(30)]
    known = ga4.known()[:10]
    write(ga4.destination(), [one for place in places for one in members(place, known)])
    sizes = Counter((call.json["client_id"], len(call.json["user_properties"])) for call in traffic.calls)
    assert sizes == Counter([(one, size) for one in known for size in (25, 5)])


def test_marketo_requests_a_campaign_for_a_hundred_leads_in_a_call(marketo, traffic):
    def triggers(known, token):
        return [Trigger(f"{token} {one}", f"c-{one}", one, "Win back", {"template": token}) for one in known]

    known = marketo.known()
    marketo.destination().trigger(triggers(known[:150], "a") + triggers(known[:150], "b"))
    sizes = [len(call.json["input"]["leads"]) for call in traffic.to("/trigger.json")]
    assert sizes == [100, 50, 100, 50]
    assert len(traffic.to("/campaigns.json")) == 1


@pytest.mark.parametrize(("kind", "size"), [("hubspot", 50), ("marketo", 300)])
def test_contacts_are_read_by_id_in_batches(open_subject, crowd, traffic, kind, size):
    """HubSpot gives fifty at once where their history is asked for too."""
    subject = open_subject(kind, crowd)
    reader = subject.connector().source
    ids = subject.known()[:600]
    reader.read_contacts(ids[:1])
    traffic.forget()
    reader.read_contacts(ids)
    subscriptions = traffic.to("/statuses/batch/read")
    assert len(traffic.calls) == 600 // size + len(subscriptions)
    assert [len(call.json["inputs"]) for call in subscriptions] == ([100] * 6 if kind == "hubspot" else [])
    traffic.forget()
    reader.read_contacts(ids[:10] * 5)
    assert len(traffic.calls) == 1 + len(traffic.to("/statuses/batch/read"))


def test_one_bad_record_is_found_by_halving(hubspot, traffic):
    """A platform that refuses a whole batch for one record is asked about as often as a search takes."""
    known = hubspot.known()[:1_000]
    bad = Write(hubspot.places[0], "x", "9" * 24, "member")
    outcomes = write(
        hubspot.destination(), [*members(hubspot.places[0], known[:500]), bad, *members(hubspot.places[0], known[500:])]
    )
    assert len(outcomes) == 1_001
    assert len(traffic.calls) <= 2 + 2 * 11
