"""A deleted record that its source holds again comes back; an old page's copy does not bring it back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from segserver.records import Deletion

EARLY, DELETED = datetime(2026, 2, 1), datetime(2026, 2, 20)


@pytest.mark.parametrize(
    ("updated_at", "seen_at", "back"),
    [
        (EARLY, None, False),
        (EARLY, DELETED - timedelta(days=1), False),
        (EARLY, DELETED + timedelta(days=1), True),
        (DELETED + timedelta(days=1), None, True),
        (EARLY - timedelta(days=1), DELETED + timedelta(days=1), False),
    ],
    ids=["old page", "seen before", "seen since", "changed since", "older than what is stored"],
)
def test_what_was_seen_alive_since_is_back(
    bench: Any, updated_at: datetime, seen_at: datetime | None, back: bool
) -> None:
    bench.take("crm", bench.person("1", "ada@example.com", at=EARLY))
    bench.take("crm", Deletion("1", DELETED))
    assert bench.contact()["deleted_at"] == DELETED
    bench.take("crm", bench.person("1", "ada@example.com", at=updated_at, seen_at=seen_at))
    assert (bench.contact()["deleted_at"] is None) is back


def test_a_deletion_after_it_was_seen_counts(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@example.com", at=EARLY, seen_at=DELETED - timedelta(days=1)))
    bench.take("crm", Deletion("1", DELETED))
    assert bench.contact()["deleted_at"] == DELETED
