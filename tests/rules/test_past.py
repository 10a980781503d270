"""A model reads only what the past keeps."""

from __future__ import annotations

import pytest

from segserver.rules.check import check
from segserver.specs import Catalog

RULES = """trait local = country is "FR"
segment locals where local
model other
  predicts did purchase in next 30 days
  features orders = count(purchase)
segment keen where score(other) > 0.5
model m
  predicts did purchase in next 30 days
  features a = {feature}
"""


@pytest.mark.parametrize(
    ("feature", "named"),
    [
        ('country is "FR"', "`country` keeps no history"),
        ("local", "`country` keeps no history"),
        ("in segment locals", "`country` keeps no history"),
        ("score(other)", "the score of `other`"),
        ("likely(other)", "the score of `other`"),
        ("in segment keen", "the score of `other`"),
    ],
)
def test_what_the_past_does_not_keep_is_refused_where_the_model_reads_it(
    catalog: Catalog, feature: str, named: str
) -> None:
    program, found = check({"a.seg": RULES.format(feature=feature)}, catalog, zone="UTC")
    assert program is None
    assert [(item.code, item.span.line, item.span.column) for item in found] == [("not-kept-in-the-past", 9, 12)]
    assert named in found[0].message


@pytest.mark.parametrize("feature", ["count(purchase)", 'lifecycle_stage is "lead"', "days since last purchase"])
def test_events_and_traits_with_history_are_fine(catalog: Catalog, feature: str) -> None:
    program, found = check({"a.seg": RULES.format(feature=feature)}, catalog, zone="UTC")
    assert program is not None
    assert not found


def test_the_population_is_held_to_the_same(catalog: Catalog) -> None:
    text = RULES.format(feature="count(purchase)") + "  for contacts where local\n"
    _, found = check({"a.seg": text}, catalog, zone="UTC")
    assert [(item.code, item.span.line) for item in found] == [("not-kept-in-the-past", 10)]
