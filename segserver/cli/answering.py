"""What the server answers when it is asked about itself, its segments and its contacts; plain data, read only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from segserver import services
from segserver.clock import format_instant
from segserver.engine import Engine
from segserver.identity import normalise
from segserver.services import Asked, Question, Refusal
from segserver.store import held, memberships, people, state
from segserver.store.members import contact_for, members_of_segment
from segserver.store.reach import source_ids
from segserver.store.session import Session
from segserver.store.state import Run


def segments(engine: Engine) -> list[dict[str, object]]:
    """Every segment of the workspace, as it was last evaluated."""
    with engine.store.session() as session:
        sizes, states = memberships.sizes(session), memberships.states(session)
        held_out = memberships.held_out(session)
        standing = held.standing(session)
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
                    plain(asdict(target) | asdict(standing.get(target, held.Standing()))) for target in block.targets
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


def ask(engine: Engine, key: str, question: Question) -> dict[str, object] | str | None:
    """The answer to a question about one contact; a text where there is none; None where nobody has the key."""
    found = _contact_of(engine, key)
    if found is None:
        return None
    (answer,) = services.answer(engine, [Asked(found, question)])
    if isinstance(answer, Refusal):
        return answer.reason
    return {"contact_id": found, **{item.name: plain(getattr(answer, item.name)) for item in fields(answer)}}


def request_refresh(engine: Engine, key: str) -> bool:
    """Keep durably that a contact is to be read and evaluated again; False where nobody has the key."""
    found = _contact_of(engine, key)
    if found is None:
        return False
    for name, spec in engine.workspace.connections.items():
        if spec.contacts is not None:
            with engine.store.session() as session:
                records = source_ids(session, name, [found])
            services.request_refresh(engine, name, records, uuid4().hex)
    return True


def _contact_of(engine: Engine, key: str) -> str | None:
    with engine.store.session() as session:
        return contact_for(session, key, phone=normalise("phone", key))


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
