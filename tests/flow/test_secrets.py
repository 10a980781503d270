"""Keys are shown nowhere: not in logs, errors, reports, plans, stored requests, the store or the files beside it.

Every refusal says which connection it is about, which key or permission, and what to do.
"""

from __future__ import annotations

import io
import json
import logging
import stat
import traceback
from concurrent.futures import ThreadPoolExecutor

import click
import duckdb
import pytest
import requests
from rich.console import Console

from segserver.cli import execute
from segserver.cli.invocation import Invocation
from segserver.clock import SystemClock
from segserver.errors import SegserverError
from segserver.sandbox.faults import Fault

MARK = "marked"
"""Part of every secret that the platforms and the environment of these tests hold."""

SECRETS = ("HUBSPOT_TOKEN", "HUBSPOT_CLIENT_SECRET", "MARKETO_CLIENT_SECRET", "GA4_API_SECRET")


@pytest.fixture
def world(make_world, tmp_path, caplog):
    """A workspace whose platforms have marked keys; everything is logged."""
    caplog.set_level(logging.DEBUG)
    made = make_world(tmp_path, people_count=60)
    made.sandbox.hubspot.token = f"pat-{MARK}-hubspot-key"
    made.sandbox.hubspot.client_secret = f"{MARK}-hubspot-secret"
    made.sandbox.marketo.client_secret = f"{MARK}-marketo-secret"
    made.sandbox.ga4.api_secret = f"{MARK}-ga4-secret"
    with made.served() as served:
        assert all(MARK in served.environ[name] for name in SECRETS)
        yield served


def told_by(work):
    """All that a piece of work says, be it well or ill."""
    try:
        return repr(work())
    except SegserverError as error:
        return "".join([str(error), repr(error), *traceback.format_exception(error, chain=True)])


def written(world):
    """The text of all that is written: every row of the store, and every file but the grants, which are locked away."""
    files = [path for path in world.directory.parent.rglob("*") if path.is_file()]
    grants = [path for path in files if path.parent == world.store_path.parent / "grants"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in grants)
    texts = [path.read_bytes().decode("latin-1") for path in files if path not in grants]
    if world.store_path.exists():
        with duckdb.connect(world.store_path, read_only=True) as store:
            for (table,) in store.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                texts.append(repr(store.execute(f'FROM "{table}"').fetchall()))
    return texts


def check(world, caplog, *texts):
    """That no secret is anywhere, the Marketo token of the moment included."""
    requests = [one.to_dict() for one in world.sandbox.requests]
    token = world.sandbox.marketo.access_token()[0]
    for text in [*texts, caplog.text, json.dumps(requests), *written(world)]:
        assert MARK not in text
        assert token not in text


def test_a_run_that_does_all_shows_no_secret(world, caplog):
    report = told_by(world.run)
    assert "done" in report
    assert len(world.sandbox.requests) > 20
    assert world.ask("SELECT count(*) FROM contacts") != [(0,)]
    check(world, caplog, report)


@pytest.mark.long
@pytest.mark.parametrize("fault", list(Fault))
def test_a_run_in_which_all_fails_shows_no_secret(world, caplog, fault):
    reports = [told_by(world.run)]
    world.sandbox.faults(rate=1, kinds=[fault])
    world.go_on(hours=2)
    reports.append(told_by(world.run))
    check(world, caplog, *reports)


@pytest.mark.long
def test_a_run_in_which_some_of_everything_fails_shows_no_secret(world, caplog):
    world.sandbox.faults(rate=0.3, seed=4)
    check(world, caplog, told_by(world.run))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"HUBSPOT_TOKEN": f"pat-{MARK}-of-another"}, ("connection crm", "HUBSPOT_TOKEN", "run again")),
        ({"HUBSPOT_TOKEN": None}, ("connection crm", "HUBSPOT_TOKEN, which is not set", "export HUBSPOT_TOKEN=")),
        (
            {"MARKETO_CLIENT_SECRET": f"{MARK}-of-another"},
            ("connection engage", "MARKETO_CLIENT_ID and MARKETO_CLIENT_SECRET", "run again"),
        ),
        ({"GA4_API_SECRET": None}, ("connection web", "GA4_API_SECRET, which is not set", "export GA4_API_SECRET=")),
        ({"HUBSPOT_ENDPOINT": "http://crm.example.com"}, ("connection crm", "in clear", "use https")),
    ],
)
def test_a_wrong_key_or_setting_is_named_with_its_cure(world, caplog, change, says):
    for name, value in change.items():
        world.environ.pop(name)
        if value is not None:
            world.environ[name] = value
    told = told_by(world.run)
    for part in says:
        assert part in told
    check(world, caplog, told)


def test_a_key_that_is_taken_back_between_two_runs_is_named_with_its_cure(world, caplog):
    assert "done" in told_by(world.run)
    world.sandbox.hubspot.token = f"pat-{MARK}-rotated"
    world.go_on(hours=2)
    told = told_by(world.run)
    assert "connection crm" in told
    assert "check the key in HUBSPOT_TOKEN" in told
    check(world, caplog, told)


@pytest.fixture
def let_in(world):
    """HubSpot reads us as an app whose code and tokens are marked, and which was let in a moment ago."""
    world.sandbox.hubspot.installs.prefix = MARK
    file = world.directory / "connectors" / "crm.yml"
    text = file.read_text(encoding="utf-8")
    auth = "auth: oauth\nclient_id: env:HUBSPOT_CLIENT_ID"
    file.write_text(text.replace("token: env:HUBSPOT_TOKEN", auth), encoding="utf-8")
    out = io.StringIO()
    line = ["-w", str(world.directory), "--store", str(world.store_path), "connect", "hubspot", "--port", "0"]
    environ = world.environ | {"SEGSERVER_CLOCK_SHIFT": str((world.clock.now() - SystemClock().now()).total_seconds())}
    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(1) as person:
        patched.setattr(click, "launch", lambda address: person.submit(requests.get, address, timeout=10))
        assert execute([*line, "--browser"], Invocation(environ, Console(file=out, width=10_000), line)) == 0, (
            out.getvalue()
        )
    return out.getvalue()


@pytest.mark.long
def test_a_login_and_the_tokens_it_brings_are_shown_nowhere(world, let_in, caplog):
    reports = [told_by(world.run)]
    assert "done" in reports[0]
    world.sandbox.hubspot.installs.rotates = True
    world.go_on(hours=2)
    reports.append(told_by(world.run))
    assert world.sandbox.hubspot.installs.renewals > 0
    assert len([one for one in world.sandbox.hubspot.installs.secrets() if "-code-" in one]) == 1
    check(world, caplog, let_in, *reports)


def test_an_ended_grant_is_told_with_what_to_do(world, let_in, caplog):
    world.sandbox.hubspot.installs.uninstall()
    world.go_on(hours=2)
    told = told_by(world.run)
    assert "connection crm" in told
    assert "reconnect: segserver connect hubspot crm" in told
    check(world, caplog, let_in, told)


def test_a_missing_permission_is_named_with_whom_to_give_it(world, caplog):
    world.sandbox.marketo.permissions.discard("Read-Only Activity")
    told = told_by(world.run)
    assert "connection engage" in told
    assert "Read-Only Activity" in told
    assert "the role of the API user" in told
    check(world, caplog, told)


def test_a_key_that_stands_in_a_file_is_a_finding_that_does_not_repeat_it(world, caplog):
    file = world.directory / "connectors" / "crm.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("env:HUBSPOT_TOKEN", f"pat-{MARK}-pasted"), encoding="utf-8")
    told = told_by(world.run)
    assert "connectors/crm.yml" in told
    assert "env:" in told
    file.write_text(text, encoding="utf-8")
    check(world, caplog, told)
