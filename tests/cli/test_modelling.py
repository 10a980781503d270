"""`segserver models` and `score`: which version serves, who says so, and what it foretells of somebody."""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import duckdb
import pytest

CONNECTION = """\
kind: files
contacts:
  path: people.csv
  created: created
  identities: {email: email}
events:
  purchase:
    path: orders.csv
    key: order
    contact: {email: email}
    at: at
audiences: true
"""
RULES = """\
model again "Buys again"
  predicts  did purchase in next 30 days
  for       contacts where did purchase
  cutoffs   every 31 days, last 5
  features
    orders  = count(purchase in last 90 days)
    recency = days since last purchase
  require   auc >= GATE

segment warm
  where likely(again)
  push to shop file "warm.csv"
"""
DAY = datetime(2026, 3, 1)
REGULAR, SELDOM, STRANGER = "p1@x.org", "p2@x.org", "p0@x.org"


def orders() -> str:
    numbers, rows = random.Random(3), ["order,email,at"]
    for person in range(1, 121):
        at = DAY - timedelta(days=300)
        while (at := at + timedelta(days=numbers.expovariate(1 / (8 if person % 2 else 120)))) < DAY:
            rows.append(f"{len(rows)},p{person}@x.org,{at:%Y-%m-%dT%H:%M:%SZ}")
    return "\n".join(rows) + "\n"


def rules(gate: str) -> str:
    return RULES.replace("GATE", gate)


@pytest.fixture
def untrained(shop: Any, fit_here: None) -> Any:
    """Regular and seldom buyers, read."""
    everybody = "".join(f"p{person}@x.org,2025-01-01T00:00:00Z\n" for person in range(121))
    shop.write(
        {
            "connectors/shop.yml": CONNECTION,
            "rules/shop.seg": rules("0.6"),
            "people.csv": f"email,created\n{everybody}",
            "orders.csv": orders(),
        }
    )
    shop("run", "--as-of", "2026-03-01")
    return shop


@pytest.fixture
def trained(untrained: Any) -> Any:
    """Two versions that passed; the second serves."""
    for day in ("2026-03-01", "2026-03-02"):
        assert untrained("train", "--as-of", day).code == 0
    return untrained


@pytest.fixture
def failing(untrained: Any) -> Any:
    """A version that missed a gate."""
    untrained.write({"rules/shop.seg": rules("0.9999")})
    assert untrained("train", "--as-of", "2026-03-01").code == 1
    return untrained


def standing(one: Any) -> list[str]:
    """The lines of the list, without the figures."""
    return [line.split(maxsplit=5)[-1] for line in one("models").text.splitlines()[1:]]


def test_a_model_without_a_version_says_how_to_get_one(untrained: Any) -> None:
    assert untrained("models").text == "again was never trained; `segserver train again` does\n"
    answer = untrained("models", "card", "again")
    assert (answer.code, answer.text) == (2, "model again has no version yet; train it with `segserver train again`\n")
    answer = untrained("score", "again", "--contact", REGULAR)
    assert (answer.code, answer.text[:29]) == (2, "model again does not serve: n")


def test_a_workspace_without_models_says_so(shop: Any) -> None:
    assert "there is no model" in shop("models").text


def test_versions_are_listed_newest_first_with_which_one_serves(trained: Any) -> None:
    assert standing(trained) == ["serves", "served before"]
    told = trained("models", "--format", "json").json()
    assert [(one["version"], one["serves"], one["promotion"]["by_hand"]) for one in told] == [
        (2, True, False),
        (1, False, False),
    ]


def test_of_many_versions_the_newest_are_listed_and_the_one_that_serves(trained: Any) -> None:
    for day in range(3, 7):
        trained("train", "--as-of", f"2026-03-0{day}")
    trained("models", "promote", "again", "1")
    lines = trained("models").text.splitlines()
    assert [line.split()[1] for line in lines[1:5]] == ["6", "5", "4", "1"]
    assert lines[5] == "and 2 older; `segserver models --all` lists them"
    assert len(trained("models", "--all").text.splitlines()) == 7


def test_a_version_that_missed_a_gate_serves_only_for_a_reason_that_is_kept(failing: Any) -> None:
    assert standing(failing)[0].startswith("does not serve: auc ")
    answer = failing("models", "promote", "again", "1")
    assert (answer.code, answer.text.count("--although")) == (2, 1)
    assert "auc" in answer.text
    answer = failing("models", "promote", "again", "1", "--although", "the campaign cannot wait")
    assert answer.text == "version 1 of model again serves from now on; the next run scores with it\n"
    assert standing(failing) == ["serves, since the campaign cannot wait"]
    failing("run", "--as-of", "2026-03-01T01:00")
    assert REGULAR in failing.members("warm")
    assert failing("models", "promote", "again", "1").text == "version 1 of model again serves already\n"


def test_rolling_back_goes_to_the_version_that_served_before(trained: Any) -> None:
    answer = trained("models", "rollback", "again")
    assert answer.text == "version 1 of model again serves again; the next run scores with it\n"
    assert standing(trained) == ["served before", "serves, since rolled back from 2"]
    answer = trained("models", "rollback", "again")
    assert (answer.code, answer.text) == (2, "model again cannot be rolled back: no version served before\n")


def test_a_version_of_another_rule_or_that_has_expired_cannot_serve(trained: Any) -> None:
    trained.write({"rules/shop.seg": rules("0.61")})
    changed = "the rule has changed since version"
    for command in (["promote", "again", "1"], ["rollback", "again"]):
        answer = trained("models", *command)
        assert (answer.code, changed in answer.text) == (2, True)
    assert standing(trained)[0].startswith(f"does not serve: {changed} 2")
    trained.write({"rules/shop.seg": rules("0.61\n  expires after 30 days")})
    trained("train", "--as-of", "2026-03-03")
    assert standing(trained)[0] == "does not serve: version 3 expired at 2026-04-02T00:00:00Z"


def test_a_tampered_version_is_refused_and_the_champion_stays(trained: Any) -> None:
    with duckdb.connect(trained.store) as store:
        store.execute("UPDATE model_versions SET content = replace(content, '0.', '1.') WHERE version = 1")
    answer = trained("models", "rollback", "again")
    assert (answer.code, "its numbers are not those that were signed" in answer.text) == (1, True)
    assert standing(trained) == ["serves", "served before"]


def test_the_card_of_any_version_is_shown(trained: Any) -> None:
    assert trained("models", "card", "again").text.startswith("Model again version 2 - Buys again\n")
    assert trained("models", "card", "again", "--version", "1", "--format", "json").json()["version"] == 1
    answer = trained("models", "card", "again", "--version", "9")
    assert (answer.code, answer.text) == (2, "model again has no version 9; versions: 2, 1\n")


def test_a_card_is_a_page_that_needs_nothing_else(trained: Any) -> None:
    trained("run", "--as-of", "2026-03-02")
    page = trained("models", "card", "again", "--format", "html").text
    ElementTree.fromstring(page.removeprefix("<!doctype html>"))  # noqa: S314 - it is ours
    for title in ("ROC curve", "Gain", "Lift by tenth", "Calibration", "Scores", "Thresholds"):
        assert f"<title>{title}</title>" in page
    assert "What it may not be used for" in page
    assert "<script" not in page
    assert "http" not in page
    assert re.search(
        r"The 1[12]\d scores of the last runs, up to 2026-03-02T00:00:00Z, are spread [a-z ]+ otherwise", page
    )
    other = trained("models", "card", "again", "--version", "1", "--format", "html").text
    assert "No run has scored with this version" in other


def test_a_card_of_an_older_program_says_that_it_has_no_charts(trained: Any) -> None:
    with duckdb.connect(trained.store) as store:
        store.execute("UPDATE model_versions SET card = replace(card, '\"scores\"', '\"other\"')")
    answer = trained("models", "card", "again", "--format", "html")
    assert (answer.code, "train it again" in answer.text) == (2, True)
    assert trained("models", "card", "again").code == 0


def test_a_score_is_shown_with_the_features_that_say_so(trained: Any) -> None:
    trained("run", "--as-of", "2026-03-02")
    regular, seldom = (
        trained("score", "again", "--contact", one, "--format", "json").json() for one in (REGULAR, SELDOM)
    )
    assert (regular["likely"], seldom["likely"], regular["version"]) == (True, False, 2)
    text = trained("score", "again", "--contact", REGULAR).text
    assert text.splitlines()[0].startswith("score(again) is 0.")
    assert "orders is " in text
    assert text.splitlines()[-1].startswith("likely: at least 0.")
    assert "outside the model's population" in trained("score", "again", "--contact", STRANGER).text
    answer = trained("score", "agian", "--contact", REGULAR)
    assert (answer.code, answer.text) == (2, "there is no model 'agian'; did you mean `again`?\n")
