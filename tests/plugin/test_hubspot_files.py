"""The files for HubSpot say what the server answers, in the shapes that HubSpot describes, as the manual has them."""

from __future__ import annotations

import io
import json
import re
from datetime import datetime
from importlib.resources import files
from pathlib import Path

import pytest
from rich.console import Console

from segserver.cli import execute
from segserver.cli.invocation import Invocation
from segserver.connectors.declarations import load
from segserver.plugin import hubspot
from segserver.plugin.hubspot import ACTIONS
from segserver.sandbox.recording import Exchange, Recorded
from tests import openapi

REPOSITORY = Path(__file__).parents[2]
URL = "https://segments.example.com"
PAGE = (files("segserver") / "help" / "plugin-hubspot.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def crm():
    spec, findings = load("crm", (REPOSITORY / "connectors" / "crm.yml").read_text(encoding="utf-8"), "crm.yml")
    assert not findings
    return spec


@pytest.fixture(scope="module")
def made(crm):
    return hubspot.files(crm, URL)


def _faults(method, path, body):
    recorded = Recorded(1, datetime(2026, 3, 1), "hubspot", method, path, (), {}, json.dumps(body), None, None)
    return openapi.hubspot().faults(Exchange(recorded, b"", ""))


@pytest.mark.parametrize("name", ACTIONS)
def test_definitions_for_the_api_are_as_hubspot_describes_them(made, name):
    assert _faults("POST", "/automation/actions/2026-03/123", made[f"rest/{name}.json"]) == []


def test_webhook_settings_and_subscriptions_are_as_hubspot_describes_them(made):
    assert _faults("PUT", "/webhooks/2026-03/123/settings", made["rest/webhook-settings.json"]) == []
    for one in made["rest/webhook-subscriptions.json"]:
        assert _faults("POST", "/webhooks/2026-03/123/subscriptions", one) == []


def test_the_check_against_the_description_notices_a_fault(made):
    body = dict(made["rest/check-segment.json"])
    body["isPublished"] = body.pop("published")
    assert _faults("POST", "/automation/actions/2026-03/123", body)


@pytest.mark.parametrize("name", ACTIONS)
def test_a_project_file_has_what_a_project_needs(made, name):
    content = made[f"src/app/workflow-actions/{name}-hsmeta.json"]
    config = content["config"]
    assert (content["type"], config["isPublished"]) == ("workflow-action", True)
    assert "published" not in config and "functions" not in config
    assert config["supportedClients"] == [{"client": "WORKFLOWS"}]
    assert config["actionUrl"] == f"{URL}/plugin/hubspot/crm/{name}"
    labels = config["labels"]["en"]
    inputs = [one["typeDefinition"]["name"] for one in config["inputFields"]]
    outputs = [one["typeDefinition"]["name"] for one in config["outputFields"]]
    assert list(labels["inputFieldLabels"]) == list(labels["inputFieldDescriptions"]) == inputs
    assert list(labels["outputFieldLabels"]) == outputs
    assert all(f"{{{{{one}}}}}" in labels["actionCardContent"] for one in inputs[:1])


def test_a_step_without_settings_has_empty_maps(made):
    labels = made["src/app/workflow-actions/refresh-contact-hsmeta.json"]["config"]["labels"]["en"]
    assert (labels["inputFieldLabels"], labels["inputFieldDescriptions"]) == ({}, {})


def test_uids_are_unique(made):
    uids = [content["uid"] for content in made.values() if isinstance(content, dict) and "uid" in content]
    assert len(uids) == len(set(uids)) == 2 + len(ACTIONS)


def test_consent_is_sent_along_and_every_property_that_is_read_is_subscribed_to(made):
    config = made["src/app/workflow-actions/may-we-contact-hsmeta.json"]["config"]
    assert config["objectRequestOptions"] == {"properties": ["hs_email_optout", "sms_consent"]}
    subscriptions = made["src/app/webhooks/webhooks-hsmeta.json"]["config"]["subscriptions"]
    watched = {one.get("propertyName") for one in subscriptions["crmObjects"]}
    assert {"hs_email_optout", "sms_consent", "email"} <= watched
    assert not any(str(name).startswith("segserver_") for name in watched)
    assert subscriptions["hubEvents"] == [{"subscriptionType": "contact.privacyDeletion", "active": True}]


CONTACTS = (
    "kind: hubspot\ntoken: env:T\ncontacts: {identities: {email: email}, account: company, consent: {email: %s}}\n"
)
CONSENT = "{from: hs_email_optout, means: opted out}"
SUBSCRIBED = "{from: hs_email_optout, means: opted out, subscription: 77}"
COMPANIES = "accounts: {traits: {industry: industry}}\n"
BASIC = {"automation", "crm.objects.contacts.read", "oauth"}
PUSHING = {"crm.lists.read", "crm.lists.write", "crm.objects.contacts.write", "crm.schemas.contacts.write"}


@pytest.mark.parametrize(
    ("text", "more"),
    [
        (CONTACTS % CONSENT, set()),
        (CONTACTS % CONSENT + "audiences: true\n", PUSHING),
        (CONTACTS % CONSENT + "audiences: true\nevent: pe1_x\n", PUSHING | {"analytics.behavioral_events.send"}),
        (CONTACTS % CONSENT + COMPANIES, {"crm.objects.companies.read"}),
        (CONTACTS % CONSENT + "events: {bought: {stream: deals, at: closedate}}\n", {"crm.objects.deals.read"}),
        (CONTACTS % CONSENT + "events: {open: {stream: marketing_email, type: OPEN}}\n", {"content"}),
        (CONTACTS % SUBSCRIBED, {"communication_preferences.read"}),
    ],
)
def test_the_app_asks_for_what_the_connection_needs_and_no_more(text, more):
    spec, findings = load("crm", text, "crm.yml")
    assert spec is not None, findings
    auth = hubspot.files(spec, URL)["src/app/app-hsmeta.json"]["config"]["auth"]
    assert set(auth["requiredScopes"]) == BASIC | more
    many = ["communication_preferences.statuses.batch.read"] if "subscription" in text else []
    assert auth["optionalScopes"] == many


# ---- the command and the manual ------------------------------------------------------------------------------------


def _run(*arguments, **environ):
    out = io.StringIO()
    code = execute(["-w", str(REPOSITORY), "plugin", "hubspot", *arguments], Invocation(environ, Console(file=out)))
    return code, out.getvalue()


def test_the_command_writes_the_files(tmp_path, made):
    code, said = _run("crm", "--output", str(tmp_path / "p"), SEGSERVER_PUBLIC_URL=URL)
    assert code == 0
    written = {str(path.relative_to(tmp_path / "p")) for path in (tmp_path / "p").rglob("*.json")}
    assert written == set(made)
    assert all(json.loads((tmp_path / "p" / name).read_text(encoding="utf-8")) == made[name] for name in made)
    assert f"{URL}/hooks/crm" in said


@pytest.mark.parametrize(
    ("arguments", "environ", "says"),
    [
        (["crm"], {}, "set SEGSERVER_PUBLIC_URL=https://"),
        (["crm"], {"SEGSERVER_PUBLIC_URL": "http://segments.example.com"}, "set SEGSERVER_PUBLIC_URL=https://"),
        (["engage"], {"SEGSERVER_PUBLIC_URL": URL}, "no connection 'engage' has `kind: hubspot`; name one of crm"),
    ],
)
def test_the_command_says_what_is_missing_and_writes_nothing(tmp_path, arguments, environ, says):
    code, said = _run(*arguments, "--output", str(tmp_path / "p"), **environ)
    assert (code, list(tmp_path.iterdir())) == (2, [])
    assert says in " ".join(said.split())


def test_the_manual_lists_every_file_and_every_address(made):
    listed = set(re.findall(r"^\| `([^`]+\.json)` \|", PAGE, re.MULTILINE))
    assert listed == set(made)
    told = set(re.findall(r"`(https://segments\.example\.com/\S+)`", PAGE))
    assert told == set(re.findall(rf'"({re.escape(URL)}/[^"]+)"', json.dumps(made)))


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_the_manual_names_settings_and_outputs(action):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| {action.title} |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert re.findall(r"`(\w+)`", cells[1]) == [one.name for one in action.inputs]
    assert re.findall(r"`(\w+)`", cells[2]) == [one.name for one in action.outputs]


def test_the_manuals_command_is_understood():
    line = next(line for line in PAGE.splitlines() if line.startswith("segserver plugin"))
    assert line == "segserver plugin hubspot crm --output hubspot-plugin"
