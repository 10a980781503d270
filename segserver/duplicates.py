"""The step that names contacts which are probably one person, by the match that the workspace declares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from segserver.matching.weights import Model, bits_of, learn, probability
from segserver.specs.matching import MatchSpec
from segserver.store import matches
from segserver.store.match_expressions import Weighing
from segserver.store.matches import Judged
from segserver.store.session import Session


@dataclass(frozen=True, slots=True)
class Pair:
    """Two contacts that may be one person.

    Attributes:
        probability: that they are.
        link: whether it reaches the declared threshold; else someone should look.
        levels: what each field says, in words; None where one side has no value.
        bits: what each field adds to log2 of the odds against strangers.
        shared_bits: what the thought takes away that they are two people who share a household or an office.
    """

    first: str
    second: str
    probability: float
    link: bool
    levels: tuple[str | None, ...]
    bits: tuple[float, ...]
    shared_bits: float


@dataclass(frozen=True, slots=True)
class Found:
    """What a match found.

    Attributes:
        people: contacts that were compared.
        compared: pairs that some blocking rule gave.
        crowded: blocks that had more contacts than allowed.
        linked, to_review: pairs from each threshold up.
        pairs: the most certain of them.
    """

    model: Model
    people: int
    compared: int
    crowded: int
    linked: int
    to_review: int
    pairs: tuple[Pair, ...]


def find(
    session: Session,
    spec: MatchSpec,
    people: str | None = None,
    *,
    limit: int | None = None,
    below: float | None = None,
) -> Found:
    """Compare contacts, learn the weights from them, and judge every pair. Writes nothing.

    Args:
        session: of the store.
        spec: what is declared.
        people: query in place of the store's contacts, see `matches.compare`.
        limit: pairs to give back at most.
        below: only pairs of a lower probability.
    """
    query = matches.contacts_to_match(session.layout, spec) if people is None else people
    crowded = matches.compare(session, spec, query)
    try:
        model, together = learnt(session, spec), matches.patterns(session, spec)
        return judge(session, spec, model, together, crowded, limit, math.inf if below is None else bits_of(below))
    finally:
        matches.forget(session)


def learnt(session: Session, spec: MatchSpec) -> Model:
    """The weights that the pairs compared teach."""
    return learn(
        spec,
        matches.people_count(session),
        matches.drawn_patterns(session, spec),
        [matches.patterns(session, spec, rule) for rule in range(len(spec.blocking))],
        matches.patterns(session, spec),
    )


def judge(
    session: Session,
    spec: MatchSpec,
    model: Model,
    together: Mapping[matches.Pattern, int],
    crowded: int,
    limit: int | None = None,
    below: float = math.inf,
) -> Found:
    """What the weights say of the pairs compared; `together` are their patterns."""
    people = matches.people_count(session)
    weighing = Weighing(
        m=tuple(field.m for field in model.fields),
        u=tuple(field.u for field in model.fields),
        same_bits=model.same_bits,
        related_bits=model.related_bits,
    )
    link, review = bits_of(spec.link), bits_of(spec.review)
    linked = matches.counted(session, spec, weighing, link)
    return Found(
        model=model,
        people=people,
        compared=sum(together.values()),
        crowded=crowded,
        linked=linked,
        to_review=matches.counted(session, spec, weighing, review) - linked,
        pairs=tuple(
            _pair(spec, one, link, model.same_bits)
            for one in matches.judged(session, spec, weighing, review, below, limit)
        ),
    )


def _pair(spec: MatchSpec, one: Judged, link: float, same_bits: float) -> Pair:
    return Pair(
        first=one.first,
        second=one.second,
        probability=probability(one.bits),
        link=one.bits >= link,
        levels=tuple(
            None if level < 0 else field.levels[level] for field, level in zip(spec.fields, one.levels, strict=True)
        ),
        bits=one.field_bits,
        shared_bits=one.bits - same_bits - sum(one.field_bits),
    )
