"""What the cadence is told about contacts, gathered from the store: for planning, and once more before each touch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from segserver.compiler.cadence import compile_scenarios
from segserver.execution import Champion, execute, thresholds
from segserver.scenarios.policy import Policy, make_policy
from segserver.scenarios.touches import merge_sends
from segserver.scenarios.types import ContactState, EndReason, Entry, Touch
from segserver.scenarios.zones import contact_zone
from segserver.store import audiences, ledger
from segserver.store.entries import StoredEntry
from segserver.store.reach import Reach, reach
from segserver.store.session import Session, compose
from segserver.workspace import Workspace

OPEN_ENTRIES = "open entries"
SCENARIO_CONTACTS = "scenario contacts"
RATE_WINDOW = timedelta(days=90)
"""How far back the platforms' own sends are counted for their rate."""


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the rules say of contacts that have entered scenarios: by contact, then by scenario or trait."""

    values: Mapping[str, Mapping[str, float | None]]
    stopped: Mapping[str, frozenset[str]]
    placeholders: Mapping[str, Mapping[str, str | None]]


def policy_of(session: Session, workspace: Workspace, as_of: datetime) -> Policy:
    """The workspace's scenarios and caps, with the rate at which the platforms send by themselves."""
    return make_policy(
        workspace.scenarios.values(),
        workspace.caps.values(),
        workspace.zone,
        _platform_rates(session, as_of),
    )


def stage_addresses(session: Session, workspace: Workspace) -> None:
    """Look up where contacts are at each destination; `audiences` reads it."""
    for name, kind in workspace.catalog.destinations.items():
        identity = workspace.connections[name].options.get("identity")
        audiences.stage_addresses(
            session, name, identity=None if identity is None else str(identity), as_json=kind == "files"
        )


def states(
    session: Session,
    workspace: Workspace,
    as_of: datetime,
    serving: Mapping[str, Champion],
    entries: Iterable[Entry],
    also: Iterable[str] = (),
) -> list[ContactState]:
    """The state of every contact with an entry, in the order of their ids.

    Args:
        session: a thread's; `stage_addresses` was called in it.
        workspace: what is declared.
        as_of: naive UTC.
        serving: models that may score.
        entries: latest entry of each contact and scenario.
        also: contacts that are asked about whether they have an entry or not.
    """
    by_contact: dict[str, dict[str, Entry]] = defaultdict(dict, {contact: {} for contact in also})
    for entry in entries:
        by_contact[entry.contact_id][entry.scenario] = entry
    contacts = sorted(by_contact)
    answers = _ask(session, workspace, as_of, serving, by_contact)
    touches = _touches(session, workspace, as_of, by_contact)
    reaches = reach(session, contacts)
    known = _known_to(session, workspace, contacts)
    gone = Reach(suppressed=True, consent={}, home_zone=None, country=None)
    found = []
    for contact in contacts:
        reached = reaches.get(contact, gone)
        found.append(
            ContactState(
                contact_id=contact,
                zone=contact_zone(reached.home_zone, reached.country, workspace.zone),
                entries=by_contact[contact],
                touches=touches.get(contact, ()),
                consent=reached.consent,
                suppressed=reached.suppressed,
                known_to=known.get(contact, frozenset()),
                values=answers.values.get(contact, {}),
                placeholders=answers.placeholders.get(contact, {}),
                stopped=answers.stopped.get(contact, frozenset()),
            )
        )
    return found


def as_entry(stored: StoredEntry) -> Entry:
    """A stored entry as the cadence knows it."""
    return Entry(
        stored.scenario,
        stored.contact_id,
        stored.entered_at,
        stored.held_out,
        stored.declaration,
        stored.ended_at,
        EndReason(stored.reason) if stored.reason else None,
    )


def as_stored(entry: Entry) -> StoredEntry:
    """An entry as the store keeps it."""
    return StoredEntry(
        entry.scenario,
        entry.contact_id,
        entry.entered_at,
        entry.ended_at,
        str(entry.reason) if entry.reason else None,
        entry.held_out,
        entry.declaration,
    )


def _ask(
    session: Session,
    workspace: Workspace,
    as_of: datetime,
    serving: Mapping[str, Champion],
    by_contact: Mapping[str, Mapping[str, Entry]],
) -> _Answers:
    entries = [entry for held in by_contact.values() for entry in held.values() if entry.ended_at is None]
    session.load(OPEN_ENTRIES, _entry_table(entries))
    session.load(SCENARIO_CONTACTS, pa.table({"contact_id": pa.array(sorted(by_contact), pa.string())}))
    cadence = compile_scenarios(
        workspace.program,
        as_of,
        entries=OPEN_ENTRIES,
        serving=thresholds(serving),
        versions={name: champion.version for name, champion in serving.items()},
        among=SCENARIO_CONTACTS,
        prefix="cadence ",
    )
    execute(session, cadence.steps, serving)
    values: dict[str, dict[str, float | None]] = defaultdict(dict)
    stopped: dict[str, set[str]] = defaultdict(set)
    placeholders: dict[str, dict[str, str | None]] = defaultdict(dict)
    for scenario, answer in cadence.scenarios.items():
        for row in session.rows(compose("SELECT * FROM {table}", table=answer.table)):
            contact = str(row["contact_id"])
            values[contact][scenario] = None if row["value"] is None else float(str(row["value"]))
            if row["stop"]:
                stopped[contact].add(scenario)
            for trait, column in answer.placeholders.items():
                placeholders[contact][trait] = None if row[column] is None else str(row[column])
    return _Answers(values, {contact: frozenset(names) for contact, names in stopped.items()}, placeholders)


def _entry_table(entries: Collection[Entry]) -> pa.Table:
    return pa.table(
        {
            "scenario": pa.array([entry.scenario for entry in entries], pa.string()),
            "contact_id": pa.array([entry.contact_id for entry in entries], pa.string()),
            "entered_at": pa.array([entry.entered_at for entry in entries], pa.timestamp("us")),
        }
    )


def _touches(
    session: Session, workspace: Workspace, as_of: datetime, by_contact: Mapping[str, Mapping[str, Entry]]
) -> dict[str, list[Touch]]:
    windows = [cap.window for caps in workspace.caps.values() for cap in caps.caps]
    lasting = [entry.entered_at for held in by_contact.values() for entry in held.values() if entry.ended_at is None]
    since = min([as_of - max(windows, default=timedelta(0)), *lasting])
    ours: dict[str, list[Touch]] = defaultdict(list)
    for delivery in ledger.deliveries(session, since):
        intent = delivery.intent
        if delivery.counts:
            confirmed = delivery.status in ("confirmed", "sent")
            touch = Touch(intent.channel, delivery.intended_at, intent.scenario, intent.step, confirmed)
            ours[intent.contact_id].append(touch)
    theirs: dict[str, list[Touch]] = defaultdict(list)
    sends = ledger.sends_by_platforms(session, since, as_of)
    concerned = pc.is_in(sends["contact_id"], value_set=pa.array(by_contact, pa.string()))
    for row in sends.filter(concerned).to_pylist():
        theirs[row["contact_id"]].append(Touch(row["channel"], row["sent_at"]))
    return {contact: merge_sends(ours.get(contact, ()), theirs.get(contact, ())) for contact in by_contact}


def _known_to(session: Session, workspace: Workspace, contacts: Collection[str]) -> dict[str, frozenset[str]]:
    senders = {sender.connection for spec in workspace.scenarios.values() for sender in spec.senders}
    known: dict[str, set[str]] = defaultdict(set)
    for connection in senders:
        for contact in audiences.addresses(session, connection, contacts):
            known[contact].add(connection)
    return {contact: frozenset(connections) for contact, connections in known.items()}


def _platform_rates(session: Session, as_of: datetime) -> dict[str, float]:
    """Touches per day and contact, by channel, that the platforms sent without us in the last 90 days."""
    since = as_of - RATE_WINDOW
    people = session.count("SELECT count(*) FROM contacts WHERE deleted_at IS NULL")
    counted = pc.value_counts(ledger.sends_by_platforms(session, since, as_of)["channel"]).to_pylist()
    sent: dict[str, int] = {one["values"]: one["counts"] for one in counted}
    for delivery in ledger.deliveries(session, since):
        if delivery.status == "confirmed" and delivery.intent.channel in sent:
            sent[delivery.intent.channel] -= 1
    days = RATE_WINDOW / timedelta(days=1)
    return {channel: max(0, count) / (people * days) for channel, count in sent.items() if people}
