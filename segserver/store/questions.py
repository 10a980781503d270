"""Questions that plug-ins inside platforms asked and that are answered later, by a callback.

A question is durable before the platform is told so; one that comes again (same surface, connection and key) is the
same question. What was asked is forgotten once it is answered: it may hold a callback's key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import pyarrow as pa

from segserver.store.session import Session


@dataclass(frozen=True, slots=True)
class Waiting:
    """A question that waits for its answer.

    Attributes:
        surface: the plug-in that asked: "hubspot action", "marketo flow step".
        connection: the account it came from.
        key: by which a repeat is recognised.
        content: plain data, as the surface needs it.
        received_at: naive UTC.
    """

    id: int
    surface: str
    connection: str
    key: str
    content: Mapping[str, object]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """A question that needs no more work.

    Attributes:
        id: of the question.
        status: "delivered", "refused" (the platform does not want the answer any more) or "expired".
        answer: what was answered, plain data.
    """

    id: int
    status: str
    answer: Mapping[str, object]


def ask(
    session: Session, surface: str, connection: str, questions: Mapping[str, Mapping[str, object]], now: datetime
) -> int:
    """Keep questions by key before they are acknowledged; those that came before are dropped.

    Durable on return. May be called from many threads at once, each with its own session.

    Returns:
        How many were new.
    """
    contents = [json.dumps(dict(content)) for content in questions.values()]
    with session.inbox_lock, session.transaction():
        return session.count(
            "INSERT INTO asked (surface, connection, key, content, received_at) "
            "SELECT ?, ?, unnest(?), unnest(?), ? ON CONFLICT DO NOTHING",
            [surface, connection, list(questions), contents, now],
        )


def waiting(session: Session, surface: str, *, after: int = 0, limit: int = 1000) -> list[Waiting]:
    """Questions of a surface that are not answered, oldest first, after an id."""
    found = session.rows(
        "SELECT * FROM asked ANTI JOIN answered USING (id) WHERE surface = ? AND id > ? ORDER BY id LIMIT ?",
        [surface, after, limit],
    )
    return [
        Waiting(
            id=cast("int", row["id"]),
            surface=str(row["surface"]),
            connection=str(row["connection"]),
            key=str(row["key"]),
            content=json.loads(str(row["content"])),
            received_at=cast("datetime", row["received_at"]),
        )
        for row in found
    ]


def waiting_count(session: Session, surface: str | None = None) -> int:
    """How many questions wait for their answer; of one surface, or of all."""
    return session.count(
        "SELECT count(*) FROM asked ANTI JOIN answered USING (id) WHERE $surface IS NULL OR surface = $surface",
        {"surface": surface},
    )


def answer_to(session: Session, surface: str, connection: str, key: str) -> Mapping[str, object] | None:
    """What was answered to a question; None while it waits, or was never asked."""
    found = session.value(
        "SELECT answer FROM answered JOIN asked USING (id) WHERE surface = ? AND connection = ? AND key = ?",
        [surface, connection, key],
    )
    return None if found is None else cast("Mapping[str, object]", json.loads(str(found)))


def finish(session: Session, done: Iterable[Done], now: datetime) -> None:
    """Note answers, and forget what was asked. Safe to call again."""
    held = list(done)
    session.load(
        "told_answers",
        pa.table(
            {
                "id": pa.array([one.id for one in held], pa.int64()),
                "status": pa.array([one.status for one in held], pa.string()),
                "answer": pa.array([json.dumps(dict(one.answer)) for one in held], pa.string()),
            }
        ),
    )
    with session.transaction():
        session.execute(
            "INSERT INTO answered SELECT id, status, answer, ? FROM told_answers ANTI JOIN answered USING (id)", [now]
        )
        session.execute("UPDATE asked SET content = '{}' WHERE id IN (SELECT id FROM told_answers)")
    session.drop_temp("told_answers")
