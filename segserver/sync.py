"""The step that pulls: pages from each source into the store, each group with its cursor in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from segserver import identity
from segserver.clock import Clock
from segserver.connectors.base import Source
from segserver.connectors.build import Connector
from segserver.connectors.mapping import Problem
from segserver.connectors.notifications import STREAM
from segserver.counting import Count
from segserver.drift.comparison import Drift
from segserver.errors import RetryLater, StreamFailed
from segserver.progress import Progress
from segserver.records import Cursor, Page, SourceItem
from segserver.specs.connections import ConnectionSpec
from segserver.store import forgetting, forgotten, ingest, ledger, state
from segserver.store.identities import known_identities
from segserver.store.reach import contacts_of, source_ids
from segserver.store.session import Session
from segserver.store.state import Pending

GROUP_ROWS = 10_000
GROUP_TIME = timedelta(seconds=2)
"""A group of pages is committed at this many items or after this long, whichever comes first."""


@dataclass(slots=True)
class ConnectionReport:
    """What a pull from one connection brought.

    Attributes:
        items: by stream, how many records and events were read.
        changed: source records that were new or differed.
        nobody: events that name no contact and were left out.
        merged: contacts that turned out to be another one.
        problems: values that could not be read as declared; the trait is unknown for that record.
        failure: why the pull ended early; None if it is complete. What was read before is kept.
        drift: by stream, what differs from what earlier pulls brought, as far as it is worth a word.
        figures: by stream and kind of record, how many came, how many twice, and the shares of missing values.
    """

    items: dict[str, int] = field(default_factory=dict)
    changed: int = 0
    nobody: int = 0
    merged: int = 0
    problems: list[Problem] = field(default_factory=list)
    failure: str | None = None
    drift: dict[str, list[Drift]] = field(default_factory=dict)
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Plain data."""
        return {
            "items": dict(self.items),
            "changed": self.changed,
            "nobody": self.nobody,
            "merged": self.merged,
            "problems": [
                {"source_id": problem.source_id, "field": problem.field, "reason": problem.reason}
                for problem in self.problems
            ],
            "failure": self.failure,
            "drift": {stream: [one.to_dict() for one in told] for stream, told in self.drift.items()},
            "figures": dict(self.figures),
        }


@dataclass(frozen=True, slots=True)
class Drained:
    """What the inbox asked for.

    Attributes:
        notifications: their ids, to be marked done when the contacts were evaluated.
        contacts: whom a run must look at.
        failures: connections that do not answer now, each with why; their notifications stay in the inbox.
    """

    notifications: tuple[int, ...]
    contacts: frozenset[str]
    failures: Mapping[str, str]


def pull(
    session: Session,
    connectors: Mapping[str, Connector],
    *,
    until: datetime,
    clock: Clock,
    progress: Progress,
) -> dict[str, ConnectionReport]:
    """Read every stream of every source after its cursor, up to `until`.

    A source that does not answer keeps its place; the others go on.

    Raises:
        FindingsError: a file has bad rows; nothing of that file was stored.
        SettingsError: an account refuses our key.
    """
    forgetting.sweep(session)
    since, names = forgotten.by_hand(session, identity.normalise)
    for connector in connectors.values():
        connector.leave_out(since, names)
    reports = {}
    for name, connector in connectors.items():
        if connector.source is not None:
            reports[name] = _pull_connection(session, connector, connector.source, until, clock, progress)
    return reports


def incomplete(session: Session, connectors: Mapping[str, Connector]) -> list[str]:
    """Streams that were never read to their end, as "crm contacts": rules over them would see a part of the truth."""
    known = state.watermarks(session)
    return [
        f"{name} {stream}"
        for name, connector in connectors.items()
        if connector.source is not None
        for stream in connector.source.streams()
        if (name, stream) not in known
    ]


def drain(session: Session, connectors: Mapping[str, Connector], clock: Clock, *, whole: bool) -> Drained:
    """Read fresh copies of the contacts that notifications in the inbox speak of.

    A source that does not answer keeps its notifications; the others go on. Those that speak of new data and of no
    contact are worked off by a `whole` run, which has read every stream.
    """
    done: list[int] = []
    contacts: set[str] = set()
    failures: dict[str, str] = {}
    by_connection: dict[str, list[Pending]] = {}
    for pending in state.pending_inbox(session):
        if pending.notification.kind == STREAM:
            done += [pending.id] if whole else []
            continue
        by_connection.setdefault(pending.notification.connection, []).append(pending)
    for name, waiting in by_connection.items():
        connector = connectors.get(name)
        concerned = _concerned(session, name, waiting)
        if connector is not None and connector.source is not None and concerned:
            try:
                items = connector.source.read_contacts(concerned)
            except RetryLater as error:
                failures[name] = str(error)
                continue
            contacts |= _store(session, connector.spec, items, clock.now()).contacts
            contacts |= contacts_of(session, name, concerned)
        done += [pending.id for pending in waiting]
    return Drained(tuple(done), frozenset(contacts), failures)


def _concerned(session: Session, connection: str, waiting: Sequence[Pending]) -> list[str]:
    """The contacts that notifications speak of, but for those whose every change is our own writing."""
    changes = {pending.id: _change(pending) for pending in waiting}
    ours = ledger.echoes(session, connection, [change for change in changes.values() if change is not None])
    return sorted({pending.notification.source_id for pending in waiting if changes[pending.id] not in ours})


def _change(pending: Pending) -> tuple[str, str, str] | None:
    """Contact, property and value, where a notification tells of one that was set."""
    told, payload = pending.notification, pending.notification.payload
    if told.kind != "changed" or not payload.get("propertyName"):
        return None
    return told.source_id, str(payload["propertyName"]), str(payload.get("propertyValue") or "")


def refresh(
    session: Session, connectors: Mapping[str, Connector], contacts: Iterable[str], clock: Clock
) -> dict[str, str]:
    """Read contacts again at every source that speaks of consent, just before they are touched.

    Returns:
        Contacts that could not be read again, each with the reason: they must not be touched now.
    """
    unreachable: dict[str, str] = {}
    for name, connector in connectors.items():
        spec = connector.spec
        if connector.source is None or spec.contacts is None or not spec.contacts.consent:
            continue
        records = source_ids(session, name, contacts)
        if not records:
            continue
        try:
            items = connector.source.read_contacts(sorted(records))
            _store(session, spec, items, clock.now())
        except RetryLater as error:
            reason = f"consent could not be read again from {name}: {error}"
            unreachable |= dict.fromkeys(records.values(), reason)
    return unreachable


def _pull_connection(
    session: Session, connector: Connector, source: Source, until: datetime, clock: Clock, progress: Progress
) -> ConnectionReport:
    report = ConnectionReport()
    connector.problems.clear()
    failures: list[str] = []
    for stream in source.streams():
        try:
            _pull_stream(session, connector.spec, source, stream, until, clock, progress, report)
        except RetryLater as error:
            failures.append(str(error))
            if not isinstance(error, StreamFailed):
                break
    report.failure = "; ".join(failures) or None
    report.problems += connector.problems
    return report


def _pull_stream(
    session: Session,
    spec: ConnectionSpec,
    source: Source,
    stream: str,
    until: datetime,
    clock: Clock,
    progress: Progress,
    report: ConnectionReport,
) -> None:
    done, task = 0, f"{spec.name} {stream}"
    cursor = state.cursor(session, spec.name, stream)
    count = Count(session, spec, stream, anew=cursor is None)
    pages = source.read(stream, cursor, until)
    for group in _groups(pages, clock):
        items = [item for page in group for item in page.items]
        last = group[-1]
        count.add(items, clock.now())
        ingested = _store(
            session,
            spec,
            items,
            clock.now(),
            stream=stream,
            cursor=last.cursor,
            complete_through=last.complete_through,
            beside=count.save,
        )
        done += len(items)
        report.items[stream] = done
        report.changed += ingested.records
        report.nobody += ingested.nobody
        report.merged += ingested.merged
        progress(task, done, last.total)
    report.figures[stream] = count.figures()
    drift = count.end(clock.now())
    if drift:
        report.drift[stream] = drift


def _groups(pages: Iterable[Page], clock: Clock) -> Iterator[list[Page]]:
    """Pages to commit together. Where the source gives up, what came before is still handed out."""
    group: list[Page] = []
    rows, since = 0, clock.now()
    failure: RetryLater | None = None
    iterator = iter(pages)
    while True:
        try:
            page = next(iterator, None)
        except RetryLater as error:
            failure, page = error, None
        if page is None:
            break
        group.append(page)
        rows += len(page.items)
        if page.save or rows >= GROUP_ROWS or clock.now() - since >= GROUP_TIME:
            yield group
            group, rows, since = [], 0, clock.now()
    if group:
        yield group
    if failure is not None:
        raise failure


def _store(
    session: Session,
    spec: ConnectionSpec,
    items: Sequence[SourceItem],
    now: datetime,
    *,
    stream: str = "",
    cursor: Cursor | None = None,
    complete_through: datetime | None = None,
    beside: Callable[[], None] | None = None,
) -> ingest.Ingested:
    kept = forgetting.obey(session, spec.name, items, now, identity.normalise)
    items = kept.items
    claims = identity.claims(items, spec.name)
    known = known_identities(session, spec.name, claims)
    resolution = identity.resolve(known.contacts, known.created, items, spec.name, known.apart, known.differing)
    ingested = ingest.ingest(
        session,
        spec,
        resolution,
        items,
        stream=stream,
        cursor=cursor,
        complete_through=complete_through,
        now=now,
        beside=beside,
    )
    return replace(ingested, contacts=ingested.contacts | kept.contacts)
