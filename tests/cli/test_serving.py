"""A server on a workspace of two spreadsheets: first run, commands, edits, ownership, end."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import urllib.request
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.resources import files
from threading import Event

import pytest

from segserver.cli import execute, retraining
from segserver.cli.forwarding import forward
from segserver.cli.serving import WRITING, Server, running, serve
from segserver.clock import FixedClock
from segserver.errors import FindingsError, MissingSecret, SettingsError, StoreError
from segserver.settings import Settings
from segserver.store import state
from segserver.store.db import Store
from segserver.store.owner import living_owner
from segserver.web.backend import Backend

NOW = datetime(2026, 3, 1, 12)
PATIENCE = 60.0


class Place:
    """A workspace and its settings."""

    def __init__(self, directory):
        self.directory = directory
        self.settings = Settings(workspace=directory, port=0)
        self.clock = FixedClock(NOW)

    @contextmanager
    def running(self, **changes):
        """A server that has done what was due at its start."""
        with running(replace(self.settings, **changes), {}, execute, clock=self.clock) as server:
            server.settle(PATIENCE)
            yield server

    def write(self, name, text):
        """Edit a file."""
        (self.directory / name).write_text(text, encoding="utf-8")

    def command(self, *arguments):
        """Send a command line to the owner: its exit code and what it printed."""
        printed = []
        return forward(living_owner(self.settings.state_directory), arguments, printed.append), "".join(printed)

    def kinds(self):
        """Kinds and statuses of all runs, oldest first."""
        with Store.open(self.settings.store_path, clock=self.clock) as store, store.session() as session:
            return [(one.kind, one.status) for one in reversed(state.runs(session))]


@pytest.fixture
def place(tmp_path):
    """A copy of the starter workspace."""
    shutil.copytree(str(files("segserver") / "starter"), tmp_path / "workspace")
    return Place(tmp_path / "workspace")


def _get(server, path):
    with urllib.request.urlopen(f"http://{server.address}{path}", timeout=10) as answer:
        return json.load(answer)


def test_the_server_is_what_the_web_doors_need():
    needed = {name for name in vars(Backend) if not name.startswith("_")}
    assert needed <= set(dir(Server))


# ---- what it does


def test_the_first_run_is_done_at_once_and_the_api_tells_of_it(place):
    with place.running() as server:
        sizes = {one["name"]: one["size"] for one in _get(server, "/api/segments")["segments"]}
        assert sizes == {"good_customers": 3, "slipping_away": 1}
        members = _get(server, "/api/segments/good_customers/members?limit=2")
        more = _get(server, f"/api/segments/good_customers/members?after={members['after']}")
        emails = {one["identities"]["email"][0] for one in members["members"] + more["members"]}
        assert emails == {"ada@example.com", "bo@example.com", "chloe@example.com"}
        health = _get(server, "/healthz")
        assert health["runs"]["run"]["status"] == "done"
        assert (health["status"], health["inbox"], health["workspace"]["problem"]) == ("ok", 0, None)


def test_a_contact_is_found_by_an_identity_with_all_that_is_known(place):
    with place.running() as server:
        contact = _get(server, "/api/contacts/ADA@example.com")
        assert contact["traits"] == {"country": "FR", "newsletter": True}
        assert contact["consent"] == {"email": True}
        assert contact["segments"]["good_customers"] == "2026-03-01T12:00:00Z"


def test_after_a_restart_only_what_was_missed_is_done(place):
    with place.running():
        pass
    place.clock.advance(timedelta(minutes=1))
    with place.running():
        pass
    assert place.kinds() == [("run", "done")]
    place.clock.advance(timedelta(hours=1))
    with place.running():
        pass
    assert place.kinds() == [("run", "done"), ("run", "done")]


def test_a_run_that_failed_is_tried_again_at_the_next_start(place):
    (place.directory / "orders.csv").rename(place.directory / "away.csv")
    with place.running():
        pass
    (place.directory / "away.csv").rename(place.directory / "orders.csv")
    place.clock.advance(timedelta(seconds=1))
    with place.running():
        pass
    assert place.kinds() == [("run", "failed"), ("run", "done")]


def test_a_run_that_was_cut_short_is_marked_and_starts_over(place):
    with Store.open(place.settings.store_path, clock=place.clock) as store, store.session() as session:
        state.start_run(session, "cut", "run", NOW, NOW)
    place.clock.advance(timedelta(seconds=1))
    with place.running():
        pass
    assert place.kinds() == [("run", "interrupted"), ("run", "done")]


def test_a_full_run_waits_for_the_last_push_while_other_work_goes_on(place, monkeypatch):
    def runs():
        return sum(one["kind"] == "run" for one in server.runs(50))

    def held(writes):
        begun.set()
        assert release.wait(PATIENCE)
        yield from write(writes)

    with place.running() as server:
        destination = server.engine.connectors()["shop"].destination
        write, begun, release = destination.write, Event(), Event()
        monkeypatch.setattr(destination, "write", held)
        with (place.directory / "orders.csv").open("a", encoding="utf-8") as orders:
            orders.write("1009,dmitri@example.com,2026-03-01T12:30:00Z,99.00,TEA\n")
        place.clock.advance(timedelta(hours=1))
        server.request_run()
        assert begun.wait(PATIENCE)
        place.clock.advance(timedelta(minutes=1))
        server.worker.request_run().result(PATIENCE)
        assert place.command("plan")[0] == 0
        assert (runs(), server.health()["pushing"]) == (2, 1)
        release.set()
        server.settle(PATIENCE)
        assert (runs(), server.health()["pushing"]) == (3, 0)
    assert "dmitri@example.com" in (place.directory / "audiences" / "good_customers.csv").read_text(encoding="utf-8")


# ---- commands


def test_a_reading_command_is_answered_by_the_server(place):
    with place.running():
        code, text = place.command("members", "slipping_away", "--format", "json")
        assert code == 0
        assert [one["identities"]["email"] for one in json.loads(text)] == [["ada@example.com"]]


def test_a_writing_command_has_its_turn_and_says_what_it_did(place):
    with place.running():
        place.clock.advance(timedelta(minutes=1))
        code, text = place.command("run")
        assert (code, "nothing to push" in text) == (0, True)
    assert place.kinds() == [("run", "done"), ("run", "done")]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nonsense"], 2, "nonsense"),
        (["members", "nobody"], 2, "there is no segment"),
        (["serve"], 2, "running server"),
        (["run", "--as-of", "2026-01-01"], 2, "--as-of"),
    ],
)
def test_mistakes_in_a_forwarded_command_are_told_as_anywhere_else(place, arguments, code, says):
    with place.running():
        told = place.command(*arguments)
        assert told[0] == code
        assert says in told[1]


def test_every_command_that_writes_waits_for_its_turn():
    from segserver.cli import group

    assert set(group.commands) >= WRITING


def test_commands_that_wait_while_the_server_stops_are_told(place):
    with place.running() as server:
        server.worker.close()
        code, text = place.command("run")
        assert (code, "is stopping" in text) == (1, True)


# ---- edits


def test_a_good_edit_is_used_from_then_on(place):
    with place.running() as server:
        place.write("rules/more.seg", 'segment french "From France"\n  where country = "FR"\n')
        place.clock.advance(timedelta(minutes=1))
        assert place.command("run")[0] == 0
        assert {one["name"]: one["size"] for one in server.segments()}["french"] == 3


def test_a_broken_edit_leaves_the_last_good_workspace_and_shows_its_place(place, caplog):
    with place.running() as server:
        before = server.engine.workspace
        place.write("rules/more.seg", 'segment french\n  where land = "FR"\n')
        code, text = place.command("plan")
        assert code == 1
        assert "rules/more.seg:2:" in text
        health = _get(server, "/healthz")
        assert health["status"] == "ok"
        assert health["workspace"]["findings"][0]["file"] == "rules/more.seg"
        assert server.engine.workspace is before
        server.worker.request_run().result(PATIENCE)
        assert "rules/more.seg:2:" in caplog.text
        (place.directory / "rules" / "more.seg").unlink()
        assert place.command("plan")[0] == 0
        assert _get(server, "/healthz")["workspace"]["problem"] is None
    assert sorted(kind for kind, _ in place.kinds()) == ["plan", "run", "run"]


def test_a_broken_workspace_does_not_start(place):
    place.write("rules/more.seg", 'segment french\n  where land = "FR"\n')
    with pytest.raises(FindingsError, match=r"rules/more\.seg:2:"), place.running():
        pass
    assert living_owner(place.settings.state_directory) is None


CRM = """kind: hubspot
token: env:HUBSPOT_TOKEN
contacts: {identities: {email: email}}
"""


def test_a_missing_secret_does_not_start(place):
    place.write(
        "connectors/crm.yml", "kind: hubspot\ntoken: env:HUBSPOT_TOKEN\ncontacts: {identities: {email: email}}\n"
    )
    with pytest.raises(MissingSecret, match="HUBSPOT_TOKEN"), place.running():
        pass
    assert living_owner(place.settings.state_directory) is None


# ---- ownership and end


def test_a_second_server_on_the_same_store_is_refused_and_the_first_goes_on(place):
    with place.running() as server:
        with pytest.raises(StoreError, match=rf"process id {os.getpid()} at {server.address}"), place.running():
            pass
        assert _get(server, "/healthz")["status"] == "ok"


def test_a_taken_port_is_refused_before_anything_is_touched(place):
    with place.running() as server:
        port = int(server.address.split(":")[1])
        other = place.directory / "other.duckdb"
        elsewhere = place.directory / "elsewhere" / "store.duckdb"
        with pytest.raises(SettingsError, match="--port"), place.running(store=elsewhere, port=port):
            pass
    assert not other.exists()
    assert not elsewhere.exists()


def test_after_its_end_the_store_is_free_and_nothing_is_left_behind(place):
    with place.running():
        assert (place.settings.state_directory / "owner.json").exists()
    assert not (place.settings.state_directory / "owner.json").exists()
    assert living_owner(place.settings.state_directory) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_in_good_order(place, number):
    said = []

    def say(text):
        said.append(text)
        if len(said) == 1:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    level = logging.getLogger("segserver").level
    try:
        serve(place.settings, {}, execute, say)
    finally:
        logging.getLogger("segserver").setLevel(level)
    assert said[0].startswith("segserver at http://127.0.0.1:")
    assert said[1].startswith("stopping")
    assert signal.getsignal(number) is before
    assert living_owner(place.settings.state_directory) is None


def test_secrets_are_in_no_log(place, caplog):
    caplog.set_level(logging.DEBUG)
    with place.running(api_token="s3cret") as server:
        token = server.owner_token
        place.command("plan")
    assert "s3cret" not in caplog.text
    assert token not in caplog.text


# ---- training

MODEL = """model again "Buys again"
  predicts  did purchase in next 30 days
  features
    orders = count(purchase in last 90 days)
  retrain   every 7 days
"""


@pytest.mark.long
def test_a_model_that_cannot_be_trained_yet_is_tried_once_a_day_and_after_each_edit(place):
    def attempts():
        return sum(kind == "train" for kind in (one["kind"] for one in server.runs(50)))

    def run_later(**by):
        place.clock.advance(timedelta(**by))
        server.request_run()
        server.settle(PATIENCE)

    place.write("rules/model.seg", MODEL)
    with place.running() as server:
        assert attempts() == 1
        run_later(hours=1)
        assert attempts() == 1
        place.write("rules/model.seg", MODEL.replace("last 90 days", "last 60 days"))
        run_later(hours=1)
        assert attempts() == 2
        run_later(hours=1)
        assert attempts() == 2
        run_later(days=1)
        assert attempts() == 3
    assert {status for kind, status in place.kinds() if kind == "train"} == {"failed"}


def _run(minutes_ago, **models):
    at = NOW - timedelta(minutes=minutes_ago)
    report = {"models": {name: {"declaration": told[0], "version": told[1]} for name, told in models.items()}}
    return state.Run("id", "train", at, at, at, "done", report)


def test_a_training_that_failed_is_remembered_for_a_day_as_it_was_declared():
    runs = [_run(10, a=("old", None)), _run(60, a=("old", 1), b=("b1", None)), _run(60 * 25, c=("c1", None))]
    assert retraining.failures(runs, NOW) == {"a": "old", "b": "b1"}


def test_a_training_that_succeeded_since_is_no_failure():
    assert retraining.failures([_run(10, a=("x", 2)), _run(60, a=("x", None))], NOW) == {}


def test_a_training_that_was_cut_short_says_nothing():
    cut = replace(_run(10), report=None)
    assert retraining.failures([cut], NOW) == {}
