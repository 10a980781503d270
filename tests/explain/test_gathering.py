"""Which contacts of an account were counted, and what happened to each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from segserver.explain import Explanation, Verdict, colleagues, render, to_dict
from segserver.rules.check import check
from segserver.rules.program import Program
from segserver.specs.catalog import Trait
from segserver.specs.types import TEXT

from ..compiler.conftest import AS_OF, CATALOG, World
from .test_explain import explained

DAY = timedelta(days=1)
BOUGHT = "any contact of account did purchase where amount > 50 in last 30 days"


def rules(condition: str, more: str = "") -> Program:
    catalog = replace(CATALOG, account_traits={"industry": Trait("industry", TEXT, False, ("crm",))})
    program, findings = check({"rules.seg": f"{more}segment s\n  where {condition}\n"}, catalog, zone="UTC")
    assert program is not None, findings
    return program


@pytest.fixture
def acme() -> World:
    """Eight contacts of an account, one of another and one of none."""
    world = World(rules("subscribed").catalog)
    for place, contact in enumerate("abcdefgh"):
        world.contact(contact, account="acme", country="FR" if place % 2 else "BE", mrr=Decimal(place))
    world.contact("x", account="other")
    world.contact("z")
    for contact in ("b", "c", "x"):
        world.event(contact, "purchase", AS_OF - 2 * DAY, amount=Decimal(60))
        world.event(contact, "purchase", AS_OF - 3 * DAY, amount=Decimal(10))
    return world


def told(found: Explanation) -> list[tuple[str, bool | None, list[tuple[str, Any]]]]:
    """Every colleague that is shown, with what happened."""

    def within(verdict: Verdict | None) -> list[tuple[str, bool | None, list[tuple[str, Any]]]]:
        assert verdict is not None
        own = [
            (
                one.contact_id,
                one.verdict and one.verdict.holds,
                [(item.what, item.details["amount"]) for item in (one.verdict.witnesses if one.verdict else ())],
            )
            for one in verdict.colleagues
        ]
        return own + [one for part in verdict.parts for one in within(part)]

    return within(found.verdict)


def test_the_contacts_that_were_counted_are_named_with_their_events(acme: World) -> None:
    found = explained(acme, rules(BOUGHT))
    assert found.member is True
    assert told(found) == [(contact, True, [("purchase", Decimal(60))]) for contact in "bc"]
    lines = render(replace(found, names={"b": "bo@x.org"})).splitlines()
    assert lines[2:7] == [
        f'  yes   {BOUGHT}    (2 of the 8 contacts of account "acme")',
        "  yes     bo@x.org    (1 time)",
        "            2026-02-27 08:00 purchase: amount 60",
        "  yes     c    (1 time)",
        "            2026-02-27 08:00 purchase: amount 60",
    ]
    assert colleagues(found) == ["b", "c"]
    rule: Any = to_dict(replace(found, names={"b": "bo@x.org"}))["rule"]
    first, second = rule["parts"][0]["contacts"]
    assert (first["contact_id"], first["name"], second["name"]) == ("b", "bo@x.org", "c")
    assert [item["details"] for item in first["rule"]["happened"]] == [{"amount": 60.0}]


def test_where_nobody_is_counted_some_are_named_with_what_is_missing(acme: World) -> None:
    found = explained(acme, rules("any contact of account (did visit and mrr > 0)"))
    text = render(found)
    assert '(0 of the 8 contacts of account "acme", 3 of them shown)' in text
    assert [(contact, holds) for contact, holds, _ in told(found)] == [("a", False), ("b", False), ("c", False)]
    assert "no      b    (1 of 2 holds)\n  no        did visit    (0 times)\n  yes       mrr > 0" in text


def test_of_many_the_first_five_are_shown(acme: World) -> None:
    found = explained(acme, rules("count(contacts of account where mrr >= 1) >= 2"))
    assert '(it is 7; 7 of the 8 contacts of account "acme", 5 of them shown)' in render(found)
    assert [contact for contact, *_ in told(found)] == list("bcdef")


def test_without_a_condition_the_contacts_are_listed(acme: World) -> None:
    found = explained(acme, rules("count(contacts of account) >= 2"), contact="x")
    assert render(found).splitlines()[2:4] == [
        '  no    count(contacts of account) >= 2    (count(contacts of account) is 1; 1 contact of account "other")',
        "          x",
    ]


def test_a_contact_without_an_account_is_told_so(acme: World) -> None:
    found = explained(acme, rules(BOUGHT), contact="z")
    assert (found.member, told(found)) == (False, [])
    assert "(the contact has no account)" in render(found)
    assert f"to enter: an account with some contact for whom `{BOUGHT.removeprefix('any contact of account ')}`" in (
        render(found)
    )


def test_a_trait_over_an_account_shows_whom_it_counts(acme: World) -> None:
    trait = "trait buyers = count(contacts of account where did purchase where amount > 50)\n"
    found = explained(acme, rules("buyers >= 2", trait))
    assert [contact for contact, *_ in told(found)] == ["b", "c"]
    assert '(buyers is 2; 2 of the 8 contacts of account "acme")' in render(found)
