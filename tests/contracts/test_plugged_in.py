"""A kind of connection that another package brings: the manual's example, installed and asked like our own."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest

from segserver.clock import format_instant
from segserver.connectors import declarations, kinds
from segserver.connectors.base import Write
from segserver.errors import SettingsError
from segserver.specs.targets import Target
from tests.contracts.conftest import Subject
from tests.contracts.test_behaviours import BEHAVIOURS, Sides

PAGE = files("segserver").joinpath("help/writing-a-connector.md").read_text(encoding="utf-8")
PEOPLE = 253


def _declared():
    """The connection's file as the page shows it."""
    return PAGE.split("# connectors/club.yml\n")[1].split("```")[0]


class SqliteSubject(Subject):
    name = "club"
    places = (Target("club", "list", "Hot & new"), Target("club", "property", "tier"))
    bad_addresses = ("7777777",)

    def __init__(self, directory, kind, people):
        super().__init__(directory)
        self.declaration = _declared().replace("kind: sqlite\n", f"kind: {kind}\n")
        (directory / "data").mkdir()
        columns = "id INTEGER PRIMARY KEY, changed TEXT, deleted INT DEFAULT 0, merged_into INT"
        self.run(f"CREATE TABLE people ({columns}, name, email, visits, newsletter)")
        self.run("CREATE TABLE held (kind, name, person, value, PRIMARY KEY (kind, name, person))")
        rows = [
            (number, "2026-01-01T00:00:00Z", f"Person {number}", f"p{number}@example.com", number)
            for number in range(1, people + 1)
        ]
        with closing(sqlite3.connect(self.directory / "data" / "club.db")) as opened, opened:
            opened.executemany("INSERT INTO people VALUES (?, ?, 0, NULL, ?, ?, ?, 'true')", rows)

    def run(self, sql, values=()):
        with closing(sqlite3.connect(self.directory / "data" / "club.db")) as opened, opened:
            return list(opened.execute(sql, values))

    def _touch(self, number, change):
        self.run(f"UPDATE people SET changed = ?, {change} WHERE id = ?", [format_instant(self.clock.now()), number])
        return str(number)

    def change(self):
        return self._touch(3, "name = 'Somebody'")

    def delete(self):
        return self._touch(5, "deleted = 1")

    def merge(self):
        self._touch(8, "merged_into = 7, deleted = 1")
        return self._touch(7, "name = name"), "8"

    def known(self):
        return [str(one) for (one,) in self.run("SELECT id FROM people WHERE NOT deleted ORDER BY id")]

    def held(self, place):
        return dict(self.run("SELECT person, value FROM held WHERE kind = ? AND name = ?", [place.kind, place.name]))


def _vanish(subject):
    subject.run("ALTER TABLE people DROP COLUMN name")
    return "name", "first_name"


def _nothing(subject):
    """The database is empty from the start."""


def _retype(subject):
    subject.run("UPDATE people SET visits = 'many'")
    return "visits", "visits"


SIDES = Sides(
    _vanish,
    _retype,
    lambda subject: subject.run("ALTER TABLE people ADD COLUMN colour DEFAULT 'blue'"),
    _nothing,
    lambda subject: subject._touch(3, "name = 'First'"),
)

NOT_FOR = {
    "sqlite-reader": {
        "rate limits": "a file has no limits",
        "token ends between pages": "a file asks for no token",
        "partial failures": "it only reads",
    },
    "sqlite": {"rate limits": "a file has no limits", "token ends between pages": "a file asks for no token"},
}


def install(directory: Path, points: str, **modules: str) -> None:
    """What `pip install` leaves behind: modules, and a note of the entry points."""
    for name, text in modules.items():
        (directory / f"{name}.py").write_text(text, encoding="utf-8")
    note = directory / "segserver_plugged-0.1.dist-info"
    note.mkdir()
    (note / "METADATA").write_text("Metadata-Version: 2.1\nName: segserver-plugged\nVersion: 0.1\n", encoding="utf-8")
    (note / "entry_points.txt").write_text(points, encoding="utf-8")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A directory of installed packages."""
    directory = tmp_path / "site"
    directory.mkdir()
    monkeypatch.syspath_prepend(directory)
    forget()
    yield directory
    monkeypatch.undo()
    forget()


def forget():
    kinds._found.cache_clear()
    kinds._loaded.cache_clear()


@pytest.fixture
def example(site):
    """The page's example, installed."""
    module = "\n\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    points = PAGE.split('[project.entry-points."segserver.connectors"]\n')[1].split("```")[0]
    install(site, f"[segserver.connectors]\n{points.replace(chr(34), '')}", segserver_sqlite=module)


@pytest.mark.parametrize("kind", NOT_FOR)
@pytest.mark.parametrize("name", BEHAVIOURS)
def test_the_example_does_what_every_connector_does(example, tmp_path, name, kind):
    behaviour = BEHAVIOURS[name]
    if name in NOT_FOR[kind]:
        assert kind == "sqlite-reader" or behaviour.not_for["files"]
        return
    subject = SqliteSubject(tmp_path, kind, 0 if behaviour.empty else PEOPLE)
    subject.sides = SIDES
    behaviour.check(subject)


def test_the_kinds_of_other_packages_stand_beside_ours(example):
    assert set(kinds.names()) == {"files", "ga4", "hubspot", "marketo", "sqlite", "sqlite-reader"}


def test_what_the_example_holds_can_be_read_back(example, tmp_path):
    subject = SqliteSubject(tmp_path, "sqlite", 3)
    destination, place = subject.destination(), subject.places[0]
    assert [one for batch in destination.write([Write(place, "c", "2", "member")]) for one in batch]
    assert [dict(page) for page in destination.holds(place).pages] == [{"2": "member"}]


def test_a_package_that_cannot_be_loaded_is_named_with_the_cure(site):
    points = "[segserver.connectors]\nodd = odd_one:KIND\nnone = odd_two:KIND\n"
    install(site, points, odd_one="import nothing_like_it", odd_two="KIND = 5")
    assert "odd" in kinds.names()
    with pytest.raises(SettingsError, match=r"odd cannot be loaded .* uninstall the package that brings odd_one:KIND"):
        kinds.kind("odd")
    with pytest.raises(SettingsError, match="kind none is no Kind; odd_two:KIND has to name one"):
        kinds.kind("none")


def test_two_packages_with_one_kind_are_too_many(site):
    install(site, "[segserver.connectors]\nhubspot = mine:KIND\n", mine="KIND = 1")
    with pytest.raises(SettingsError, match="several installed packages bring connections of kind hubspot"):
        kinds.kind("hubspot")
    spec, findings = declarations.load("x", "kind: nothing\n", "connectors/x.yml")
    assert spec is None
    assert findings[0].code == "unknown-kind"
