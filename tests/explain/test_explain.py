"""Why a contact is or is not in a segment, observed on a small world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from segserver.compiler.plan import ScoreModel, Step
from segserver.compiler.sql import to_sql
from segserver.explain import Explanation, Verdict, explain, render, to_dict
from segserver.models.calibration import Platt
from segserver.models.expression import scoring_query
from segserver.models.portable import Portable, Term
from segserver.rules.expressions.conditions import (
    All,
    AnyOf,
    Comparison,
    Condition,
    InSegment,
    Known,
    Likely,
    Not,
    Percentile,
    Top,
)
from segserver.rules.expressions.history import Did
from segserver.rules.expressions.values import Arithmetic, ComputedTrait, CreatedAt, Instant, Measure, Points, Score
from segserver.rules.program import Feature, Program, TraitBlock
from segserver.rules.times import Ago, Unit
from segserver.specs.types import DURATION, NUMBER

from ..compiler.conftest import AS_OF, World, aggregate, count, lasting, model, number, program, text, trait

MODEL = Portable(
    terms=(
        Term("seats", low=0, high=100, fill=0, mean=0, scale=1, weight=1),
        Term("french", low=0, high=1, fill=0, mean=0, scale=1, weight=-0.5),
    ),
    intercept=-1.0,
    calibrator=Platt(1.0, 0.0),
    threshold=0.5,
)
FR = Comparison("=", trait("country"), text("FR"))
SPEND = TraitBlock("spend", aggregate(Measure.SUM, prop="amount"), NUMBER)


class Desk:
    """Runs steps on a world and reads its tables."""

    def __init__(self, world: World, serving: Mapping[str, Portable]) -> None:
        self.world, self.serving = world, serving

    def run(self, steps: Sequence[Step]) -> None:
        for step in steps:
            match step:
                case ScoreModel(model=model, inputs=inputs, output=output):
                    query = to_sql(scoring_query(self.serving[model], inputs))
                    self.world.connection.execute(f'create or replace temp table "{output}" as {query}')
                case _:
                    self.world.run([step])

    def rows(self, table: str) -> Sequence[Mapping[str, object]]:
        return self.world.rows(f'select * from "{table}"')


def explained(
    world: World,
    rules: Program,
    segment: str = "s",
    contact: str = "a",
    serving: Mapping[str, Portable] | None = None,
    as_of: datetime = AS_OF,
    **options: bool,
) -> Explanation:
    world.connection.execute(f"create or replace temp table one as select '{contact}' as contact_id")
    desk = Desk(world, serving or {})
    return explain(rules, segment, contact, as_of, among="one", serving=serving or {}, runner=desk, **options)


def facts(verdict: Verdict | None) -> dict[str, tuple[bool | None, list[str]]]:
    """Each condition's text with its verdict and what was observed, flattened."""
    assert verdict is not None
    found = {verdict.text: (verdict.holds, [f"{item.text} is {item.shown}" for item in verdict.observed])}
    for part in verdict.parts:
        found |= facts(part)
    return found


def test_each_condition_has_its_verdict_and_what_it_saw(people: World) -> None:
    people.event("a", "purchase", AS_OF - timedelta(days=2, hours=12), amount=Decimal("42.50"))
    rules = program(
        {
            "buyers": Did(count(), 1, None),
            "s": All(
                (
                    InSegment("buyers"),
                    AnyOf((Not(FR), Comparison(">=", ComputedTrait("spend", NUMBER), number(100)))),
                    Comparison("<", aggregate(Measure.SINCE_LAST, type=DURATION), lasting(days=3)),
                    Comparison(
                        ">",
                        Points(((Decimal(5), FR), (Decimal(3), Known(trait("mrr"))))),
                        Arithmetic("-", trait("seats"), number(1), NUMBER),
                    ),
                    Comparison("<", CreatedAt(), Instant(Ago(30, Unit.DAYS))),
                )
            ),
        },
        traits=[SPEND],
    )
    found = explained(people, rules)
    assert found.member is False
    assert facts(found.verdict) == {
        "in segment s": (False, []),
        "all of": (False, []),
        "in segment buyers": (True, []),
        "did purchase": (True, ["count(purchase) is 1"]),
        "any of": (False, []),
        "not": (False, []),
        'country is "FR"': (True, ['country is "FR"']),
        "spend >= 100": (False, ["spend is 42.5"]),
        "days since last purchase < 3 days": (True, ["days since last purchase is 2.5 days"]),
        'points(5 if country is "FR", 3 if mrr is known) > seats - 1': (
            False,
            ['points(5 if country is "FR", 3 if mrr is known) is 8', "seats - 1 is 9", "seats is 10"],
        ),
        "mrr is known": (True, ["mrr is 99.5"]),
        "created_at before 30 days ago": (True, ["created_at is 2020-01-01 01:00"]),
    }


def test_an_explanation_agrees_with_the_evaluation(people: World) -> None:
    rules = program({"s": AnyOf((FR, Comparison(">", trait("mrr"), trait("seats"))))})
    members = people.members(rules)["s"]
    for contact in "abcd":
        assert explained(people, rules, contact=contact).member is (contact in members)


def test_unknown_values_are_shown_as_unknown(people: World) -> None:
    found = explained(people, program({"s": FR}), contact="c")
    assert facts(found.verdict)['country is "FR"'] == (False, ["country is unknown"])


def scored(where: Condition, population: Condition | None = None) -> Program:
    features = (Feature("seats", trait("seats")), Feature("french", FR))
    return program({"s": where}, models=[model("buy", *features, population=population)])


def test_a_score_is_explained_by_its_features(people: World) -> None:
    found = explained(people, scored(Likely("buy")), serving={"buy": MODEL})
    (reason,) = found.scores
    assert reason.model == "buy"
    assert [(item.feature, item.value) for item in reason.contributions] == [("seats", 10.0), ("french", 1.0)]
    assert reason.score == pytest.approx(
        1 / (1 + 2.718281828459045 ** -(MODEL.intercept + sum(item.log_odds for item in reason.contributions)))
    )
    likely = found.verdict.parts[0] if found.verdict else None
    assert likely is not None
    assert (likely.text, likely.holds, likely.note) == ("likely(buy)", True, "from 0.5")


def test_of_those_a_model_scores_one_is_read_though_a_ranking_looks_at_all(
    people: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    rows = Desk.rows

    def counting(desk: Desk, table: str) -> Sequence[Mapping[str, object]]:
        found = rows(desk, table)
        read.append(len(found))
        return found

    monkeypatch.setattr(Desk, "rows", counting)
    found = explained(people, scored(Top(Score("buy"), None, 2, None)), serving={"buy": MODEL})
    assert found.scores[0].score is not None
    assert set(read) == {1}


def test_a_ranking_by_a_score_that_nobody_has_is_said_so(people: World) -> None:
    for ranked in (Top(Score("buy"), None, 2, None), Percentile(">=", Score("buy"), Decimal(50), None)):
        found = explained(people, scored(ranked))
        assert found.member is None
        assert "model buy has no serving version" in render(found)


def test_outside_the_population_a_score_is_unknown(people: World) -> None:
    rules = scored(Comparison(">", Score("buy"), number("0.1")), population=Known(trait("country")))
    found = explained(people, rules, contact="c", serving={"buy": MODEL})
    assert (found.member, found.scores[0].score) == (False, None)
    assert "score(buy) is unknown: the contact is outside the model's population" in render(found)


def test_without_a_serving_model_the_rest_is_still_explained(people: World) -> None:
    found = explained(people, scored(All((FR, Likely("buy")))))
    assert found.member is None
    assert facts(found.verdict)['country is "FR"'] == (True, ['country is "FR"'])
    assert facts(found.verdict)["likely(buy)"] == (None, [])
    assert "contact a cannot be placed in s" in render(found)
    assert "model buy has no serving version" in render(found)


def test_a_contact_that_does_not_exist_then_is_said_so(people: World) -> None:
    people.contact("late", created_at=AS_OF)
    found = explained(people, program({"s": FR}), contact="late")
    assert (found.member, found.verdict) == (False, None)
    assert render(found).startswith("contact late does not exist at 2026-03-01 09:00 Europe/Paris")


def test_a_segment_that_occurs_twice_is_unfolded_once(people: World) -> None:
    rules = program({"fr": FR, "s": AnyOf((InSegment("fr"), Not(InSegment("fr"))))})
    text = render(explained(people, rules))
    assert text.count("in segment fr") == 2
    assert text.count('country is "FR"    (') == 1


def test_at_a_past_instant_traits_without_history_are_named(people: World) -> None:
    found = explained(people, program({"s": FR}), historical=True)
    assert found.current_only == ("country",)
    assert "today's value was taken for country" in render(found)


def test_as_text_the_rule_is_an_indented_tree(people: World) -> None:
    rules = program({"s": All((FR, Not(Comparison(">", trait("seats"), number(20)))))})
    assert render(explained(people, rules)) == "\n".join(
        [
            "contact a is in s at 2026-03-01 09:00 Europe/Paris",
            "  yes in segment s",
            "  yes   all of:    (2 of 2 hold)",
            '  yes     country is "FR"    (country is "FR")',
            "  yes     not (seats > 20)    (seats is 10)",
            'to leave: `country is "FR"` no longer holds (now country is "FR")',
            "or: seats from 10 to above 20",
        ]
    )


def test_as_data_values_are_plain(people: World) -> None:
    rules = program(
        {
            "s": All(
                (
                    Known(trait("signup")),
                    Known(trait("renewal")),
                    Known(trait("mrr")),
                    Known(aggregate(Measure.SINCE_LAST, type=DURATION)),
                )
            )
        }
    )
    people.event("a", "purchase", AS_OF - timedelta(hours=1))
    found = explained(people, rules)
    values = [item.value for part in found.verdict.parts[0].parts for item in part.observed] if found.verdict else []
    assert values == [date(2026, 2, 1), datetime(2026, 3, 29, 0, 30), Decimal("99.5"), timedelta(hours=1)]
    data = to_dict(found)
    assert (data["member"], data["exists"], data["as_of"]) == (True, True, "2026-03-01T08:00:00Z")
    rule = data["rule"]
    assert isinstance(rule, dict)
    parts = rule["parts"][0]["parts"]
    assert [part["observed"][0]["value"] for part in parts] == ["2026-02-01", "2026-03-29T00:30:00Z", 99.5, 3600.0]
