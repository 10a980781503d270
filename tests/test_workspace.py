"""The workspace: three directories and a settings file as one checked, hashed value."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from segserver.errors import FindingsError, SettingsError
from segserver.workspace import load, read

MODEL = """
model buy "Buys"
  predicts did purchase in next 14 days
  features
    orders = count(purchase in last 30 days)
  algorithm logistic
"""

REPOSITORY = Path(__file__).parents[1]


def test_the_settings_file_may_be_empty(shop: Any) -> None:
    shop.write({"segserver.yml": ""})
    workspace = load(shop.directory)
    assert (workspace.zone, workspace.run_every) == ("UTC", timedelta(hours=1))


def test_everything_a_marketer_wrote_is_there(shop: Any) -> None:
    shop.append("rules/shop.seg", MODEL)
    shop.write({"segserver.yml": "time zone: Asia/Tokyo\nrun every: 30 minutes\n"})
    workspace = load(shop.directory)
    assert (workspace.zone, workspace.run_every) == ("Asia/Tokyo", timedelta(minutes=30))
    assert list(workspace.connections) == ["shop"]
    assert list(workspace.program.segments) == ["recent", "french_spenders"]
    assert set(workspace.catalog.events) == {"purchase"}
    assert workspace.scenarios == {} and workspace.caps == {}
    assert workspace.models["buy"].horizon == timedelta(days=14)


def test_the_gap_of_a_model_is_the_slowest_connections_latency_and_at_least_a_day(shop: Any) -> None:
    shop.append("rules/shop.seg", MODEL)
    assert load(shop.directory).models["buy"].gap == timedelta(days=1)
    shop.edit("connectors/shop.yml", "audiences: true", "audiences: true\nlatency: 3 days")
    assert load(shop.directory).models["buy"].gap == timedelta(days=3)


def test_rules_are_found_in_both_directories_and_below(shop: Any) -> None:
    shop.write(
        {"rules/more/deep.seg": "segment deep where age > 30\n", "scenarios/own.seg": "segment own where age < 9\n"}
    )
    assert {"deep", "own"} <= set(load(shop.directory).program.segments)


def test_folders_and_what_editors_leave_behind_are_no_rule_files(shop: Any) -> None:
    (shop.directory / "rules" / "old.seg").mkdir()
    (shop.directory / "rules" / ".#shop.seg").symlink_to("somebody@machine.1234")
    shop.write({"rules/._shop.seg": b"\x00\x05\x16\x07", "connectors/._shop.yml": b"\x00\x05\x16\x07"})
    assert set(read(shop.directory).sources) == {"segserver.yml", "connectors/shop.yml", "rules/shop.seg"}


def test_the_hash_changes_with_any_file_and_with_nothing_else(shop: Any) -> None:
    first = load(shop.directory).hash
    shop.write({"notes.txt": "x", "rules/readme.md": "x", "orders.csv": "x"})
    assert load(shop.directory).hash == first
    for name in ("segserver.yml", "connectors/shop.yml", "rules/shop.seg"):
        shop.append(name, "# a comment\n")
        changed = load(shop.directory).hash
        assert changed != first
        first = changed


def test_the_hash_tells_apart_what_stands_in_which_file(shop: Any) -> None:
    shop.write({"rules/a.seg": "segment a where age > 1\n", "rules/b.seg": "segment b where age > 2\n"})
    apart = load(shop.directory).hash
    shop.write({"rules/a.seg": "segment a where age > 1\nsegment b where age > 2\n", "rules/b.seg": ""})
    assert load(shop.directory).hash != apart


def test_findings_of_all_files_come_in_one_pass_by_file_and_place(shop: Any) -> None:
    shop.write({"rules/a.seg": "segment a where did purchas\nsegment b where contry is 5\n"})
    shop.write({"rules/z.seg": "segment z where agee > 5\n", "scenarios/s.seg": "segment s\n"})
    reading = read(shop.directory)
    assert reading.workspace is None
    found = [(one.span.file, one.span.line) for one in reading.diagnostics]
    assert found == sorted(found)
    assert {("rules/a.seg", 1), ("rules/a.seg", 2), ("rules/z.seg", 1)} <= set(found)
    assert "scenarios/s.seg" in {file for file, _ in found}


def test_loading_a_workspace_with_errors_raises_all_of_them(shop: Any) -> None:
    shop.write({"rules/a.seg": "segment a where did purchas\nsegment b where contry is 5\n"})
    with pytest.raises(FindingsError) as error:
        load(shop.directory)
    assert [one.code for one in error.value.diagnostics] == ["unknown-event", "unknown-name"]
    assert "segment a where did purchas" in str(error.value)


def test_a_text_can_stand_in_for_a_file_without_touching_it(shop: Any) -> None:
    before = (shop.directory / "rules" / "shop.seg").read_bytes()
    reading = read(shop.directory, {"rules/shop.seg": b"segment other where age > 5\n"})
    assert reading.workspace is not None
    assert list(reading.workspace.program.segments) == ["other"]
    assert (shop.directory / "rules" / "shop.seg").read_bytes() == before


def test_a_broken_connection_hides_no_finding_of_another_connection(shop: Any) -> None:
    shop.write({"connectors/crm.yml": "kind: hubspott\n", "connectors/web.yml": "kind: ga4\nmeasurment_id: env:X\n"})
    files = {one.span.file for one in read(shop.directory).diagnostics}
    assert files == {"connectors/crm.yml", "connectors/web.yml"}


def test_two_connections_that_map_one_trait_need_an_order(shop: Any) -> None:
    source = (shop.directory / "connectors" / "shop.yml").read_text(encoding="utf-8")
    shop.write({"connectors/kiosk.yml": source})
    shop.write({"rules/shop.seg": "segment old where age > 40\n"})
    with pytest.raises(FindingsError, match="sources"):
        load(shop.directory)
    shop.write({"segserver.yml": "sources: [kiosk, shop]\n"})
    assert load(shop.directory).catalog.traits["age"].sources == ("kiosk", "shop")


def test_a_directory_without_a_settings_file_is_no_workspace(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"it has no segserver\.yml; start one with `segserver init DIR`"):
        read(tmp_path)


def test_the_repository_is_its_own_first_workspace() -> None:
    reading = read(REPOSITORY)
    assert reading.workspace is not None, reading.diagnostics
    assert {"customers", "vip", "coffee_next"} <= set(reading.workspace.program.segments)
    assert set(reading.workspace.connections) == {"crm", "engage", "web"}


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("Europe/Pari", "did you mean Europe/Paris?"),
        ("Paris", "did you mean Europe/Paris?"),
        ("new york", "did you mean America/New_York?"),
        ("Nowhere", "zones are named by continent and city: Europe/Paris, America/New_York"),
    ],
)
def test_an_unknown_time_zone_is_answered_with_the_nearest_one(written: str, hint: str, shop: Any) -> None:
    shop.write({"segserver.yml": f"time zone: {written}\n"})
    assert [(found.code, found.hint) for found in read(shop.directory).diagnostics] == [("unknown-zone", hint)]
