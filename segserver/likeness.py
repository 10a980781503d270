"""The step that joins contacts which are probably one person, and keeps pairs that somebody should look at."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from segserver.duplicates import Found, Pair, judge, learnt
from segserver.matching.weights import FieldWeights, Model
from segserver.partition import FUZZY
from segserver.specs.matching import MatchSpec
from segserver.store import matches, reviews
from segserver.store.joining import Bond, join
from segserver.store.links import differing_contacts
from segserver.store.reviews import Review
from segserver.store.session import Session

GROWTH = 1.2
"""The weights are learnt anew when there are so many times more contacts than when they were."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Two contacts that a run made one.

    Attributes:
        first, second: their ids; those of the report are kept, and no address stands in it.
        cause: the probability, and what each field adds to it in bits.
    """

    first: str
    second: str
    cause: str


@dataclass(frozen=True, slots=True)
class MatchReport:
    """What the match of a run did.

    Attributes:
        contacts: how many were new or had changed, and were compared with all.
        compared: pairs that some blocking rule gave.
        joined: the pairs that were made one.
        to_review: pairs found for someone to look at.
    """

    contacts: int
    compared: int
    joined: tuple[Joined, ...]
    to_review: int

    def to_dict(self) -> dict[str, object]:
        """Plain data."""
        return asdict(self) | {"joined": [asdict(one) for one in self.joined]}


def match(session: Session, spec: MatchSpec, now: datetime) -> MatchReport:
    """Compare contacts that are new or have changed with all, and join those from the threshold `link` up.

    The weights of the last match count while the declaration is the same and there are not many more contacts.
    Safe to repeat: what was joined is one contact, and who was compared is compared again only after a change.
    """
    query = matches.contacts_to_match(session.layout, spec)
    kept = _kept(session, spec)
    crowded = matches.compare(session, spec, query, matched=None if kept is None else "matched")
    try:
        model = kept or learnt(session, spec)
        found = judge(session, spec, model, matches.patterns(session, spec), crowded)
        report = _act(session, spec, found, now)
        with session.transaction():
            matches.keep_matched(session)
            if kept is None:
                reviews.keep_weights(session, _as_data(spec, found))
        return report
    finally:
        matches.forget(session)


def _act(session: Session, spec: MatchSpec, found: Found, now: datetime) -> MatchReport:
    contacts = {one for pair in found.pairs for one in (pair.first, pair.second)}
    records = reviews.records_of(session, contacts)
    pairs = [pair for pair in found.pairs if pair.first in records and pair.second in records]
    accepted, doubtful = _sorted_out(pairs, matches.parted_by(session, contacts), differing_contacts(session))
    names = [field.name for field in spec.fields]
    bonds = [Bond(records[pair.first], records[pair.second], _cause(names, pair)) for pair in accepted]
    told = [
        Review(records[pair.first], records[pair.second], pair.probability, _cause(names, pair)) for pair in doubtful
    ]
    fresh = matches.fresh_count(session)
    with session.transaction():
        reviews.keep_reviews(session, told, now)
    if bonds:
        join(session, FUZZY, bonds, now)
    joined = tuple(Joined(pair.first, pair.second, _cause(names, pair)) for pair in accepted)
    return MatchReport(fresh, found.compared, joined, len(told))


def _sorted_out(
    pairs: Iterable[Pair], parted: Mapping[str, frozenset[str]], differing: Collection[frozenset[str]]
) -> tuple[list[Pair], list[Pair]]:
    """Pairs to join, the most certain first, and pairs to look at.

    A pair that would bring together, by way of others, contacts which must not be one is for someone to look at.
    """
    group = {one: one for pair in pairs for one in (pair.first, pair.second)}
    members = {one: {one} for one in group}
    accepted: list[Pair] = []
    doubtful: list[Pair] = []
    for pair in pairs:
        if frozenset((pair.first, pair.second)) in differing:
            continue
        one, other = group[pair.first], group[pair.second]
        if not pair.link or (one != other and not _may_join(members[one], members[other], parted, differing)):
            doubtful.append(pair)
            continue
        if one != other:
            accepted.append(pair)
            members[one] |= members.pop(other)
            group |= dict.fromkeys(members[one], one)
    return accepted, doubtful


def _may_join(
    one: set[str], other: set[str], parted: Mapping[str, frozenset[str]], differing: Collection[frozenset[str]]
) -> bool:
    held = [frozenset[str]().union(*(parted.get(contact, frozenset()) for contact in some)) for some in (one, other)]
    return not held[0] & held[1] and not any(frozenset((a, b)) in differing for a in one for b in other)


def _cause(names: list[str], pair: Pair) -> str:
    """The probability and the weights, in words."""
    said = [
        f"{name} {level} {bits:+.1f}"
        for name, level, bits in zip(names, pair.levels, pair.bits, strict=True)
        if level is not None
    ]
    return f"{pair.probability:.2%}: {', '.join(said)}"


# ---- weights that are kept -----------------------------------------------------------------------------------------


def _as_data(spec: MatchSpec, found: Found) -> dict[str, Any]:
    return {
        "declaration": repr(spec),
        "contacts": found.people,
        "same": found.model.same,
        "related": found.model.related,
        "fields": [{"m": one.m, "u": one.u, "learnt": one.learnt} for one in found.model.fields],
    }


def _kept(session: Session, spec: MatchSpec) -> Model | None:
    """The weights that the last match learnt, if they still count."""
    kept = reviews.kept_weights(session)
    if kept is None or kept["declaration"] != repr(spec):
        return None
    if session.count("SELECT count(*) FROM contacts WHERE deleted_at IS NULL") > GROWTH * kept["contacts"]:
        return None
    fields = [
        FieldWeights(field, tuple(one["m"]), tuple(one["u"]), bool(one["learnt"]))
        for field, one in zip(spec.fields, kept["fields"], strict=True)
    ]
    return Model(kept["same"], kept["related"], tuple(fields), spec.shared)
