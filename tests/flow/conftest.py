"""Whole runs: a copy of a workspace, a store, and the platforms as the sandbox serves them, all at one fixed clock."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from segserver import pipeline
from segserver.clock import FixedClock, format_instant
from segserver.engine import open_engine
from segserver.sandbox import people
from segserver.sandbox.server import Sandbox
from segserver.settings import Settings
from tests.flow.fast_clock import Hands

START = datetime(2026, 3, 2, 9, 30)
"""A Monday morning, when every zone of the population may be written to."""

PEOPLE = 150

REPOSITORY = Path(__file__).parents[2]

SCENARIOS = """
caps
  email at most 1 per day, 3 per 7 days
  sms   at most 2 per 30 days

scenario win_back "Win back lapsed big spenders"
  for      lapsed_big_spenders
  channels email
  send     email by marketo campaign "Win back"
  inform   hubspot properties, ga4 user property "seg_channel"
  content  "winback_{country}"
  steps    day 0 "winback_{country}", day 4 "winback_2"
  priority high
  between  09:00 and 19:00 in contact's time zone, not on sunday
  stop when did purchase or did unsubscribed
  valid for 14 days
  hold out 10%

scenario thanks "Thank the engaged"
  for      engaged
  channels email
  send     email by marketo campaign "Coffee offer"
  content  "thanks"
  steps    day 0 "thanks"
  between  09:00 and 19:00 in contact's time zone
  valid for 7 days

scenario word "A word to customers"
  for      customers
  channels sms
  send     sms by hubspot property "segserver_send"
  content  "word"
  steps    day 0 "word"
  valid for 7 days
"""
"""Both kinds of senders, several calls for each campaign, and contacts in more than one scenario."""


SENT_BY = "segserver_send"


CAMPAIGNS = {"Win back": "win_back", "Coffee offer": "thanks"}
"""Whose campaigns they are."""


class World:
    """A workspace and its platforms, at one clock.

    Attributes:
        directory: the workspace: the repository's without its model, with `SCENARIOS`.
        store_path: its database.
        environ: what points the connections at the sandbox.
        clock: ours, and through its hands the sandbox's.
    """

    START = START

    def __init__(self, folder, *, people_count=PEOPLE, population=None, limits=None):
        self.directory = folder / "workspace"
        self.store_path = folder / "state" / "store.duckdb"
        self.clock = FixedClock(START)
        self.hands = Hands(self.clock)
        self.population = population or people.generate(START, people=people_count, seed=0)
        self.sandbox = Sandbox(self.hands, self.population, limits=limits)
        self.environ = {}
        _copy_workspace(self.directory)

    @contextmanager
    def served(self):
        """Serve the platforms."""
        with self.sandbox.serve() as server:
            self.environ = server.environ
            yield self

    def pass_time(self, **by):
        """Move everybody's clock."""
        self.clock.advance(timedelta(**by))

    def go_on(self, **after_start):
        """Set everybody's clock to so long after the start, however long was waited before."""
        self.clock.advance(START + timedelta(**after_start) - self.clock.now())

    @contextmanager
    def engine(self):
        """The engine in this process; waiting moves the clock."""
        settings = Settings(workspace=self.directory, store=self.store_path)
        with open_engine(
            settings, self.environ, clock=self.clock, sleep=lambda seconds: self.pass_time(seconds=seconds)
        ) as engine:
            yield engine

    def run(self):
        """One run in this process; returns its report."""
        with self.engine() as engine:
            return pipeline.run(engine)

    @property
    def now(self):
        """The present instant as text."""
        return format_instant(self.clock.now())

    def ask(self, sql):
        """Rows of a query over the store."""
        with duckdb.connect(self.store_path, read_only=True) as store:
            return store.execute(sql).fetchall()

    def campaign_requests(self):
        """How often each campaign was requested for each lead."""
        return dict(self.sandbox.marketo.requests)

    def times_sent_for(self):
        """How often the property that starts the touches by SMS was set, for each contact."""
        contacts = self.sandbox.hubspot.contacts
        return {str(one.id): len(one.past(SENT_BY)) for one in contacts if one.past(SENT_BY)}

    def held_by_platforms(self):
        """What the platforms hold of ours, without what tells of instants."""
        state = self.sandbox.state()
        return {
            "hubspot lists": state["hubspot"]["lists"],
            "hubspot properties": {
                contact: {name: _undated(value) for name, value in values.items() if name not in _OF_INSTANTS}
                for contact, values in state["hubspot"]["properties"].items()
            },
            "marketo lists": state["marketo"]["lists"],
            "campaign requests": state["marketo"]["campaign_requests"],
            "touches by SMS": self.times_sent_for(),
            "ga4 user properties": state["ga4"]["user_properties"],
        }

    def holdings(self):
        """What the platforms hold of ours, as reports name it: (what, contact) to the value, undated."""
        state, found = self.sandbox.state(), {}
        contacts = {
            name: dict(self.ask(f"SELECT source_id, contact_id FROM source_{name}")) for name in ("crm", "engage")
        }
        browsers = dict(self.ask("SELECT value, contact_id FROM identities WHERE kind = 'ga_client_id'"))
        for name, members in state["hubspot"]["lists"].items():
            found |= {(f'crm list "{name}"', contacts["crm"][one]): "member" for one in members}
        for name, members in state["marketo"]["lists"].items():
            found |= {(f'engage list "{name}"', contacts["engage"][one]): "member" for one in members}
        for contact, values in state["hubspot"]["properties"].items():
            for name, value in values.items():
                what = "touch of word" if name == SENT_BY else f'crm property "{name}"'
                found[what, contacts["crm"][contact]] = name in _OF_INSTANTS or _undated(value)
        for client, values in state["ga4"]["user_properties"].items():
            found |= {(f'web user property "{name}"', browsers[client]): value for name, value in values.items()}
        for campaign, leads in state["marketo"]["campaign_requests"].items():
            found |= {
                (f"touch of {CAMPAIGNS[campaign]}", contacts["engage"][one]): times for one, times in leads.items()
            }
        return {place: value for place, value in found.items() if value}

    def known(self):
        """What the store knows, without run ids, instants of ours, and what the platforms have done since the start.

        Whether a platform said that it holds something, or was seen to, makes no difference.
        """
        names = [name for (name,) in self.ask("SELECT table_name FROM duckdb_tables() ORDER BY table_name")]
        copies = [name for name in names if name.startswith(("source_", "history_", "event_"))]
        questions = {name: f"SELECT * EXCLUDE (recorded_at) FROM {name}" for name in copies}
        for name in copies:
            if name.startswith("event_"):
                questions[name] += f" WHERE occurred_at < TIMESTAMP '{START}'"
            if name.startswith("source_"):
                questions[name] = f"SELECT * EXCLUDE (recorded_at, updated_at) FROM {name}"
        questions |= _QUESTIONS
        return {name: sorted(map(repr, self.ask(sql))) for name, sql in questions.items()}


def _undated(value):
    """A value that starts a touch, without the instant that makes it a new one."""
    return re.sub(r" \d{4}-\S+Z$", "", value)


_OF_INSTANTS = ("segserver_next_send_at",)

_QUESTIONS = {
    "contacts": "SELECT * FROM contacts",
    "identities": "SELECT * EXCLUDE (recorded_at) FROM identities",
    "first events": "SELECT * FROM first_events",
    "cursors": "SELECT connection, stream FROM cursors",
    "watermarks": "SELECT * FROM watermarks",
    "memberships": "SELECT segment, contact_id FROM memberships",
    "membership changes": "SELECT segment, contact_id, change, cause FROM membership_changes",
    "segments": "SELECT segment, declaration, size, pushed_size FROM segment_state",
    "scenario entries": "SELECT scenario, contact_id, held_out FROM scenario_entries",
    "acknowledged": "SELECT * EXCLUDE (acknowledged_at, value, status), "
    "CASE WHEN status <> 'found' THEN status ELSE 'confirmed' END, "
    "CASE WHEN target_name <> 'segserver_next_send_at' THEN value END FROM acknowledged",
    "refused": "SELECT * EXCLUDE (acknowledged_at) FROM refused",
    "deliveries": "SELECT connection, scenario, contact_id, address, campaign, channel, step, status FROM deliveries",
}


def _copy_workspace(directory):
    directory.mkdir(parents=True)
    shutil.copy(REPOSITORY / "segserver.yml", directory)
    shutil.copytree(REPOSITORY / "connectors", directory / "connectors")
    (directory / "rules").mkdir()
    shutil.copy(REPOSITORY / "rules" / "customers.seg", directory / "rules")
    (directory / "scenarios").mkdir()
    (directory / "scenarios" / "contact.seg").write_text(SCENARIOS, encoding="utf-8")


@pytest.fixture
def world(tmp_path):
    """A world of 150 people, served."""
    with World(tmp_path).served() as served:
        yield served


@pytest.fixture(scope="session")
def make_world():
    """Makes further worlds: `make_world(folder)`; serve them with `served()`."""
    return World
