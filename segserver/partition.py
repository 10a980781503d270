"""Which keys are one contact where some records must differ, and what each contact is called then.

A contact is a component of links between keys. Links are taken from the strongest to the weakest, and one that would
bring two records together which must differ is left out. The outcome depends on the links and on nothing else: not on
the order in which they became known, nor on how contacts were divided before, but for what holds a contact together
that no link explains any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from segserver.keys import LONG_ID_LENGTH, Key, contact_id

MERGE, BY_HAND, NAMING, FUZZY, EARLIER = "merge", "by hand", "key", "fuzzy", "earlier"
"""What a link comes from: a merge at the platform, a person's word, a record that names a key, the fuzzy match, and
that the two were one contact before, when a record named a key that it names no more."""

_STRENGTH = {kind: place for place, kind in enumerate((MERGE, BY_HAND, NAMING, FUZZY, EARLIER))}


@dataclass(frozen=True, slots=True)
class Edge:
    """A link between two keys, the first of which is a record."""

    first: Key
    second: Key
    kind: str


@dataclass(frozen=True, slots=True)
class Node:
    """A key as it stands now.

    Attributes:
        contact: whose it is now.
        home: whose it was before that contact and another were joined; None where it always was this contact's.
        created_at: of a record, at its source; None where that is not known, or for other keys.
        record: whether it is a source record.
    """

    contact: str
    home: str | None = None
    created_at: datetime | None = None
    record: bool = False


def divide(
    nodes: Mapping[Key, Node], edges: Iterable[Edge], differing: Iterable[tuple[Key, Key]]
) -> list[frozenset[Key]]:
    """The contacts as sets of keys, the one with the oldest record first.

    A merge at the platform always holds: there the records are one. Pieces of a contact that nothing links any more
    stay together unless they must differ.

    Args:
        nodes: every key concerned.
        edges: between them, in any order.
        differing: pairs of records that must not be one contact.
    """
    known = [edge for edge in edges if edge.first in nodes and edge.second in nodes]
    loose = _Sets(nodes)
    for edge in known:
        loose.join(edge.first, edge.second)
    apart = _Sets(nodes, [pair for pair in differing if pair[0] in nodes and pair[1] in nodes])
    for edge in sorted([*known, *_earlier(nodes, loose)], key=lambda edge: _strength(nodes, edge)):
        if edge.kind == MERGE or apart.may_join(edge.first, edge.second):
            apart.join(edge.first, edge.second)
    return sorted(apart.parts(), key=lambda part: min(_age(nodes, key) for key in part))


def named(
    nodes: Mapping[Key, Node],
    parts: Sequence[frozenset[Key]],
    created: Mapping[str, datetime | None],
    is_taken: Callable[[str], bool],
) -> dict[Key, str]:
    """The id of each key's contact.

    A part goes on under an id that one of its records had: that of the contact created earliest which still exists,
    else one that had ended when contacts were joined. An id goes to the part with the oldest record. A part that gets
    none has a new one, made as the id of a new contact is.

    Args:
        nodes: every key concerned.
        parts: as `divide` gives them.
        created: contacts that exist among those of the nodes, with their creation instants.
        is_taken: whether a contact outside has, or ever had, an id.
    """
    ids: dict[Key, str] = {}
    used: set[str] = set()
    for part in parts:
        order = sorted(part, key=lambda key: _age(nodes, key))
        records = [key for key in order if nodes[key].record] or order
        had = dict.fromkeys(nodes[key].home or nodes[key].contact for key in records)
        free = [one for one in had if one not in used]
        chosen = min(free, key=lambda one: (one not in created, created.get(one) or datetime.max, one), default=None)
        if chosen is None:
            chosen = _new_id(part, nodes, lambda one: one in used or one in created or is_taken(one))
        used.add(chosen)
        ids |= dict.fromkeys(part, chosen)
    return ids


def _new_id(part: frozenset[Key], nodes: Mapping[Key, Node], is_taken: Callable[[str], bool]) -> str:
    order = sorted(part, key=lambda key: (nodes[key].record, key[0] != "email", key))
    candidates = [*(contact_id(key) for key in order), *(contact_id(key, LONG_ID_LENGTH) for key in order)]
    for candidate in candidates:
        if not is_taken(candidate):
            return candidate
    raise ValueError(f"every id of {order[0]} is taken")


def _earlier(nodes: Mapping[Key, Node], loose: _Sets) -> list[Edge]:
    """Links between the pieces of what is one contact now."""
    pieces: dict[str, dict[Key, Key]] = {}
    for key in sorted(nodes, key=lambda key: _age(nodes, key)):
        pieces.setdefault(nodes[key].contact, {}).setdefault(loose.find(key), key)
    return [
        Edge(first, other, EARLIER)
        for oldest in pieces.values()
        for first, *others in [list(oldest.values())]
        for other in others
    ]


def _strength(nodes: Mapping[Key, Node], edge: Edge) -> tuple[int, bool, str, object, object]:
    """The stronger the smaller: by what it comes from, an e-mail address before other keys, older records first."""
    kind = edge.second[0] if edge.kind == NAMING else ""
    ends = sorted((_age(nodes, edge.first), _age(nodes, edge.second)))
    return (_STRENGTH[edge.kind], kind != "email", kind, ends[0], ends[1])


def _age(nodes: Mapping[Key, Node], key: Key) -> tuple[bool, datetime, Key]:
    """Records before other keys, older ones first."""
    node = nodes[key]
    return (not node.record, node.created_at or datetime.max, key)


class _Sets:
    """Disjoint sets of keys, some of which must differ."""

    def __init__(self, keys: Iterable[Key], differing: Iterable[tuple[Key, Key]] = ()) -> None:
        self._above = {key: key for key in keys}
        self._differing: dict[Key, set[Key]] = {}
        for first, second in differing:
            self._differing.setdefault(first, set()).add(second)
            self._differing.setdefault(second, set()).add(first)

    def find(self, key: Key) -> Key:
        """The key that stands for the set."""
        while self._above[key] != key:
            self._above[key] = self._above[self._above[key]]
            key = self._above[key]
        return key

    def may_join(self, first: Key, second: Key) -> bool:
        """Whether nothing in the one set must differ from anything in the other."""
        one, other = self.find(first), self.find(second)
        return all(self.find(key) != other for key in self._differing.get(one, ()))

    def join(self, first: Key, second: Key) -> None:
        """Make one set of two."""
        one, other = self.find(first), self.find(second)
        if one == other:
            return
        self._above[other] = one
        if other in self._differing:
            self._differing.setdefault(one, set()).update(self._differing.pop(other))

    def parts(self) -> list[frozenset[Key]]:
        """Every set."""
        found: dict[Key, set[Key]] = {}
        for key in self._above:
            found.setdefault(self.find(key), set()).add(key)
        return [frozenset(keys) for keys in found.values()]
