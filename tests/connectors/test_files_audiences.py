"""Audience files hold exactly the members of a segment, whole or not at all, and nothing a spreadsheet would run."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segserver.connectors.base import Outcome, Status, Trigger, Write
from segserver.connectors.declarations import load
from segserver.connectors.files import MEMBER, FilesConnector, address
from segserver.errors import SettingsError
from segserver.specs.targets import Target

HOT = Target("shop", "file", "hot.csv")


@pytest.fixture
def shop(tmp_path: Path) -> FilesConnector:
    return _connector(tmp_path)


def _connector(workspace: Path, more: str = "") -> FilesConnector:
    spec, findings = load("shop", f"kind: files\naudiences: true\n{more}", "shop.yml")
    assert spec is not None, findings
    return FilesConnector(spec, workspace)


def _add(contact: str, target: Target = HOT, **identities: str) -> Write:
    return Write(target, contact, address(identities), MEMBER)


def _remove(contact: str, target: Target = HOT, **identities: str) -> Write:
    return Write(target, contact, address(identities), None)


def _held(destination: FilesConnector, target: Target) -> dict[str, str]:
    """Everything a destination says that it holds at a target."""
    found = destination.holds(target)
    assert found is not None
    return {address: value for page in found.pages for address, value in page.items()}


def _push(shop: FilesConnector, *writes: Write) -> list[Outcome]:
    outcomes = [outcome for batch in shop.write(writes) for outcome in batch]
    assert sorted(map(id, (outcome.item for outcome in outcomes))) == sorted(map(id, writes))
    return outcomes


def _statuses(shop: FilesConnector, *writes: Write) -> list[Status]:
    return [outcome.status for outcome in _push(shop, *writes)]


def test_members_are_rows_with_their_identities(tmp_path: Path, shop: FilesConnector) -> None:
    assert _statuses(shop, _add("c2", email="b@x", phone="+33 1"), _add("c1", email="a@x")) == [Status.CONFIRMED] * 2
    content = (tmp_path / "audiences" / "hot.csv").read_bytes()
    assert content == b"contact_id,email,phone\r\nc1,a@x,\r\nc2,b@x,+33 1\r\n"


def test_a_push_changes_only_what_it_names(shop: FilesConnector) -> None:
    _push(shop, _add("c1", email="a@x"), _add("c2", email="b@x"))
    _push(shop, _remove("c1", email="a@x"), _add("c3", email="c@x"), _add("c2", email="b2@x"))
    assert _held(shop, HOT) == {address({"email": "b2@x"}): MEMBER, address({"email": "c@x"}): MEMBER}


@pytest.mark.parametrize("first", ["set", "clear"])
def test_a_contact_whose_identities_changed_stays_whichever_write_comes_first(shop: FilesConnector, first: str) -> None:
    _push(shop, _add("c1", email="a@x"))
    writes = [_add("c1", email="b@x"), _remove("c1", email="a@x")]
    _push(shop, *(writes if first == "set" else reversed(writes)))
    assert _held(shop, HOT) == {address({"email": "b@x"}): MEMBER}


def test_the_row_of_a_merged_contact_leaves_though_its_id_has_ended(shop: FilesConnector) -> None:
    _push(shop, _add("loser", email="a@x"), _add("winner", email="b@x"))
    _push(shop, _remove("winner", email="a@x"))
    assert _held(shop, HOT) == {address({"email": "b@x"}): MEMBER}


def test_the_same_push_again_changes_nothing(tmp_path: Path, shop: FilesConnector) -> None:
    writes = [_add("c1", email="a@x"), _remove("c9")]
    _push(shop, *writes)
    before = (tmp_path / "audiences" / "hot.csv").read_bytes()
    assert _statuses(shop, *writes) == [Status.CONFIRMED] * 2
    assert (tmp_path / "audiences" / "hot.csv").read_bytes() == before


def test_an_audience_that_empties_keeps_its_header(tmp_path: Path, shop: FilesConnector) -> None:
    _push(shop, _add("c1", email="a@x"))
    _push(shop, _remove("c1", email="a@x"))
    assert (tmp_path / "audiences" / "hot.csv").read_bytes() == b"contact_id\r\n"
    assert _held(shop, HOT) == {}


def test_parquet_holds_the_same_members_as_plain_text(tmp_path: Path, shop: FilesConnector) -> None:
    target = Target("shop", "file", "vip/hot.parquet")
    _push(shop, _add("c1", target, email="=1+1"), _add("c2", target, phone="1"))
    table = pq.read_table(tmp_path / "audiences" / "vip" / "hot.parquet")
    assert table.to_pylist() == [
        {"contact_id": "c1", "email": "=1+1", "phone": None},
        {"contact_id": "c2", "email": None, "phone": "1"},
    ]
    assert _held(shop, target) == {address({"email": "=1+1"}): MEMBER, address({"phone": "1"}): MEMBER}
    _push(shop, _remove("c1", target, email="=1+1"), _remove("c2", target, phone="1"))
    assert _held(shop, target) == {}


def test_a_target_that_was_never_written_holds_nobody(shop: FilesConnector) -> None:
    assert _held(shop, HOT) == {}


def test_the_folder_is_the_declared_one(tmp_path: Path) -> None:
    _push(_connector(tmp_path, "folder: out/lists\n"), _add("c1", email="a@x"))
    assert (tmp_path / "out" / "lists" / "hot.csv").exists()


# ---- cells a spreadsheet would run ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("@x", "'@x"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("\t=1", "'\t=1"),
        ("'=1", "''=1"),
        ("+33 1 23 (45)", "+33 1 23 (45)"),
        ("-5", "-5"),
        ("'tis", "'tis"),
        ("a=b", "a=b"),
    ],
)
def test_a_formula_gets_an_apostrophe_and_reads_back_as_it_was(
    tmp_path: Path, shop: FilesConnector, value: str, cell: str
) -> None:
    _push(shop, _add("c1", email=value))
    with (tmp_path / "audiences" / "hot.csv").open(newline="") as file:
        assert list(csv.reader(file))[1] == ["c1", cell]
    assert _held(shop, HOT) == {address({"email": value}): MEMBER}


VALUE = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)


@given(members=st.dictionaries(st.text("abc12", min_size=1), st.dictionaries(st.sampled_from(["email", "id"]), VALUE)))
@pytest.mark.parametrize("name", ["m.csv", "m.parquet"])
def test_whatever_is_written_is_held(
    tmp_path_factory: pytest.TempPathFactory, name: str, members: dict[str, dict[str, str]]
) -> None:
    shop = _connector(tmp_path_factory.mktemp("audiences"))
    target = Target("shop", "file", name)
    _push(shop, *(_add(contact, target, **identities) for contact, identities in members.items()))
    assert _held(shop, target) == {address(identities): MEMBER for identities in members.values()}


# ---- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../hot.csv", "/tmp/hot.csv", "a/../../hot.csv", "a\\hot.csv", "hot.txt", "hot", ".csv"]
)
def test_a_name_that_leaves_the_folder_or_has_no_format_is_rejected(
    tmp_path: Path, shop: FilesConnector, name: str
) -> None:
    (outcome,) = _push(shop, _add("c1", Target("shop", "file", name), email="a@x"))
    assert outcome.status is Status.REJECTED
    assert outcome.reason is not None
    assert name in outcome.reason.replace("\\\\", "\\")
    assert list(tmp_path.rglob("*.csv")) == []
    with pytest.raises(SettingsError):
        shop.holds(Target("shop", "file", name))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path, shop: FilesConnector) -> None:
    (tmp_path / "audiences").mkdir()
    (tmp_path / "audiences" / "out").symlink_to(tmp_path)
    assert _statuses(shop, _add("c1", Target("shop", "file", "out/hot.csv"), email="a@x")) == [Status.REJECTED]


@pytest.mark.parametrize(
    "content", [b"email\na@x\n", b"contact_id,email\nc1\n", b"\xff\xfe", b'contact_id\n"c1\n', b"contact_id\n\n,\n"]
)
def test_a_foreign_file_is_left_alone(tmp_path: Path, shop: FilesConnector, content: bytes) -> None:
    path = tmp_path / "audiences" / "hot.csv"
    path.parent.mkdir()
    path.write_bytes(content)
    (outcome,) = _push(shop, _add("c1", email="a@x"))
    assert outcome.status is Status.FAILED
    assert str(outcome.reason).endswith("move that file away")
    assert path.read_bytes() == content


@pytest.mark.parametrize("column", [pa.array([1]), pa.array(["a@x"])])
def test_a_foreign_parquet_file_is_left_alone(tmp_path: Path, shop: FilesConnector, column: pa.Array) -> None:
    path = tmp_path / "audiences" / "hot.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"email": column}), path)
    assert _statuses(shop, _add("c1", Target("shop", "file", "hot.parquet"))) == [Status.FAILED]


@pytest.mark.parametrize("text", ["", "[]", '{"email": 1}', '{"contact_id": "x"}'])
def test_an_address_that_is_none_is_rejected_and_the_others_go_on(shop: FilesConnector, text: str) -> None:
    bad = Write(HOT, "c1", text, MEMBER)
    assert _statuses(shop, bad, _add("c2", email="b@x")) == [Status.REJECTED, Status.CONFIRMED]
    assert _held(shop, HOT) == {address({"email": "b@x"}): MEMBER}


def test_a_crash_while_writing_leaves_the_old_file(
    tmp_path: Path, shop: FilesConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    _push(shop, _add("c1", email="a@x"))

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        (outcome,) = _push(shop, _add("c2", email="b@x"))
    assert (outcome.status, outcome.reason) == (Status.FAILED, "hot.csv cannot be written: No space left on device")
    assert _held(shop, HOT) == {address({"email": "a@x"}): MEMBER}
    assert _statuses(shop, _add("c2", email="b@x")) == [Status.CONFIRMED]
    assert [path.name for path in (tmp_path / "audiences").iterdir()] == ["hot.csv"]


def test_files_cannot_send(shop: FilesConnector) -> None:
    trigger = Trigger("k", "c1", "{}", "Win back", {})
    assert shop.trigger_batch == 0
    assert [outcome.status for outcome in shop.trigger([trigger])] == [Status.REJECTED]
