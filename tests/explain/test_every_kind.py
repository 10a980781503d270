"""Every kind of condition can be explained, and its explanation says what the evaluation says."""

from __future__ import annotations

import json
import math
import typing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from segserver.explain import render, to_dict
from segserver.rules.check import check
from segserver.rules.expressions.conditions import Condition
from segserver.rules.program import Program
from segserver.rules.walk import walk_with_traits
from segserver.specs.catalog import Trait
from segserver.specs.types import TEXT

from ..compiler.conftest import AS_OF, CATALOG, World
from .test_explain import MODEL, explained

CONDITIONS = (
    'country is "FR" and (mrr > 5 or seats > 100)',
    'country in ("FR", "BE")',
    "mrr between 1 and 2",
    "renewal on today",
    "renewal on today in contact's time zone",
    'country starts with "F"',
    'topics contains any of ("tea")',
    "mrr is known",
    "did purchase at least 2 times in last 30 days",
    "did purchase this week in contact's time zone",
    "not subscribed",
    "at least 2 of (subscribed, mrr > 1, seats > 1)",
    "in segment base",
    "likely(m)",
    "score(m) > 0.1",
    "consents to email",
    "first did purchase in last 30 days",
    "did purchase in at least 2 of last 3 weeks",
    "did purchase then visit within 5 days in last 60 days",
    'did visit where path is "/" then not purchase within 2 days',
    "stage changed in last 30 days",
    'stage has been "lead" for at least 3 days',
    "home within 30 km of (48.85, 2.35)",
    "anniversary of renewal in next 7 days",
    'bucket("a") in 0 to 4999',
    "entered segment base in last 30 days",
    "was in segment base in last 30 days",
    "top 50% by mrr among segment base",
    "percentile of mrr >= 40",
    "any contact of account subscribed",
    "count(contacts of account where subscribed) >= 1",
    'account.industry is "Retail"',
    "points(3 if subscribed, 2 if mrr > 1) >= 3",
    "spent / 2 > seats",
    "current(mrr) > 1",
)

TEXT_OF = """
model m
  predicts did purchase in next 30 days
  features
    seats = count(purchase in last 90 days)
    french = did visit

trait spent = sum(purchase.amount in last 60 days)
segment base where mrr > 0
"""


def rules() -> Program:
    segments = "\n".join(f"segment s{place} where {text}" for place, text in enumerate(CONDITIONS))
    catalog = replace(CATALOG, account_traits={"industry": Trait("industry", TEXT, False, ("crm",))})
    program, findings = check({"rules.seg": TEXT_OF + segments}, catalog, zone="Europe/Paris")
    assert program is not None, findings
    return program


@pytest.fixture(scope="module")
def full() -> tuple[World, Program]:
    """A world in which each contact has something of everything."""
    program = rules()
    world = World(program.catalog)
    for contact, mrr in (("a", 50), ("b", 20), ("c", -1)):
        world.contact(
            contact,
            account="acme",
            country="FR",
            stage="lead",
            mrr=Decimal(mrr),
            seats=Decimal(3),
            subscribed=True,
            renewal=AS_OF - timedelta(hours=2),
            topics=["tea"],
            home={"latitude": 48.86, "longitude": 2.36},
            home_zone="Asia/Kathmandu",
        )
        for days in (1, 9, 20):
            world.event(contact, "purchase", AS_OF - timedelta(days=days), amount=Decimal(7))
            world.event(contact, "visit", AS_OF - timedelta(days=days, hours=-3), path="/")
        world.took(contact, "stage", "mql", AS_OF - timedelta(days=50), AS_OF - timedelta(days=9))
        world.took(contact, "stage", "lead", AS_OF - timedelta(days=9))
        world.change(contact, "entered", "base", AS_OF - timedelta(days=9))
    world.insert("accounts", account_id="acme", t_industry="Retail")
    return world, program


def test_the_conditions_here_are_of_every_kind() -> None:
    program = rules()
    rules_of_all = tuple(block.where for block in program.segments.values())
    found = {type(node) for node in walk_with_traits(rules_of_all, program.traits)}
    assert found >= set(typing.get_args(Condition))


def scored(seats: float, french: float) -> float:
    """What `MODEL` says."""
    return 1 / (1 + math.exp(1 - seats + 0.5 * french))


@pytest.mark.parametrize("place", range(len(CONDITIONS)), ids=CONDITIONS)
def test_an_explanation_agrees_with_the_evaluation(place: int, full: tuple[World, Program]) -> None:
    world, program = full
    segment, contact = f"s{place}", "ac"[place % 2]
    few = replace(program, segments={name: program.segments[name] for name in ("base", segment)})
    members = world.members(few, serving={"m": MODEL.threshold}, score={"m": scored})[segment]
    found = explained(world, few, segment, contact, serving={"m": MODEL})
    assert found.member is (contact in members)
    assert render(found).startswith(f"contact {contact} is ")
    assert json.loads(json.dumps(to_dict(found)))["member"] is found.member
