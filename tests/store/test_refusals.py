"""Refusals that outlive the record that spoke them, and what takes them back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from segserver.records import ContactRecord, Deletion
from segserver.store.contacts import recompute_all
from tests.store.conftest import CREATED, EARLY, NOW

DAY = timedelta(days=1)
PHONE = "+41791112233"


def crm(name: str, identities: dict[str, str], consent: dict[str, bool] | None = None, **more: Any) -> ContactRecord:
    clocks = {"created_at": CREATED, "updated_at": EARLY} | more
    return ContactRecord(name, identities, {"country": "FR"}, consent or {}, **clocks)


def engage(name: str, email: str, consent: bool | None = None, **more: Any) -> ContactRecord:
    return ContactRecord(
        name, {"email": email}, {"country": "CH"}, {} if consent is None else {"email": consent}, **more
    )


def later(**more: Any) -> dict[str, Any]:
    """A record that is made after the deletion."""
    return {"created_at": NOW + DAY, "updated_at": NOW + DAY} | more


def says(bench: Any) -> tuple[object, object, object]:
    """Whether the one contact is suppressed, and its consent; the same however it is computed."""
    query = "SELECT suppressed, consent_email, consent_sms FROM contacts WHERE deleted_at IS NULL"
    (before,) = bench.rows(query)
    with bench.session.transaction():
        recompute_all(bench.session, bench.session.layout)
    (row,) = bench.rows(query)
    assert row == before
    return row["suppressed"], row["consent_email"], row["consent_sms"]


@pytest.fixture
def refused(bench: Any) -> Any:
    """A deleted record refused e-mail and was suppressed; a living one of another connection names its address."""
    bench.take("engage", engage("e", "ada@x.org", False, suppressed=True))
    bench.take("crm", crm("1", {"email": "ada@x.org"}, {"email": True}))
    bench.take("engage", Deletion("e", NOW))
    assert says(bench)[:2] == (True, False)
    return bench


@pytest.mark.parametrize("consent", [{}, {"sms": True}])
def test_a_later_record_that_says_nothing_of_a_channel_takes_nothing_back(refused: Any, consent: Any) -> None:
    refused.take("crm", crm("2", {"email": "ada@x.org"}, consent, **later()))
    assert says(refused)[:2] == (True, False)


def test_a_later_record_that_allows_the_channel_takes_the_refusal_back_and_not_the_suppression(refused: Any) -> None:
    refused.take("crm", crm("2", {"email": "ada@x.org"}, {"email": True}, **later()))
    assert says(refused)[:2] == (True, True)


def test_a_suppression_is_taken_back_by_a_later_record_of_its_own_connection(refused: Any) -> None:
    refused.take("engage", engage("f", "ada@x.org", True, created_at=NOW + DAY))
    assert says(refused)[:2] == (False, True)


def test_an_earlier_record_takes_nothing_back(refused: Any) -> None:
    refused.take("crm", crm("2", {"email": "ada@x.org"}, {"email": True}))
    refused.take("crm", crm("1", {"email": "ada@x.org"}, {"email": True}, updated_at=NOW + DAY))
    assert says(refused)[:2] == (True, False)


def test_a_record_that_names_one_key_does_not_speak_for_another(bench: Any) -> None:
    gone = crm("9", {"email": "ada@x.org", "phone": PHONE}, {"email": False})
    bench.take("crm", gone, crm("1", {"email": "ada@x.org"}, {"email": True}))
    bench.take("crm", Deletion("9", NOW))
    bench.take("crm", crm("2", {"phone": PHONE}, {"email": True}, **later()))
    assert says(bench)[1] is False
    bench.take("crm", crm("3", {"email": "ada@x.org"}, {"email": True}, **later()))
    assert says(bench)[1] is True


def test_what_a_deleted_record_allowed_counts_no_more(bench: Any) -> None:
    bench.take("crm", crm("1", {"email": "a@x.org"}, {"sms": True}))
    bench.take("engage", engage("e", "a@x.org", True))
    assert says(bench) == (False, True, True)
    bench.take("crm", Deletion("1", NOW))
    assert says(bench) == (False, True, False)


def test_of_a_contact_without_a_living_record_what_was_said_last_is_kept(bench: Any) -> None:
    bench.take("crm", crm("1", {"email": "a@x.org"}, {"email": False}, suppressed=True))
    bench.take("crm", Deletion("1", NOW))
    (row,) = bench.rows("SELECT suppressed, consent_email FROM contacts")
    assert row == {"suppressed": True, "consent_email": False}


def test_a_key_that_is_named_again_brings_its_refusal_and_takes_it_along(refused: Any) -> None:
    """Nothing but the key changes."""
    refused.take("crm", crm("1", {"email": "new@x.org"}, {"email": True}, updated_at=NOW))
    assert says(refused)[:2] == (False, True)
    refused.take("crm", crm("1", {"email": "ada@x.org"}, {"email": True}, updated_at=NOW + DAY))
    assert says(refused)[:2] == (True, False)


def test_an_event_that_names_an_address_brings_its_refusal(bench: Any) -> None:
    bench.take("engage", engage("e", "ada@x.org", False))
    bench.take("crm", crm("1", {"email": "ada@x.org"}, {"email": True}))
    bench.take("crm", crm("1", {"email": "new@x.org"}, {"email": True}, updated_at=NOW))
    bench.take("engage", Deletion("e", NOW))
    assert says(bench)[1] is True
    bench.take("crm", bench.bought("d", None, identity=("email", "ada@x.org")))
    assert says(bench)[1] is False
