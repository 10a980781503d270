"""The memory of a workspace's rules on disk: used while it is right, and as good as absent where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from segserver import rule_files
from segserver.rule_files import Memory, RuleFiles
from segserver.rules import catalog_text
from segserver.rules.checking.verdicts import Verdict, Verdicts
from segserver.rules.reading.parsed import ParsedFile, to_lines
from segserver.specs.catalog import Catalog, Event, Trait
from segserver.specs.types import DATE, TEXT, Kind, Type

SOURCES = {
    "rules/a.seg": b"segment a\n  where country is known\n",
    "rules/b.seg": "segment b\n  where cité is known and\n".encode(),
    "rules/c.seg": b"segment c\xff",
}
OTHERS = {"segserver.yml": b"", "connectors/crm.yml": b"kind: files\n"}


@pytest.fixture
def texts_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read from their text."""
    names: list[str] = []
    read = rule_files._lines

    def telling(name: str, raw: bytes) -> str:
        names.append(name)
        return read(name, raw)

    monkeypatch.setattr(rule_files, "_lines", telling)
    return names


def texts(parsed: list[ParsedFile]) -> list[str]:
    return [to_lines(file) for file in parsed]


def kept(directory: Path) -> list[Path]:
    return sorted((directory / ".segserver/rules/trees").iterdir())


def test_a_file_is_read_once_until_its_text_changes(tmp_path: Path, texts_read: list[str]) -> None:
    first = texts(RuleFiles(tmp_path).read(SOURCES))
    assert texts_read == list(SOURCES)
    assert texts(RuleFiles(tmp_path).read(SOURCES)) == first
    assert texts_read == list(SOURCES)
    RuleFiles(tmp_path).read({**SOURCES, "rules/a.seg": b"segment a\n  where city is known\n"})
    assert texts_read[3:] == ["rules/a.seg"]


def test_findings_speak_of_the_file_by_its_present_name(tmp_path: Path, texts_read: list[str]) -> None:
    RuleFiles(tmp_path).read({"old.seg": SOURCES["rules/b.seg"]})
    (moved,) = RuleFiles(tmp_path).read({"new.seg": SOURCES["rules/b.seg"]})
    assert texts_read == ["old.seg"]
    assert [finding.span.file for finding in moved.findings] == ["new.seg"]
    assert moved.blocks[0].node.span.file == "new.seg"


def test_what_no_file_holds_any_more_is_forgotten(tmp_path: Path) -> None:
    RuleFiles(tmp_path).read(SOURCES)
    assert len(kept(tmp_path)) == 3
    RuleFiles(tmp_path).read({"rules/a.seg": b"segment other where country is known"})
    assert len(kept(tmp_path)) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-5],
        lambda _: b"",
        lambda content: content.replace(b"country", b"city"),
        lambda _: b"\x80\x04K\x01.",
        lambda content: b"0" * 64 + b"\n" + content.partition(b"\n")[2],
    ],
)
def test_what_is_damaged_is_read_anew_and_mended(damage: object, tmp_path: Path, texts_read: list[str]) -> None:
    one = {"rules/a.seg": SOURCES["rules/a.seg"]}
    first = texts(RuleFiles(tmp_path).read(one))
    (path,) = kept(tmp_path)
    content = path.read_bytes()
    path.write_bytes(damage(content))
    assert texts(RuleFiles(tmp_path).read(one)) == first
    assert texts_read == ["rules/a.seg", "rules/a.seg"]
    assert path.read_bytes() == content


def test_text_with_a_right_checksum_that_is_no_tree_is_read_anew(tmp_path: Path, texts_read: list[str]) -> None:
    one = {"rules/a.seg": SOURCES["rules/a.seg"]}
    first = texts(RuleFiles(tmp_path).read(one))
    (path,) = kept(tmp_path)
    path.write_text(f"{rule_files._checksum('[]')}\n[]", encoding="utf-8")
    assert texts(RuleFiles(tmp_path).read(one)) == first
    assert len(texts_read) == 2


def test_what_another_version_remembered_does_not_count(
    tmp_path: Path, texts_read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    RuleFiles(tmp_path).read(SOURCES)
    RuleFiles(tmp_path).keep(OTHERS, memory())
    monkeypatch.setattr(rule_files, "version", lambda: "another")
    RuleFiles(tmp_path).read(SOURCES)
    assert texts_read == [*SOURCES, *SOURCES]
    assert RuleFiles(tmp_path).memory(OTHERS) is None


def test_a_workspace_that_cannot_be_written_to_is_read_all_the_same(tmp_path: Path) -> None:
    (tmp_path / ".segserver").write_text("a file where the folder should be", encoding="utf-8")
    assert len(RuleFiles(tmp_path).read(SOURCES)) == 3
    RuleFiles(tmp_path).keep(OTHERS, memory())
    assert RuleFiles(tmp_path).memory(OTHERS) is None


@pytest.mark.long
def test_many_processes_read_what_one_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = texts(RuleFiles(tmp_path / "alone").read(SOURCES))
    monkeypatch.setattr(rule_files, "WORTH_PROCESSES", 0)
    monkeypatch.setattr(rule_files.os, "cpu_count", lambda: 2)
    assert texts(RuleFiles(tmp_path / "together").read(SOURCES)) == alone


# ---- verdicts and the catalog --------------------------------------------------------------------------------------


def memory() -> Memory:
    """A memory that has something of everything."""
    money = Type(Kind.NUMBER, "EUR")
    catalog = Catalog(
        traits={"mrr": Trait("mrr", money, True, ("crm", "shop")), "born": Trait("born", DATE, False, ("crm",))},
        events={"buy": Event("buy", {"price": money, "sku": TEXT}, ("shop",), "email"), "open": Event("open", {}, ())},
        channels=("email",),
        destinations={"crm": "hubspot"},
        connections={"crm": "hubspot", "shop": "files"},
        account_traits={"industry": Trait("industry", TEXT, False, ("crm",))},
        account_sources=("crm",),
    )
    return Memory(catalog, "Europe/Paris", Verdicts(held={"digest": Verdict("seen", "declaration", TEXT)}))


def test_a_check_is_remembered_with_what_it_was_made_against(tmp_path: Path) -> None:
    made = memory()
    RuleFiles(tmp_path).keep(OTHERS, made)
    found = RuleFiles(tmp_path).memory(dict(reversed(OTHERS.items())))
    assert found is not None
    assert (found.catalog, found.zone, found.verdicts.known) == (made.catalog, made.zone, made.verdicts.held)
    assert repr(found.catalog) == repr(made.catalog)


@pytest.mark.parametrize(
    "others",
    [
        {**OTHERS, "connectors/crm.yml": b"kind: files"},
        {**OTHERS, "segserver.yml": b"time zone: UTC"},
        {**OTHERS, "connectors/new.yml": b""},
        {"segserver.yml": OTHERS["segserver.yml"]},
    ],
)
def test_a_change_of_settings_or_connections_forgets_every_check(others: dict[str, bytes], tmp_path: Path) -> None:
    RuleFiles(tmp_path).keep(OTHERS, memory())
    assert RuleFiles(tmp_path).memory(others) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '["key", [], "UTC", {}]'])
def test_a_damaged_memory_of_checks_is_as_good_as_none(text: str, tmp_path: Path) -> None:
    RuleFiles(tmp_path).keep(OTHERS, memory())
    (path,) = [path for path in (tmp_path / ".segserver/rules").iterdir() if path.is_file()]
    path.write_text(f"{rule_files._checksum(text)}\n{text}", encoding="utf-8")
    assert RuleFiles(tmp_path).memory(OTHERS) is None


@pytest.mark.parametrize("data", [None, [], [[], [], [], {}, {}, [], 5], [[["a"]], [], [], {}, {}, [], []]])
def test_what_is_no_catalog_is_refused(data: object) -> None:
    with pytest.raises(ValueError):
        catalog_text.from_data(data)
