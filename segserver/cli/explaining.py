"""Explaining one contact from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa

from segserver.compiler.plan import Step
from segserver.engine import Engine
from segserver.errors import SettingsError
from segserver.execution import Champion, champions, execute, versions
from segserver.explain import Explanation, ModelReason, colleagues, explain, explain_score
from segserver.identity import normalise
from segserver.store import standing, state
from segserver.store.members import contacts_for
from segserver.store.people import labels
from segserver.store.session import Session, compose

AMONG = "explained contact"


def explain_contact(engine: Engine, contact: str, segment: str, as_of: datetime | None) -> Explanation:
    """Everything a segment's rule looks at, for one contact.

    Args:
        engine: the process's.
        contact: our id, or any identity.
        segment: one of the workspace's.
        as_of: None: the last run's instant.

    Raises:
        SettingsError: nobody is known by that name, or several are.
    """
    with engine.store.session() as session:
        contact_id = the_contact(session, contact)
        instant = as_of or state.last_evaluated(session) or engine.clock.now()
        serving, _ = champions(session, engine.workspace, instant, engine.key)
        session.load(AMONG, pa.table({"contact_id": [contact_id]}))
        found = explain(
            engine.workspace.program,
            segment,
            contact_id,
            instant,
            among=AMONG,
            serving={name: champion.portable for name, champion in serving.items()},
            runner=_Runner(session, serving),
            historical=as_of is not None,
            cutoffs=standing.cutoffs(session, versions(serving)) if as_of is None else {},
        )
        found = replace(found, asked=contact, names=labels(session, colleagues(found)))
        return replace(found, since=_since(session, segment, contact_id)) if as_of is None else found


def score_contact(engine: Engine, contact: str, model: str, as_of: datetime | None) -> tuple[ModelReason, Champion]:
    """What the version of a model that serves says of one contact; see `explain_contact`.

    Raises:
        SettingsError: nobody is known by that name, or several are; or no version serves.
    """
    with engine.store.session() as session:
        contact_id = the_contact(session, contact)
        instant = as_of or state.last_evaluated(session) or engine.clock.now()
        serving, absent = champions(session, engine.workspace, instant, engine.key)
        if model not in serving:
            raise SettingsError(f"model {model} does not serve: {absent[model]}")
        session.load(AMONG, pa.table({"contact_id": [contact_id]}))
        reason = explain_score(
            engine.workspace.program,
            model,
            contact_id,
            instant,
            among=AMONG,
            serving={name: champion.portable for name, champion in serving.items()},
            runner=_Runner(session, serving),
            historical=as_of is not None,
        )
        return reason, serving[model]


def the_contact(session: Session, asked: str) -> str:
    """The contact that is meant by what somebody typed: our id, or any identity.

    Raises:
        SettingsError: nobody is known by that name, or several are.
    """
    found = contacts_for(session, asked, phone=normalise("phone", asked))
    if len(found) == 1:
        return found[0]
    if found:
        some = ", ".join(found[:5]) + (" and others" if len(found) > 5 else "")
        raise SettingsError(f"{len(found)} contacts are known as {asked!r}; give one of their ids: {some}")
    raise SettingsError(
        f"no contact is known as {asked!r}; give an e-mail address, another identity "
        "or the id that `segserver members` shows"
    )


def _since(session: Session, segment: str, contact_id: str) -> datetime | None:
    """Since when the contact has been a member, as the last run left it."""
    query = "SELECT entered_at FROM memberships WHERE segment = ? AND contact_id = ?"
    found = session.value(query, [segment, contact_id])
    return found if isinstance(found, datetime) else None


@dataclass(frozen=True, slots=True)
class _Runner:
    session: Session
    serving: Mapping[str, Champion]

    def run(self, steps: Sequence[Step]) -> None:
        """Make the temporary tables of some steps."""
        execute(self.session, steps, self.serving)

    def rows(self, table: str) -> Sequence[Mapping[str, object]]:
        """All rows of a table."""
        return self.session.rows(compose("SELECT * FROM {table}", table=table))
