"""All contacts at one instant: who is in which segment, who ranks where, and what a run leaves behind.

Written from the language's page alone, like `evaluator.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from fractions import Fraction
from functools import cached_property
from hashlib import sha256
from math import ceil

from segserver.rules.expressions.conditions import InSegment, Likely, Percentile, Top
from segserver.rules.expressions.values import ComputedTrait, Score, Value
from segserver.rules.program import Program, SegmentBlock
from tests.oracle.contacts import Contact, Past, Turn
from tests.oracle.evaluator import Evaluator
from tests.oracle.notes import Notes
from tests.oracle.plain import Undecided
from tests.oracle.ranks import best, cut, undecided_between
from tests.oracle.zones import zone_of

Members = Mapping[str, bool | None]
"""By contact; None where nothing is claimed."""


@dataclass(frozen=True)
class World:
    """Contacts, a program and an instant.

    Attributes:
        thresholds: of `likely`, by model; a model that is not here does not serve.
        historical: whether traits with history take the value that held at `as_of`.
        past: what earlier runs left.
        only: a frozen segment that is evaluated now.
    """

    program: Program
    contacts: tuple[Contact, ...]
    as_of: datetime
    thresholds: Mapping[str, float] = field(default_factory=dict)
    historical: bool = False
    accounts: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    past: Past = field(default_factory=Past)
    notes: Notes = field(default_factory=Notes)
    only: str | None = None
    _members: dict[str, Members] = field(default_factory=dict)
    _ranks: dict[object, object] = field(default_factory=dict)

    @cached_property
    def present(self) -> tuple[Contact, ...]:
        """Who exists."""
        return tuple(contact for contact in self.contacts if contact.exists_at(self.as_of))

    def view(self, contact: Contact) -> Evaluator:
        return Evaluator(self, contact)

    def zone_of(self, contact: Contact) -> str:
        return zone_of(contact.traits.get("home_zone"), contact.traits.get("country"), self.program.zone)

    def colleagues(self, contact: Contact) -> list[Contact]:
        """Who is of the contact's account, itself too; nobody without an account."""
        if contact.account is None:
            return []
        return [other for other in self.present if other.account == contact.account]

    # ---- segments

    @property
    def skipped(self) -> set[str]:
        """Segments that are not evaluated, and so keep their members."""
        if "skipped" not in self._ranks:
            self._ranks["skipped"] = {name for name in self.program.segments if self._is_left_out(name)}
        found = self._ranks["skipped"]
        assert isinstance(found, set)
        return found

    def _is_left_out(self, segment: str) -> bool:
        """Its model does not serve, or it is frozen at an instant still to come, or it reads one of those."""
        return any(
            name not in self.thresholds if kind == "model" else self._is_to_come(name)
            for kind, name in read_by(self.program, InSegment(segment), self.past.frozen, self.only)
        )

    def _is_to_come(self, segment: str) -> bool:
        frozen = self.program.segments[segment].frozen_at is not None
        return frozen and segment not in self.past.frozen and segment != self.only

    def _before(self, segment: str) -> frozenset[str]:
        """Who was a member after the run before."""
        if not self.historical or segment in self.past.frozen - {self.only}:
            return self.past.members.get(segment, frozenset())
        return frozenset(
            one.contact_id
            for one in self.contacts
            if any(until == datetime.max for _, until in self.spans(segment, one))
        )

    def is_member(self, segment: str, contact: Contact) -> bool:
        """Whether the contact is in the segment, everything that makes its membership applied."""
        if segment not in self._members:
            self._members[segment] = self._finished(self.program.segments[segment])
        member = self._members[segment][contact.contact_id]
        if member is None:
            raise Undecided
        return member

    def _finished(self, block: SegmentBlock) -> Members:
        before = self._before(block.name)
        frozen = block.frozen_at is not None and block.name != self.only
        if block.name in self.skipped or frozen:
            self.notes.case(28, frozen)
            return {contact.contact_id: contact.contact_id in before for contact in self.present}
        found = {
            contact.contact_id: self._decided(lambda one=contact: self._enters(block, one)) for contact in self.present
        }
        if block.limit is not None:
            found = self._limited(block, found, before)
        listed = self.past.manual.get(block.name, frozenset())
        self.notes.case(25, block.manual is not None)
        return {name: True if name in listed else member for name, member in found.items()}

    def _enters(self, block: SegmentBlock, contact: Contact) -> bool:
        """Whether the contact would be a member before limits and lists."""
        view = self.view(contact)
        was = contact.contact_id in self._before(block.name)
        if was and block.stay is not None:
            self.notes.case(20)
            candidate = view.holds(block.stay)
        else:
            candidate = view.holds(block.where) and (was or self._waited(block, contact))
        return candidate and not any(self._claimed(earlier, contact) for earlier in self._before_in_group(block.name))

    def _waited(self, block: SegmentBlock, contact: Contact) -> bool:
        """Whether `where`, true now, has been true at every run for long enough."""
        if block.enter_after is None or self.historical:
            return True
        self.notes.case(21)
        since = self.past.waiting.get(block.name, {}).get(contact.contact_id, self.as_of)
        return since + block.enter_after <= self.as_of

    def _before_in_group(self, segment: str) -> list[str]:
        group = next((group.segments for group in self.program.exclusives.values() if segment in group.segments), ())
        earlier = group[: group.index(segment)] if group else ()
        return [name for name in earlier if not self.program.segments[name].draft]

    def _claimed(self, segment: str, contact: Contact) -> bool:
        self.notes.case(24)
        return self.is_member(segment, contact)

    def _limited(self, block: SegmentBlock, found: Members, before: Iterable[str]) -> Members:
        """Who finds a place: staying members first, then newcomers, the best of each; who is on the list takes none."""
        limit = block.limit
        assert limit is not None
        if None in found.values():
            return dict.fromkeys(found)
        listed = self.past.manual.get(block.name, frozenset())
        candidates = [one for one in self.present if found[one.contact_id] and one.contact_id not in listed]
        try:
            values = self._known(limit.by, candidates)
        except Undecided:
            return dict.fromkeys(found)
        self.notes.case(20, any(name in before for name in values))
        places = limit.count if limit.count is not None else ceil(Fraction(limit.share or 0) * len(values))
        staying = best({name: value for name, value in values.items() if name in before})
        newcomers = best({name: value for name, value in values.items() if name not in before})
        try:
            chosen = cut(staying, places) | cut(newcomers, places - len(staying))
        except Undecided:
            return dict.fromkeys(found)
        return {name: name in chosen for name in found}

    def _decided(self, verdict: Callable[[], bool]) -> bool | None:
        try:
            return verdict()
        except Undecided:
            return None

    # ---- ranks

    def _population(self, among: str | None) -> list[Contact]:
        return [one for one in self.present if among is None or self.is_member(among, one)]

    def _known(self, by: Value, contacts: Iterable[Contact]) -> dict[str, object]:
        """Known values by contact."""
        values = {one.contact_id: self.view(one).value(by) for one in contacts}
        return {name: value for name, value in values.items() if value is not None}

    def top(self, node: Top) -> set[str]:
        """The best, by contact."""
        if id(node) not in self._ranks:
            values = self._known(node.by, self._population(node.among))
            places = node.count if node.count is not None else ceil(Fraction(node.share or 0) * len(values))
            self._ranks[id(node)] = cut(best(values), places)
        found = self._ranks[id(node)]
        assert isinstance(found, set)
        return found

    def percentile(self, node: Percentile, contact: Contact) -> Fraction | None:
        """100 times the share of known values that are at most the contact's; None for who is not ranked."""
        values = self._known(node.by, self._population(node.among))
        own = values.pop(contact.contact_id, None)
        if own is None:
            return None
        for other in values.values():
            undecided_between(own, other)
        return Fraction(100 * (1 + sum(other <= own for other in values.values())), len(values) + 1)

    # ---- what runs leave

    def turns_of(self, segment: str, contact: Contact) -> list[Turn]:
        """Comings and goings in earlier runs, in order."""
        return [
            turn
            for turn in self.past.turns
            if turn.segment == segment and turn.contact_id == contact.contact_id and turn.as_of < self.as_of
        ]

    def spans(self, segment: str, contact: Contact) -> list[tuple[datetime, datetime]]:
        """[entered, left) of each membership that earlier runs began."""
        found: list[tuple[datetime, datetime]] = []
        for turn in self.turns_of(segment, contact):
            if turn.change == "entered":
                found.append((turn.as_of, datetime.max))
            elif found:
                found[-1] = (found[-1][0], turn.as_of)
        return found

    def held_out(self, segment: str, contact: Contact) -> bool:
        """Whether a member is neither pushed nor scheduled."""
        share = Fraction(self.program.segments[segment].hold_out)
        self.notes.case(26)
        listed = contact.contact_id in self.past.manual.get(segment, frozenset())
        digest = sha256(f"hold out\x1f{segment}\x1f{contact.contact_id}".encode()).hexdigest()
        return self.is_member(segment, contact) and not listed and int(digest[:13], 16) < share * 16**13

    def waiting(self) -> dict[str, dict[str, datetime | None]]:
        """Since when `where` has been true of whom, for the next run; None where nothing is claimed."""
        found: dict[str, dict[str, datetime | None]] = {}
        for block in self.program.segments.values():
            if block.enter_after is None or block.name in self.skipped or block.frozen_at is not None:
                continue
            since = self.past.waiting.get(block.name, {})
            found[block.name] = {}
            for one in self.present:
                true = self._decided(lambda block=block, one=one: self.view(one).holds(block.where))
                if true is not False:
                    found[block.name][one.contact_id] = since.get(one.contact_id, self.as_of) if true else None
        return found


def read_by(program: Program, node: object, frozen: Collection[str], only: str | None) -> set[tuple[str, str]]:
    """Models and segments that a condition, value or clause reads, also through traits and segments.

    What a frozen segment reads counts only when it is evaluated.
    """

    def through(part: object) -> set[tuple[str, str]]:
        return read_by(program, part, frozen, only)

    match node:
        case Score(model=model) | Likely(model=model):
            return (
                {("model", model)} | through(program.models[model].population) | through(program.models[model].features)
            )
        case ComputedTrait(name=name):
            return through(program.traits[name].value)
        case InSegment(segment=name):
            block = program.segments[name]
            kept = block.frozen_at is not None and name != only
            inside = () if kept else (block.where, block.stay, block.limit)
            return {("segment", name)} | through(inside)
        case Top(by=by, among=among) | Percentile(by=by, among=among):
            return through((by, *((InSegment(among),) if among else ())))
        case tuple():
            return set().union(*(through(item) for item in node))
        case _ if is_dataclass(node):
            return set().union(*(through(getattr(node, part.name)) for part in fields(node)))
        case _:
            return set()
