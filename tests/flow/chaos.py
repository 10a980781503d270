"""Things that happen at the platforms while a server is killed again and again, and what must come of it all.

Two worlds of the same people live through the same story: in one nothing fails, in the other a tenth of the requests
do, and the server is killed at drawn moments and started anew. Both come to the same instant, and then all that is
known and all that is held at the platforms must be the same.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb

from segserver import pipeline
from segserver.cli import execute
from segserver.cli.serving import running
from segserver.connectors.ga4 import CLEARED
from segserver.sandbox import people, webhooks
from segserver.sandbox.population import Population, Purchase
from segserver.settings import Settings
from tests.flow.fast_clock import FastClock

HOST = Path(__file__).with_name("chaos_host.py")
RATE = 20.0
FAULTS = 0.1
DAYS = 3
"""From the start to the instant at which both worlds are looked at: later than any of it lasts."""

CHUNK = 2_000
EVENTS_EACH = 10
PATIENCE = 1800.0
LAST_ROUNDS = 4
"""Runs without faults after the story, four hours apart; one more at the last of these instants has nothing to do."""

_OF_INSTANTS = ("segserver_next_send_at", "segserver_planned_rate")
"""Properties of which the value tells when something was sent."""


def population(now: datetime, number: int, seed: int) -> Population:
    """So many people with ten events each on average: all their purchases, and some of what Marketo saw them do."""
    everybody, purchases, activities = [], [], []
    dice = random.Random(seed)
    for start in range(0, number, CHUNK):
        some = people.generate(now, people=min(CHUNK, number - start), seed=seed + start)
        room = EVENTS_EACH * len(some.people) - len(some.purchases)
        seen = sorted(dice.sample(range(len(some.activities)), max(0, min(room, len(some.activities)))))
        everybody += [_renamed(person, start) for person in some.people]
        purchases += [replace(one, person=one.person + start) for one in some.purchases]
        activities += [replace(one, person=one.person + start) for one in map(some.activities.__getitem__, seen)]
    purchases.sort(key=lambda one: (one.at, one.person))
    activities.sort(key=lambda one: (one.at, one.person, one.type))
    return Population(tuple(everybody), tuple(purchases), tuple(activities))


def _renamed(person, start):
    """A person of a later chunk: addresses and browsers are everybody's own."""
    if not start:
        return person
    properties = dict(person.properties)
    if "ga_client_id" in properties:
        properties["ga_client_id"] = f"{start}{properties['ga_client_id']}"
    lead_email = person.lead_email and f"{start}.{person.lead_email}"
    return replace(person, email=f"{start}.{person.email}", properties=properties, lead_email=lead_email)


# ---- the story -----------------------------------------------------------------------------------------------------


@dataclass
class Story:
    """What happens, in steps, to people who have no part in what happens to others.

    Attributes:
        steps: each does something at the sandbox and returns the webhook events of it.
        touched: e-mail addresses, in small letters, of those it happens to.
    """

    steps: list = field(default_factory=list)
    touched: set = field(default_factory=set)


def story(world, seed: int, number: int) -> Story:
    """The same for the same population: `number` steps of several things each."""
    dice = random.Random(seed)
    both = [person for person in world.population.people if person.in_hubspot and person.in_marketo]
    dice.shuffle(both)
    told = Story()

    def somebody():
        person = both.pop()
        told.touched.add(person.email.lower())
        return person.email.lower()

    for place in range(number):
        told.steps.append(
            [
                ("opt out", somebody()),
                ("unsubscribe", somebody()),
                ("buy", somebody()),
                ("buy", somebody()),
                ("move", somebody()),
                ("delete", somebody()),
                ("delete lead", somebody()),
                ("erase", somebody()),
                ("merge", somebody(), somebody()),
                ("merge leads", somebody(), somebody()),
                ("edit", place),
            ]
        )
    return told


def happen(world, step) -> list:
    """Let a step's things happen; returns HubSpot's webhook events."""
    sandbox, events = world.sandbox, []
    for what, *whom in step:
        match what:
            case "opt out":
                events += sandbox.change_contact(whom[0], {"hs_email_optout": "true"})
            case "unsubscribe":
                sandbox.change_lead(whom[0], {"unsubscribed": True})
            case "buy":
                bought = Purchase(0, world.clock.now(), Decimal(700), ("COFFEE",), 1)
                events += sandbox.add_purchase(whom[0], bought)
            case "move":
                events += sandbox.change_contact(whom[0], {"country": "CH", "lifecyclestage": "customer"})
            case "delete":
                events += sandbox.delete_contact(whom[0])
            case "erase":
                events += sandbox.delete_contact(whom[0], for_privacy=True)
            case "delete lead":
                sandbox.delete_lead(whom[0])
            case "merge":
                events += sandbox.merge_contacts(*whom)
            case "merge leads":
                sandbox.merge_leads(*whom)
            case "edit":
                edit_by_hand(sandbox, whom[0])
    return events


def edit_by_hand(sandbox, place: int) -> None:
    """Somebody takes a member off a list at HubSpot, if there are any by now."""
    lists = sorted(sandbox.hubspot.all_lists.values(), key=lambda one: one.name)
    if lists and lists[place % len(lists)].members:
        members = lists[place % len(lists)].members
        del members[sorted(members)[0]]


# ---- living through it ---------------------------------------------------------------------------------------------


def live_in_peace(world, told: Story) -> None:
    """A run, then one after each step of the story."""
    world.run()
    for step in told.steps:
        world.pass_time(minutes=30)
        tell(world, happen(world, step))
        world.run()


def tell(world, events: list) -> None:
    """Let a server that nobody kills take HubSpot's webhooks, and do what follows from them."""
    settings = Settings(workspace=world.directory, store=world.store_path, port=0)
    with running(
        settings, world.environ, execute, clock=world.clock, sleep=lambda seconds: world.pass_time(seconds=seconds)
    ) as server:
        assert not deliver(world, server.address, events)
        server.settle(PATIENCE)


@dataclass
class Watch:
    """Counts what arrives at the platforms, and notes members who are taken off a list they never left.

    Attributes:
        steady: list by platform and name, to the ids that were on it all the time where nothing failed.
        removed: how many were taken off lists.
        wronged: what was taken away from those who are steady.
    """

    sandbox: object
    steady: dict
    wronged: list = field(default_factory=list)
    removed: int = 0
    number: int = 0
    target: int | None = None
    reached: threading.Event = field(default_factory=threading.Event)

    def seen(self, exchange) -> None:
        """Look at one exchange."""
        self.number += 1
        recorded = exchange.recorded
        if self.target is not None and self.number >= self.target:
            self.reached.set()
        place, removed = _removed(self.sandbox, recorded)
        self.removed += len(removed)
        self.wronged += [(place, one) for one in removed & self.steady.get(place, set())]

    def wait(self, requests: int, seconds: float) -> None:
        """Wait until so many more have come, at most so long."""
        self.reached.clear()
        self.target = self.number + requests
        self.reached.wait(seconds)
        self.target = None


def _removed(sandbox, recorded):
    """The list that a request takes members off, by platform and name, and whom."""
    parts = recorded.path.split("/")
    if recorded.platform == "hubspot" and "/memberships/" in recorded.path and recorded.method == "PUT":
        body, entry = recorded.json, sandbox.hubspot.all_lists.get(parts[-3])
        gone = body.get("recordIdsToRemove", []) if isinstance(body, dict) else body
        if parts[-1] == "add":
            gone = []
    elif recorded.platform == "marketo" and recorded.method == "DELETE" and parts[-1] == "leads.json":
        entry = sandbox.marketo.all_lists.get(parts[-2]) or sandbox.marketo.all_lists.get(int(parts[-2]))
        gone = [one["id"] for one in (recorded.json or {}).get("input", [])]
        gone += [value for name, values in recorded.query if name == "id" for value in values.split(",")]
    else:
        return None, set()
    return (recorded.platform, entry.name if entry else "?"), {str(one) for one in gone or ()}


def members(world) -> dict:
    """Who is on our lists at the platforms, by platform and name."""
    state = world.sandbox.state()
    return {
        (platform, name): {str(one) for one in members}
        for platform in ("hubspot", "marketo")
        for name, members in state[platform]["lists"].items()
    }


def steady(before: dict, after: dict, affected: dict) -> dict:
    """Those on a list both at the beginning and at the end, but for whom the story concerns."""
    return {place: (before.get(place, set()) & after[place]) - affected[place[0]] for place in after}


class Killed:
    """A server in a process of its own, that is killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = (folder / "server.log").open("a", encoding="utf-8")
        self._host = subprocess.Popen(
            [sys.executable, str(HOST)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(HOST.parents[2])},
        )

    def rounds(self) -> int:
        """How many runs have ended, over all lives."""
        file = self._folder / "rounds"
        return len(file.read_text(encoding="ascii")) if file.exists() else 0

    def wait_for_a_round(self) -> None:
        """Wait until some run has ended: what happens is told of people who are known, as it is where nothing fails."""
        while not self.rounds():
            time.sleep(0.1)

    def start(self, world, origin: float) -> int:
        """Start a life; returns its process id when it answers."""
        address = self._folder / "address"
        address.unlink(missing_ok=True)
        order = {
            "workspace": str(world.directory),
            "store": str(world.store_path),
            "environ": world.environ,
            "start": world.START.isoformat(),
            "origin": origin,
            "rate": RATE,
            "address": str(address),
            "rounds": str(self._folder / "rounds"),
        }
        self._host.stdin.write(json.dumps(order) + "\n")
        self._host.stdin.flush()
        return int(self._host.stdout.readline())

    def address(self) -> str | None:
        """Where the server listens, once it does."""
        file = self._folder / "address"
        return file.read_text(encoding="ascii") or None if file.exists() else None

    def kill(self, pid: int) -> int:
        """End a life by SIGKILL; returns how it ended."""
        os.kill(pid, signal.SIGKILL)
        return int(self._host.stdout.readline())

    def close(self) -> None:
        """Let the host end."""
        self._host.stdin.close()
        self._host.wait()
        self._host.stdout.close()
        self._log.close()


def live_in_chaos(world, told: Story, watch: Watch, folder: Path, *, kills: int, seed: int, first: int) -> list:
    """The story, with faults, and a server that is killed so many times.

    Args:
        world: served, its hands not yet moved.
        told: its steps happen one in each of the last lives.
        watch: sees every exchange.
        folder: for what the server writes.
        kills: how many lives end by SIGKILL.
        seed: of faults and of moments.
        first: how many requests the first run takes where nothing fails.

    Returns:
        HubSpot's webhooks that no life took.
    """
    dice = random.Random(seed)
    origin = time.time()
    world.hands.clock = FastClock(world.START, origin, RATE)
    world.sandbox.faults(rate=FAULTS, seed=seed)
    killed = Killed(folder)
    steps, events = list(told.steps), []
    for life in range(kills):
        pid = killed.start(world, origin)
        watch.wait(1, 60)
        if kills - life <= len(steps):
            killed.wait_for_a_round()
            events += happen(world, steps.pop(0))
            events = deliver(world, killed.address(), events)
        if killed.rounds():
            watch.wait(dice.randint(1, 120), 60)
        else:
            watch.wait(int(first * dice.random() ** 2 / 2), 600)
        time.sleep(dice.random())
        assert killed.kill(pid) == -signal.SIGKILL, (folder / "server.log").read_text(encoding="utf-8")[-4000:]
    assert not steps
    killed.close()
    return events


def deliver(world, address: str | None, events: list) -> list:
    """HubSpot's webhooks; returns those that were not taken, which HubSpot sends again."""
    url = f"http://{address}/hooks/crm"
    left = list(events)
    while address is not None and left:
        try:
            status = webhooks.deliver(world.sandbox.webhook(left[: webhooks.BATCH], url))
        except OSError:
            break
        assert status == 200
        del left[: webhooks.BATCH]
    return left


def come_to_rest(world, events: list) -> None:
    """No more faults, webhooks that are sent again, a few runs, and a last one with nothing to do."""
    world.sandbox.faults(rate=0)
    world.hands.clock = world.clock
    world.go_on(days=DAYS)
    if events:
        tell(world, events)
    for turn in range(LAST_ROUNDS + 1):
        if 0 < turn < LAST_ROUNDS:
            world.pass_time(hours=4)
        with world.engine() as engine:
            report = pipeline.run(engine, read_back=turn == 0)
        if turn + 1 >= LAST_ROUNDS:
            assert report.status == "done", [one for pushed in report.pushes.values() for one in pushed.left]
    assert not report.plan.changes.num_rows
    assert not report.plan.touches


# ---- comparing -----------------------------------------------------------------------------------------------------

_NOT_COMPARED = frozenset(
    {"inbox", "inbox_done", "asked", "answered", "runs", "plans", "plan_changes", "meta", "membership_changes"}
    | {"acknowledgements", "readings", "cursors", "watermarks", "intents", "intent_outcomes", "pending", "forgotten"}
    | {"forgotten_contacts", "merges", "refused", "segment_state", "open_profiles", "closed_profiles"}
)
"""Where runs stand, what each of them did and what it read at once: how many there were differs."""

_MOMENTS = ("recorded_at", "acknowledged_at", "run_id", "seq", "event_key", "updated_at")
_OF_A_TOUCH = ("key", "tokens")
"""Columns that tell of the moment."""

_TOUCHES = ("scenario_entries", "deliveries", "reserved", "event_email_sent")
"""Of contacts whom the story concerns, and of the restless, these depend on what came first."""


def restless(world) -> set:
    """Our ids of those whose memberships changed after the first look, be it by time alone.

    A server that was killed looks later, and may find somebody past a window in which it would have touched them.
    """
    rows = world.ask(
        "SELECT DISTINCT contact_id FROM membership_changes WHERE as_of > (SELECT min(as_of) FROM membership_changes)"
    )
    return {contact for (contact,) in rows}


def at_platforms(world, contacts: set) -> dict:
    """The ids at each platform of contacts by our ids."""
    rows = world.ask("SELECT kind, value, contact_id FROM identities WHERE kind IN ('crm', 'engage')")
    return {
        "hubspot": {value for kind, value, contact in rows if kind == "crm" and contact in contacts},
        "marketo": {value for kind, value, contact in rows if kind == "engage" and contact in contacts},
    }


def differences(one: Path, other: Path, start: datetime, affected: set[str]) -> dict:
    """Tables of two stores with rows that only one of them has, each with how many and an example.

    Instants since the start are not compared: the same things happened at other moments.
    """
    found = {}
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{one}' AS peace (READ_ONLY)")
        connection.execute(f"ATTACH '{other}' AS chaos (READ_ONLY)")
        connection.execute("CREATE TEMP TABLE affected (contact_id VARCHAR)")
        if affected:
            connection.executemany("INSERT INTO affected VALUES (?)", [[name] for name in sorted(affected)])
        for table in compared(connection):
            queries = [rows_of(connection, database, table, start) for database in ("peace", "chaos")]
            for place, (left, right) in (("missing", queries), ("too much", queries[::-1])):
                rows = connection.execute(f"{left} EXCEPT ALL {right}").fetchall()
                if rows:
                    found[table, place] = (len(rows), rows[:2])
    return found


def compared(connection) -> list[str]:
    """Tables and views of the stores that say what is known."""
    rows = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_catalog = 'peace' ORDER BY 1"
    ).fetchall()
    return [name for (name,) in rows if name not in _NOT_COMPARED]


def rows_of(connection, database: str, table: str, start: datetime) -> str:
    """A query for the rows of a table without what depends on the moment."""
    columns = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_catalog = ? AND table_name = ? "
        "ORDER BY ordinal_position",
        [database, table],
    ).fetchall()
    chosen = []
    for name, kind in columns:
        if name in _MOMENTS or (table == "deliveries" and name in _OF_A_TOUCH):
            continue
        if kind == "TIMESTAMP":
            chosen.append(f"least(\"{name}\", TIMESTAMP '{start}')")
        elif table == "acknowledged" and name == "status":
            chosen.append("CASE WHEN status <> 'found' THEN status ELSE 'confirmed' END")
        elif table == "acknowledged" and name == "value":
            named = ", ".join(f"'{one}'" for one in _OF_INSTANTS)
            chosen.append(
                f"CASE WHEN target_name NOT IN ({named}) THEN regexp_replace(value, ' \\d{{4}}-\\S+Z$', '') END"
            )
        else:
            chosen.append(f'"{name}"')
    names = {name for name, _ in columns}
    where = " WHERE contact_id NOT IN (FROM affected)" if table in _TOUCHES and "contact_id" in names else ""
    return f'(SELECT {", ".join(chosen)} FROM {database}.main."{table}"{where})'


def held(found: dict, affected: dict) -> dict:
    """What the platforms hold of ours, without what tells of instants, and without touches of those concerned."""
    for contact, values in list(found["hubspot properties"].items()):
        found["hubspot properties"][contact] = {
            name: value
            for name, value in values.items()
            if name not in _OF_INSTANTS and not (contact in affected["hubspot"] and name.startswith("segserver_"))
        }
    found["hubspot properties"] = {contact: values for contact, values in found["hubspot properties"].items() if values}
    found["campaign requests"] = {
        name: {lead: times for lead, times in leads.items() if lead not in affected["marketo"]}
        for name, leads in found["campaign requests"].items()
    }
    # A property that was never set and one that is cleared say the same.
    found["ga4 user properties"] = {
        client: told
        for client, values in found["ga4 user properties"].items()
        if (told := {name: value for name, value in values.items() if value != CLEARED})
    }
    found["touches by SMS"] = {
        contact: times for contact, times in found["touches by SMS"].items() if contact not in affected["hubspot"]
    }
    return found


def unlike(wanted: dict, found: dict) -> dict:
    """By what is held, some of what differs, as it should be and as it is."""
    told = {}
    for name in wanted:
        one, other = wanted[name], found[name]
        keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
        if keys:
            told[name] = (len(keys), [(key, _part(one, other, key), _part(other, one, key)) for key in keys[:3]])
    return told


def _part(one: dict, other: dict, key: str) -> object:
    """What is under a key; of many things those that are not on the other side."""
    mine, theirs = one.get(key), other.get(key)
    if isinstance(mine, dict):
        return {name: value for name, value in mine.items() if (theirs or {}).get(name) != value}
    return sorted(set(mine) - set(theirs or ())) if isinstance(mine, list) else mine
