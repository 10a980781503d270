"""Contacts among each other: the best, percentiles, limits, and runs over some contacts against full ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segserver.compiler.plan import Evaluation
from segserver.rules.expressions.conditions import AnyOf, Comparison, Condition, InSegment, Not, Percentile, Top
from segserver.rules.expressions.values import Arithmetic, ComputedTrait, Measure, Score, Value
from segserver.rules.program import Limit, Program, SegmentBlock, TraitBlock
from segserver.specs.types import DURATION, NUMBER

from .conftest import AS_OF, World, aggregate, count, model, number, text, trait
from .evaluations import Evaluations, digest, rules

HOUR = timedelta(hours=1)
MRR = trait("mrr")
FR = Comparison("=", trait("country"), text("FR"))
ANYBODY = AnyOf((FR, Not(FR)))


def block(name: str, where: Condition = ANYBODY, **clauses: object) -> SegmentBlock:
    return SegmentBlock(name, None, where, declaration=f"rule of {name}", **clauses)


def top(share: str | None = None, count: int | None = None, by: Value = MRR, among: str | None = None) -> Top:
    return Top(by, None if share is None else Decimal(share), count, among)


def percentile(op: str, bound: int | str, by: Value = MRR, among: str | None = None) -> Percentile:
    return Percentile(op, by, Decimal(bound), among)


def people(world: World, values: Mapping[str, object], country: str = "FR") -> Evaluations:
    for contact, mrr in values.items():
        world.contact(contact, mrr=None if mrr is None else Decimal(str(mrr)), country=country)
    return Evaluations(world)


def members(runs: Evaluations, where: Condition, **clauses: object) -> str:
    return runs.members(runs.look(rules(block("s", where, **clauses))))["s"]


TEN = {name: place for place, name in enumerate("abcdefghij")}
"""a has 0, j has 9."""


# ---- top -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "found"), [("0.1", "j"), ("0.11", "i j"), ("0.2", "i j"), ("0.000001", "j"), ("1", " ".join(TEN))]
)
def test_a_share_is_rounded_up(world: World, share: str, found: str) -> None:
    assert members(people(world, TEN), top(share)) == found


def test_a_number_is_that_many_or_all_there_are(world: World) -> None:
    runs = people(world, TEN)
    assert members(runs, top(count=3)) == "h i j"
    assert members(runs, top(count=11)) == " ".join(TEN)


def test_unknown_values_neither_rank_nor_count(world: World) -> None:
    runs = people(world, {**TEN, "k": None, "l": None})
    assert members(runs, top("0.1")) == "j"
    assert members(runs, top(count=12)) == " ".join(TEN)
    assert members(runs, Not(top(count=12))) == "k l"


def test_only_contacts_that_exist_rank(world: World) -> None:
    world.contact("early", mrr=Decimal(99), deleted_at=AS_OF)
    world.contact("late", mrr=Decimal(99), created_at=AS_OF)
    assert members(people(world, TEN), top("0.1")) == "j"


def test_ties_go_by_the_hash_of_the_contact(world: World) -> None:
    runs = people(world, dict.fromkeys(TEN, 7))
    first = sorted(TEN, key=digest)
    for places in (1, 2, 5):
        assert members(runs, top(count=places)) == " ".join(sorted(first[:places]))


def test_among_narrows_who_ranks_and_and_does_not(world: World) -> None:
    runs = people(world, {"a": 1, "b": 2, "c": 3})
    people(world, {"x": 7, "y": 8, "z": 9}, country="DE")
    french = block("french", FR)
    found = runs.run(
        rules(french, block("among", top(count=1, among="french")), block("both", replace_and(top(count=1), FR)))
    )
    assert found == {"french": "a b c", "among": "c", "both": ""}


def replace_and(left: Condition, right: Condition) -> Condition:
    return Not(AnyOf((Not(left), Not(right))))


def test_among_reads_the_finished_membership(world: World) -> None:
    runs = people(world, TEN)
    some = block("some", limit=Limit(5, None, MRR))
    worst = Arithmetic("-", number(0), MRR, NUMBER)
    assert runs.run(rules(some, block("worst", top(count=1, by=worst, among="some"))))["worst"] == "f"


def test_lengths_of_time_rank_too(world: World) -> None:
    runs = people(world, TEN)
    for hours, contact in enumerate("abc", 1):
        world.event(contact, "visit", AS_OF - hours * HOUR)
    since = aggregate(Measure.SINCE_LAST, "visit", type=DURATION)
    assert members(runs, top(count=1, by=since)) == "c"


def test_scores_rank_and_a_contact_without_one_does_not(world: World) -> None:
    runs = people(world, TEN)
    program = replace(rules(block("s", top(count=2, by=Score("m")))), models={"m": model("m")})
    scores = iter([0.1, None, 0.3] + [0.2] * 7)
    evaluation = runs.look(program, serving={"m": 0.5}, score={"m": lambda: next(scores)})
    found = runs.members(evaluation)["s"].split()
    given_ = world.rows(f'select contact_id from "{evaluation.scores["m"]}" where score in (0.3)')
    assert len(found) == 2
    assert str(given_[0]["contact_id"]) in found


# ---- percentile ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "bound", "found"),
    [
        (">=", 90, "i j"),
        (">", 90, "j"),
        ("<", 20, "a"),
        ("<=", 20, "a b"),
        (">=", 100, "j"),
        (">", 100, ""),
        (">=", 0, "a b c d e f g h i j"),
        ("<", 0, ""),
        (">=", "89.999999", "i j"),
        (">=", "90.000001", "j"),
    ],
)
def test_a_percentile_is_the_share_of_known_values_up_to_it(world: World, op: str, bound: int, found: str) -> None:
    assert members(people(world, {**TEN, "k": None}), percentile(op, bound)) == found


def test_equal_values_have_equal_percentiles(world: World) -> None:
    runs = people(world, {"a": 1, "b": 1, "c": 1, "d": 2})
    assert members(runs, percentile(">=", 75)) == "a b c d"
    assert members(runs, percentile(">", 75)) == "d"


def test_who_is_not_among_those_ranked_has_no_percentile(world: World) -> None:
    runs = people(world, {"a": 1, "b": 2})
    people(world, {"x": 7}, country="DE")
    french = block("french", FR)
    above, below = (block(op, percentile(op, 50, among="french")) for op in (">=", "<"))
    assert runs.run(rules(french, above, below)) == {"french": "a b", ">=": "a b", "<": ""}


# ---- limit ---------------------------------------------------------------------------------------------------------


def test_a_limit_takes_the_best_of_those_who_would_be_members(world: World) -> None:
    runs = people(world, {**TEN, "k": None})
    few = Comparison("<", MRR, number(5))
    assert members(runs, few, limit=Limit(2, None, MRR)) == "d e"
    assert members(runs, few, limit=Limit(None, Decimal("0.5"), MRR)) == "c d e"
    assert members(runs, ANYBODY, limit=Limit(100, None, MRR)) == " ".join(TEN), "unknown never ranks"


def test_members_fill_the_places_first_the_best_of_them(world: World) -> None:
    runs = people(world, TEN)
    few = Comparison("<", MRR, number(5))
    program = rules(block("s", few, limit=Limit(3, None, MRR)))
    assert runs.run(program) == {"s": "c d e"}
    runs.set("a", mrr="4.5")
    assert runs.run(program, AS_OF + HOUR) == {"s": "c d e"}, "the newcomer is better, and has to wait for a place"
    runs.set("d", mrr=100)
    assert runs.run(program, AS_OF + 2 * HOUR) == {"s": "a c e"}
    smaller = rules(block("s", few, limit=Limit(2, None, MRR)))
    assert runs.run(smaller, AS_OF + 3 * HOUR) == {"s": "a e"}, "the best of the members stay"


def test_a_limit_comes_after_the_exclusive_group(world: World) -> None:
    runs = people(world, TEN)
    program = rules(
        block("first", limit=Limit(2, None, MRR)),
        block("second", limit=Limit(2, None, MRR)),
        exclusive=["first", "second"],
    )
    assert runs.run(program) == {"first": "i j", "second": "g h"}


# ---- runs over some contacts ---------------------------------------------------------------------------------------


def test_without_a_cut_off_a_run_over_some_leaves_the_segment_as_it_is(world: World) -> None:
    runs = people(world, TEN)
    program = rules(
        block("best", top(count=2)),
        block("reader", InSegment("best")),
        block("rest", FR),
        exclusive=["best", "rest"],
    )
    world.insert("memberships", segment="best", contact_id="b", entered_at=AS_OF)
    evaluation = runs.look(program, among=["a", "b"])
    assert sorted(evaluation.kept) == ["best", "reader"]
    assert runs.members(evaluation) == {"rest": "a"}, "those stored are still claimed"


def test_a_run_over_some_measures_them_by_the_last_full_run(world: World) -> None:
    runs = people(world, TEN)
    program = rules(block("s", top(count=2)))
    runs.run(program)
    runs.set("a", mrr=100)
    assert runs.run(program, AS_OF + HOUR, among=["a", "i"]) == {"s": "a i"}
    assert runs.run(program, AS_OF + 2 * HOUR) == {"s": "a j"}


def test_another_rule_does_not_use_the_cut_off(world: World) -> None:
    runs = people(world, TEN)
    bonus = TraitBlock("bonus", MRR, NUMBER)
    by = ComputedTrait("bonus", NUMBER)
    program = replace(rules(block("s", top(count=2, by=by))), traits={"bonus": bonus})
    runs.run(program)
    assert not runs.look(program, among=["a"]).kept
    edited = replace(program, traits={"bonus": replace(bonus, value=trait("seats"))})
    assert list(runs.look(edited, among=["a"]).kept) == ["s"]


def test_a_run_over_some_without_cut_offs_at_hand_may_look_at_everybody(world: World) -> None:
    runs = people(world, TEN)
    evaluation = runs.look(rules(block("s", top(count=2))), among=["a", "i"], cutoffs=None)
    assert runs.members(evaluation) == {"s": "i"}
    assert world.rows(f'select count(*) as n from "{evaluation.segments}"') == [{"n": 2}]


VALUES = st.none() | st.integers(-2, 3).map(Decimal) | st.sampled_from([Decimal("0.1"), Decimal("-0.000001")])
FLOATED = Arithmetic("/", MRR, number(3), NUMBER)
BY = st.sampled_from([MRR, FLOATED, count()])
AMONG = st.none() | st.just("french")
SHARES = st.sampled_from([Decimal(text_) for text_ in ("0.1", "0.25", "0.333333", "0.5", "1")])
TOPS = st.builds(Top, BY, SHARES, st.none(), AMONG) | st.builds(Top, BY, st.none(), st.integers(1, 8), AMONG)
BOUNDS = st.sampled_from([Decimal(text_) for text_ in ("0", "10", "33.333333", "50", "75", "100")])
PERCENTILES = st.builds(Percentile, st.sampled_from(["<", "<=", ">", ">="]), BY, BOUNDS, AMONG)
LIMITS = st.builds(Limit, st.integers(1, 6), st.none(), BY) | st.builds(Limit, st.none(), SHARES, BY)
PERSON = st.tuples(VALUES, st.sampled_from(["FR", "DE"]), st.booleans(), st.booleans())


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    crowd=st.lists(PERSON, min_size=1, max_size=8),
    best=TOPS,
    part=PERCENTILES,
    limit=LIMITS,
    chosen=st.sets(st.integers(0, 7)),
)
def test_runs_over_some_contacts_have_the_rows_of_the_full_run(
    crowd: list[tuple[Decimal | None, str, bool, bool]], best: Top, part: Percentile, limit: Limit, chosen: set[int]
) -> None:
    world = World()
    for place, (mrr, country, buys, member) in enumerate(crowd):
        world.contact(f"c{place}", mrr=mrr, country=country)
        if buys:
            world.event(f"c{place}", "purchase", AS_OF - HOUR)
        if member:
            world.insert("memberships", segment="some", contact_id=f"c{place}", entered_at=AS_OF - HOUR)
    runs = Evaluations(world)
    program = rules(
        block("french", FR),
        block("best", best),
        block("part", part),
        block("some", AnyOf((part, FR)), limit=limit),
        block("rest", stay=best),
        exclusive=["some", "rest"],
    )
    full = runs.look(program)
    keep_cutoffs(runs, full)
    expected = {name: set(contacts.split()) for name, contacts in runs.members(full).items()}
    assert expected == slowly(program, crowd)
    some = {f"c{place}" for place in chosen if place < len(crowd)}
    narrow = runs.look(program, among=sorted(some))
    assert not narrow.kept
    assert {name: set(contacts.split()) for name, contacts in runs.members(narrow).items()} == {
        name: contacts & some for name, contacts in expected.items()
    }


def keep_cutoffs(runs: Evaluations, evaluation: Evaluation) -> None:
    from segserver.relations import Cutoff

    rows = runs.world.rows(f'select * from "{evaluation.cutoffs}"')
    runs.cutoffs = {str(row.pop("key")): Cutoff(**row) for row in rows}


def slowly(program: Program, crowd: list[tuple[Decimal | None, str, bool, bool]]) -> dict[str, set[str]]:
    """The same memberships, worked out from the definitions."""
    everybody = {f"c{place}" for place in range(len(crowd))}
    french = {f"c{place}" for place, person in enumerate(crowd) if person[1] == "FR"}
    before = {f"c{place}" for place, person in enumerate(crowd) if person[3]}

    def value(by: Value, contact: str) -> Decimal | float | None:
        mrr, _, buys, _ = crowd[int(contact[1:])]
        if by == count():
            return Decimal(int(buys))
        return mrr if by == MRR or mrr is None else float(mrr) / 3

    def known(by: Value, pool: set[str]) -> dict[str, Decimal | float]:
        found = {contact: value(by, contact) for contact in pool}
        return {contact: held for contact, held in found.items() if held is not None}

    def places(share: Decimal | None, count_: int | None, ranked: int) -> int:
        return count_ if count_ is not None else math.ceil((share or 0) * ranked)

    def ranked(by: Value, pool: set[str], first: set[str]) -> list[str]:
        held = known(by, pool)
        return sorted(held, key=lambda contact: (contact not in first, -held[contact], digest(contact)))

    best, part = program.segments["best"].where, program.segments["part"].where
    limit = program.segments["some"].limit
    assert isinstance(best, Top)
    assert isinstance(part, Percentile)
    assert limit is not None
    order = ranked(best.by, french if best.among else everybody, set())
    top_ = set(order[: places(best.share, best.count, len(order))])
    held = known(part.by, french if part.among else everybody)
    test = {"<": int.__lt__, "<=": int.__le__, ">": int.__gt__, ">=": int.__ge__}[part.op]
    scale = 10**6
    reached = {
        contact
        for contact, own in held.items()
        if test(sum(other <= own for other in held.values()) * 100 * scale, int(part.bound * scale) * len(held))
    }
    line = ranked(limit.by, reached | french, before)
    some = set(line[: places(limit.share, limit.count, len(line))])
    return {"french": french, "best": top_, "part": reached, "some": some, "rest": everybody - some}
