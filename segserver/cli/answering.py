"""What the server answers when it is asked about itself, its segments and its contacts; plain data, read only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal

from segserver.clock import format_instant
from segserver.engine import Engine
from segserver.identity import normalise
from segserver.store import memberships, people, state
from segserver.store.members import contact_for, members_of_segment
from segserver.store.session import Session
from segserver.store.state import Run


def segments(engine: Engine) -> list[dict[str, object]]:
    """Every segment of the workspace, as it was last evaluated."""
    with engine.store.session() as session:
        sizes, states = memberships.sizes(session), memberships.states(session)
        held_out = memberships.held_out(session)
    found = []
    for name, block in engine.workspace.program.segments.items():
        evaluated = states.get(name)
        found.append(
            {
                "name": name,
                "title": block.title,
                "size": sizes.get(name, 0) if evaluated else None,
                "held_out": held_out.get(name, 0) if evaluated else None,
                "evaluated_at": plain(evaluated.evaluated_at) if evaluated else None,
                "draft": block.draft,
                "owner": block.owner,
                "targets": [
                    {"connection": target.connection, "kind": target.kind, "name": target.name}
                    for target in block.targets
                ],
            }
        )
    return found


def members(engine: Engine, segment: str, *, after: str | None, limit: int) -> list[dict[str, object]] | None:
    """A page of a segment's members by contact id; None where there is no such segment."""
    if segment not in engine.workspace.program.segments:
        return None
    with engine.store.session() as session:
        page = members_of_segment(session, segment, after=after or "", limit=limit)
    return [
        {
            "contact_id": one.contact_id,
            "entered_at": plain(one.entered_at),
            "held_out": one.held_out,
            "identities": plain(one.identities),
        }
        for one in page
    ]


def contact(engine: Engine, key: str) -> dict[str, object] | None:
    """All that is known of one contact; None where nobody has the id or identity, or several have."""
    with engine.store.session() as session:
        found = contact_for(session, key, phone=normalise("phone", key))
        known = None if found is None else people.person(session, found)
    return None if known is None else {name: plain(value) for name, value in known.items()}


def runs(engine: Engine, limit: int) -> list[dict[str, object]]:
    """The latest runs of every kind, newest first."""
    with engine.store.session() as session:
        return [_run(one) for one in state.runs(session, limit=limit)]


def last_runs(session: Session, kinds: Iterable[str]) -> dict[str, Run]:
    """The latest run of each kind that has one."""
    found = {kind: state.runs(session, kind=kind, limit=1) for kind in kinds}
    return {kind: latest[0] for kind, latest in found.items() if latest}


def health(session: Session, kinds: Iterable[str]) -> dict[str, object]:
    """What the store says of the server's work: the last run of each kind, and what waits in the inbox."""
    return {
        "inbox": state.pending_count(session),
        "runs": {kind: _run(one) for kind, one in last_runs(session, kinds).items()},
    }


def _run(run: Run) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "kind": run.kind,
        "as_of": plain(run.as_of),
        "started_at": plain(run.started_at),
        "finished_at": plain(run.finished_at),
        "status": run.status,
    }


def plain(value: object) -> object:
    """A value of the store as JSON has it: instants as ISO 8601 with `Z`, decimals as numbers, durations in seconds."""
    match value:
        case datetime():
            return format_instant(value)
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case Mapping():
            return {str(name): plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value
