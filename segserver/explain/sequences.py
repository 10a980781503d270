"""Sequences of events: the events that are one, or where it breaks off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from segserver.explain.showing import instant
from segserver.explain.words import step_words
from segserver.relations import property_column
from segserver.rules.expressions.history import Sequence as Steps
from segserver.rules.expressions.history import SequenceStep

Row = Mapping[str, object]
Rows = Sequence[Row]


@dataclass(frozen=True, slots=True)
class Chain:
    """The latest events that are a sequence, or as many of its first steps as there are.

    Attributes:
        complete: every step was found, and what must not follow did not by now.
    """

    rows: tuple[Row, ...]
    complete: bool


def all_steps(node: Steps) -> tuple[SequenceStep, ...]:
    """The steps, the absent one last."""
    return node.steps if node.absent is None else (*node.steps, node.absent)


def at_of(row: Row) -> datetime:
    """When an event occurred."""
    return cast("datetime", row["at"])


def latest_chain(node: Steps, read: Sequence[Rows], until: datetime | None) -> Chain:
    """Search for a sequence, from the latest events backwards.

    Args:
        node: the sequence.
        read: of each step, the absent one last, the events that meet its own conditions, in the order of time.
        until: by then the time in which something must not follow has to be over; None: it may still run.
    """
    search = _Search(node, read, until)
    found = search.find(0, None)
    return Chain(tuple(search.begun if found is None else found), found is not None)


def earliest_chain(node: Steps, read: Sequence[Rows]) -> Chain:
    """The chain that is over first, of those that still wait for nothing to follow; else the latest one.

    Args:
        node: a sequence that does not hold.
        read: as for `latest_chain`.
    """
    if node.absent is not None:
        for row in _ends(node, read):
            if _stands(node, row, read[-1], None):
                return latest_chain(node, [*read[: len(node.steps) - 1], [row], read[-1]], None)
    return latest_chain(node, read, None)


def _ends(node: Steps, read: Sequence[Rows]) -> Rows:
    """The events of the last step, in the order of time, with which all steps were found."""
    found = read[0]
    for step, rows in zip(node.steps[1:], read[1:], strict=False):
        found = [row for row in rows if any(_continues(step, previous, row) for previous in found)]
    return found


class _Search:
    """A search for the latest chain, which goes back where no next step is found."""

    def __init__(self, node: Steps, read: Sequence[Rows], until: datetime | None) -> None:
        self._node = node
        self._steps = all_steps(node)
        self._read = read
        self._until = until
        self._dead: set[tuple[int, int]] = set()
        self._path: list[Row] = []
        self.begun: list[Row] = []

    def find(self, place: int, before: int | None) -> list[Row] | None:
        """The events of the steps from a place on, after the event of the step before it."""
        previous = None if before is None else self._read[place - 1][before]
        if place == len(self._node.steps):
            stands = previous is not None and _stands(self._node, previous, self._read[-1], self._until)
            return [] if stands else None
        for index in range(len(self._read[place]) - 1, -1, -1):
            row = self._read[place][index]
            if (place, index) in self._dead or not (previous is None or _continues(self._steps[place], previous, row)):
                continue
            self._path.append(row)
            if len(self._path) > len(self.begun):
                self.begun[:] = self._path
            rest = self.find(place + 1, index)
            self._path.pop()
            if rest is not None:
                return [row, *rest]
            self._dead.add((place, index))
        return None


def _stands(node: Steps, last: Row, following: Rows, until: datetime | None) -> bool:
    """Whether nothing followed the last step that must not follow it."""
    absent = node.absent
    if absent is None:
        return True
    if until is not None and at_of(last) + (absent.within or _NOTHING) > until:
        return False
    return not any(_continues(absent, last, row) for row in following)


def _continues(step: SequenceStep, previous: Row, row: Row) -> bool:
    """Whether an event may be the step after another."""
    after = at_of(row) - at_of(previous)
    in_time = after > _NOTHING and (step.within is None or after < step.within)
    linked = (
        (row.get(property_column(link.property)), previous.get(property_column(link.previous))) for link in step.links
    )
    return in_time and all(one is not None and one == other for one, other in linked)


_NOTHING = timedelta(0)


def broken(node: Steps, chain: Chain, zone: str) -> tuple[str, str]:
    """Where a sequence that does not hold breaks off, and what would go on with it; nothing but time may."""
    steps = [step_words(step) for step in node.steps]
    if not chain.rows:
        ends = [] if node.absent is None else [f"no `{step_words(node.absent)}`"]
        return f"step 1 is missing: `{steps[0]}`", " and then ".join([*(f"`{step}`" for step in steps), *ends])
    event = node.steps[len(chain.rows) - 1].event
    last = f"{event} of {instant(at_of(chain.rows[-1]), zone)}"
    if node.absent is not None and len(chain.rows) == len(steps):
        absent = step_words(node.absent)
        if chain.complete:
            return f"every step was found; `{absent}` may still follow the {last}", f"no `{absent}` after the {last}"
        return f"every step was found, and `{absent}` followed the {last}", f"a {event} that no `{absent}` follows"
    step = steps[len(chain.rows)]
    return f"step {len(chain.rows) + 1} is missing: `{step}` after the {last}", f"`{step}` after a {event}"
