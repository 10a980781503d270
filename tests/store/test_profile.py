from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from segserver.records import ContactRecord, Deletion
from segserver.store.profile import read_profile, write_profile

NOW = datetime(2026, 3, 1)


def test_the_profile_tells_values_quantiles_and_sizes_of_the_living(bench: Any, tmp_path: Path) -> None:
    values = [("FR", 1), ("FR", 2), ("BE", 3), (None, None)]
    people = [
        ContactRecord(str(number), {}, {"country": country, "mrr": None if mrr is None else Decimal(mrr)})
        for number, (country, mrr) in enumerate(values)
    ]
    bench.take("crm", *people, ContactRecord("gone", {}, {"country": "XX"}), Deletion("gone", NOW))
    bench.session.execute("INSERT INTO memberships (segment, contact_id, entered_at) VALUES ('vip', 'a', ?)", [NOW])
    assert write_profile(bench.session, tmp_path, NOW) == tmp_path / "profile.json"
    found: Any = read_profile(tmp_path)
    assert (found["as_of"], found["contacts"], found["segments"]) == ("2026-03-01T00:00:00Z", 4, {"vip": 1})
    assert found["traits"]["country"] == {"kind": "text", "known": 0.75, "values": ["FR", "BE"]}
    assert found["traits"]["mrr"]["quantiles"] == {
        "0": 1.0, "0.01": 1.0, "0.05": 1.0, "0.25": 1.0, "0.5": 2.0, "0.75": 3.0, "0.95": 3.0, "0.99": 3.0, "1": 3.0,
    }  # fmt: skip
    assert found["traits"]["tags"] == {"kind": "list of text", "known": 0.0}
    assert [file.name for file in tmp_path.iterdir()] == ["profile.json"]


def test_an_empty_store_has_a_profile_too(bench: Any, tmp_path: Path) -> None:
    write_profile(bench.session, tmp_path, NOW)
    found: Any = read_profile(tmp_path)
    assert found["contacts"] == 0
    assert found["traits"]["mrr"] == {"kind": "number", "known": 0.0, "quantiles": {}}


def test_before_the_first_evaluation_there_is_none(tmp_path: Path) -> None:
    assert read_profile(tmp_path) is None
