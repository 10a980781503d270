"""A data file with mistakes is refused as a whole, with every mistake at its cell, its cause and its cure."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segserver.connectors.declarations import load
from segserver.connectors.files import FilesConnector
from segserver.errors import Diagnostic, FindingsError, SettingsError

UNTIL = datetime(2026, 3, 1)

CONTACTS = """\
kind: files
contacts:
  path: customers.csv
  identities: {email: email}
  traits: {city: city, age: {type: number}}
  created: since
  consent: {email: {from: opt, means: opted out}}
"""

EVENTS_IN = """\
kind: files
events:
  purchase:
    path: "orders*.FORMAT"
    key: id
    contact: {email: email}
    at: at
    properties: {amount: {type: number}}
"""

CSV, JSON, PARQUET = (EVENTS_IN.replace("FORMAT", ending) for ending in ("csv", "jsonl", "parquet"))

HEADER = "email,city,age,since,opt\n"


def _connector(workspace: Path, source: str) -> FilesConnector:
    spec, findings = load("shop", source, "shop.yml")
    assert spec is not None, findings
    return FilesConnector(spec, workspace)


def _findings(workspace: Path, source: str, stream: str) -> tuple[Diagnostic, ...]:
    pages = _connector(workspace, source).read(stream, None, UNTIL)
    with pytest.raises(FindingsError) as error:
        next(pages)
    return error.value.diagnostics


def _customers(workspace: Path, content: str | bytes) -> list[tuple[str, int, int]]:
    raw = content.encode() if isinstance(content, str) else content
    (workspace / "customers.csv").write_bytes(raw)
    found = _findings(workspace, CONTACTS, "contacts")
    return [(finding.code, finding.span.line, finding.span.column) for finding in found]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (HEADER + "a@x,Paris,1\n", [("short-row", 2, 1)]),
        (HEADER + "a@x,Paris,1,2025-01-01,no,more,and more\n", [("long-row", 2, 27)]),
        (HEADER + 'a@x,"one, two\nthree",x,2025-01-01,no\n', [("bad-cell", 3, 8)]),
        (HEADER + 'a@x,"a ""b"" c",x,2025-01-01,no\n', [("bad-cell", 2, 17)]),
        (HEADER + "a@x,Zoé,x,2025-01-01,no\n", [("bad-cell", 2, 9)]),
        (HEADER + "a@x,P,1,2025-02-30,no\n", [("bad-cell", 2, 9)]),
        (HEADER + "a@x,P,1,2025-01-01,perhaps\n", [("bad-cell", 2, 20)]),
        (HEADER + ",P,1,2025-01-01,no\n", [("missing-cell", 2, 1)]),
        (HEADER + '"  ",P,1,2025-01-01,no\n', [("missing-cell", 2, 1)]),
        (HEADER + "a@x,P,1,,\nb@x,P,1,,\na@x,P,1,,\n", [("duplicated-key", 4, 1)]),
        (HEADER + 'a@x,"P,1,,\n', [("bad-row", 2, 1)]),
        (HEADER + 'a@x,"P"x,1,,\nb@x,P,y,,\n', [("bad-row", 2, 1), ("bad-cell", 3, 7)]),
        (HEADER + "a@x,P\rb@x,1,,\n", [("bad-row", 2, 1)]),
        (HEADER.encode() + b"a@x,Z\xe9,1,,\n", [("broken-encoding", 2, 6)]),
        (HEADER.encode() + "é@x,".encode() + b"\xff,1,,\n", [("broken-encoding", 2, 5)]),
        (HEADER + "a@x,P\0,1,,\n", [("broken-encoding", 2, 6)]),
        (HEADER.encode("utf-16"), [("broken-encoding", 1, 1)]),
        (b"PK\x03\x04\x14\x00\x06\x00a workbook under another name", [("bad-file", 1, 1)]),
        ("", [("empty-file", 1, 1)]),
        ("email,city,age,since\n", [("missing-column", 1, 1)]),
        ("email,city,age,since,opt,city\n", [("duplicate-column", 1, 26)]),
        ("email;city;age;since;opt\na@x;P;1;;\n", [("wrong-separator", 1, 1)]),
        ("email,city,Age,since,opt\na@x,P\n", [("missing-column", 1, 1), ("short-row", 2, 1)]),
    ],
)
def test_each_mistake_in_a_csv_is_found_at_its_cell(
    tmp_path: Path, content: str | bytes, expected: list[tuple[str, int, int]]
) -> None:
    assert _customers(tmp_path, content) == expected


def test_all_mistakes_of_all_files_come_at_once_in_the_order_of_the_rows(tmp_path: Path) -> None:
    (tmp_path / "orders-1.csv").write_text("id,email,at,amount\n1,a@x,2026-01-01,1\n2,a@x,soon,many\n")
    (tmp_path / "orders-2.csv").write_text("id,email,at,amount\n3,a@x,2026-01-01,x\n4\n")
    found = _findings(tmp_path, CSV, "purchase")
    assert [(str(finding.span), finding.code) for finding in found] == [
        ("orders-1.csv:3:7", "bad-cell"),
        ("orders-1.csv:3:12", "bad-cell"),
        ("orders-2.csv:2:18", "bad-cell"),
        ("orders-2.csv:3:1", "short-row"),
    ]


def test_a_finding_says_cause_and_cure_and_shows_the_row(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text(HEADER + 'a@x,Paris,"12,5",,\n')
    with pytest.raises(FindingsError) as error:
        next(_connector(tmp_path, CONTACTS).read("contacts", None, UNTIL))
    assert str(error.value) == (
        "customers.csv:2:11: error: age: '12,5' is not a number [bad-cell]\n"
        '     2 | a@x,Paris,"12,5",,\n'
        "       |           ^^^^^^\n"
        "  hint: write 12.5"
    )


def test_a_missing_column_names_the_near_one_and_the_place_that_asks_for_it(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("email,City,age,since,opt\n")
    (finding,) = _findings(tmp_path, CONTACTS, "contacts")
    assert finding.message == "there is no column 'city'"
    assert finding.hint == "did you mean City? columns: email, City, age, since, opt"
    assert [(str(place), note) for place, note in finding.related] == [("shop.yml:5:12", "asked for here")]


def test_a_key_given_twice_shows_both_rows_also_across_files(tmp_path: Path) -> None:
    (tmp_path / "orders-1.jsonl").write_text('{"id": 7, "email": "a@x", "at": "2026-01-01"}\n')
    (tmp_path / "orders-2.jsonl").write_text('\n{"email": "b@x", "id":  7, "at": "2026-01-01"}\n')
    (finding,) = _findings(tmp_path, JSON, "purchase")
    assert (finding.code, str(finding.span)) == ("duplicated-key", "orders-2.jsonl:2:25")
    assert [(str(place), note) for place, note in finding.related] == [("orders-1.jsonl:1:8", "first given here")]


def test_a_key_that_an_unchanged_file_has_already_is_given_twice(tmp_path: Path) -> None:
    (tmp_path / "orders-1.csv").write_text("id,email,at,amount\n7,a@x,2026-01-01,1\n")
    connector = _connector(tmp_path, CSV)
    *_, last = connector.read("purchase", None, UNTIL)
    (tmp_path / "orders-2.csv").write_text("id,email,at,amount\n8,a@x,2026-01-01,1\n7,b@x,2026-01-01,1\n")
    with pytest.raises(FindingsError) as error:
        next(connector.read("purchase", last.cursor, UNTIL))
    (finding,) = error.value.diagnostics
    assert str(finding.span) == "orders-2.csv:3:1"
    assert [str(place) for place, _ in finding.related] == ["orders-1.csv:2:1"]


def test_a_million_wrong_cells_are_one_screen_of_findings(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text(HEADER + "".join(f"u{n}@x,P,many,,\n" for n in range(2000)))
    found = _findings(tmp_path, CONTACTS, "contacts")
    assert len(found) == 51
    assert (found[-1].code, found[-1].message) == ("more-findings", "and 1950 more findings")


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ('{"id": 1, "email": "a@x", "at": "2026-01-01", "amount": "1,5"}', 57),
        ('{"amount": {"value": 1}, "id": 1, "email": "a@x", "at": "2026-01-01"}', 12),
        ('{"id": 1, "email": "a\\"b", "at":   "soon"}', 36),
        ('{"id": 1, "at": "2026-01-01"}', 1),
        ('{"id": 1, "email": null, "at": "2026-01-01"}', 20),
        ('{"id": 1, "email": "a@x"', 25),
        ('{"id": 1, "id": 2}', 1),
        ('{"id": NaN}', 1),
        ("[1, 2]", 1),
        ("[" * 200_000, 1),
    ],
)
def test_each_mistake_in_json_lines_is_found_at_its_value(tmp_path: Path, line: str, column: int) -> None:
    (tmp_path / "orders.jsonl").write_text(f'{{"id": 9, "email": "z@x", "at": "2026-01-01"}}\n{line}\n')
    (finding,) = _findings(tmp_path, JSON, "purchase")
    assert (finding.span.line, finding.span.column) == (2, column)


def test_a_slip_in_a_key_of_json_lines_is_no_silent_unknown(tmp_path: Path) -> None:
    (tmp_path / "orders.jsonl").write_text('{"id": 1, "email": "a@x", "at": "2026-01-01", "amuont": 3}\n')
    (finding,) = _findings(tmp_path, JSON, "purchase")
    assert finding.code == "missing-column"
    assert finding.hint == "did you mean 'amuont'? the objects have that one"


def test_a_cell_of_a_parquet_file_is_named_by_row_and_column(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2], "email": ["a@x", None], "amount": [1.5, float("nan")], "at": ["2026-01-01", "x"]})
    pq.write_table(table, tmp_path / "orders.parquet")
    found = _findings(tmp_path, PARQUET, "purchase")
    assert [(finding.code, finding.span.line, finding.span.column) for finding in found] == [
        ("missing-cell", 2, 2),
        ("bad-cell", 2, 3),
        ("bad-cell", 2, 4),
    ]


def test_what_is_not_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "orders.parquet").write_bytes(b"PAR1 no")
    assert [finding.code for finding in _findings(tmp_path, PARQUET, "purchase")] == ["bad-file"]


def test_a_file_that_is_not_there_is_no_empty_file(tmp_path: Path) -> None:
    (tmp_path / "customer.csv").write_text(HEADER)
    with pytest.raises(
        SettingsError, match=r"^shop.yml:2:1: there is no file customers.csv; did you mean customer.csv"
    ):
        next(_connector(tmp_path, CONTACTS).read("contacts", None, UNTIL))


def test_after_findings_the_mended_file_is_read_as_if_nothing_had_been(tmp_path: Path) -> None:
    _customers(tmp_path, HEADER + "a@x,P,1,,\nb@x,P,y,,\n")
    (tmp_path / "customers.csv").write_text(HEADER + "b@x,P,2,,\n")
    pages = list(_connector(tmp_path, CONTACTS).read("contacts", None, UNTIL))
    assert [item.source_id for page in pages for item in page.items if hasattr(item, "source_id")] == ["b@x"]


@given(
    content=st.one_of(
        st.binary(), st.text(st.sampled_from('",\n\ra1é'), max_size=60).map(lambda t: HEADER.encode() + t.encode())
    )
)
def test_any_bytes_are_read_or_refused_inside_the_file(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    workspace = tmp_path_factory.mktemp("any")
    (workspace / "customers.csv").write_bytes(content)
    try:
        list(_connector(workspace, CONTACTS).read("contacts", None, UNTIL))
    except FindingsError as error:
        lines = content.count(b"\n") + 1
        assert error.diagnostics
        assert all(1 <= finding.span.line <= lines and finding.span.column >= 1 for finding in error.diagnostics)
