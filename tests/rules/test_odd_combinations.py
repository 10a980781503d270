"""Constructs inside constructs where nobody puts them: a finding of the right kind or a program, and never a crash."""

from __future__ import annotations

import pytest

from segserver.rules.check import check
from tests.rules.cases import ZONE, case_catalog

CATALOG = case_catalog()
ODD = [
    ("did purchase where (any of (amount > 3, items > 2)) in last 30 days", ""),
    ('did page_view where (path) starts with "/a" in last 3 days', ""),
    ('did page_view where (path starts with "/a")', ""),
    ("did page_view where path = previous.path", "bad-sequence"),
    ("count(page_view where path = previous.path) > 3", "bad-sequence"),
    ("any contact of account (did page_view then purchase)", ""),
    ("any contact of account (any contact of account (did login))", "bad-nesting"),
    ("count(contacts of account where count(contacts of account) > 1) > 2", "bad-nesting"),
    ("points(1 if did page_view then purchase within 3 days, 2 if top 10% by mrr) > 1", ""),
    ("points(1 if previous.x) > 1", "bad-sequence"),
    ("top 10% by points(1 if did login then login)", ""),
    ("top 10% by count(contacts of account where top 10% by mrr)", "bad-nesting"),
    ("first did page_view then login in last 3 days", "syntax-error"),
    ("first did page_view where path = previous.path in last 3 days", "bad-sequence"),
    ("did login in at least 3 of last 4 weeks then purchase", "bad-sequence"),
    ("not (did login then not purchase within 2 days) and previous.x = 3", "bad-sequence"),
    ('previous.path is "a"', "bad-sequence"),
    ("did page_view then login where previous.path = previous.path", "bad-sequence"),
    ('did page_view then page_view where (path = previous.path or path is "a")', "bad-sequence"),
    ("did page_view then page_view where not path = previous.path", "syntax-error"),
    ('did page_view then page_view where (any of (path = previous.path, path is "a"))', "bad-sequence"),
    ("did page_view then page_view where path in (previous.path)", "syntax-error"),
    ("did page_view then page_view where path contains previous.path", "bad-sequence"),
    ("did page_view then page_view where path between previous.path and previous.path", "bad-sequence"),
    ("did purchase then purchase where amount > previous.amount", "bad-sequence"),
    ("did purchase then purchase where amount = previous.amount + 1", "bad-sequence"),
    ("did purchase then purchase where amount + 1 = previous.amount", "bad-sequence"),
    ("did page_view then page_view where previous.path changed in last 3 days", "type-mismatch"),
    ("did page_view then page_view where path changed in last 3 days", "type-mismatch"),
    ("household_size changed in last 3 days then login", "syntax-error"),
    ("percentile of count(purchase then login) >= 3", "syntax-error"),
    ("percentile of points(1 if percentile of mrr >= 3) >= 90", ""),
    ('bucket("a") in 0 to 5 then login', "syntax-error"),
    ("created_at in next 3 days then login", "syntax-error"),
    ("anniversary of points(1 if true) in next 3 days", "type-mismatch"),
    ("current(previous) is 3", "unknown-name"),
    ('current(account.industry) is "a"', "syntax-error"),
    ("account.previous is 3", "unknown-name"),
    ("previous.previous is 3", "bad-sequence"),
    ("home within 3 km of (previous.x, 3)", "syntax-error"),
    ("lifecycle_stage has been previous.x for at least 3 days", "syntax-error"),
    ("any of (did page_view then page_view where path = previous.path, none of (did login then login))", ""),
    ("at least 2 of (top 10% by mrr, any contact of account top 10% by mrr)", "bad-nesting"),
    ("days since last purchase then login > 3 days", "syntax-error"),
    ("sum(purchase.amount then login) > 3", "syntax-error"),
    ("entered segment s then login", "syntax-error"),
    ("did page_view then page_view within 3 km of (1, 2)", "syntax-error"),
    ("did visit then visit where spot within 3 km of (1, 2) within 3 days in last 30 days", ""),
    ("did visit then visit where spot = previous.spot", "type-mismatch"),
    ("did purchase then purchase where categories = previous.categories", "type-mismatch"),
    ("did page_view then page_view where path = previous.nope", "unknown-property"),
    ("did nope then page_view where path = previous.path", "unknown-event"),
    ("did page_view then nope where path = previous.path", "unknown-event"),
    ("did page_view then nope then page_view where path = previous.path", "unknown-event"),
    ("any contact of account", "syntax-error"),
    ("points() > 3", "syntax-error"),
    ("points(3) > 3", "syntax-error"),
    ("at least 0 of (did login)", "bad-number"),
    ("none of ()", "syntax-error"),
    ("(((did login then login)))", ""),
    ("count(contacts of account where points(1 if any contact of account did login) > 0) > 1", "bad-nesting"),
    ("top 10% by created_at", "type-mismatch"),
    ("top 10% by country", "type-mismatch"),
    ("percentile of home >= 3", "type-mismatch"),
    ("was in segment s in next 3 days", "future-window"),
    ("entered segment s in next 3 days", "future-window"),
    ("first did login in next 3 days", "future-window"),
    ("lifecycle_stage changed in next 3 days", "future-window"),
    ("count(login in next 3 days) > 1", "future-window"),
    ("did login then login in next 3 days", "future-window"),
    ('""  in next 3 days', "type-mismatch"),
    ("3 in next 3 days", "type-mismatch"),
    ("2026-01-01 in next 3 days", "future-window"),
    ("today in next 3 days", "future-window"),
    ("3 days ago in next 3 days", "future-window"),
    ("current(birthday) in next 3 days", ""),
    ("count(login) in next 3 days", "type-mismatch"),
    ("birthday in next -3 days", "bad-number"),
    ("created_at in next 0.5 months", "future-window"),
    ("created_at in next 3", "future-window"),
    ("created_at in next 3 EUR", "future-window"),
    ("created_at in next 99999999 months", "future-window"),
    ('5 between 1 EUR and "a"', "type-mismatch"),
    ("true between 1 and 2", "type-mismatch"),
    ("5 in (true, 1)", "type-mismatch"),
    ('"" is ""', "empty-pattern"),
    ('country has been "" for at least 3 days', "no-history"),
    ('lifecycle_stage changed from "" in last 3 days', "empty-pattern"),
    ('interests contains any of ("")', ""),
    ("5%  in (5%, 5 EUR)", "unit-mismatch"),
]
"""A condition, and the codes of its findings; none where it means something."""

PLACES = [
    "segment s\n  where {}\n",
    "segment s\n  where any of (points(1 if not ({})) > 0, at least 1 of ({}))\n",
    "segment s\n  where any contact of account ({})\n",
    "segment s\n  where did purchase where ({})\n",
    "trait t = {}\n",
    "model m\n  predicts did purchase in next 7 days\n  features\n    a = {}\n",
    "segment s\n  where {}\n  stay while {}\n  limit 5 by points(1 if {})\n",
]


@pytest.mark.parametrize(("condition", "codes"), ODD)
def test_an_odd_condition_has_its_findings(condition: str, codes: str) -> None:
    program, found = check({"a.seg": PLACES[0].replace("{}", condition)}, CATALOG, zone=ZONE)
    assert sorted({item.code for item in found}) == codes.split()
    assert (program is None) is bool(codes)


@pytest.mark.parametrize("place", PLACES[1:])
def test_an_odd_condition_in_an_odd_place_is_right_or_has_a_finding(place: str) -> None:
    for condition, codes in ODD:
        text = place.replace("{}", condition)
        program, found = check({"a.seg": text}, CATALOG, zone=ZONE)
        assert (program is None) is bool(found), text
        assert found or not codes, text
