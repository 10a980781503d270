"""HubSpot's versions and what is written there, against its stand-in."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from segserver.connectors import declarations
from segserver.connectors.base import Outcome, Status, Write
from segserver.connectors.build import Connector
from segserver.connectors.hubspot_paths import VERSIONED, Paths, versions_of
from segserver.specs.targets import Target

ADA, BEN, CLEO = "100001", "100002", "100003"
NOW = datetime(2026, 11, 22, 12, 0)
TEXT = """
    kind: hubspot
    token: env:HUBSPOT_TOKEN
    contacts:
      identities: {email: email}
    audiences: true
"""


def apply(connector: Connector, *written: tuple[str, str, str | None]) -> dict[str, tuple[Status, str | None]]:
    assert connector.destination is not None
    writes = [Write(Target("crm", "property", name), one, one, value) for one, name, value in written]
    outcomes: list[Outcome] = [one for batch in connector.destination.write(writes) for one in batch]
    return {str(one.item.address): (one.status, one.reason) for one in outcomes}


def held(connector: Connector, name: str) -> dict[str, str]:
    assert connector.destination is not None
    holding = connector.destination.holds(Target("crm", "property", name))
    assert holding is not None
    return {address: value for page in holding.pages for address, value in page.items()}


class TestProperties:
    @pytest.mark.parametrize(
        ("name", "value", "type", "field"),
        [
            ("segserver_channel", "email", "enumeration", "select"),
            ("segserver_next_send_at", "2026-12-01T09:30:00Z", "datetime", "date"),
            ("segserver_planned_rate", "0.1250", "number", "number"),
            ("segserver_frequency_cap", "2 per week", "string", "text"),
        ],
    )
    def test_what_scenarios_tell_is_created_typed_and_held_in_the_words_it_was_written_in(
        self, hubspot: Any, name: str, value: str, type: str, field: str
    ) -> None:
        crm = hubspot.connect(TEXT)
        assert apply(crm, (BEN, name, value)) == {BEN: (Status.CONFIRMED, None)}
        made = hubspot.account.schema("contacts")[name]
        assert (made["type"], made["fieldType"], made["groupName"]) == (type, field, "segserver")
        assert held(crm, name) == {BEN: value}

    def test_a_value_that_is_new_becomes_an_option_beside_those_there_are(self, hubspot: Any) -> None:
        crm = hubspot.connect(TEXT)
        apply(crm, (ADA, "segserver_channel", "email"))
        assert apply(crm, (BEN, "segserver_channel", "sms"), (CLEO, "segserver_channel", "email")) == {
            BEN: (Status.CONFIRMED, None),
            CLEO: (Status.CONFIRMED, None),
        }
        options = hubspot.account.schema("contacts")["segserver_channel"]["options"]
        assert [(one["value"], one["displayOrder"]) for one in options] == [("email", 0), ("sms", 1)]
        assert [one.method for one in hubspot.asked("/segserver_channel")] == ["PATCH"]

    def test_options_of_somebody_elses_property_are_left_alone(self, hubspot: Any) -> None:
        crm = hubspot.connect(TEXT)
        schema = hubspot.account.schema("contacts")
        option = {"label": "A", "value": "a", "displayOrder": 0, "hidden": False}
        own = {"name": "tier", "type": "enumeration", "fieldType": "select", "hubspotDefined": False}
        schema["tier"] = schema["city"] | own | {"options": [option]}
        told = apply(crm, (ADA, "tier", "a"), (BEN, "tier", "b"))
        assert told[ADA] == (Status.CONFIRMED, None)
        assert told[BEN][0] is Status.REJECTED
        assert "['a']" in str(told[BEN][1])
        assert schema["tier"]["options"] == [option]

    def test_a_property_that_somebody_deleted_is_created_again_in_the_next_push(self, hubspot: Any) -> None:
        crm = hubspot.connect(TEXT)
        apply(crm, (ADA, "segserver_template", "autumn"))
        del hubspot.account.schema("contacts")["segserver_template"]
        assert apply(crm, (BEN, "segserver_template", "winter"))[BEN][0] is Status.REJECTED
        assert apply(crm, (BEN, "segserver_template", "winter"))[BEN][0] is Status.CONFIRMED

    def test_a_value_of_the_wrong_type_spoils_no_other(self, hubspot: Any) -> None:
        crm = hubspot.connect(TEXT)
        told = apply(crm, (ADA, "household_size", "3"), (BEN, "household_size", "many"))
        assert (told[ADA][0], told[BEN][0]) == (Status.CONFIRMED, Status.REJECTED)
        assert hubspot.account.properties(ADA)["household_size"] == "3"

    def test_a_merged_contact_takes_what_was_meant_for_the_one_it_took_in(self, hubspot: Any) -> None:
        crm = hubspot.connect(TEXT)
        hubspot.sandbox.merge_contacts(ADA, BEN)
        assert apply(crm, (BEN, "segserver_template", "autumn")) == {BEN: (Status.CONFIRMED, None)}
        assert hubspot.account.properties(ADA)["segserver_template"] == "autumn"


class TestVersions:
    def test_everything_is_asked_in_one_version_unless_told_otherwise(self, hubspot: Any) -> None:
        apply(hubspot.connect(TEXT), (BEN, "segserver_template", "autumn"))
        assert {one.path.split("/")[3] for one in hubspot.asked("/crm/")} == {"2026-03"}

    def test_an_area_may_be_asked_in_another_version(self, hubspot: Any) -> None:
        crm = hubspot.connect(TEXT + "    versions: {objects: 2026-09}\n")
        apply(crm, (BEN, "segserver_template", "autumn"))
        hubspot.pull(crm, "contacts")
        assert {one.path.split("/")[3] for one in hubspot.asked("/crm/objects/")} == {"2026-09"}
        assert {one.path.split("/")[3] for one in hubspot.asked("/crm/properties/")} == {"2026-03"}
        assert hubspot.account.properties(BEN)["segserver_template"] == "autumn"

    @pytest.mark.parametrize("area", VERSIONED)
    def test_every_area_with_versions_can_be_declared(self, area: str) -> None:
        for version in versions_of(area):
            spec, findings = declarations.load("crm", _versions(area, version), "crm.yml")
            assert spec is not None, findings
            assert version in Paths(spec.options["versions"]).base(area)

    def test_a_version_an_area_does_not_have_is_a_finding(self) -> None:
        _, (finding,) = declarations.load("crm", _versions("lists", "2025-09"), "crm.yml")
        assert (finding.code, finding.span.line) == ("bad-value", 4)
        assert finding.hint == "did you mean 2026-09? valid values: 2026-03, 2026-09"


def _versions(area: str, version: str) -> str:
    head = "kind: hubspot\ntoken: env:HUBSPOT_TOKEN\ncontacts: {identities: {email: email}}\n"
    return head + f"versions: {json.dumps({area: version})}\n"


def test_the_journal_needs_an_app() -> None:
    text = "kind: hubspot\ntoken: env:T\njournal: true\nclient_secret: env:S\ncontacts: {identities: {email: email}}\n"
    _, (finding,) = declarations.load("crm", text, "crm.yml")
    assert (finding.code, finding.span.line, finding.message) == ("missing-key", 3, "the journal is read as an app")
    assert finding.hint == "add client_id: env:..., of the app that the journal belongs to"


def test_a_subscription_is_named_by_its_number() -> None:
    text = (
        "kind: hubspot\ntoken: env:T\ncontacts:\n  identities: {email: email}\n  consent:\n"
        "    email: {from: hs_email_optout, means: opted out, subscription: Newsletter}\n"
    )
    _, (finding,) = declarations.load("crm", text, "crm.yml")
    assert (finding.code, finding.span.line) == ("wrong-type", 6)


@pytest.mark.parametrize(
    ("event", "code", "message"),
    [
        ("{stream: occurrences}", "missing-key", "the stream occurrences needs type:"),
        ("{stream: occurrences, type: e_visited_page, at: x}", "unknown-key", "the stream occurrences has no at:"),
        ("{stream: marketing_email, type: OPENED}", "bad-value", "type cannot be 'OPENED'"),
    ],
)
def test_keys_that_a_stream_needs_and_cannot_use(event: str, code: str, message: str) -> None:
    text = f"kind: hubspot\ntoken: env:T\ncontacts: {{identities: {{email: email}}}}\nevents:\n  e: {event}\n"
    _, (finding,) = declarations.load("crm", text, "crm.yml")
    assert (finding.code, finding.message) == (code, message)
