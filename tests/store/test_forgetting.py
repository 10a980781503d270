"""What is forgotten is nowhere any more, and does not come back with an old page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from segserver import identity
from segserver.records import Change, ContactRecord, Deletion, Erasure, EventRecord, Merge, SourceItem
from segserver.relations import trait_column
from segserver.store import forgetting, forgotten, joining, state
from segserver.store.state import Notification

NOW = datetime(2026, 3, 1, 12)
EARLY = datetime(2026, 2, 1)
LATER = datetime(2026, 3, 5)
MARK = "marked"
ADA = "marked-ada@example.com"


def take(bench: Any, connection: str, *items: SourceItem) -> frozenset[str]:
    """A group of items, as the sync step takes it; returns those with something forgotten."""
    kept = forgetting.obey(bench.session, connection, items, bench.clock.now(), identity.normalise)
    bench.take(connection, *kept.items)
    return kept.contacts


def ada(bench: Any, source_id: str = "marked-1", **more: Any) -> ContactRecord:
    """Ada, with a mark on all that is hers."""
    traits = {"country": "marked-FR", "stage": "marked-lead", "tags": ("marked-tag",)}
    history = {"stage": (Change("marked-old", EARLY - timedelta(days=9)),)}
    return bench.person(source_id, ADA, traits=traits, history=history, **more)


def lead(source_id: str = "marked-7") -> ContactRecord:
    """Ada at the other connection."""
    return ContactRecord(source_id, {"email": ADA}, {"country": "marked-DE"}, updated_at=EARLY)


def view(key: str, source_id: str | None = None, at: datetime = EARLY, **more: Any) -> EventRecord:
    """A page view of a lead."""
    return EventRecord("page_view", key, source_id, more.get("identity"), at, None, {"path": "marked/path"})


def whole(bench: Any) -> str:
    """Everything the store holds."""
    return repr(bench.dump())


def leave_traces(bench: Any, contact: str, address: str, *, worked_off: bool = True) -> None:
    """What runs leave of a contact."""
    session = bench.session
    told = Notification("crm", "k1", "changed", address, {"propertyValue": "marked-value"})
    state.append_inbox(session, [told], NOW)
    run = "INSERT INTO runs VALUES ('r1', 'run', ?, ?, ?, 'done', ?)"
    problem = {"source_id": address, "reason": "marked is no number"}
    report = json.dumps({"sync": {"crm": {"problems": [problem]}}})
    session.execute(run, [NOW, NOW, NOW, report])
    if worked_off:
        state.mark_done(session, [one.id for one in state.pending_inbox(session)], "r1", NOW)
    session.execute("INSERT INTO memberships VALUES ('hot', ?, ?, false, false)", [contact, NOW])
    session.execute("INSERT INTO membership_changes VALUES ('hot', ?, 'entered', ?, 'marked', 'r1')", [contact, NOW])
    for connection in ("crm", "engage"):
        session.execute(
            "INSERT INTO acknowledgements (connection, target_kind, target_name, contact_id, address, value, status, "
            "acknowledged_at, reason) VALUES (?, 'list', 'hot', ?, ?, 'member', 'confirmed', ?, NULL)",
            [connection, contact, address if connection == "crm" else "marked-7", NOW],
        )
        session.execute(
            "INSERT INTO plan_changes VALUES ('p1', ?, 'list', 'hot', ?, ?, 'member')",
            [connection, contact, address if connection == "crm" else "marked-7"],
        )
    session.execute(
        "INSERT INTO intents (key, connection, contact_id, address, campaign, tokens, scenario, channel, step, "
        "intended_at) VALUES ('i1', 'crm', ?, ?, 'c', 'marked-token', 's', 'email', 0, ?)",
        [contact, address, NOW],
    )


class TestErasureAtTheSource:
    def test_nothing_of_the_only_record_stays(self, bench: Any) -> None:
        take(bench, "crm", ada(bench), bench.bought("marked-b1", "marked-1"))
        contact = str(bench.contact()["contact_id"])
        leave_traces(bench, contact, "marked-1")
        bench.session.execute("DELETE FROM acknowledgements WHERE connection = 'engage'")
        assert take(bench, "crm", Erasure("marked-1")) == {contact}
        assert MARK not in whole(bench)
        assert bench.rows("SELECT * FROM contacts") == []
        assert bench.rows("SELECT * FROM memberships") == []

    def test_to_hear_it_twice_changes_nothing(self, bench: Any) -> None:
        take(bench, "crm", ada(bench))
        take(bench, "crm", Erasure("marked-1"))
        before = whole(bench)
        assert take(bench, "crm", Erasure("marked-1")) == frozenset()
        assert whole(bench) == before

    def test_other_contacts_are_as_before(self, bench: Any) -> None:
        take(bench, "crm", bench.person("2", "ben@example.com"), bench.bought("b2", "2"))
        before = whole(bench)
        take(bench, "crm", ada(bench), bench.bought("marked-b1", "marked-1"))
        take(bench, "crm", Erasure("marked-1"))
        bench.session.execute("DELETE FROM forgotten")
        bench.session.execute("DELETE FROM forgotten_contacts")
        bench.session.execute("DELETE FROM meta WHERE key = 'forgetting salt'")
        assert whole(bench) == before

    def test_what_another_connection_gave_stays(self, bench: Any) -> None:
        take(bench, "engage", lead("7"), view("v1", "7"))
        take(bench, "crm", ada(bench), bench.bought("b1", "marked-1"))
        take(bench, "crm", Erasure("marked-1"))
        contact = bench.contact()
        assert contact[trait_column("country")] == "marked-DE"
        assert bench.rows("SELECT * FROM event_purchase") == []
        assert len(bench.rows("SELECT * FROM event_page_view")) == 1
        assert {row["connection"] for row in bench.rows("SELECT * FROM identities")} == {"engage"}
        assert "marked-lead" not in whole(bench)

    def test_events_that_may_be_another_record_s_lose_their_words_and_names_only(self, bench: Any) -> None:
        take(bench, "engage", lead("7"), lead("8"), view("v1", "7"), view("v2", "8"))
        take(bench, "engage", view("v3", identity=("email", ADA)))
        take(bench, "engage", Erasure("7"))
        left = bench.rows("SELECT event_key, named_kind, named_value FROM event_page_view ORDER BY event_key")
        assert [tuple(row.values()) for row in left] == [("v2", "engage", "8"), ("v3", "email", ADA)]
        assert "marked/path" not in whole(bench)

    def test_an_event_that_names_an_erased_record_s_address_goes_with_it(self, bench: Any) -> None:
        take(bench, "engage", lead("7"), ContactRecord("8", {"email": "ben@example.com"}, {}))
        joining.join_by_hand(bench.session, ("engage", "7"), ("engage", "8"), "the same", NOW)
        take(bench, "engage", view("v1", identity=("email", ADA)), view("v2", identity=("email", "ben@example.com")))
        take(bench, "engage", Erasure("7"))
        assert [row["named_value"] for row in bench.rows("SELECT * FROM event_page_view")] == ["ben@example.com"]
        assert MARK not in whole(bench)

    def test_nothing_of_the_match_is_left(self, bench: Any) -> None:
        take(bench, "crm", ada(bench), bench.person("2", "ben@example.com"))
        contact = str(bench.contact(f"{trait_column('country')} = 'marked-FR'")["contact_id"])
        session = bench.session
        session.execute("INSERT INTO matched VALUES (?, 'd'), ('other', 'd')", [contact])
        session.execute("INSERT INTO partings VALUES (?, 'x', ?, 'crm:marked-1 and crm:2 must differ')", [contact, NOW])
        session.execute("INSERT INTO merges VALUES ('gone', ?, ?, 'marked')", [contact, NOW])
        session.execute("INSERT INTO partings VALUES ('gone', 'y', ?, 'crm:marked-1 and crm:3 must differ')", [NOW])
        pairs = [{"first": contact, "second": "x"}, {"first": "y", "second": "gone"}, {"first": "y", "second": "x"}]
        report = json.dumps({"sync": {}, "matching": {"joined": pairs}})
        session.execute("INSERT INTO runs VALUES ('r1', 'run', ?, ?, ?, 'done', ?)", [NOW, NOW, NOW, report])
        take(bench, "crm", Erasure("marked-1"))
        assert bench.rows("SELECT contact_id FROM matched") == [{"contact_id": "other"}]
        assert {row["cause"] for row in bench.rows("SELECT cause FROM partings")} == {""}
        (run,) = bench.rows("SELECT report FROM runs")
        assert json.loads(run["report"])["matching"]["joined"] == pairs[2:]

    @pytest.mark.parametrize("kind", ["record", "deletion", "event", "merge"])
    def test_an_old_page_does_not_bring_it_back(self, bench: Any, kind: str) -> None:
        take(bench, "crm", ada(bench))
        take(bench, "crm", Erasure("marked-1"))
        old: dict[str, Sequence[SourceItem]] = {
            "record": [ada(bench)],
            "deletion": [Deletion("marked-1", NOW)],
            "event": [bench.bought("marked-b1", "marked-1")],
            "merge": [bench.person("2", "ben@example.com"), Merge("2", ("marked-1",), NOW)],
        }
        take(bench, "crm", *old[kind])
        assert MARK not in whole(bench)

    def test_within_one_page_the_last_word_counts(self, bench: Any) -> None:
        take(bench, "crm", ada(bench), bench.bought("marked-b1", "marked-1"), Erasure("marked-1"))
        assert MARK not in whole(bench)

    def test_a_copy_newer_than_the_erasure_proves_it_wrong(self, bench: Any) -> None:
        take(bench, "crm", ada(bench))
        take(bench, "crm", Erasure("marked-1"))
        take(bench, "crm", ada(bench, at=LATER))
        assert bench.contact()["deleted_at"] is None

    def test_a_new_record_of_the_same_person_is_a_new_contact(self, bench: Any) -> None:
        take(bench, "crm", ada(bench))
        take(bench, "crm", Erasure("marked-1"))
        take(bench, "crm", ada(bench, "2"))
        assert len(bench.rows("SELECT * FROM contacts")) == 1


class TestByHand:
    def test_every_connection_forgets(self, bench: Any) -> None:
        take(bench, "crm", ada(bench), bench.bought("marked-b1", "marked-1"))
        take(bench, "engage", lead(), view("marked-v1", "marked-7"), view("marked-v2", identity=("email", ADA)))
        contact = str(bench.contact()["contact_id"])
        leave_traces(bench, contact, "marked-1")
        bench.session.execute("DELETE FROM acknowledgements WHERE connection = 'engage'")
        assert forgetting.records(bench.session, contact) == {"crm": ["marked-1"], "engage": ["marked-7"]}
        forgetting.forget_contact(bench.session, contact, NOW)
        assert MARK not in whole(bench)

    def test_the_source_s_present_copy_stays_out(self, bench: Any) -> None:
        take(bench, "crm", ada(bench))
        forgetting.forget_contact(bench.session, str(bench.contact()["contact_id"]), NOW)
        take(bench, "crm", ada(bench, at=LATER))
        take(bench, "engage", lead("marked-8"), view("marked-v2", identity=("email", ADA.upper())))
        assert MARK not in whole(bench)

    def test_a_person_who_comes_anew_is_let_in(self, bench: Any) -> None:
        take(bench, "crm", ada(bench))
        forgetting.forget_contact(bench.session, str(bench.contact()["contact_id"]), NOW)
        fresh = ContactRecord("9", {"email": ADA}, {"country": "FR"}, created_at=LATER, updated_at=LATER)
        take(bench, "crm", fresh)
        take(bench, "engage", view("v9", identity=("email", ADA), at=LATER))
        assert len(bench.rows("SELECT * FROM event_page_view")) == 1

    def test_who_shares_an_address_with_one_who_is_forgotten_is_heard_further_on(self, bench: Any) -> None:
        take(bench, "crm", ada(bench))
        take(bench, "engage", ContactRecord("8", {"email": ADA}, {}, {"email": True}))
        joining.part(bench.session, ("crm", "marked-1"), ("engage", "8"), NOW)
        forgotten = bench.contact("contact_id IN (SELECT contact_id FROM source_crm)")["contact_id"]
        forgetting.forget_contact(bench.session, str(forgotten), NOW)
        take(bench, "engage", ContactRecord("8", {"email": ADA}, {}, {"email": False}, updated_at=EARLY))
        assert bench.contact()["consent_email"] is False

    @pytest.mark.parametrize(("begun", "kept"), [(None, 1), (NOW, 0), (LATER, 1)])
    def test_what_may_have_begun_before_is_not_kept(self, bench: Any, begun: datetime | None, kept: int) -> None:
        take(bench, "crm", ada(bench))
        forgetting.forget_contact(bench.session, str(bench.contact()["contact_id"]), NOW)
        told = view("v", identity=("email", ADA), at=LATER)
        take(bench, "engage", replace(told, begun_at=begun))
        assert len(bench.rows("SELECT * FROM event_page_view")) == kept

    def test_only_whom_a_person_had_us_forget_is_named(self, bench: Any) -> None:
        assert forgotten.by_hand(bench.session, identity.normalise)[0] is None
        take(bench, "crm", ada(bench), bench.person("2", "ben@example.com"))
        take(bench, "crm", Erasure("2"))
        assert forgotten.by_hand(bench.session, identity.normalise)[0] is None
        forgetting.forget_contact(bench.session, str(bench.contact()["contact_id"]), NOW)
        since, names = forgotten.by_hand(bench.session, identity.normalise)
        assert since == NOW
        assert names("email", ADA.upper()) and not names("email", "ben@example.com")

    def test_a_source_s_erasure_does_not_weaken_it(self, bench: Any) -> None:
        take(bench, "crm", ada(bench))
        forgetting.forget_contact(bench.session, str(bench.contact()["contact_id"]), NOW)
        take(bench, "crm", Erasure("marked-1"))
        take(bench, "crm", ada(bench, at=LATER))
        assert bench.rows("SELECT * FROM contacts") == []


class TestWhatDestinationsHold:
    def test_it_is_known_until_it_is_taken_away_and_then_forgotten(self, bench: Any) -> None:
        take(bench, "crm", ada(bench))
        contact = str(bench.contact()["contact_id"])
        leave_traces(bench, contact, "marked-1", worked_off=False)
        take(bench, "crm", Erasure("marked-1"))
        assert forgetting.sweep(bench.session) == 0
        (waiting,) = state.pending_inbox(bench.session)
        assert (waiting.notification.source_id, "value" in str(waiting.notification.payload)) == ("marked-1", False)
        state.mark_done(bench.session, [waiting.id], "r1", NOW)
        held = bench.rows("SELECT connection, address FROM acknowledged")
        assert held == [{"connection": "engage", "address": "marked-7"}]
        bench.session.execute(
            "INSERT INTO acknowledgements (connection, target_kind, target_name, contact_id, address, value, status, "
            "acknowledged_at) VALUES ('engage', 'list', 'hot', ?, 'marked-7', NULL, 'confirmed', ?)",
            [contact, LATER],
        )
        assert forgetting.sweep(bench.session) == 2
        assert MARK not in whole(bench)
        assert bench.rows("SELECT * FROM forgotten_contacts") == []

    def test_a_contact_that_is_back_is_not_swept(self, bench: Any) -> None:
        take(bench, "crm", ada(bench))
        contact = str(bench.contact()["contact_id"])
        take(bench, "crm", Erasure("marked-1"))
        take(bench, "crm", ada(bench, at=LATER))
        leave_traces(bench, contact, "marked-1")
        bench.session.execute("UPDATE acknowledgements SET value = NULL")
        assert forgetting.sweep(bench.session) == 0
        assert len(bench.rows("SELECT * FROM acknowledgements")) == 2


def test_hashes_are_keyed_by_the_store(bench: Any) -> None:
    take(bench, "crm", Erasure("1"))
    (row,) = bench.rows("SELECT * FROM forgotten")
    assert row["hash"] != identity.contact_id(("crm", "1"))
    salts = bench.rows("SELECT value FROM meta WHERE key = 'forgetting salt'")
    assert len(str(salts[0]["value"])) == 32
