"""`segserver connect hubspot`: from the printed address to a grant beside the store."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from urllib.parse import urlencode, urlsplit, urlunsplit

import click
import pytest
import requests
from rich.console import Console

from segserver.cli import execute
from segserver.cli.invocation import Invocation
from segserver.clock import SystemClock
from segserver.connectors.grants import GrantFile
from segserver.sandbox.population import Population
from segserver.sandbox.server import Sandbox

CRM = """\
    kind: hubspot
    auth: oauth
    client_id: env:HUBSPOT_CLIENT_ID
    client_secret: env:HUBSPOT_CLIENT_SECRET
    contacts:
      identities: {email: email}
    """
NOBODY = Population((), (), ())


@dataclass
class Desk:
    """A workspace, and whoever sits before the browser."""

    folder: Path
    sandbox: Sandbox
    environ: dict[str, str]

    def __call__(self, *arguments: str) -> tuple[int, str]:
        out = io.StringIO()
        line = ["-w", str(self.folder), "connect", "hubspot", *arguments]
        code = execute(line, Invocation(self.environ, Console(file=out, width=10_000), line))
        return code, out.getvalue()

    @property
    def grant(self) -> GrantFile:
        return GrantFile(self.folder / ".segserver", "crm")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "connectors").mkdir()
    (tmp_path / "segserver.yml").write_text("time zone: Europe/Paris\n", "utf-8")
    (tmp_path / "connectors" / "crm.yml").write_text(dedent(CRM), "utf-8")
    sandbox = Sandbox(SystemClock(), NOBODY)
    with sandbox.serve() as server:
        yield Desk(tmp_path, sandbox, dict(server.environ))


@pytest.fixture
def browse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[str], object]], None]]:
    """Puts somebody before the browser, who is given the address that the command opens."""
    threads: list[threading.Thread] = []

    def someone(visit: Callable[[str], object]) -> None:
        def launch(address: str) -> int:
            threads.append(threading.Thread(target=visit, args=(address,)))
            threads[-1].start()
            return 0

        monkeypatch.setattr(click, "launch", launch)

    yield someone
    for thread in threads:
        thread.join(20)


def follow(address: str) -> requests.Response:
    """What a browser does, with a person who says yes."""
    return requests.get(address, timeout=10)


def test_a_login_leaves_a_grant_beside_the_store(desk: Desk, browse: Callable[..., None]) -> None:
    pages: list[str] = []
    browse(lambda address: pages.append(follow(address).text))
    code, text = desk("--port", "0", "--browser")
    assert code == 0, text
    assert "crm is connected to HubSpot account 62515" in text
    assert "redirect URLs must hold http://localhost:" in text
    kept = desk.grant.load()
    assert kept is not None
    assert kept.refresh_token == desk.sandbox.hubspot.installs.known[0].refresh_token
    assert not [secret for secret in desk.sandbox.hubspot.installs.secrets() if secret in text]
    assert "close this window" in pages[0]


def test_nothing_that_comes_back_is_logged(
    desk: Desk, browse: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    browse(follow)
    assert desk("--port", "0", "--browser")[0] == 0
    assert capfd.readouterr() == ("", "")


def test_a_visitor_with_another_state_is_turned_away_and_the_right_one_still_waited_for(
    desk: Desk, browse: Callable[..., None]
) -> None:
    turned_away: list[int] = []

    def forge_then_follow(address: str) -> None:
        back = requests.get(address, allow_redirects=False, timeout=10).headers["Location"]
        forged = urlunsplit(urlsplit(back)._replace(query=urlencode({"code": "theirs", "state": "theirs"})))
        turned_away.append(requests.get(forged, timeout=10).status_code)
        requests.get(back, timeout=10)

    browse(forge_then_follow)
    code, text = desk("--port", "0", "--browser")
    assert (code, turned_away) == (0, [404]), text


def test_a_person_who_says_no_leaves_no_grant(desk: Desk, browse: Callable[..., None]) -> None:
    desk.sandbox.hubspot.installs.declines = True
    browse(follow)
    code, text = desk("--port", "0", "--browser")
    assert code == 2
    assert "the app was not let in (access_denied)" in text
    assert desk.grant.load() is None


def test_a_permission_that_was_not_given_leaves_no_grant_and_is_named(desk: Desk, browse: Callable[..., None]) -> None:
    desk.sandbox.hubspot.installs.withheld = {"crm.objects.contacts.read"}
    browse(follow)
    code, text = desk("--port", "0", "--browser")
    assert code == 2
    assert "without the permission crm.objects.contacts.read" in text
    assert desk.grant.load() is None


def test_nobody_is_waited_for_longer_than_said(desk: Desk) -> None:
    code, text = desk("--port", "0", "--wait", "0")
    assert code == 2
    assert "nobody came back" in text


def test_a_taken_port_is_named(desk: Desk) -> None:
    taken = urlsplit(desk.environ["HUBSPOT_ENDPOINT"]).port
    code, text = desk("--port", str(taken))
    assert code == 2
    assert f"port {taken} is taken" in text


def test_the_access_is_given_back_at_hubspot_and_here(desk: Desk, browse: Callable[..., None]) -> None:
    browse(follow)
    desk("--port", "0", "--browser")
    assert desk("--revoke") == (0, "crm is not connected any more\n")
    assert desk.grant.load() is None
    assert not desk.sandbox.hubspot.installs.known
    code, text = desk("--revoke")
    assert code == 2
    assert "not connected" in text
