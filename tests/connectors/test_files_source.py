"""Files as a source: what changed is read, what vanished is told, and a pull that is cut off loses nothing."""

from __future__ import annotations

import json
import os
import shutil
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segserver.connectors.declarations import load
from segserver.connectors.files import FilesConnector
from segserver.errors import FindingsError, RetryLater
from segserver.records import (
    AccountGone,
    AccountRecord,
    ContactRecord,
    Cursor,
    Deletion,
    EventGone,
    EventRecord,
    SourceItem,
)

UNTIL = datetime(2026, 3, 1)

CONTACTS = """\
kind: files
contacts:
  path: "customers*.csv"
  identities: {email: email, phone: phone}
  traits: {city: city, since: {type: date}, tags: {type: list of text}}
  created: since
  consent: {email: {from: opt, means: opted out}, sms: {from: sms, means: granted}}
"""

CLIENTS = """\
kind: files
contacts: {path: people.csv, identities: {email: email}, account: client}
accounts:
  path: "clients*.csv"
  key: no
  traits: {industry: sector, size: {type: number}}
"""

KEYED = """\
kind: files
events:
  purchase:
    path: "orders/*.csv"
    key: id
    contact: {email: email}
    at: at
    properties: {amount: {type: number}}
"""

KEYLESS = KEYED.replace("    key: id\n", "")

HEADER = "id,email,at,amount\n"


def _connector(workspace: Path, source: str) -> FilesConnector:
    spec, findings = load("shop", source, "shop.yml")
    assert spec is not None, findings
    return FilesConnector(spec, workspace)


def _pull(
    connector: FilesConnector, stream: str, cursor: Cursor | None = None, until: datetime = UNTIL
) -> tuple[list[SourceItem], Cursor]:
    pages = list(connector.read(stream, cursor, until))
    assert pages[-1].complete_through == until
    assert pages[-1].total == sum(len(page.items) for page in pages)
    # A cursor is stored as JSON.
    return [item for page in pages for item in page.items], json.loads(json.dumps(pages[-1].cursor))


def _orders(workspace: Path, name: str, *rows: str) -> Path:
    path = workspace / "orders" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return path


def _keys(items: list[SourceItem]) -> list[str]:
    return [item.key for item in items if isinstance(item, EventRecord)]


def _gone(items: list[SourceItem]) -> list[str]:
    return [item.key for item in items if isinstance(item, EventGone)]


# ---- what rows become ----------------------------------------------------------------------------------------------


def test_streams_are_contacts_and_then_each_event(tmp_path: Path) -> None:
    assert list(_connector(tmp_path, CONTACTS + KEYED.removeprefix("kind: files\n")).streams()) == [
        "contacts",
        "purchase",
    ]


def test_a_contact_row_is_typed_and_named_by_its_first_identity(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_bytes(
        b"\xef\xbb\xbfemail,phone,city,since,tags,opt,sms,unused\r\n"
        b' ann@x ,+33 1,"Saint ""Denis""\n93",2025-01-03,A;B,yes,yes,?\r\n'
        b"bob@x,,,,,,,\r\n"
        b"\r\n"
    )
    items, _ = _pull(_connector(tmp_path, CONTACTS), "contacts")
    assert items == [
        ContactRecord(
            "ann@x",
            {"email": "ann@x", "phone": "+33 1"},
            {"city": 'Saint "Denis"\n93', "since": date(2025, 1, 3), "tags": ("A", "B")},
            {"email": False, "sms": True},
            created_at=datetime(2025, 1, 3),
        ),
        ContactRecord(
            "bob@x",
            {"email": "bob@x"},
            {"city": None, "since": None, "tags": None},
            {"email": True, "sms": False},
        ),
    ]


def test_a_key_column_names_the_contact_and_lets_identities_be_missing(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("no,email,phone\n7,,\n8,a@x,\n")
    source = "kind: files\ncontacts: {path: customers.csv, key: no, identities: {email: email, phone: phone}}\n"
    items, _ = _pull(_connector(tmp_path, source), "contacts")
    assert items == [ContactRecord("7", {}, {}), ContactRecord("8", {"email": "a@x"}, {})]


def test_a_place_is_read_from_two_columns(tmp_path: Path) -> None:
    source = CONTACTS.replace("city: city,", "home: {from: [lat, lon], type: place},")
    (tmp_path / "customers.csv").write_text("email,phone,lat,lon,since,tags,opt,sms\na@x,,48.85,2.35,,,,\nb@x,,,,,,,\n")
    items, _ = _pull(_connector(tmp_path, source), "contacts")
    assert [item.traits["home"] for item in items if isinstance(item, ContactRecord)] == [(48.85, 2.35), None]
    (tmp_path / "customers.csv").write_text("email,phone,lat,lon,since,tags,opt,sms\na@x,,,2.35,,,,\nb@x,,48,200,,,,\n")
    with pytest.raises(FindingsError) as raised:
        _pull(_connector(tmp_path, source), "contacts")
    assert [(item.code, str(item.span)) for item in raised.value.diagnostics] == [
        ("bad-cell", "customers.csv:2:6"),
        ("bad-cell", "customers.csv:3:6"),
    ]


def test_a_contact_row_names_its_account_or_none(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("email,client\na@x, 007 \nb@x,\nc@x,  \n")
    items, _ = _pull(_connector(tmp_path, CLIENTS), "contacts")
    assert [item.account for item in items if isinstance(item, ContactRecord)] == ["007", None, None]


def test_account_rows_are_typed_and_read_like_contacts(tmp_path: Path) -> None:
    connector = _connector(tmp_path, CLIENTS)
    assert list(connector.streams()) == ["contacts", "accounts"]
    (tmp_path / "clients.csv").write_text("no,sector,size\n 007 ,Retail,12\n8,,\n")
    items, cursor = _pull(connector, "accounts")
    assert items == [
        AccountRecord("007", {"industry": "Retail", "size": Decimal(12)}),
        AccountRecord("8", {"industry": None, "size": None}),
    ]
    (tmp_path / "clients.csv").write_text("no,sector,size\n007,Trade,12\n")
    items, _ = _pull(connector, "accounts", cursor)
    assert items == [AccountGone("8"), AccountRecord("007", {"industry": "Trade", "size": Decimal(12)})]


def test_account_rows_without_or_with_the_same_key_are_findings(tmp_path: Path) -> None:
    (tmp_path / "clients.csv").write_text("no,sector,size\n7,A,1\n,B,2\n7,C,x\n")
    (tmp_path / "clients2.csv").write_text("no,sector,size\n7,D,1\n")
    with pytest.raises(FindingsError) as raised:
        _pull(_connector(tmp_path, CLIENTS), "accounts")
    assert [(item.code, str(item.span)) for item in raised.value.diagnostics] == [
        ("missing-cell", "clients.csv:3:1"),
        ("bad-cell", "clients.csv:4:5"),
        ("duplicated-key", "clients2.csv:2:1"),
    ]


def test_an_event_row_names_its_contact_by_identity(tmp_path: Path) -> None:
    _orders(tmp_path, "a.csv", "1,ann@x,2026-01-02T03:04:05+01:00,12.50")
    items, _ = _pull(_connector(tmp_path, KEYED), "purchase")
    at = datetime(2026, 1, 2, 2, 4, 5)
    assert items == [EventRecord("purchase", "1", None, ("email", "ann@x"), at, None, {"amount": Decimal("12.5")})]


def test_csv_json_lines_and_parquet_say_the_same(tmp_path: Path) -> None:
    rows = [
        {"id": "1", "email": "a@x", "at": "2026-01-02T00:00:00", "amount": "1.5"},
        {"id": "2", "email": "b@x", "at": "2026-01-03T04:05:06", "amount": None},
    ]
    _orders(tmp_path, "a.csv", "1,a@x,2026-01-02T00:00:00,1.5", "2,b@x,2026-01-03T04:05:06,")
    (tmp_path / "orders" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = {
        "id": pa.array([1, 2]),
        "email": pa.array(["a@x", "b@x"]).dictionary_encode(),
        "at": pa.array([datetime(2026, 1, 2), datetime(2026, 1, 3, 4, 5, 6)], pa.timestamp("ns", "Europe/Paris")),
        "amount": pa.array([Decimal("1.5"), None], pa.decimal128(9, 2)),
    }
    pq.write_table(pa.table(columns), tmp_path / "orders" / "a.parquet")
    read = [_pull(_connector(tmp_path, KEYED.replace("csv", ending)), "purchase")[0] for ending in ("csv", "jsonl")]
    shutil.rmtree(tmp_path / ".segserver")
    read.append(_pull(_connector(tmp_path, KEYED.replace("csv", "parquet")), "purchase")[0])
    by_key = [{item.key: item for item in items if isinstance(item, EventRecord)} for items in read]
    assert by_key[0] == by_key[1] == by_key[2]
    assert len(by_key[0]) == 2


def test_equal_rows_without_a_key_are_as_many_events_as_rows(tmp_path: Path) -> None:
    _orders(tmp_path, "a.csv", "1,a@x,2026-01-02,5", "2,a@x,2026-01-02,5", "3,b@x,2026-01-02,5")
    connector = _connector(tmp_path, KEYLESS)
    items, cursor = _pull(connector, "purchase")
    assert len(set(_keys(items))) == 3
    _orders(tmp_path, "a.csv", "3,b@x,2026-01-02,5", "1,a@x,2026-01-02,5")
    again, _ = _pull(connector, "purchase", cursor)
    assert set(_keys(again)) < set(_keys(items))
    assert _gone(again) == [key for key in _keys(items) if key not in _keys(again)]


# ---- what changed --------------------------------------------------------------------------------------------------


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    path = _orders(tmp_path, "a.csv", "1,a@x,2026-01-02,5")
    connector = _connector(tmp_path, KEYED)
    _, cursor = _pull(connector, "purchase")
    stat = path.stat()
    path.write_text("x" * stat.st_size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert _pull(connector, "purchase", cursor) == ([], cursor)


def test_a_touched_file_with_the_same_content_is_not_read_again(tmp_path: Path) -> None:
    path = _orders(tmp_path, "a.csv", "1,a@x,2026-01-02,5")
    connector = _connector(tmp_path, KEYED)
    _, cursor = _pull(connector, "purchase")
    os.utime(path, ns=(1, 1))
    items, later = _pull(connector, "purchase", cursor)
    assert items == []
    assert later != cursor


def test_a_changed_file_is_read_whole_and_its_vanished_rows_are_told(tmp_path: Path) -> None:
    _orders(tmp_path, "a.csv", "1,a@x,2026-01-02,5", "2,a@x,2026-01-03,5")
    _orders(tmp_path, "b.csv", "3,a@x,2026-01-02,5")
    connector = _connector(tmp_path, KEYED)
    _, cursor = _pull(connector, "purchase")
    _orders(tmp_path, "a.csv", "2,a@x,2026-01-03,6", "4,a@x,2026-01-04,5")
    items, cursor = _pull(connector, "purchase", cursor)
    assert (_gone(items), _keys(items)) == (["1"], ["2", "4"])
    assert _pull(connector, "purchase", cursor)[0] == []


def test_a_row_that_moves_to_another_file_has_not_vanished(tmp_path: Path) -> None:
    _orders(tmp_path, "a.csv", "1,a@x,2026-01-02,5", "2,a@x,2026-01-03,5")
    connector = _connector(tmp_path, KEYED)
    _, cursor = _pull(connector, "purchase")
    _orders(tmp_path, "a.csv", "1,a@x,2026-01-02,5")
    _orders(tmp_path, "b.csv", "2,a@x,2026-01-03,5")
    assert _gone(_pull(connector, "purchase", cursor)[0]) == []


def test_the_rows_of_a_removed_file_are_told_once(tmp_path: Path) -> None:
    path = _orders(tmp_path, "a.csv", "1,a@x,2026-01-02,5")
    _orders(tmp_path, "b.csv", "2,a@x,2026-01-02,5")
    connector = _connector(tmp_path, KEYED)
    _, cursor = _pull(connector, "purchase")
    path.unlink()
    items, cursor = _pull(connector, "purchase", cursor)
    assert (_gone(items), _keys(items)) == (["1"], [])
    assert _pull(connector, "purchase", cursor)[0] == []


def test_a_contact_whose_row_vanished_is_deleted(tmp_path: Path) -> None:
    source = "kind: files\ncontacts: {path: c.csv, identities: {email: email}}\n"
    (tmp_path / "c.csv").write_text("email\na@x\nb@x\n")
    connector = _connector(tmp_path, source)
    _, cursor = _pull(connector, "contacts")
    (tmp_path / "c.csv").write_text("email\nb@x\n")
    items, _ = _pull(connector, "contacts", cursor)
    assert items == [Deletion("a@x", UNTIL), ContactRecord("b@x", {"email": "b@x"}, {})]


def test_another_declaration_makes_every_file_new(tmp_path: Path) -> None:
    _orders(tmp_path, "a.csv", "1,a@x,2026-01-02,5")
    _, cursor = _pull(_connector(tmp_path, KEYED), "purchase")
    other = _connector(tmp_path, KEYED.replace("amount: {type", "id: {type"))
    items, cursor = _pull(other, "purchase", cursor)
    assert [item.properties for item in items if isinstance(item, EventRecord)] == [{"id": Decimal(1)}]
    assert _pull(other, "purchase", cursor)[0] == []


def test_moving_a_declaration_inside_its_file_reads_nothing_again(tmp_path: Path) -> None:
    _orders(tmp_path, "a.csv", "1,a@x,2026-01-02,5")
    _, cursor = _pull(_connector(tmp_path, KEYED), "purchase")
    assert _pull(_connector(tmp_path, "# a comment\n" + KEYED), "purchase", cursor)[0] == []


def test_with_what_is_remembered_lost_files_are_read_again(tmp_path: Path) -> None:
    _orders(tmp_path, "a.csv", "1,a@x,2026-01-02,5")
    connector = _connector(tmp_path, KEYED)
    _, cursor = _pull(connector, "purchase")
    shutil.rmtree(tmp_path / ".segserver")
    assert _keys(_pull(connector, "purchase", cursor)[0]) == ["1"]


def test_a_reset_cursor_still_tells_what_vanished(tmp_path: Path) -> None:
    _orders(tmp_path, "a.csv", "1,a@x,2026-01-02,5")
    connector = _connector(tmp_path, KEYED)
    _pull(connector, "purchase")
    _orders(tmp_path, "a.csv", "2,a@x,2026-01-02,5")
    items, _ = _pull(connector, "purchase", None)
    assert (_gone(items), _keys(items)) == (["1"], ["2"])


def test_events_after_the_run_wait_for_a_later_one(tmp_path: Path) -> None:
    _orders(tmp_path, "a.csv", "1,a@x,2026-02-28,5", "2,a@x,2026-03-05,5", "3,a@x,2026-03-09,5")
    connector = _connector(tmp_path, KEYED)
    items, cursor = _pull(connector, "purchase")
    assert (_keys(items), _gone(items)) == (["1"], [])
    assert _pull(connector, "purchase", cursor, datetime(2026, 3, 4))[0] == []
    items, cursor = _pull(connector, "purchase", cursor, datetime(2026, 3, 5))
    assert (_keys(items), _gone(items)) == (["1", "2"], [])
    assert _keys(_pull(connector, "purchase", cursor, datetime(2026, 4, 1))[0]) == ["1", "2", "3"]


def test_a_file_that_changes_between_check_and_reading_is_left_for_the_next_pull(tmp_path: Path) -> None:
    first = _orders(tmp_path, "a.csv", "1,a@x,2026-01-02,5")
    second = _orders(tmp_path, "b.csv", "2,a@x,2026-01-02,5")
    connector = _connector(tmp_path, KEYED)
    pages = connector.read("purchase", None, UNTIL)
    assert _keys(list(next(pages).items)) == ["1"]
    second.write_text(HEADER + "2,a@x,2026-01-02,broken\n")
    with pytest.raises(RetryLater, match=r"orders/b\.csv changed"):
        next(pages)
    assert first.exists()


def test_pages_hold_ten_thousand_rows_and_the_total(tmp_path: Path) -> None:
    _orders(tmp_path, "a.csv", *(f"{number},a@x,2026-01-02,5" for number in range(20_001)))
    pages = list(_connector(tmp_path, KEYED).read("purchase", None, UNTIL))
    assert [len(page.items) for page in pages] == [10_000, 10_000, 1, 0]
    assert {page.total for page in pages} == {20_001}


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    _orders(tmp_path, "a.csv", "1,a@x,2026-01-02,5")
    _orders(tmp_path, ".b.csv", "2,a@x,2026-01-02,5")
    assert _keys(_pull(_connector(tmp_path, KEYED), "purchase")[0]) == ["1"]


def test_fresh_copies_come_in_the_order_asked_for(tmp_path: Path) -> None:
    source = "kind: files\ncontacts: {path: c.csv, identities: {email: email}, traits: {city: city}}\n"
    (tmp_path / "c.csv").write_text("email,city\na@x,Paris\nb@x,Lyon\n")
    os.utime(tmp_path / "c.csv", (0, 0))
    items = _connector(tmp_path, source).read_contacts(["b@x", "z@x", "a@x"])
    assert items == [
        ContactRecord("b@x", {"email": "b@x"}, {"city": "Lyon"}),
        Deletion("z@x", datetime(1970, 1, 1)),
        ContactRecord("a@x", {"email": "a@x"}, {"city": "Paris"}),
    ]
