"""The store as it was at an instant."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from segserver.records import Change
from segserver.store.past import nothing_later
from tests.store.conftest import EARLY

THEN = datetime(2026, 2, 5)
LATER = THEN + timedelta(days=1)
ASKED = """SELECT (SELECT count(*) FROM contacts) AS contacts, (SELECT min(t_country) FROM contacts) AS country,
    (SELECT list(event_key ORDER BY event_key) FROM event_purchase) AS purchases,
    (SELECT list(value ORDER BY valid_from) FROM history_stage WHERE valid_to IS NULL) AS stages,
    (SELECT count(*) FROM membership_changes) AS changes"""


@pytest.fixture
def told(bench: Any) -> Any:
    """A contact with things before and after an instant, and one that is told late."""
    changes = (Change("lead", EARLY), Change("customer", LATER))
    bench.take(
        "crm",
        bench.person("1", "ada@x.org", traits={"country": "FR"}, history={"stage": changes}),
        bench.bought("before", "1"),
        bench.bought("at", "1", at=THEN),
        bench.bought("told late", "1", known_at=LATER),
    )
    bench.session.execute(
        "INSERT INTO membership_changes BY NAME "
        "SELECT 'r' AS run_id, 'vip' AS segment, 'a' AS contact_id, 'entered' AS change, ?::TIMESTAMP AS as_of, "
        "'data' AS cause",
        [THEN],
    )
    return bench


def test_nothing_is_seen_that_happened_or_became_known_later_and_everything_afterwards(told: Any) -> None:
    (whole,) = told.rows(ASKED)
    with nothing_later(told.session, THEN):
        assert told.rows(ASKED) == [
            {"contacts": 1, "country": None, "purchases": ["before"], "stages": ["lead"], "changes": 0}
        ]
    assert told.rows(ASKED) == [whole]
    assert (len(whole["purchases"]), whole["stages"], whole["country"]) == (3, ["customer"], "FR")


def test_what_may_be_read_of_today_is_that_of_today(told: Any) -> None:
    with nothing_later(told.session, THEN, today=["country"]):
        assert told.rows("SELECT t_country, t_mrr FROM contacts") == [{"t_country": "FR", "t_mrr": None}]


def test_the_tables_come_back_after_an_error(told: Any) -> None:
    with pytest.raises(RuntimeError), nothing_later(told.session, THEN):
        raise RuntimeError
    assert len(told.rows("FROM event_purchase")) == 3
