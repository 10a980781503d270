from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from segserver.clock import FixedClock
from segserver.records import ContactRecord
from segserver.store.db import Store

EARLY = datetime(2026, 2, 1)
LATE = datetime(2026, 2, 10)


# ---- values ----------------------------------------------------------------------------------------------------
def test_the_first_known_value_in_the_order_of_sources_wins(bench: Any) -> None:
    bench.take("engage", ContactRecord("e1", {"email": "ada@x.org"}, {"country": "BE"}))
    assert bench.contact()["t_country"] == "BE"
    bench.take("crm", bench.person("1", "ada@x.org", traits={"country": None}))
    assert bench.contact()["t_country"] == "BE"
    bench.take("crm", bench.person("1", "ada@x.org", at=LATE, traits={"country": "FR"}))
    assert bench.contact()["t_country"] == "FR"


def test_of_several_records_in_one_connection_the_last_updated_known_value_wins(bench: Any) -> None:
    bench.take(
        "crm",
        bench.person("1", "ada@x.org", at=LATE, traits={"country": "FR", "mrr": None}),
        bench.person("2", "ada@x.org", at=EARLY, traits={"country": "BE", "mrr": Decimal(2)}),
    )
    row = bench.contact()
    assert (row["t_country"], row["t_mrr"]) == ("FR", 2)


def test_an_older_copy_of_a_record_changes_nothing(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org", at=LATE, traits={"country": "FR"}))
    bench.take("crm", bench.person("1", "ada@x.org", at=EARLY, traits={"country": "BE"}))
    assert bench.contact()["t_country"] == "FR"


def test_a_partial_record_keeps_what_it_does_not_name(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org", consent={"email": True, "sms": True}, suppressed=True))
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
        bench.take("crm", bench.person("1", "ada@x.org", at=EARLY + timedelta(days=number), traits={"mrr": told}))
        assert bench.contact()["t_mrr"] == kept


def test_text_is_composed_and_never_breaks_on_what_is_no_character(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org", traits={"country": "re\u0301", "tags": ("e\u0301", "x\ud800")}))
    row = bench.contact()
    assert row["t_country"] == "r\u00e9"
    assert row["t_tags"][0] == "\u00e9"
    assert row["t_tags"][1].startswith("x\ufffd")


# ---- consent ----------------------------------------------------------------------------------------------------
SPEAK = [None, True, False]


@pytest.mark.parametrize("crm", SPEAK)
@pytest.mark.parametrize("engage", SPEAK)
def test_refusal_wins_and_silence_takes_the_meaning_of_the_lines(
    bench: Any, crm: bool | None, engage: bool | None
) -> None:
    """E-mail has two "opted out" lines, sms one "granted" line."""
    said = [] if crm is None else [crm]
    bench.take("crm", bench.person("1", "ada@x.org", consent={} if crm is None else {"email": crm, "sms": crm}))
    bench.take("engage", ContactRecord("e", {"email": "ada@x.org"}, {}, {} if engage is None else {"email": engage}))
    row = bench.contact()
    assert row["consent_email"] == all([*said, *([] if engage is None else [engage])])
    assert row["consent_sms"] is (crm is True)


def test_a_contact_without_any_record_takes_the_meaning_of_the_lines(bench: Any) -> None:
    bench.take("crm", bench.bought("d", None, identity=("email", "eve@x.org")))
    row = bench.contact()
    assert (row["consent_email"], row["consent_sms"], row["suppressed"]) == (True, False, False)


def test_a_channel_whose_lines_are_unknown_is_never_used(clock: FixedClock, catalog: Any) -> None:
    with Store.open(None, clock=clock) as store:
        store.prepare(catalog)
        assert store.session().layout.allowed == {"email": False, "sms": False}


def test_one_suppressed_record_suppresses_the_contact(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org"), bench.person("2", "ada@x.org", suppressed=True))
    assert bench.contact()["suppressed"] is True
