"""Contacts as people look at them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from segserver.records import ContactRecord, Deletion, EventRecord
from segserver.store import ledger, people
from segserver.store.ledger import Intent


def test_a_contact_is_called_by_its_address_else_by_another_identity_else_by_its_id(bench: Any) -> None:
    bench.take(
        "crm",
        ContactRecord("1", {"email": "Ada@x.org", "phone": "0612345678"}, {}),
        ContactRecord("2", {"phone": "0687654321"}, {}),
    )
    ids = {str(row["source_id"]): str(row["contact_id"]) for row in bench.rows("SELECT * FROM source_crm")}
    found = people.labels(bench.session, [*ids.values(), "unknown"])
    assert found == {ids["1"]: "ada@x.org", ids["2"]: "2", "unknown": "unknown"}
    assert people.labels(bench.session, []) == {}


def test_contacts_that_exist_and_events_are_counted(bench: Any) -> None:
    at = bench.clock.now() - timedelta(days=1)
    bench.take(
        "crm",
        ContactRecord("1", {"email": "a@x.org"}, {}),
        ContactRecord("2", {"email": "b@x.org"}, {}),
        EventRecord("purchase", "k", "1", None, at, None, {"amount": Decimal(5)}),
        Deletion("2", at),
    )
    assert people.counts(bench.session) == {"contact": 1, "purchase": 1, "page_view": 0, "email_sent": 0}


def test_a_person_is_everything_that_is_known(bench: Any) -> None:
    now = bench.clock.now()
    bench.take("crm", ContactRecord("1", {"email": "a@x.org"}, {"country": "FR", "mrr": Decimal(5)}, {"sms": True}))
    contact = str(bench.contact()["contact_id"])
    bench.session.execute(
        "INSERT INTO memberships (segment, contact_id, entered_at) VALUES ('vip', ?, ?)",
        [contact, now],
    )
    for number, hours in (("k1", 2), ("k2", 1)):
        letter = Intent(number, "engage", contact, "e1", "Win back", {}, "win_back", "email", 0)
        ledger.intend(bench.session, [letter], now - timedelta(hours=hours))
    ledger.resolve(bench.session, {"k1": ("confirmed", None)}, now)
    found = people.person(bench.session, contact)
    assert found is not None
    assert found["identities"] == {"crm": ["1"], "email": ["a@x.org"]}
    assert found["traits"] == {"country": "FR", "stage": None, "mrr": Decimal(5), "tags": None}
    assert found["consent"] == {"email": True, "sms": True}
    assert (found["segments"], found["deleted_at"], found["suppressed"]) == ({"vip": now}, None, False)
    touches = found["touches"]
    assert isinstance(touches, list)
    assert [(one["status"], one["intended_at"]) for one in touches] == [
        ("unknown", now - timedelta(hours=1)),
        ("confirmed", now - timedelta(hours=2)),
    ]


def test_nobody_of_that_id_is_none(bench: Any) -> None:
    assert people.person(bench.session, "nobody") is None
