"""Versions: signed, verified, promoted, expired."""

from __future__ import annotations

import copy
import dataclasses
import json
from datetime import datetime, timedelta

import pytest

from segserver.models import registry
from segserver.models.portable import UnreadableModel
from segserver.models.registry import CHAMPION, ScoringMismatch, TamperedModel, Version, canonical
from segserver.models.train import train
from segserver.specs.models import Gate, PromotionRule

KEY = b"a server's key"
TRAINED_AT = datetime(2026, 1, 1)
DAY = timedelta(days=1)
BY_HAND = PromotionRule("by hand")


@pytest.fixture(scope="module")
def first(trained) -> Version:
    """A published candidate."""
    return registry.publish(trained, version=1, key=KEY, parity=1e-16)


def with_auc(version: Version, auc: float, number: int = 2, declaration: str = "d1") -> Version:
    """The version as if it had reached another AUC."""
    metrics = {**version.manifest["metrics"], "auc": auc}
    manifest = {**version.manifest, "metrics": metrics, "declaration": declaration}
    return dataclasses.replace(version, version=number, manifest=manifest)


def test_a_version_that_was_stored_and_read_again_loads(first, trained) -> None:
    stored = dataclasses.replace(
        first, content=json.loads(canonical(first.content)), manifest=json.loads(canonical(first.manifest))
    )
    assert registry.load(stored, KEY) == trained.portable
    assert stored.threshold == trained.portable.threshold


def test_the_manifest_says_what_was_learned_from_and_with_what(first, trained) -> None:
    manifest = first.manifest
    assert manifest["frame_sha256"] == trained.fingerprint
    assert manifest["declaration"] == "d1"
    assert manifest["features"] == ["orders", "recency", "vip", "noise"]
    assert manifest["seed"] == 0
    assert manifest["created_at"] == "2026-01-01T00:00:00Z"
    assert set(manifest["libraries"]) == {"python", *registry.LIBRARIES}
    assert KEY.decode() not in json.dumps(manifest)


@pytest.mark.parametrize(
    ("part", "path", "value"),
    [
        ("content", ("intercept",), 9.0),
        ("content", ("threshold",), 0.0),
        ("content", ("terms", 0, "weight"), -1.0),
        ("manifest", ("content_sha256",), "0" * 64),
        ("manifest", ("metrics", "auc"), 0.99),
        ("manifest", ("failures",), ["none"]),
        ("manifest", ("signature",), "0" * 64),
        ("manifest", ("signature",), None),
        ("manifest", ("signature",), "é"),
        ("manifest", ("version",), 2),
    ],
)
def test_any_change_of_a_published_version_is_refused(first, part: str, path, value) -> None:
    changed = copy.deepcopy(dict(getattr(first, part)))
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(TamperedModel, match="is refused"):
        registry.load(dataclasses.replace(first, **{part: changed}), KEY)


def test_a_signature_of_another_key_is_refused(first) -> None:
    with pytest.raises(TamperedModel, match="does not carry this server's signature"):
        registry.verify(first.manifest, first.content, b"another key")


def test_a_version_cannot_stand_in_for_another(first) -> None:
    for swapped in (dataclasses.replace(first, model="churn"), dataclasses.replace(first, version=7)):
        with pytest.raises(TamperedModel, match="it was published as buy version 1"):
            registry.load(swapped, KEY)


def test_a_well_signed_model_of_an_unknown_format_is_refused(trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segserver.models.portable.FORMAT", 2)
    newer = registry.publish(trained, version=1, key=KEY, parity=0.0)
    monkeypatch.undo()
    with pytest.raises(UnreadableModel, match="is of format 2"):
        registry.load(newer, KEY)


@pytest.mark.parametrize("parity", [2e-9, float("nan"), float("inf")])
def test_a_model_that_scores_in_two_ways_is_not_published(trained, parity: float) -> None:
    with pytest.raises(ScoringMismatch, match="the version before goes on serving"):
        registry.publish(trained, version=1, key=KEY, parity=parity)


def test_canonical_json_is_exact_sorted_and_refuses_what_json_has_not() -> None:
    assert (
        canonical({"b": 0.1 + 0.2, "a": [1, 1.0, "é", None]})
        == '{"a":[1,1.0,"é",null],"b":0.30000000000000004}'.encode()
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": float("nan")})


def test_the_first_version_that_passes_becomes_champion(first, make_spec) -> None:
    assert registry.promote(None, first, make_spec())


def test_a_version_that_misses_a_gate_is_never_promoted(frame, make_spec) -> None:
    failing = train(frame, make_spec(gates=(Gate("auc", ">=", 0.99),)), trained_at=TRAINED_AT)
    version = registry.publish(failing, version=1, key=KEY, parity=0.0)
    decision = registry.promote(None, version, make_spec(promotion=PromotionRule("always")))
    assert not decision
    assert decision.reason.startswith("auc >= 0.99: 0.")


@pytest.mark.parametrize(("auc", "promoted"), [(0.80, True), (0.7901, True), (0.7899, False), (0.9, True)])
def test_a_challenger_takes_over_unless_it_is_worse_by_more_than_a_point(
    first, make_spec, auc: float, promoted: bool
) -> None:
    """What counts is the champion on the newest test, not what it had on its own."""
    champion = with_auc(first, 0.99, 1)
    assert bool(registry.promote(champion, with_auc(first, auc), make_spec(), rival=0.80)) is promoted


@pytest.mark.parametrize(
    ("promotion", "promoted"),
    [
        (PromotionRule(margin=0.0), False),
        (PromotionRule(margin=0.2), True),
        (PromotionRule("always"), True),
        (BY_HAND, False),
    ],
)
def test_the_rule_says_when_a_challenger_takes_over(first, make_spec, promotion: PromotionRule, promoted: bool) -> None:
    spec = make_spec(promotion=promotion)
    assert bool(registry.promote(with_auc(first, 0.9, 1), with_auc(first, 0.75), spec, rival=0.8)) is promoted


def test_by_hand_means_the_first_version_too_and_says_how(first, make_spec) -> None:
    decision = registry.promote(None, first, make_spec(promotion=BY_HAND))
    assert not decision
    assert "`segserver models promote buy 1`" in decision.reason


def test_a_champion_that_cannot_score_any_more_is_replaced(first, make_spec) -> None:
    decision = registry.promote(with_auc(first, 0.9, 1), with_auc(first, 0.7), make_spec(), rival=None)
    assert decision
    assert decision.reason == "version 1 cannot score any more"


def test_a_champion_of_an_older_rule_is_replaced_by_any_version_that_passes(first, make_spec) -> None:
    newer = with_auc(first, 0.7, 2, declaration="d2")
    decision = registry.promote(with_auc(first, 0.9, 1), newer, make_spec(), rival=0.9)
    assert decision
    assert decision.reason == "the rule has changed since version 1"


def test_a_champion_serves_until_it_expires(first, make_spec) -> None:
    champion = dataclasses.replace(first, status=CHAMPION)
    assert registry.serving(champion, TRAINED_AT + 90 * DAY - timedelta(seconds=1), make_spec())
    expired = registry.serving(champion, TRAINED_AT + 90 * DAY, make_spec())
    assert not expired
    assert expired.reason == "version 1 expired at 2026-04-01T00:00:00Z"
    assert registry.serving(champion, TRAINED_AT + 9000 * DAY, make_spec(expires_after=None))


def test_only_a_champion_of_the_present_rule_serves(first, make_spec) -> None:
    assert registry.serving(first, TRAINED_AT, make_spec()).reason == "version 1 is not the champion"
    champion = dataclasses.replace(first, status=CHAMPION)
    changed = registry.serving(champion, TRAINED_AT, make_spec(declaration="d2"))
    assert changed.reason == "the rule has changed since version 1 was trained"


@pytest.mark.parametrize(
    ("days", "changes", "due"),
    [
        (6, {}, False),
        (7, {}, True),
        (0, {"declaration": "d2"}, True),
        (900, {"retrain_every": None}, False),
    ],
)
def test_retraining_is_due_by_time_or_by_a_changed_rule(first, make_spec, days: int, changes, due: bool) -> None:
    assert bool(registry.retrain_due(first, TRAINED_AT + days * DAY, make_spec(**changes))) is due


def test_a_model_that_was_never_trained_is_due(make_spec) -> None:
    assert registry.retrain_due(None, TRAINED_AT, make_spec(retrain_every=None))
