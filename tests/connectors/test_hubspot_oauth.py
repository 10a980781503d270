"""HubSpot as an app: the login, the renewal of tokens, what ends a grant, and which limits hold."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import responses

from segserver.clock import FixedClock
from segserver.connectors import declarations, hubspot_oauth, hubspot_scopes
from segserver.connectors.build import Connector, build, hubspot_install
from segserver.connectors.grants import GrantFile, StoredGrant
from segserver.connectors.hubspot_entry import INSTALL_LIMITS, Install
from segserver.connectors.kinds import Surroundings
from segserver.connectors.limits import Budgets
from segserver.errors import QuotaExhausted, RetryLater, SettingsError
from segserver.sandbox.population import Person, Population
from segserver.sandbox.server import Sandbox
from segserver.sandbox.serving import Server
from segserver.specs.connections import ConnectionSpec

NOW = datetime(2026, 11, 22, 12, 0)
BACK = "http://localhost:8701/oauth-callback"
VERIFIER = "a-verifier-of-forty-three-characters-or-more-1"
CRM = """\
    kind: hubspot
    auth: oauth
    client_id: env:HUBSPOT_CLIENT_ID
    client_secret: env:HUBSPOT_CLIENT_SECRET
    contacts:
      identities: {email: email}
      traits: {country: country}
    audiences: true
    """


class Stage:
    """An account, an app, and connections of it whose grants lie in one folder."""

    def __init__(self, clock: FixedClock, sandbox: Sandbox, server: Server, folder: Path) -> None:
        self.clock = clock
        self.sandbox = sandbox
        self.installs = sandbox.hubspot.installs
        self.environ = dict(server.environ)
        self.folder = folder
        self.naps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.clock.advance(timedelta(seconds=seconds))

    def around(self) -> Surroundings:
        budgets = Budgets(self.clock, self.sleep)
        return Surroundings(
            self.clock, self.sleep, self.environ, self.folder, None, False, budgets, state_directory=self.folder
        )

    def install(self, text: str = CRM) -> Install:
        return hubspot_install(spec(text), self.around())

    def log_in(self, text: str = CRM) -> StoredGrant:
        """What a person and the command do."""
        install = self.install(text)
        address = hubspot_oauth.address(install.login, install.app.client_id, spec(text), BACK, "state-1", VERIFIER)
        came = dict(parse_qsl(urlsplit(visit(address)).query))
        assert came.pop("state") == "state-1"
        grant = install.app.exchange(came["code"], BACK, VERIFIER)
        with install.file.alone():
            install.file.save(grant)
        return grant

    def connect(self, text: str = CRM, **kept: Any) -> Connector:
        return build(
            spec(text),
            clock=self.clock,
            sleep=self.sleep,
            environ=self.environ,
            workspace_dir=self.folder,
            state_directory=self.folder,
            **{"limits": False, **kept},
        )

    def read(self, connector: Connector) -> list[str]:
        assert connector.source is not None
        pages = connector.source.read("contacts", None, self.clock.now())
        return [item.source_id for page in pages for item in page.items if hasattr(item, "source_id")]


def visit(address: str) -> str:
    """Where a login sends the browser."""
    return requests.get(address, allow_redirects=False, timeout=10).headers["Location"]


def spec(text: str) -> ConnectionSpec:
    found, findings = declarations.load("crm", dedent(text), "connectors/crm.yml")
    assert found is not None, findings
    return found


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    clock = FixedClock(NOW)
    people = tuple(
        Person(f"{name}@example.com", NOW - timedelta(days=1), {"country": "FR"}, in_marketo=False)
        for name in ("ada", "ben")
    )
    sandbox = Sandbox(clock, Population(people, (), ()))
    with sandbox.serve() as server:
        yield Stage(clock, sandbox, server, tmp_path)


class TestLogin:
    def test_the_address_asks_for_what_the_connection_needs_and_hides_the_verifier(self) -> None:
        address = hubspot_oauth.address("https://app.hubspot.com", "app-1", spec(CRM), BACK, "state-1", VERIFIER)
        parts = urlsplit(address)
        query = dict(parse_qsl(parts.query))
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://app.hubspot.com/oauth/authorize"
        assert (query["client_id"], query["redirect_uri"], query["state"]) == ("app-1", BACK, "state-1")
        assert set(query["scope"].split()) == {
            "oauth",
            "crm.objects.contacts.read",
            "crm.objects.contacts.write",
            "crm.schemas.contacts.write",
            "crm.lists.read",
            "crm.lists.write",
        }
        assert query["code_challenge_method"] == "S256"
        assert VERIFIER not in address

    def test_the_challenge_is_that_of_the_standard(self) -> None:
        # RFC 7636, appendix B.
        assert (
            hubspot_oauth.challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
            == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        )

    def test_streams_and_subscriptions_ask_for_their_own_permissions(self) -> None:
        text = dedent(CRM).replace("audiences: true", "event: pe1_change") + dedent(
            """\
            accounts: {traits: {size: size}}
            events:
              won: {stream: deals, where: {dealstage: closedwon}, at: closedate}
              open: {stream: marketing_email, type: OPEN}
            """
        )
        text = text.replace(
            "{country: country}",
            "{country: country}\n  account: associatedcompanyid\n"
            "  consent: {email: {from: hs_email_optout, means: opted out, subscription: 7}}",
        )
        assert set(hubspot_scopes.required(spec(text))) == {
            "oauth",
            "crm.objects.contacts.read",
            "crm.objects.deals.read",
            "content",
            "crm.objects.companies.read",
            "analytics.behavioral_events.send",
            "communication_preferences.read",
        }
        assert "communication_preferences.statuses.batch.read" in hubspot_scopes.optional(spec(text))

    def test_a_grant_is_of_the_account_and_opens_it(self, stage: Stage) -> None:
        grant = stage.log_in()
        assert grant.account == "62515"
        assert len(stage.read(stage.connect())) == 2
        form = dict(parse_qsl(stage.sandbox.requests.to("/token", "POST")[0].body))
        assert form.keys() == {"grant_type", "code", "redirect_uri", "code_verifier", "client_id", "client_secret"}

    def test_account_and_permissions_are_asked_for_where_the_tokens_come_without(self, stage: Stage) -> None:
        stage.installs.silent = True
        grant = stage.log_in()
        assert grant.account == "62515"
        assert "crm.lists.write" in grant.scopes
        assert len(stage.sandbox.requests.to("/token/introspect", "POST")) == 1

    def test_another_verifier_buys_nothing(self, stage: Stage) -> None:
        install = stage.install()
        address = hubspot_oauth.address(install.login, install.app.client_id, spec(CRM), BACK, "s", VERIFIER)
        code = dict(parse_qsl(urlsplit(visit(address)).query))["code"]
        with pytest.raises(SettingsError, match=r"BAD_CODE_VERIFIER\).*segserver connect hubspot crm") as caught:
            install.app.exchange(code, BACK, "another")
        assert code not in str(caught.value)

    def test_a_wrong_client_secret_is_named_by_its_variable(self, stage: Stage) -> None:
        stage.environ["HUBSPOT_CLIENT_SECRET"] = "wrong"
        with pytest.raises(SettingsError, match="check client_id and HUBSPOT_CLIENT_SECRET"):
            stage.log_in()

    def test_permissions_that_were_not_given_are_named(self, stage: Stage) -> None:
        stage.installs.withheld = {"crm.lists.write"}
        assert hubspot_oauth.lacking(spec(CRM), stage.log_in()) == ["crm.lists.write"]

    def test_a_connection_with_a_key_is_not_logged_in(self, stage: Stage) -> None:
        text = "kind: hubspot\ntoken: env:HUBSPOT_TOKEN\ncontacts: {identities: {email: email}}\n"
        with pytest.raises(SettingsError, match="auth: oauth in place of token"):
            stage.install(text)

    def test_a_login_is_never_sent_over_an_open_line(self, stage: Stage) -> None:
        stage.environ["HUBSPOT_APP_ENDPOINT"] = "http://app.example.com"
        with pytest.raises(SettingsError, match="must start with https"):
            stage.install()


class TestGrantFile:
    def test_only_this_user_reads_it(self, stage: Stage) -> None:
        stage.log_in()
        file = stage.folder / "grants" / "crm.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700

    def test_it_is_read_as_it_was_written_and_never_shown(self, tmp_path: Path) -> None:
        grant = StoredGrant("app", "hidden-refresh" * 40, "hidden-access", NOW, "1", ("a", "b"))
        file = GrantFile(tmp_path, "crm")
        with file.alone():
            file.save(grant)
        assert GrantFile(tmp_path, "crm").load() == grant
        assert "hidden" not in repr([grant, file])

    def test_a_damaged_one_is_not_quoted(self, tmp_path: Path) -> None:
        (tmp_path / "grants").mkdir()
        (tmp_path / "grants" / "crm.json").write_text('{"refresh_token": "hidden', "utf-8")
        with pytest.raises(SettingsError, match="damaged; delete it and connect crm again") as caught:
            GrantFile(tmp_path, "crm").load()
        assert "hidden" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


class TestRenewal:
    def test_it_comes_before_the_end_and_not_by_a_refusal(self, stage: Stage) -> None:
        stage.log_in()
        connector = stage.connect()
        stage.read(connector)
        stage.clock.advance(timedelta(seconds=1_499))
        stage.read(connector)
        assert stage.installs.renewals == 0
        stage.clock.advance(timedelta(seconds=1))
        stage.read(connector)
        assert stage.installs.renewals == 1
        assert {one.status for one in stage.sandbox.requests.to("/crm/")} == {200}

    def test_a_pull_outlives_its_token(self, stage: Stage) -> None:
        stage.log_in()
        connector = stage.connect()
        assert connector.source is not None
        pages = connector.source.read("contacts", None, stage.clock.now())
        first = next(pages)
        stage.clock.advance(timedelta(hours=2))
        rest = list(pages)
        assert len(first.items) + sum(len(page.items) for page in rest) == 2
        assert {one.status for one in stage.sandbox.requests.to("/crm/")} == {200}

    def test_a_new_process_uses_the_token_that_is_still_good(self, stage: Stage) -> None:
        stage.log_in()
        stage.read(stage.connect())
        stage.read(stage.connect())
        assert stage.installs.renewals == 0

    @pytest.mark.parametrize("rotates", [False, True])
    def test_two_processes_renew_once(self, stage: Stage, rotates: bool) -> None:
        stage.installs.rotates = rotates
        stage.log_in()
        connectors = [stage.connect() for _ in range(4)]
        stage.clock.advance(timedelta(hours=1))
        found: list[int] = []
        threads = [threading.Thread(target=lambda one=one: found.append(len(stage.read(one)))) for one in connectors]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [2, 2, 2, 2]
        assert stage.installs.renewals == 1

    def test_a_rotated_refresh_token_is_kept_for_the_next_process(self, stage: Stage) -> None:
        stage.installs.rotates = True
        first = stage.log_in()
        for _ in range(3):
            stage.clock.advance(timedelta(hours=1))
            assert len(stage.read(stage.connect())) == 2
        kept = GrantFile(stage.folder, "crm").load()
        assert kept is not None
        assert kept.refresh_token != first.refresh_token
        assert kept.refresh_token == stage.installs.known[0].refresh_token
        assert (kept.account, kept.scopes) == (first.account, first.scopes)

    def test_nothing_is_renewed_that_could_not_be_kept(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        stage.log_in()
        stage.clock.advance(timedelta(hours=1))

        def full(_: GrantFile, grant: StoredGrant) -> None:
            raise OSError(28, "No space left on device", "grants/crm.new")

        with monkeypatch.context() as patched:
            patched.setattr(GrantFile, "save", full)
            with pytest.raises(OSError, match="No space left"):
                stage.read(stage.connect())
        assert stage.installs.renewals == 0
        assert len(stage.read(stage.connect())) == 2

    def test_a_token_refused_early_is_renewed_once(self, stage: Stage) -> None:
        stage.log_in()
        connector = stage.connect()
        stage.read(connector)
        stage.installs.known[0].tokens.clear()
        assert len(stage.read(connector)) == 2
        assert stage.installs.renewals == 1

    def test_530_is_a_refusal(self, stage: Stage) -> None:
        stage.log_in()
        connector = stage.connect()
        path = f"{stage.environ['HUBSPOT_ENDPOINT']}/crm/objects/2026-03/contacts"
        with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
            mock.add_passthru(f"{stage.environ['HUBSPOT_ENDPOINT']}/oauth")
            mock.get(path, status=530)
            with pytest.raises((SettingsError, RetryLater)):
                stage.read(connector)
        assert stage.installs.renewals > 0

    def test_a_short_life_is_used_by_half(self, stage: Stage) -> None:
        stage.installs.life = timedelta(seconds=60)
        stage.log_in()
        connector = stage.connect()
        stage.clock.advance(timedelta(seconds=29))
        stage.read(connector)
        assert stage.installs.renewals == 0
        stage.clock.advance(timedelta(seconds=1))
        stage.read(connector)
        assert stage.installs.renewals == 1

    def test_a_token_endpoint_that_does_not_answer_is_asked_by_the_next_run(self, stage: Stage) -> None:
        stage.log_in()
        stage.clock.advance(timedelta(hours=1))
        with responses.RequestsMock() as mock:
            mock.post(f"{stage.environ['HUBSPOT_ENDPOINT']}/oauth/2026-03/token", status=503)
            with pytest.raises(RetryLater, match="connection crm: POST /oauth/2026-03/token failed"):
                stage.read(stage.connect())
        assert len(stage.read(stage.connect())) == 2


class TestTheEnd:
    def test_an_uninstalled_app_is_told_with_the_command_that_reconnects(self, stage: Stage) -> None:
        grant = stage.log_in()
        connector = stage.connect()
        stage.installs.uninstall()
        with pytest.raises(
            SettingsError, match=r"connection crm: .*reconnect: segserver connect hubspot crm$"
        ) as caught:
            stage.read(connector)
        assert grant.refresh_token not in str(caught.value)
        stage.log_in()
        assert len(stage.read(connector)) == 2

    @pytest.mark.parametrize("body", [{"error": "invalid_grant"}, {"status": "BAD_REFRESH_TOKEN"}])
    def test_hubspot_says_so_in_two_ways(self, stage: Stage, body: dict[str, str]) -> None:
        stage.log_in()
        stage.clock.advance(timedelta(hours=1))
        with responses.RequestsMock() as mock:
            mock.post(f"{stage.environ['HUBSPOT_ENDPOINT']}/oauth/2026-03/token", status=400, json=body)
            with pytest.raises(SettingsError, match="has ended our grant"):
                stage.read(stage.connect())

    def test_without_a_grant_nothing_is_asked(self, stage: Stage) -> None:
        connector = stage.connect()
        with pytest.raises(SettingsError, match="connection crm is not connected to an account; connect it: segserver"):
            stage.read(connector)
        assert not stage.sandbox.requests.to("/")

    def test_the_grant_of_another_app_is_not_used(self, stage: Stage) -> None:
        stage.log_in()
        stage.environ["HUBSPOT_CLIENT_ID"] = "app-2"
        with pytest.raises(SettingsError, match="was connected with another app"):
            stage.read(stage.connect())

    def test_a_lacking_permission_is_named_with_the_command_that_asks_for_it(self, stage: Stage) -> None:
        stage.installs.withheld = {"crm.objects.contacts.read"}
        stage.log_in()
        with pytest.raises(SettingsError, match=r"crm\.objects\.contacts\.read; .*segserver connect hubspot crm"):
            stage.read(stage.connect())

    def test_a_revoked_grant_is_ended_at_hubspot_too(self, stage: Stage) -> None:
        grant = stage.log_in()
        install = stage.install()
        install.app.revoke(grant)
        assert not stage.installs.known
        install.app.revoke(grant)

    def test_a_store_in_memory_has_no_place_for_grants(self, stage: Stage) -> None:
        with pytest.raises(SettingsError, match="which must be a file"):
            build(spec(CRM), clock=stage.clock, sleep=stage.sleep, environ=stage.environ, workspace_dir=stage.folder)


class TestLimits:
    def test_an_app_has_its_own_burst_and_no_day(self, stage: Stage) -> None:
        budgets = Budgets(stage.clock, stage.sleep)
        key = budgets.budget("key", "hubspot 1", INSTALL_LIMITS, 1.0, "k")
        app = budgets.budget("app", "hubspot 1", INSTALL_LIMITS, 1.0, "a", daily=False)
        key.adopt(None, 2)
        for _ in range(5):
            with app.spend():
                pass
        for _ in range(2):
            with key.spend():
                pass
        with pytest.raises(QuotaExhausted), key.spend():
            pass
        with app.spend():
            pass

    def test_two_accounts_of_one_app_are_kept_apart_until_they_are_known(self, stage: Stage) -> None:
        stage.log_in()
        budgets = Budgets(stage.clock, stage.sleep)
        for name in ("crm", "other"):
            found, _ = declarations.load(name, dedent(CRM), "connectors/x.yml")
            assert found is not None
            build(
                found,
                clock=stage.clock,
                sleep=stage.sleep,
                environ=stage.environ,
                workspace_dir=stage.folder,
                state_directory=stage.folder,
                limits=True,
                budgets=budgets,
            )
        assert len(budgets._accounts) == 2

    def test_the_install_s_limits_hold_without_a_refusal(self, tmp_path: Path) -> None:
        clock = FixedClock(NOW)
        people = tuple(Person(f"p{n}@example.com", NOW, {}, in_marketo=False) for n in range(3))
        sandbox = Sandbox(clock, Population(people, (), ()), enforce_limits=True)
        with sandbox.serve() as server:
            stage = Stage(clock, sandbox, server, tmp_path)
            stage.log_in()
            connector = stage.connect(limits=True)
            for _ in range(150):
                stage.read(connector)
        statuses = {one.status for one in sandbox.requests.to("/crm/")}
        assert statuses == {200}
        assert sandbox.hubspot.daily.remaining(clock.now()) == sandbox.hubspot.daily.limit


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("client_id: env:HUBSPOT_CLIENT_ID\n", ""), "client_id is missing"),
        (("auth: oauth\n", ""), "token is missing"),
        (("auth: oauth\n", "auth: oauth\ntoken: env:HUBSPOT_TOKEN\n"), "there is no token"),
        (("auth: oauth\n", "auth: oath\n"), "auth cannot be 'oath'"),
    ],
)
def test_wrong_settings_are_findings_with_a_cure(change: tuple[str, str], says: str) -> None:
    found, findings = declarations.load("crm", dedent(CRM).replace(*change), "connectors/crm.yml")
    assert found is None
    assert any(says in one.message and one.hint for one in findings), findings
