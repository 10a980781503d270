"""Edits of the workspace while the server runs."""

from __future__ import annotations

import os
import shutil
from importlib.resources import files

import pytest

from segserver.cli.reloading import Watch

BROKEN = 'segment broken\n  where nothing_known = "x"\n'


@pytest.fixture
def directory(tmp_path):
    """A copy of the starter workspace."""
    shutil.copytree(str(files("segserver") / "starter"), tmp_path / "workspace")
    return tmp_path / "workspace"


@pytest.fixture
def watch(directory):
    """A watch that has looked once."""
    made = Watch(directory)
    assert made.fresh() is not None
    return made


def test_files_that_nobody_edited_are_not_read_again(watch):
    assert watch.fresh() is None
    assert watch.last.problem is None


@pytest.mark.parametrize("name", ["segserver.yml", "rules/first.seg", "connectors/shop.yml"])
def test_an_edit_is_noticed_in_every_kind_of_file(watch, directory, name):
    path = directory / name
    path.write_text(path.read_text(encoding="utf-8") + "# a remark\n", encoding="utf-8")
    assert watch.fresh() is not None


def test_an_edit_that_keeps_the_size_is_noticed(watch, directory):
    path = directory / "rules" / "first.seg"
    path.write_text(path.read_text(encoding="utf-8").replace(">= 100", ">= 200"), encoding="utf-8")
    os.utime(path, ns=(1, 1))
    assert watch.fresh() is not None


def test_new_renamed_and_removed_files_are_noticed(watch, directory):
    (directory / "scenarios" / "deep").mkdir()
    extra = directory / "scenarios" / "deep" / "caps.seg"
    extra.write_text("caps\n  email at most 1 per day\n", encoding="utf-8")
    assert watch.fresh().caps
    extra.rename(extra.with_name("limits.seg"))
    assert watch.fresh() is not None
    (directory / "scenarios" / "deep" / "limits.seg").unlink()
    assert not watch.fresh().caps


def test_a_broken_edit_gives_findings_and_no_workspace_until_it_is_mended(watch, directory):
    extra = directory / "rules" / "broken.seg"
    extra.write_text(BROKEN, encoding="utf-8")
    assert watch.fresh() is None
    assert watch.last.problem.startswith("rules/broken.seg:2:")
    assert [finding.span.file for finding in watch.last.findings] == ["rules/broken.seg"]
    assert watch.fresh() is None
    assert watch.last.problem is not None
    extra.unlink()
    assert watch.fresh() is not None
    assert (watch.last.problem, watch.last.findings) == (None, ())


def test_a_workspace_that_disappears_is_a_problem_and_comes_back(watch, directory):
    directory.rename(directory.with_name("away"))
    assert watch.fresh() is None
    assert "is not a workspace" in watch.last.problem
    directory.with_name("away").rename(directory)
    assert watch.fresh() is not None
    assert watch.last.problem is None


def test_an_edit_of_a_manual_list_is_noticed_and_so_is_one_that_appears(watch, directory):
    rules = directory / "rules" / "first.seg"
    text = rules.read_text(encoding="utf-8")
    rules.write_text(f'{text}\nsegment friends\n  where spend_90d > 200\n  manual "friends.csv"\n', encoding="utf-8")
    assert watch.fresh() is None
    assert "friends.csv cannot be read" in watch.last.problem
    (directory / "friends.csv").write_text("email\n", encoding="utf-8")
    first = watch.fresh()
    assert first is not None
    (directory / "friends.csv").write_text("email\nada@example.com\n", encoding="utf-8")
    second = watch.fresh()
    assert second is not None
    assert second.hash != first.hash
