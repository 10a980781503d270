"""Which connections share a budget: those that lead to one account, whatever they are called."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from segserver.clock import FixedClock
from segserver.connectors import declarations
from segserver.connectors.build import Connector, build
from segserver.connectors.limits import AccountLimits, Budget, Budgets
from segserver.errors import QuotaExhausted
from segserver.sandbox.ga4.google import Google

CRM = "kind: hubspot\ntoken: env:{token}\ncontacts:\n  identities: {{email: email}}\n"
ENGAGE = (
    "kind: marketo\nclient_id: env:MARKETO_CLIENT_ID\nclient_secret: env:MARKETO_CLIENT_SECRET\n"
    "endpoint: {endpoint}\ncontacts:\n  identities: {{email: email}}\n"
)
GOOGLE = """\
kind: ga4
measurement_id: G-1
api_secret: env:S
service_account: env:KEY
property: 1
project: my-shop
quota: 25%
audiences: true
custom_dimensions: true
events:
  view: {stream: export, type: page_view}
  buyer: {stream: audience, audience: 7}
"""
API = "https://api.hubapi.com"
READ = f"{API}/crm/objects/2026-03/contacts/batch/read"
FIELDS = [{"rest": {"name": name}, "dataType": "string"} for name in ("id", "email", "updatedAt", "createdAt")]
ENVIRON = {"ONE": "key-one", "OTHER": "key-other", "MARKETO_CLIENT_ID": "i", "MARKETO_CLIENT_SECRET": "s"}


@pytest.fixture
def budgets(clock: FixedClock, sleep) -> Budgets:
    return Budgets(clock, sleep)


@pytest.fixture
def connector(clock, sleep, budgets) -> Callable[[str, str], Connector]:
    def made(name: str, text: str) -> Connector:
        spec, findings = declarations.load(name, text, f"connectors/{name}.yml")
        assert spec is not None, findings
        return build(spec, clock=clock, sleep=sleep, environ=ENVIRON, workspace_dir=Path(), budgets=budgets)

    return made


def test_each_interface_of_google_has_limits_of_its_own(clock, sleep, monkeypatch) -> None:
    """BigQuery's belong to the project, the others' to the property."""
    told = {}
    made = Budgets.budget

    def noted(self: Budgets, name: str, account: str, limits: AccountLimits, quota: float, *rest, **more) -> Budget:
        told[account] = (limits.concurrent, quota)
        return made(self, name, account, limits, quota, *rest, **more)

    monkeypatch.setattr(Budgets, "budget", noted)
    spec, findings = declarations.load("web", GOOGLE, "connectors/web.yml")
    assert spec is not None, findings
    environ = {"KEY": Google(clock, 1).key_file(), "S": "secret"}
    build(spec, clock=clock, sleep=sleep, environ=environ, workspace_dir=Path(), limits=True)
    assert told == {"bigquery my-shop": (None, 0.25), "ga4 1": (10, 0.25), "ga4 admin 1": (None, 0.25)}


def read(connector: Connector) -> None:
    assert connector.source is not None
    connector.source.read_contacts(["1"])


def daily_refusal(platform) -> None:
    platform.post(READ, status=429, json={"policyName": "DAILY"})


def test_two_keys_of_one_hubspot_account_share_its_day(connector, platform) -> None:
    platform.get(f"{API}/account-info/2026-03/details", json={"portalId": 7, "timeZone": "Europe/Paris"})
    daily_refusal(platform)
    one, other = connector("one", CRM.format(token="ONE")), connector("other", CRM.format(token="OTHER"))
    for each, name in ((one, "one"), (other, "other")):
        with pytest.raises(QuotaExhausted, match=rf"connection {name}: .*2026-11-22 23:00 UTC"):
            read(each)
    assert [call.request.url for call in platform.calls].count(READ) == 1


def test_two_hubspot_accounts_have_a_day_each(connector, platform) -> None:
    details = f"{API}/account-info/2026-03/details"
    platform.get(details, json={"portalId": 7})
    platform.get(details, json={"portalId": 8})
    daily_refusal(platform)
    for name, token in (("one", "ONE"), ("other", "OTHER")):
        with pytest.raises(QuotaExhausted):
            read(connector(name, CRM.format(token=token)))
    assert [call.request.url for call in platform.calls].count(READ) == 2


def test_connections_to_one_marketo_instance_share_its_calls(connector, platform, clock) -> None:
    host = "https://123-abc-456.mktorest.com"
    platform.get(f"{host}/identity/oauth/token", json={"access_token": "t", "expires_in": 3600})
    platform.post(f"{host}/identity/oauth/token", json={"access_token": "t", "expires_in": 3600})
    platform.get(f"{host}/rest/v1/leads/describe.json", json={"success": True, "result": FIELDS})
    platform.get(f"{host}/rest/v1/leads.json", json={"success": False, "errors": [{"code": "607", "message": "quota"}]})
    platform.assert_all_requests_are_fired = False
    one = connector("one", ENGAGE.format(endpoint=host))
    other = connector("other", ENGAGE.format(endpoint=f"{host}/rest"))
    with pytest.raises(QuotaExhausted, match=r"connection one: .*2026-11-23 06:00 UTC"):
        read(one)
    made = len(platform.calls)
    clock.advance(timedelta(minutes=5))
    with pytest.raises(QuotaExhausted, match=r"connection other: .*2026-11-23 06:00 UTC"):
        read(other)
    assert not [call for call in list(platform.calls)[made:] if "/rest/v1/leads.json" in call.request.url]
