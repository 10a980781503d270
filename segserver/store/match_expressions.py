"""What the engine computes of a value, of a pair of values, and of a pair of contacts: expressions, no queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from segserver.specs.matching import Comparison, MatchField, MatchSpec
from segserver.store.session import Sql, compose

_TEXT = "nullif(trim(regexp_replace(lower(strip_accents({value}::VARCHAR)), '[^\\p{{L}}\\p{{N}}]+', ' ', 'g')), '')"
_DIGITS = "regexp_replace({value}::VARCHAR, '[^0-9]', '', 'g')"
_DATE = f"coalesce(strftime(try_cast({{value}} AS DATE), '%Y%m%d'), nullif({_DIGITS}, ''))"
_PHONE = f"CASE WHEN length({_DIGITS}) >= 7 THEN right({_DIGITS}, 9) END"
_SPELLING = {Comparison.DATE: _DATE, Comparison.PHONE: _PHONE}

_LETTERS = "levenshtein({a}, {b}) / greatest(length({a}), length({b}))"
_SWAPPED = "{a} = left({b}, 4) || substr({b}, 7, 2) || substr({b}, 5, 2)"
_ONE_OFF = "damerau_levenshtein({a}, {b}) = 1"
_LEVELS: Mapping[Comparison, tuple[str, ...]] = {
    Comparison.EXACT: (),
    Comparison.JARO_WINKLER: ("jaro_winkler_similarity({a}, {b}) >= 0.80", "jaro_winkler_similarity({a}, {b}) >= 0.92"),
    Comparison.LEVENSHTEIN: (f"{_LETTERS} <= 0.25", f"{_LETTERS} <= 0.10"),
    Comparison.DATE: (_SWAPPED, _ONE_OFF),
    Comparison.PHONE: (_ONE_OFF,),
}
"""Conditions of the levels between disagreement and equality, from the lowest up."""

_TELLING = frozenset({Comparison.EXACT, Comparison.JARO_WINKLER, Comparison.LEVENSHTEIN})
"""Comparisons of values some of which are common and some rare."""


@dataclass(frozen=True, slots=True)
class Weighing:
    """What a level is worth, as numbers alone.

    Attributes:
        m, u: chances of each level of each field.
        same_bits: log2 of the odds of one person against strangers, before anything is compared.
        related_bits: the same against people who share a household or an office; None where nothing is shared.
    """

    m: tuple[tuple[float, ...], ...]
    u: tuple[tuple[float, ...], ...]
    same_bits: float
    related_bits: float | None


def spelling(field: MatchField, value: str) -> Sql:
    """A value in one spelling: without case, accents and punctuation; dates and numbers as digits."""
    return Sql(_SPELLING.get(field.comparison, _TEXT).format(value=value))


def column(what: str, place: int) -> str:
    """Name of what is computed of the field at a place."""
    return f"{what}_{place}"


def level_of(field: MatchField, a: str, b: str, place: int) -> Sql:
    """How far the values of two rows of `match_people` agree; -1 where one has none."""
    first = compose("{side}.{value}", side=a, value=column("value", place))
    second = compose("{side}.{value}", side=b, value=column("value", place))
    between = [
        f"WHEN {condition.format(a=first, b=second)} THEN {level}"
        for level, condition in reversed(list(enumerate(_LEVELS[field.comparison], start=1)))
    ]
    return compose(
        "CASE WHEN {a} IS NULL OR {b} IS NULL THEN -1 WHEN {a} = {b} THEN {top} {between} ELSE 0 END::TINYINT "
        "AS {name}",
        a=first,
        b=second,
        top=Sql(str(field.top)),
        between=Sql(" ".join(between)),
        name=column("level", place),
    )


def pair_bits(spec: MatchSpec, weighing: Weighing) -> Sql:
    """Log2 of the odds of a pair, against strangers and against related people together."""
    weights = {field.name: weight_of(field, place, weighing) for place, field in enumerate(spec.fields)}
    strangers = f"({weighing.same_bits!r} + {' + '.join(weights.values())})"
    if weighing.related_bits is None:
        return Sql(strangers)
    alone = [weight for name, weight in weights.items() if name not in spec.shared]
    related = f"({weighing.related_bits!r} + {' + '.join(alone)})"
    return Sql(
        f"(least({strangers}, {related}) - log2(1 + pow(2.0, greatest(-abs({strangers} - {related}), -1000.0))))"
    )


def weight_of(field: MatchField, place: int, weighing: Weighing) -> Sql:
    """Bits of a field of a pair; where values are equal, by how common the value is."""
    m, u = weighing.m[place], weighing.u[place]
    level = compose("p.{name}", name=column("level", place))
    cases = [f"WHEN {number} THEN log2({m[number]!r} / {u[number]!r})" for number in range(field.top)]
    common = compose("a.{name}", name=column("common", place)) if field.comparison in _TELLING else Sql(repr(u[-1]))
    return Sql(f"CASE {level} WHEN -1 THEN 0.0 {' '.join(cases)} ELSE log2({m[-1]!r} / {common}) END")
