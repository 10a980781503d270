"""Accounts in the store: what is known of them, which contacts they hold, and whom a change concerns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from segserver.errors import Span
from segserver.records import AccountGone, AccountRecord, ContactRecord, Deletion
from segserver.specs.catalog import Catalog, Trait
from segserver.specs.connections import AccountsSpec, ConnectionSpec, TraitSpec
from segserver.specs.types import NUMBER, TEXT
from segserver.store import people, reach

EARLY, LATE = datetime(2026, 2, 1), datetime(2026, 2, 10)
PLACE = Span("connectors/crm.yml", 1, 1, 1, 2)

Declared = tuple[Catalog, list[ConnectionSpec]]


def declared(catalog: Catalog, specs: Mapping[str, ConnectionSpec], sources: Sequence[str]) -> Declared:
    """The workspace with accounts in both connections; `sources` say whose account a contact takes first."""
    both = {
        name: replace(
            spec,
            contacts=replace(spec.contacts, account="company"),
            accounts=AccountsSpec("no", (TraitSpec("industry", "sector", TEXT, PLACE, history=False),), {}, PLACE),
        )
        for name, spec in specs.items()
    }
    traits = {
        "industry": Trait("industry", TEXT, False, ("crm", "engage")),
        "size": Trait("size", NUMBER, False, ("crm",)),
    }
    return replace(catalog, account_traits=traits, account_sources=tuple(sources)), list(both.values())


@pytest.fixture
def b2b(bench: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]) -> Any:
    """A store whose connections give accounts."""
    bench.store.prepare(*declared(catalog, specs, ("crm", "engage")))
    return bench


def company(key: str, industry: str | None = "Retail", at: datetime | None = EARLY, size: int = 10) -> AccountRecord:
    return AccountRecord(key, {"industry": industry, "size": Decimal(size)}, at)


def worker(source_id: str, email: str, account: str | None, at: datetime | None = EARLY) -> ContactRecord:
    return ContactRecord(source_id, {"email": email}, {}, updated_at=at, account=account)


def accounts(bench: Any) -> dict[str, tuple[object, object]]:
    """Industry and size of each account."""
    return {str(row["account_id"]): (row["t_industry"], row["t_size"]) for row in bench.rows("SELECT * FROM accounts")}


def of_contacts(bench: Any) -> dict[str, object]:
    """The account of each contact, by its address."""
    rows = bench.rows(
        "SELECT i.value, c.account_id FROM contacts c JOIN identities i USING (contact_id) WHERE kind = 'email'"
    )
    return {str(row["value"]): row["account_id"] for row in rows}


# ---- accounts ------------------------------------------------------------------------------------------------------


def test_an_account_is_kept_typed_under_its_connection(b2b: Any) -> None:
    taken = b2b.take("crm", company("7"))
    assert taken.records == 1
    b2b.take("engage", AccountRecord("7", {"industry": "re\u0301"}))
    assert accounts(b2b) == {"crm:7": ("Retail", 10), "engage:7": ("r\u00e9", None)}


def test_the_same_account_again_changes_nothing(b2b: Any) -> None:
    b2b.take("crm", company("7"), worker("1", "a@x", "7"))
    before = b2b.dump()
    again = b2b.take("crm", company("7"))
    assert (again.records, again.contacts) == (0, frozenset())
    assert b2b.dump() == before


def test_an_older_copy_of_an_account_changes_nothing(b2b: Any) -> None:
    b2b.take("crm", company("7", "Retail", LATE))
    assert b2b.take("crm", company("7", "Trade", EARLY)).records == 0
    assert accounts(b2b) == {"crm:7": ("Retail", 10)}
    b2b.take("crm", company("8", "Retail", LATE), company("8", "Trade", EARLY))
    assert accounts(b2b)["crm:8"] == ("Retail", 10)


def test_an_account_that_is_gone_leaves_its_contacts_together(b2b: Any) -> None:
    b2b.take("crm", company("7"), worker("1", "a@x", "7"), worker("2", "b@x", "7"))
    taken = b2b.take("crm", AccountGone("7"), AccountGone("unheard of"))
    assert (taken.records, len(taken.contacts)) == (1, 2)
    assert accounts(b2b) == {}
    assert of_contacts(b2b) == {"a@x": "crm:7", "b@x": "crm:7"}
    b2b.take("crm", company("7", "Trade", LATE))
    b2b.take("crm", AccountGone("7"), company("7", "Retail", EARLY))
    assert accounts(b2b) == {"crm:7": ("Retail", 10)}


def test_a_change_of_an_account_concerns_its_contacts_alone(b2b: Any) -> None:
    b2b.take("crm", company("7"), company("8"), worker("1", "a@x", "7"), worker("2", "b@x", "8"))
    b2b.take("engage", worker("e", "c@x", "7"))
    ids = {row["value"]: row["contact_id"] for row in b2b.rows("SELECT * FROM identities WHERE kind = 'email'")}
    taken = b2b.take("crm", company("7", "Trade"), company("8"))
    assert (taken.records, taken.contacts) == (1, frozenset({ids["a@x"]}))


# ---- whose account -------------------------------------------------------------------------------------------------


def test_the_first_source_that_knows_the_account_says_it(b2b: Any) -> None:
    b2b.take("engage", worker("e", "a@x", "5"))
    assert of_contacts(b2b) == {"a@x": "engage:5"}
    b2b.take("crm", worker("1", "a@x", None))
    assert of_contacts(b2b) == {"a@x": "engage:5"}
    b2b.take("crm", worker("1", "a@x", "7", LATE))
    assert of_contacts(b2b) == {"a@x": "crm:7"}


def test_a_complete_record_without_an_account_takes_it_away_and_a_partial_one_does_not(b2b: Any) -> None:
    b2b.take("crm", worker("1", "a@x", "7"))
    b2b.take("crm", ContactRecord("1", {}, {"country": "FR"}, updated_at=LATE, partial=True))
    assert of_contacts(b2b) == {"a@x": "crm:7"}
    b2b.take("crm", ContactRecord("1", {}, {}, updated_at=LATE, partial=True, account="8"))
    assert of_contacts(b2b) == {"a@x": "crm:8"}
    b2b.take("crm", worker("1", "a@x", None, LATE))
    assert of_contacts(b2b) == {"a@x": None}


def test_merged_contacts_have_the_account_of_the_record_updated_last(b2b: Any) -> None:
    b2b.take("crm", worker("1", "a@x", "7", LATE), worker("2", "b@x", "8", EARLY))
    b2b.take("crm", ContactRecord("2", {"email": "a@x"}, {}, updated_at=LATE, account="8"))
    b2b.take("crm", ContactRecord("1", {"email": "a@x"}, {}, updated_at=datetime(2026, 2, 11), account="7"))
    (row,) = b2b.rows("SELECT account_id FROM contacts")
    assert row["account_id"] == "crm:7"


def test_a_record_deleted_at_its_source_says_no_account_beside_a_living_one(b2b: Any) -> None:
    b2b.take("crm", worker("1", "a@x", "7", LATE), worker("2", "a@x", "8", EARLY), Deletion("1", LATE))
    assert of_contacts(b2b) == {"a@x": "crm:8"}


def test_colleagues_are_all_contacts_of_the_same_accounts(b2b: Any) -> None:
    b2b.take("crm", *(worker(str(n), f"{n}@x", account) for n, account in enumerate(["7", "7", "8", "8", None, None])))
    ids = {str(row["value"])[0]: row["contact_id"] for row in b2b.rows("SELECT * FROM identities WHERE kind = 'email'")}
    names = {contact: number for number, contact in ids.items()}

    def colleagues(*numbers: str) -> str:
        return "".join(sorted(names[one] for one in reach.colleagues(b2b.session, [ids[number] for number in numbers])))

    assert (colleagues("0"), colleagues("0", "2"), colleagues("4"), colleagues()) == ("01", "0123", "4", "")


def test_a_person_shows_the_account_with_what_is_known_of_it(b2b: Any) -> None:
    b2b.take("crm", company("7"), worker("1", "a@x", "7"), worker("2", "b@x", "9"), worker("3", "c@x", None))
    ids = {row["value"]: row["contact_id"] for row in b2b.rows("SELECT * FROM identities WHERE kind = 'email'")}
    shown = {}
    for name, contact in ids.items():
        found = people.person(b2b.session, contact)
        assert found is not None
        shown[name] = found["account"]
    assert shown == {
        "a@x": {"account_id": "crm:7", "traits": {"industry": "Retail", "size": Decimal(10)}},
        "b@x": {"account_id": "crm:9", "traits": {"industry": None, "size": None}},
        "c@x": None,
    }


# ---- another declaration -------------------------------------------------------------------------------------------


def test_declaring_accounts_asks_for_a_new_pull(
    bench: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    bench.take("crm", worker("1", "a@x", None), cursor={"after": 1})
    bench.take("engage", worker("e", "b@x", None), cursor={"after": 1})
    prepared = bench.store.prepare(*declared(catalog, specs, ("crm", "engage")))
    assert set(prepared.reset) == {"crm", "engage"}
    assert set(prepared.changes) == {"added accounts.t_industry", "added accounts.t_size"}
    assert bench.rows("SELECT * FROM cursors") == []


def test_another_order_of_sources_gives_contacts_their_other_account(
    b2b: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    b2b.take("crm", worker("1", "a@x", "7"))
    b2b.take("engage", worker("e", "a@x", "5"), cursor={"after": 1})
    prepared = b2b.store.prepare(*declared(catalog, specs, ("engage", "crm")))
    assert (prepared.changes, prepared.reset) == ((), ())
    assert of_contacts(b2b) == {"a@x": "engage:5"}


def test_accounts_that_are_declared_no_more_are_dropped(
    b2b: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    b2b.take("crm", company("7"), worker("1", "a@x", "7"))
    b2b.take("engage", AccountRecord("5", {"industry": "Trade"}), worker("e", "b@x", "5"))
    wanted, (crm, engage) = declared(catalog, specs, ("crm",))
    traits = {name: replace(trait, sources=("crm",)) for name, trait in wanted.account_traits.items()}
    assert engage.contacts is not None
    silent = replace(engage, accounts=None, contacts=replace(engage.contacts, account=None))
    b2b.store.prepare(replace(wanted, account_traits=traits), [crm, silent])
    assert accounts(b2b) == {"crm:7": ("Retail", 10)}
    assert of_contacts(b2b) == {"a@x": "crm:7", "b@x": None}


def test_a_store_of_an_earlier_version_gets_the_column_of_the_account(
    bench: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    bench.take("crm", worker("1", "a@x", None))
    for table in ("contacts", "source_crm", "source_engage"):
        bench.session.execute(f"ALTER TABLE {table} DROP COLUMN account_id")
    bench.session.execute("DROP TABLE accounts")
    bench.store.prepare(*declared(catalog, specs, ("crm", "engage")))
    bench.take("crm", company("7"), worker("1", "a@x", "7", LATE))
    assert of_contacts(bench) == {"a@x": "crm:7"}
