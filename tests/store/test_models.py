from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from segserver.store import models
from segserver.store.models import Promotion, StoredVersion

NOW = datetime(2026, 3, 1)
FIRST = StoredVersion(
    model="buy_soon",
    version=1,
    created_at=NOW,
    status="candidate",
    threshold=0.1 + 0.2,
    content={"coefficients": [0.1, -2.5e-17]},
    card={"auc": 0.86},
    manifest={"sha256": "ab"},
    declaration="d",
    fingerprint="f",
)


def scored(bench: Any, **scores: float | None) -> str:
    bench.session.execute("CREATE OR REPLACE TEMP TABLE scored (contact_id VARCHAR, score DOUBLE)")
    for contact, score in scores.items():
        bench.session.execute("INSERT INTO scored VALUES (?, ?)", [contact, score])
    return "scored"


def kept(bench: Any) -> dict[object, object]:
    rows = bench.rows("SELECT contact_id, version, score FROM scores ORDER BY contact_id")
    return {row["contact_id"]: (row["version"], row["score"]) for row in rows}


def test_a_version_comes_back_exactly_as_it_was_published(bench: Any) -> None:
    models.save_version(bench.session, FIRST)
    assert models.versions(bench.session, "buy_soon") == [FIRST]


def test_a_version_is_published_once(bench: Any) -> None:
    models.save_version(bench.session, FIRST)
    with pytest.raises(ValueError, match="buy_soon has a version 1 already"):
        models.save_version(bench.session, FIRST)


def test_a_model_has_one_champion(bench: Any) -> None:
    for version in (1, 2, 3):
        models.save_version(bench.session, replace(FIRST, version=version))
    models.save_version(bench.session, replace(FIRST, model="other", status="champion"))
    assert models.champion(bench.session, "buy_soon") is None
    models.promote(bench.session, "buy_soon", 1, Promotion(NOW, False, "the first"))
    models.promote(bench.session, "buy_soon", 3, Promotion(NOW, False, "better"))
    models.promote(bench.session, "buy_soon", 3, Promotion(NOW + timedelta(days=1), True, "still better"))
    assert {key: told.reason for key, told in models.promotions(bench.session).items()} == {
        ("buy_soon", 1): "the first",
        ("buy_soon", 3): "still better",
    }
    statuses = {version.version: version.status for version in models.versions(bench.session, "buy_soon")}
    assert statuses == {3: "champion", 2: "candidate", 1: "retired"}
    champion = models.champion(bench.session, "other")
    assert champion is not None
    assert champion.version == 1


def test_versions_are_numbered_by_model(bench: Any) -> None:
    assert models.next_version(bench.session, "buy_soon") == 1
    models.save_version(bench.session, replace(FIRST, version=4))
    assert models.next_version(bench.session, "buy_soon") == 5
    assert models.next_version(bench.session, "other") == 1


def test_scores_are_replaced_as_a_whole(bench: Any) -> None:
    models.keep_scores(bench.session, scored(bench, a=0.5, b=0.7), model="m", version=1, as_of=NOW)
    models.keep_scores(bench.session, scored(bench, b=0.1, c=None), model="m", version=2, as_of=NOW)
    assert kept(bench) == {"b": (2, 0.1)}


def test_scores_of_some_contacts_leave_the_others(bench: Any) -> None:
    models.keep_scores(bench.session, scored(bench, a=0.5, b=0.7, c=0.2), model="m", version=1, as_of=NOW)
    bench.session.create_temp("concerned", "SELECT unnest(['b', 'c']) AS contact_id")
    models.keep_scores(bench.session, scored(bench, b=0.9), model="m", version=1, as_of=NOW, among="concerned")
    assert kept(bench) == {"a": (1, 0.5), "b": (1, 0.9)}
