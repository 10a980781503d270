from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from segserver.clock import FixedClock
from segserver.keys import contact_id
from segserver.records import Change, ContactRecord, Deletion, Merge, SourceItem

CREATED = datetime(2025, 1, 1)
EARLY = datetime(2026, 2, 1)
LATE = datetime(2026, 2, 10)
ADA = contact_id(("email", "ada@x.org"))


@pytest.fixture
def page(bench: Any) -> tuple[SourceItem, ...]:
    """A page with a bit of everything."""
    return (
        bench.person("1", "ada@x.org", history={"stage": (Change("lead", EARLY), Change("mql", LATE))}),
        bench.person("2", "bob@x.org", traits={"stage": None, "mrr": None, "tags": ()}),
        bench.person("3", None, at=None),
        bench.bought("d1", "1"),
        bench.bought("d2", "9", amount=7),
        bench.bought("d3", None, identity=("email", "Carl@x.org")),
        Deletion("2", LATE),
    )


def test_a_page_becomes_rows_under_the_rules_names(bench: Any, page: tuple[SourceItem, ...]) -> None:
    bench.take("crm", *page)
    ada = bench.contact(f"contact_id = '{ADA}'")
    assert ada == {
        "contact_id": ADA,
        "account_id": None,
        "created_at": CREATED,
        "deleted_at": None,
        "suppressed": False,
        "consent_email": True,
        "consent_sms": False,
        "t_country": "FR",
        "t_stage": "lead",
        "t_mrr": Decimal("5.000000"),
        "t_tags": ["a"],
    }
    (event,) = bench.rows("SELECT * FROM event_purchase WHERE event_key = 'd1'")
    assert event == {
        "contact_id": ADA,
        "connection": "crm",
        "event_key": "d1",
        "occurred_at": EARLY,
        "known_at": EARLY + timedelta(minutes=10),
        "recorded_at": bench.clock.now(),
        "p_amount": Decimal("10.000000"),
        "named_kind": "crm",
        "named_value": "1",
    }


def test_repeating_a_page_changes_nothing_not_even_recorded_at(bench: Any, page: tuple[SourceItem, ...]) -> None:
    bench.take("crm", *page, cursor={"after": 7}, complete_through=LATE)
    before = bench.dump()
    bench.clock.advance(timedelta(hours=1))
    again = bench.take("crm", *page, cursor=None)
    assert bench.dump() == before
    assert (again.contacts, again.records, again.merged) == (frozenset(), 0, 0)


def test_it_tells_whom_a_page_changed(bench: Any, page: tuple[SourceItem, ...]) -> None:
    first = bench.take("crm", *page)
    assert len(first.contacts) == 5
    assert first.records == 3
    second = bench.take("crm", *page, bench.bought("d4", "1"))
    assert second.contacts == {ADA}


@pytest.mark.parametrize("moment", ["before the commit", "at the commit", "in the middle"])
def test_a_kill_leaves_page_and_cursor_as_they_were(bench: Any, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    bench.take("crm", bench.person("1", "ada@x.org"), cursor={"page": 1})
    before = bench.dump()

    class Killed(BaseException):
        """Stands for the end of the process."""

    def kill(*_: object, **__: object) -> None:
        raise Killed

    if moment == "in the middle":
        monkeypatch.setattr("segserver.store.ingest.recompute", kill)
    elif moment == "before the commit":
        monkeypatch.setattr("segserver.store.ingest.save_cursor", kill)
    else:
        monkeypatch.setattr(bench.session, "_commit", kill)
    with pytest.raises(Killed):
        bench.take("crm", bench.person("1", "new@x.org", at=LATE), bench.bought("d", "1"), cursor={"page": 2})
    monkeypatch.undo()
    assert bench.dump() == before
    bench.take("crm", bench.person("1", "new@x.org", at=LATE), bench.bought("d", "1"), cursor={"page": 2})
    assert bench.rows("SELECT cursor FROM cursors") == [{"cursor": '{"page": 2}'}]


def test_every_statement_of_a_page_may_be_the_last(
    clock: FixedClock, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever statement a process dies at, the next start finds the state before the page (every third is tried)."""

    class Killed(BaseException):
        """Stands for the end of the process."""

    execute = type(bench.session).execute
    bench.take("crm", bench.person("1", "ada@x.org"), cursor={"page": 1})
    before = bench.dump()
    told = (
        bench.person("1", "new@x.org", at=LATE),
        bench.person("2", "ada@x.org"),
        bench.bought("d", "1"),
        Merge("1", ("2",), LATE),
    )
    for number in range(0, 1000, 3):
        left = number

        def count_down(self: Any, *arguments: Any) -> None:
            nonlocal left
            left -= 1
            if left < 0 and arguments[0] != "ROLLBACK":
                raise Killed
            execute(self, *arguments)

        monkeypatch.setattr(type(bench.session), "execute", count_down)
        try:
            bench.take("crm", *told, cursor={"page": 2})
        except Killed:
            monkeypatch.setattr(type(bench.session), "execute", execute)
            assert bench.dump() == before
        else:
            break
    assert number > 10
    assert bench.rows("SELECT cursor FROM cursors") == [{"cursor": '{"page": 2}'}]


# ---- deletions -------------------------------------------------------------------------------------------------------


def test_a_contact_is_deleted_when_all_its_records_are(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org"), bench.person("2", "ada@x.org", traits={"country": "BE"}))
    bench.take("crm", Deletion("1", LATE))
    assert bench.contact()["deleted_at"] is None
    assert bench.contact()["t_country"] == "BE"
    bench.take("crm", Deletion("2", LATE + timedelta(days=1)))
    assert bench.contact()["deleted_at"] == LATE + timedelta(days=1)
    assert bench.contact()["t_country"] is not None


def test_deleting_again_keeps_the_first_instant(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org"), Deletion("1", LATE))
    bench.take("crm", Deletion("1", LATE + timedelta(days=3)))
    assert bench.contact()["deleted_at"] == LATE


def test_a_record_updated_after_its_deletion_lives_again(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org"), Deletion("1", LATE), bench.person("1", "ada@x.org", at=EARLY))
    assert bench.contact()["deleted_at"] == LATE
    bench.take("crm", bench.person("1", "ada@x.org", at=LATE + timedelta(days=1)))
    assert bench.contact()["deleted_at"] is None


def test_a_late_word_of_an_earlier_deletion_does_not_delete_what_lives_again(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org", at=LATE), Deletion("1", EARLY))
    assert bench.contact()["deleted_at"] is None


def test_deleting_a_record_nobody_knows_makes_no_contact(bench: Any) -> None:
    bench.take("crm", Deletion("404", LATE))
    assert bench.rows("SELECT * FROM contacts") == []


# ---- our own writing coming back -----------------------------------------------------------------------------------


def later(record: ContactRecord, **changes: Any) -> ContactRecord:
    return replace(record, updated_at=EARLY + timedelta(days=1), **changes)


def test_a_record_modified_only_in_fields_that_nobody_reads_is_no_change(bench: Any) -> None:
    record = bench.person("1", "a@x.org")
    bench.take("crm", record)
    ingested = bench.take("crm", later(record))
    assert (ingested.records, ingested.contacts) == (0, frozenset())
    (row,) = bench.rows("SELECT updated_at FROM source_crm")
    assert row["updated_at"] == EARLY + timedelta(days=1), "an older copy that comes late must be known as such"


def test_a_record_modified_in_a_field_that_is_read_is_a_change(bench: Any) -> None:
    record = bench.person("1", "a@x.org")
    bench.take("crm", record)
    ingested = bench.take("crm", later(record, traits={**record.traits, "country": "DE"}))
    assert (ingested.records, len(ingested.contacts)) == (1, 1)


def test_of_two_records_of_a_contact_the_one_modified_last_still_counts(bench: Any) -> None:
    first = bench.person("1", "a@x.org", traits={"country": "FR"})
    second = bench.person("2", "a@x.org", at=EARLY + timedelta(hours=1), traits={"country": "DE"})
    bench.take("crm", first, second)
    assert bench.contact()["t_country"] == "DE"
    ingested = bench.take("crm", later(first))
    assert (ingested.records, len(ingested.contacts)) == (0, 1)
    assert bench.contact()["t_country"] == "FR"


def test_to_be_told_of_an_event_anew_does_not_make_it_known_earlier(bench: Any) -> None:
    known, later = datetime(2026, 2, 20), datetime(2026, 2, 25)
    for known_at, amount in ((later, 10), (known, 11)):
        bench.take("crm", bench.bought("d", None, amount, identity=("email", "ada@x.org"), known_at=known_at))
    assert bench.rows("SELECT known_at, p_amount FROM event_purchase") == [{"known_at": later, "p_amount": 11}]
    moved = bench.bought("d", None, 11, datetime(2026, 2, 2), identity=("email", "ada@x.org"), known_at=known)
    bench.take("crm", moved)
    assert bench.rows("SELECT known_at FROM event_purchase") == [{"known_at": known}]
