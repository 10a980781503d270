"""The manual's page on the server says what the server does: its examples are run, and its answers compared."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from configparser import ConfigParser
from dataclasses import fields
from datetime import datetime
from http.client import HTTPConnection
from importlib.resources import files
from itertools import pairwise

import pytest

from segserver.cli import execute, group
from segserver.cli.serving import running
from segserver.cli.working import LOOK_EVERY
from segserver.clock import FixedClock
from segserver.settings import Settings
from segserver.web.app import LARGEST_BODY, create_app
from segserver.web.schemas import LARGEST_PAGE

PAGE = (files("segserver") / "help" / "server.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SHELL = [text.strip() for kind, text in BLOCKS if kind == "sh"]
CALLS = [
    (before.strip(), json.loads(after)) for (_, before), (_, after) in pairwise(BLOCKS) if before.startswith("curl")
]
ORIGIN = "http://127.0.0.1:8700"
OF_THE_MOMENT = ("run_id", "hash", "version")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The starter workspace, served on 1 March 2026."""
    directory = tmp_path_factory.mktemp("page") / "workspace"
    shutil.copytree(str(files("segserver") / "starter"), directory)
    clock = FixedClock(datetime(2026, 3, 1, 12))
    with running(Settings(workspace=directory, port=0), {}, execute, clock=clock) as served:
        served.settle(60)
        yield served


def _lasting(value):
    if isinstance(value, dict):
        return {name: _lasting(item) for name, item in value.items() if name not in OF_THE_MOMENT}
    return [_lasting(item) for item in value] if isinstance(value, list) else value


def _call(server, line):
    words = shlex.split(line)[1:]
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    (address,) = [word.removeprefix(ORIGIN) for word in words if word.startswith(ORIGIN)]
    connection = HTTPConnection(server.address, timeout=10)
    try:
        connection.request(method, address)
        return json.load(connection.getresponse())
    finally:
        connection.close()


@pytest.mark.parametrize(("line", "told"), CALLS, ids=[line for line, _ in CALLS])
def test_every_call_on_the_page_is_answered_as_the_page_says(server, line, told):
    assert _lasting(_call(server, line)) == _lasting(told)


def test_every_route_is_on_the_page_and_called_there(backend, clock):
    rules = [
        (method, re.sub(r"<[^>]*>", "*", rule.rule))
        for rule in create_app(backend, clock).url_map.iter_rules()
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"})
        if not rule.rule.startswith(("/internal/", "/plugin/"))
    ]
    headings = re.findall(r"^### (GET|POST) (\S+)", PAGE, re.MULTILINE)
    headings += re.findall(r"`(POST) (/hooks/\S+)`", PAGE)
    assert sorted((method, re.sub(r"[A-Z]{2,}", "*", path)) for method, path in headings) == sorted(rules)
    assert len(CALLS) == sum(path != "/hooks/*" for _, path in rules)


def test_every_setting_has_its_row_with_its_default():
    rows = {row[0].strip("`"): row for row in (line.strip("| ").split(" | ") for line in PAGE.splitlines())}
    defaults = {field.name: field.default for field in fields(Settings)}
    assert {f"SEGSERVER_{name.upper()}" for name in defaults} == {name for name in rows if name.startswith("SEGSERVER")}
    assert f"`{defaults['host']}`" in rows["SEGSERVER_HOST"][2]
    assert f"`{defaults['port']}`" in rows["SEGSERVER_PORT"][2]


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("segserver ")])
def test_every_command_on_the_page_is_understood(line):
    name, *arguments = shlex.split(line)[1:]
    with group.commands[name].make_context(name, arguments) as context:
        assert context.params


def test_the_backup_copies_what_the_table_lists(server, tmp_path):
    (backup,) = [line for line in SHELL if line.startswith("cp ")]
    workspace = server.engine.settings.workspace
    shutil.copytree(workspace, tmp_path / "here")
    subprocess.run(backup, shell=True, check=True, cwd=tmp_path / "here")  # noqa: S602 - the page's own line
    first_cells = re.findall(r"^\| (`[^|]*) \|", PAGE.split("## Backups")[1], re.MULTILINE)
    listed = set(re.findall(r"`([\w.]+)`", " ".join(first_cells)))
    found = {path.name for path in (tmp_path / "here" / "backup").iterdir()}
    assert found <= listed | {"store.duckdb.wal"}
    assert {"store.duckdb", "profile.json", "owner.json", "owner.lock"} <= found


def test_every_shell_line_on_the_page_is_tried_here():
    assert all(line.startswith(("curl ", "segserver ", "cp ")) for line in SHELL)


def test_the_proxy_and_the_service_on_the_page_lead_to_the_server():
    (proxy,) = [text for _, text in BLOCKS if "proxy_pass" in text]
    assert proxy.count(f"proxy_pass {ORIGIN};") == proxy.count("location ") == 3
    (unit,) = [text for _, text in BLOCKS if "[Service]" in text]
    service = ConfigParser()
    service.read_string(unit)
    assert service["Service"]["ExecStart"].split("/")[-1] == "segserver serve"


def test_numbers_on_the_page_are_those_of_the_code():
    assert f"{LARGEST_PAGE:,} at most" in PAGE
    assert f"above {LARGEST_BODY // 1024**2} MB" in PAGE
    assert LOOK_EVERY.total_seconds() == 10
    assert "every ten seconds" in PAGE
