"""A pull that is cut off anywhere loses nothing and invents nothing: the next one ends in what the files say."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segserver.connectors import files_pull
from segserver.connectors.declarations import load
from segserver.connectors.files import FilesConnector
from segserver.records import Cursor, EventGone, EventRecord, Page

UNTIL = datetime(2026, 3, 1)

SOURCE = """\
kind: files
events:
  purchase:
    path: "orders/*.csv"
    key: id
    contact: {email: email}
    at: at
    properties: {amount: {type: number}}
"""


def _connector(workspace: Path) -> FilesConnector:
    spec, findings = load("shop", SOURCE, "shop.yml")
    assert spec is not None, findings
    return FilesConnector(spec, workspace)


Contents = dict[str, dict[str, int]]
"""Amount by key, by file."""

CONTENTS = st.dictionaries(
    st.sampled_from("abc"), st.dictionaries(st.sampled_from("123456789"), st.integers(0, 3), max_size=6), min_size=1
).map(lambda files: _disjoint(files))


def _disjoint(files: Contents) -> Contents:
    """The same without keys that another file has already."""
    seen: set[str] = set()
    kept: Contents = {}
    for name in sorted(files):
        kept[name] = {key: amount for key, amount in files[name].items() if key not in seen}
        seen |= kept[name].keys()
    return kept


class _Store:
    """What a caller keeps: events by key and the cursor, committed together."""

    def __init__(self) -> None:
        self.amounts: dict[str, Decimal] = {}
        self.cursor: Cursor | None = None

    def commit(self, page: Page) -> None:
        for item in page.items:
            if isinstance(item, EventGone):
                self.amounts.pop(item.key, None)
            elif isinstance(item, EventRecord):
                amount = item.properties["amount"]
                assert isinstance(amount, Decimal)
                self.amounts[item.key] = amount
        self.cursor = json.loads(json.dumps(page.cursor))


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(files_pull, "PAGE", 2)
    return iter(())


@pytest.mark.usefixtures("small_pages")
@settings(max_examples=80, deadline=None)
@given(history=st.lists(st.tuples(CONTENTS, st.integers(0, 8), st.booleans()), min_size=1, max_size=5), last=CONTENTS)
def test_pulls_cut_off_anywhere_end_in_what_the_files_say(
    history: list[tuple[Contents, int, bool]], last: Contents
) -> None:
    """Files change, a pull commits some of its pages and dies (or its page is lost), and so on; then one pull ends."""
    with tempfile.TemporaryDirectory() as folder:
        connector = _connector(Path(folder))
        store = _Store()
        for contents, committed, forget in history:
            _write(Path(folder), contents)
            for _, page in zip(range(committed), connector.read("purchase", store.cursor, UNTIL), strict=False):
                store.commit(page)
            if forget:
                store.cursor = None
        _write(Path(folder), last)
        for page in connector.read("purchase", store.cursor, UNTIL):
            store.commit(page)
        expected = {key: Decimal(amount) for rows in last.values() for key, amount in rows.items()}
        assert store.amounts == expected
        *_, end = connector.read("purchase", store.cursor, UNTIL)
        assert not end.items


@pytest.mark.usefixtures("small_pages")
def test_a_file_that_is_put_back_after_a_pull_was_cut_off_is_read_again(tmp_path: Path) -> None:
    connector = _connector(tmp_path)
    store = _Store()
    _write(tmp_path, {"a": {"1": 1, "2": 1, "3": 1}})
    for page in connector.read("purchase", None, UNTIL):
        store.commit(page)
    _write(tmp_path, {"a": {"4": 1}})
    store.commit(next(connector.read("purchase", store.cursor, UNTIL)))
    assert store.amounts == {"3": 1}
    _write(tmp_path, {"a": {"1": 1, "2": 1, "3": 1}})
    for page in connector.read("purchase", store.cursor, UNTIL):
        store.commit(page)
    assert store.amounts == {"1": 1, "2": 1, "3": 1}


def _write(workspace: Path, contents: Contents) -> None:
    shutil.rmtree(workspace / "orders", ignore_errors=True)
    (workspace / "orders").mkdir()
    for name, rows in contents.items():
        lines = [f"{key},a@x,2026-01-02,{amount}\n" for key, amount in rows.items()]
        (workspace / "orders" / f"{name}.csv").write_text("id,email,at,amount\n" + "".join(lines))


@pytest.mark.usefixtures("small_pages")
def test_a_file_that_is_put_back_after_its_rows_were_withdrawn_is_read_again(tmp_path: Path) -> None:
    connector, store = _connector(tmp_path), _Store()
    _write(tmp_path, {"b": {"1": 0}})
    for page in connector.read("purchase", None, UNTIL):
        store.commit(page)
    _write(tmp_path, {"a": {}})
    store.commit(next(connector.read("purchase", store.cursor, UNTIL)))
    assert not store.amounts
    _write(tmp_path, {"b": {"1": 0}})
    for page in connector.read("purchase", store.cursor, UNTIL):
        store.commit(page)
    assert store.amounts == {"1": Decimal(0)}
