from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from segserver.clock import FixedClock
from segserver.identity import contact_id
from segserver.records import Change, ContactRecord, Deletion, EventGone, EventRecord, Merge, SourceItem
from segserver.store.db import Store

CREATED = datetime(2025, 1, 1)
EARLY = datetime(2026, 2, 1)
LATE = datetime(2026, 2, 10)


def person(source_id: str, email: str | None = None, at: datetime | None = EARLY, **more: Any) -> ContactRecord:
    traits = {"country": "FR", "stage": "lead", "mrr": Decimal(5), "tags": ("a",)} | more.pop("traits", {})
    identities = {"email": email} if email else {}
    return ContactRecord(source_id, identities, traits, created_at=CREATED, updated_at=at, **more)


def bought(key: str, source_id: str | None, amount: int = 10, at: datetime = EARLY, **more: Any) -> EventRecord:
    return EventRecord(
        "purchase", key, source_id, more.get("identity"), at, more.get("known_at"), {"amount": Decimal(amount)}
    )


ADA = contact_id(("email", "ada@x.org"))

PAGE: tuple[SourceItem, ...] = (
    person("1", "ada@x.org", history={"stage": (Change("lead", EARLY), Change("mql", LATE))}),
    person("2", "bob@x.org", traits={"stage": None, "mrr": None, "tags": ()}),
    person("3", None, at=None),
    bought("d1", "1"),
    bought("d2", "9", amount=7),
    bought("d3", None, identity=("email", "Carl@x.org")),
    Deletion("2", LATE),
)


def test_a_page_becomes_rows_under_the_rules_names(bench: Any) -> None:
    bench.take("crm", *PAGE)
    ada = bench.contact(f"contact_id = '{ADA}'")
    assert ada == {
        "contact_id": ADA,
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
    }


def test_repeating_a_page_changes_nothing_not_even_recorded_at(bench: Any) -> None:
    bench.take("crm", *PAGE, cursor={"after": 7}, complete_through=LATE)
    before = bench.dump()
    bench.clock.advance(timedelta(hours=1))
    again = bench.take("crm", *PAGE, cursor=None)
    assert bench.dump() == before
    assert (again.contacts, again.records, again.merged) == (frozenset(), 0, 0)


def test_it_tells_whom_a_page_changed(bench: Any) -> None:
    first = bench.take("crm", *PAGE)
    assert len(first.contacts) == 5
    assert first.records == 3
    second = bench.take("crm", *PAGE, bought("d4", "1"))
    assert second.contacts == {ADA}


@pytest.mark.parametrize("moment", ["before the commit", "at the commit", "in the middle"])
def test_a_kill_leaves_page_and_cursor_as_they_were(bench: Any, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    bench.take("crm", person("1", "ada@x.org"), cursor={"page": 1})
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
        bench.take("crm", person("1", "new@x.org", at=LATE), bought("d", "1"), cursor={"page": 2})
    monkeypatch.undo()
    assert bench.dump() == before
    bench.take("crm", person("1", "new@x.org", at=LATE), bought("d", "1"), cursor={"page": 2})
    assert bench.rows("SELECT cursor FROM cursors") == [{"cursor": '{"page": 2}'}]


def test_every_statement_of_a_page_may_be_the_last(
    clock: FixedClock, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever statement a process dies at, the next start finds the state before the page (every third is tried)."""

    class Killed(BaseException):
        """Stands for the end of the process."""

    execute = type(bench.session).execute
    bench.take("crm", person("1", "ada@x.org"), cursor={"page": 1})
    before = bench.dump()
    page = (person("1", "new@x.org", at=LATE), person("2", "ada@x.org"), bought("d", "1"), Merge("1", ("2",), LATE))
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
            bench.take("crm", *page, cursor={"page": 2})
        except Killed:
            monkeypatch.setattr(type(bench.session), "execute", execute)
            assert bench.dump() == before
        else:
            break
    assert number > 10
    assert bench.rows("SELECT cursor FROM cursors") == [{"cursor": '{"page": 2}'}]


# ---- values --------------------------------------------------------------------------------------------------------


def test_the_first_known_value_in_the_order_of_sources_wins(bench: Any) -> None:
    bench.take("engage", ContactRecord("e1", {"email": "ada@x.org"}, {"country": "BE"}))
    assert bench.contact()["t_country"] == "BE"
    bench.take("crm", person("1", "ada@x.org", traits={"country": None}))
    assert bench.contact()["t_country"] == "BE"
    bench.take("crm", person("1", "ada@x.org", at=LATE, traits={"country": "FR"}))
    assert bench.contact()["t_country"] == "FR"


def test_of_several_records_in_one_connection_the_last_updated_known_value_wins(bench: Any) -> None:
    bench.take(
        "crm",
        person("1", "ada@x.org", at=LATE, traits={"country": "FR", "mrr": None}),
        person("2", "ada@x.org", at=EARLY, traits={"country": "BE", "mrr": Decimal(2)}),
    )
    row = bench.contact()
    assert (row["t_country"], row["t_mrr"]) == ("FR", 2)


def test_an_older_copy_of_a_record_changes_nothing(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org", at=LATE, traits={"country": "FR"}))
    bench.take("crm", person("1", "ada@x.org", at=EARLY, traits={"country": "BE"}))
    assert bench.contact()["t_country"] == "FR"


def test_a_partial_record_keeps_what_it_does_not_name(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org", consent={"email": True, "sms": True}, suppressed=True))
    bench.take(
        "crm", ContactRecord("1", {}, {"mrr": None, "stage": "mql"}, {"sms": False}, updated_at=LATE, partial=True)
    )
    row = bench.contact()
    assert (row["t_country"], row["t_mrr"], row["t_stage"]) == ("FR", None, "mql")
    assert (row["consent_email"], row["consent_sms"], row["suppressed"]) == (True, False, True)
    assert bench.rows("SELECT value FROM identities WHERE kind = 'email'") == [{"value": "ada@x.org"}]


def test_numbers_that_do_not_fit_are_unknown_and_places_after_the_sixth_are_rounded(bench: Any) -> None:
    for number, (told, kept) in enumerate(
        [
            (Decimal("1e12"), None),
            (Decimal("NaN"), None),
            (Decimal("Infinity"), None),
            (Decimal("999999999999.9999999"), None),
            (Decimal("0.0000005"), Decimal(0)),
            (Decimal("1.2345675"), Decimal("1.234568")),
            (Decimal("-999999999999.999999"), Decimal("-999999999999.999999")),
        ]
    ):
        bench.take("crm", person("1", "ada@x.org", at=EARLY + timedelta(days=number), traits={"mrr": told}))
        assert bench.contact()["t_mrr"] == kept


def test_text_is_composed_and_never_breaks_on_what_is_no_character(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org", traits={"country": "re\u0301", "tags": ("e\u0301", "x\ud800")}))
    row = bench.contact()
    assert row["t_country"] == "r\u00e9"
    assert row["t_tags"][0] == "\u00e9"
    assert row["t_tags"][1].startswith("x\ufffd")


# ---- consent -------------------------------------------------------------------------------------------------------

SPEAK = [None, True, False]


@pytest.mark.parametrize("crm", SPEAK)
@pytest.mark.parametrize("engage", SPEAK)
def test_refusal_wins_and_silence_takes_the_meaning_of_the_lines(
    bench: Any, crm: bool | None, engage: bool | None
) -> None:
    """E-mail has two "opted out" lines, sms one "granted" line."""
    said = [] if crm is None else [crm]
    bench.take("crm", person("1", "ada@x.org", consent={} if crm is None else {"email": crm, "sms": crm}))
    bench.take("engage", ContactRecord("e", {"email": "ada@x.org"}, {}, {} if engage is None else {"email": engage}))
    row = bench.contact()
    assert row["consent_email"] == all([*said, *([] if engage is None else [engage])])
    assert row["consent_sms"] is (crm is True)


def test_a_contact_without_any_record_takes_the_meaning_of_the_lines(bench: Any) -> None:
    bench.take("crm", bought("d", None, identity=("email", "eve@x.org")))
    row = bench.contact()
    assert (row["consent_email"], row["consent_sms"], row["suppressed"]) == (True, False, False)


def test_a_channel_whose_lines_are_unknown_is_never_used(clock: FixedClock, catalog: Any) -> None:
    with Store.open(None, clock=clock) as store:
        store.prepare(catalog)
        assert store.session().layout.allowed == {"email": False, "sms": False}


def test_one_suppressed_record_suppresses_the_contact(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org"), person("2", "ada@x.org", suppressed=True))
    assert bench.contact()["suppressed"] is True


# ---- deletions -----------------------------------------------------------------------------------------------------


def test_a_contact_is_deleted_when_all_its_records_are(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org"), person("2", "ada@x.org", traits={"country": "BE"}))
    bench.take("crm", Deletion("1", LATE))
    assert bench.contact()["deleted_at"] is None
    assert bench.contact()["t_country"] == "BE"
    bench.take("crm", Deletion("2", LATE + timedelta(days=1)))
    assert bench.contact()["deleted_at"] == LATE + timedelta(days=1)
    assert bench.contact()["t_country"] is not None


def test_deleting_again_keeps_the_first_instant(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org"), Deletion("1", LATE))
    bench.take("crm", Deletion("1", LATE + timedelta(days=3)))
    assert bench.contact()["deleted_at"] == LATE


def test_a_record_updated_after_its_deletion_lives_again(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org"), Deletion("1", LATE), person("1", "ada@x.org", at=EARLY))
    assert bench.contact()["deleted_at"] == LATE
    bench.take("crm", person("1", "ada@x.org", at=LATE + timedelta(days=1)))
    assert bench.contact()["deleted_at"] is None


def test_a_late_word_of_an_earlier_deletion_does_not_delete_what_lives_again(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org", at=LATE), Deletion("1", EARLY))
    assert bench.contact()["deleted_at"] is None


def test_deleting_a_record_nobody_knows_makes_no_contact(bench: Any) -> None:
    bench.take("crm", Deletion("404", LATE))
    assert bench.rows("SELECT * FROM contacts") == []


# ---- events --------------------------------------------------------------------------------------------------------


def test_a_contact_exists_from_its_first_event_where_that_is_earlier(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org"), bought("d1", "1", at=CREATED - timedelta(days=3)))
    assert bench.contact()["created_at"] == CREATED - timedelta(days=3)
    bench.take("crm", EventGone("purchase", "d1"))
    assert bench.contact()["created_at"] == CREATED


def test_a_late_event_moves_the_beginning_of_a_contact_back(bench: Any) -> None:
    bench.take("crm", bought("d1", "1", at=LATE))
    assert bench.contact()["created_at"] == LATE
    bench.take("crm", bought("d0", "1", at=EARLY))
    assert bench.contact()["created_at"] == EARLY


def test_the_same_key_is_one_event_the_last_recorded(bench: Any) -> None:
    bench.take("crm", bought("d", "1", 1), bought("d", "1", 2))
    bench.clock.advance(timedelta(hours=1))
    bench.take("crm", bought("d", "1", 3, at=LATE))
    (row,) = bench.rows("SELECT p_amount, occurred_at, recorded_at FROM event_purchase")
    assert row == {"p_amount": 3, "occurred_at": LATE, "recorded_at": bench.clock.now()}
    assert bench.contact()["created_at"] == LATE


def test_the_same_key_in_two_events_is_two(bench: Any) -> None:
    bench.take("engage", EventRecord("page_view", "k", "1", None, EARLY, None, {"path": "/"}))
    bench.take("engage", EventRecord("email_sent", "k", "1", None, EARLY, None, {}))
    assert (
        bench.session.count("SELECT (SELECT count(*) FROM event_page_view) + (SELECT count(*) FROM event_email_sent)")
        == 2
    )


def test_an_event_that_is_gone_and_comes_back_in_one_group_stays(bench: Any) -> None:
    bench.take("crm", bought("d", "1"), EventGone("purchase", "d"), bought("d", "1", 5))
    assert bench.rows("SELECT p_amount FROM event_purchase") == [{"p_amount": 5}]
    bench.take("crm", bought("d", "1"), EventGone("purchase", "d"))
    assert bench.rows("SELECT * FROM event_purchase") == []


def test_a_known_at_of_the_source_is_kept_when_the_event_is_read_again(bench: Any) -> None:
    bench.take("crm", bought("d", "1", known_at=LATE))
    bench.take("crm", bought("d", "1", known_at=LATE + timedelta(days=2)))
    assert bench.rows("SELECT known_at FROM event_purchase") == [{"known_at": LATE}]


def test_an_event_that_names_nobody_is_counted_and_left_out(bench: Any) -> None:
    found = bench.take("crm", bought("d", None, identity=("email", "not an address")), bought("e", None))
    assert found.nobody == 2
    assert bench.rows("SELECT * FROM event_purchase") == []


# ---- history -------------------------------------------------------------------------------------------------------


def stages(bench: Any) -> list[tuple[object, ...]]:
    rows = bench.rows("SELECT value, valid_from, valid_to FROM history_stage ORDER BY source_id, valid_from")
    return [tuple(row.values()) for row in rows]


def test_declared_changes_become_intervals(bench: Any) -> None:
    bench.take(
        "crm", person("1", "ada@x.org", history={"stage": (Change("lead", EARLY), Change("mql", LATE, known_at=LATE))})
    )
    assert stages(bench) == [("lead", EARLY, LATE), ("mql", LATE, None)]
    known = [row["known_at"] for row in bench.rows("SELECT known_at FROM history_stage ORDER BY valid_from")]
    assert known == [EARLY + timedelta(minutes=10), LATE]


def test_an_observed_change_closes_the_interval_before(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org", traits={"stage": None}))
    bench.take("crm", person("1", "ada@x.org", at=LATE, traits={"stage": "mql"}))
    assert stages(bench) == [(None, EARLY, LATE), ("mql", LATE, None)]


def test_a_source_without_clock_dates_its_changes_by_ours(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org", at=None))
    start = bench.clock.now()
    bench.clock.advance(timedelta(days=1))
    bench.take("crm", person("1", "ada@x.org", at=None, traits={"stage": "mql"}))
    assert stages(bench) == [("lead", start, bench.clock.now()), ("mql", bench.clock.now(), None)]


def test_a_late_change_splits_the_interval_it_falls_into(bench: Any) -> None:
    middle = EARLY + timedelta(days=2)
    bench.take("crm", person("1", "ada@x.org", history={"stage": (Change("lead", EARLY), Change("customer", LATE))}))
    recorded = bench.clock.now()
    bench.clock.advance(timedelta(hours=1))
    bench.take("crm", person("1", "ada@x.org", at=CREATED, history={"stage": (Change("mql", middle),)}))
    assert stages(bench) == [("lead", EARLY, middle), ("mql", middle, LATE), ("customer", LATE, None)]
    moments = [row["recorded_at"] for row in bench.rows("SELECT recorded_at FROM history_stage ORDER BY valid_from")]
    assert moments == [recorded, bench.clock.now(), recorded]


def test_the_same_value_twice_in_a_row_is_one_interval(bench: Any) -> None:
    changes = (Change("lead", EARLY), Change("lead", LATE), Change("mql", LATE + timedelta(days=1)))
    bench.take("crm", person("1", "ada@x.org", history={"stage": changes}))
    assert [value for value, *_ in stages(bench)] == ["lead", "mql"]


def test_at_one_instant_the_later_told_counts(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org", history={"stage": (Change("lead", EARLY), Change("mql", EARLY))}))
    assert stages(bench) == [("mql", EARLY, None)]
    bench.take("crm", person("1", "ada@x.org", history={"stage": (Change("customer", EARLY),)}))
    assert stages(bench) == [("customer", EARLY, None)]


# ---- identity ------------------------------------------------------------------------------------------------------


def test_records_of_two_connections_with_one_address_are_one_contact(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org"))
    bench.take("engage", ContactRecord("1", {"email": "ADA@x.org "}, {}))
    assert bench.contact()["contact_id"] == ADA


def test_an_address_that_a_record_gives_up_is_free_for_another_person(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org"))
    bench.take("crm", person("1", "new@x.org", at=LATE), person("2", "ada@x.org"))
    rows = bench.rows("SELECT source_id, contact_id FROM source_crm ORDER BY source_id")
    assert [row["contact_id"] for row in rows] == [ADA, contact_id(("crm", "2"))]


def test_two_people_who_swap_addresses_stay_two(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org"), person("2", "bob@x.org"))
    bench.take("crm", person("1", "bob@x.org", at=LATE), person("2", "ada@x.org", at=LATE))
    assert len(bench.rows("SELECT * FROM contacts")) == 2
    assert bench.rows("SELECT * FROM merges") == []


def test_an_address_that_two_records_named_stays_while_one_names_it(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org"))
    bench.take("engage", ContactRecord("e", {"email": "ada@x.org"}, {}))
    bench.take("crm", person("1", "new@x.org", at=LATE))
    bench.take("crm", person("2", "ada@x.org"))
    assert len(bench.rows("SELECT * FROM contacts")) == 1


def test_a_merged_contact_has_everything_of_both(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org"), bought("d1", "1", at=CREATED - timedelta(days=9)))
    bench.take("engage", ContactRecord("e", {"email": "old@x.org"}, {"country": "CH"}, {"email": False}))
    other = contact_id(("email", "old@x.org"))
    for segment, contact, day in [("vip", ADA, 2), ("vip", other, 1), ("new", other, 3)]:
        bench.session.execute("INSERT INTO memberships VALUES (?, ?, ?)", [segment, contact, datetime(2026, 1, day)])
        bench.session.execute(
            "INSERT INTO scenario_entries VALUES (?, ?, ?, NULL, NULL, false, 'd')",
            [segment, contact, datetime(2026, 1, day)],
        )
    bench.session.execute(
        "INSERT INTO scores VALUES ('m', 1, ?, 0.5, ?), ('m', 1, ?, 0.7, ?)", [ADA, EARLY, other, EARLY]
    )
    found = bench.take("engage", ContactRecord("e", {"email": "ada@x.org"}, {"country": "CH"}, {"email": False}))
    assert (found.merged, found.contacts) == (1, {ADA, other})
    row = bench.contact()
    assert (row["contact_id"], row["consent_email"], row["t_country"]) == (ADA, False, "FR")
    assert row["created_at"] == CREATED - timedelta(days=9)
    assert bench.rows("SELECT segment, contact_id, entered_at FROM memberships ORDER BY segment") == [
        {"segment": "new", "contact_id": ADA, "entered_at": datetime(2026, 1, 3)},
        {"segment": "vip", "contact_id": ADA, "entered_at": datetime(2026, 1, 1)},
    ]
    assert bench.rows("SELECT scenario, contact_id, entered_at FROM scenario_entries ORDER BY scenario") == [
        {"scenario": "new", "contact_id": ADA, "entered_at": datetime(2026, 1, 3)},
        {"scenario": "vip", "contact_id": ADA, "entered_at": datetime(2026, 1, 1)},
    ]
    assert bench.rows("SELECT contact_id, score FROM scores") == [{"contact_id": ADA, "score": 0.5}]
    assert bench.rows("SELECT loser, survivor, cause FROM merges") == [
        {"loser": other, "survivor": ADA, "cause": "engage record e"}
    ]


def test_events_and_history_follow_a_merge_at_the_source(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org"), person("2", "bob@x.org"), bought("d", "2"))
    bench.take("crm", Merge("1", ("2",), LATE))
    assert bench.contact()["contact_id"] == min(ADA, contact_id(("email", "bob@x.org")))
    for table in ("event_purchase", "history_stage", "identities"):
        (row,) = bench.rows(f"SELECT DISTINCT contact_id FROM {table}")
        assert row["contact_id"] == bench.contact()["contact_id"]
    assert bench.rows("SELECT source_id, deleted_at FROM source_crm ORDER BY source_id") == [
        {"source_id": "1", "deleted_at": None},
        {"source_id": "2", "deleted_at": LATE},
    ]
    bench.take("crm", bought("late", "2"))
    assert len(bench.rows("SELECT * FROM contacts")) == 1


def test_a_chain_of_merges_names_the_last_survivor(bench: Any) -> None:
    bench.take("crm", person("1", "ada@x.org"), person("2", "bob@x.org"), person("3", "eve@x.org"))
    bench.take("crm", Merge("2", ("3",), LATE))
    bench.take("crm", Merge("1", ("2",), LATE))
    survivor = bench.contact()["contact_id"]
    assert {row["survivor"] for row in bench.rows("SELECT survivor FROM merges")} == {survivor}
