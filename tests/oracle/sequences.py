"""Steps of events, tried in every combination."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from segserver.rules.expressions.conditions import Condition
from segserver.rules.expressions.history import Sequence as SequenceNode
from segserver.rules.expressions.history import SequenceStep
from tests.oracle.contacts import Happening
from tests.oracle.plain import plain

Events = Callable[[str], Sequence[Happening]]
Holds = Callable[[Condition, Happening], bool]


def occurs(node: SequenceNode, inside: Events, anywhere: Events, holds: Holds, as_of: datetime) -> bool:
    """Whether some events make the sequence.

    Args:
        node: the sequence.
        inside: visible events by name, of the window.
        anywhere: visible events by name, of all time.
        holds: whether a condition holds for an event.
        as_of: when one looks.
    """
    for chain in _chains(node.steps, inside, holds):
        last, absent = chain[-1], node.absent
        if absent is None:
            return True
        assert absent.within is not None
        over = last.occurred_at + absent.within <= as_of
        if over and not any(follows(absent, event, last, holds) for event in anywhere(absent.event)):
            return True
    return False


def _chains(steps: Sequence[SequenceStep], inside: Events, holds: Holds) -> Iterator[list[Happening]]:
    if not steps:
        yield []
        return
    for chain in _chains(steps[:-1], inside, holds):
        for event in inside(steps[-1].event):
            if follows(steps[-1], event, chain[-1] if chain else None, holds):
                yield [*chain, event]


def follows(step: SequenceStep, event: Happening, before: Happening | None, holds: Holds) -> bool:
    """Whether an event is a step after another: later, soon enough, equal where linked, and such as `where` says."""
    if before is not None:
        if not before.occurred_at < event.occurred_at:
            return False
        if step.within is not None and not event.occurred_at < before.occurred_at + step.within:
            return False
        for link in step.links:
            value, previous = event.properties.get(link.property), before.properties.get(link.previous)
            if value is None or previous is None or plain(value) != plain(previous):
                return False
    return step.where is None or holds(step.where, event)
