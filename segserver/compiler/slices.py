"""What is wanted of the events: an aggregate between two instants, known by a third."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir

from segserver.compiler.derived import ContactClock, Face, clock_column
from segserver.compiler.translate import Moment
from segserver.compiler.walk import Node
from segserver.compiler.windows import bounds, edge
from segserver.rules.expressions.history import Regular
from segserver.rules.expressions.values import Aggregate
from segserver.rules.times import Ago, Edge, Window

_DAY = timedelta(days=1)
_ZONE = "UTC"


@dataclass(frozen=True, slots=True)
class SinceEntry(Window):
    """The window from a contact's entry into a scenario to `as_of`.

    Attributes:
        entered: column with the instant of entry.
    """

    entered: str = ""


@dataclass(frozen=True, slots=True)
class Ahead(Window):
    """A label's window: [as_of + gap, as_of + gap + horizon).

    Attributes:
        gap: from `as_of` to the window's start.
        horizon: its length.
        known_by: the training's own instant, naive UTC.
    """

    gap: timedelta = timedelta(0)
    horizon: timedelta = timedelta(0)
    known_by: datetime = datetime.min


@dataclass(frozen=True, slots=True)
class Wanted:
    """A node that is read from the store at a moment, and the column it shall have."""

    column: str
    node: Node
    moment: Moment


@dataclass(frozen=True, slots=True)
class Reach:
    """Which instants a window takes.

    Attributes:
        start: included; None is the beginning of time.
        end: excluded; None is the end of time.
        after: column with a further start, included, that differs from contact to contact; None for none.
        before: column with such an end, excluded.
    """

    start: datetime | None
    end: datetime | None
    after: str | None = None
    before: str | None = None

    def beyond(self, other: Reach) -> Reach:
        """What is left to ask of the instants that another takes."""
        start = None if self.start == other.start else self.start
        return replace(self, start=start, end=None if self.end == other.end else self.end)

    def takes(self, instant: ir.TimestampValue, rows: ir.Table) -> list[ir.BooleanValue]:
        """Which rows lie in it, as conditions that all must hold."""
        parts = []
        if self.end is not None:
            parts.append(instant < ibis.literal(self.end))
        if self.start is not None:
            parts.append(instant >= ibis.literal(self.start))
        if self.after is not None:
            parts.append(instant >= rows[self.after])
        if self.before is not None:
            parts.append(instant < rows[self.before])
        return parts


@dataclass(frozen=True, slots=True)
class Slice:
    """An aggregate at one moment.

    Attributes:
        column: name of its result.
        aggregate: what is measured.
        moment: what relative instants in its `where` mean, and the instant "days since" counts to.
        reach: when.
        known_by: what became known later is not seen.
        regular: for periods of which enough must have an event: those; None for a plain aggregate.
    """

    column: str
    aggregate: Aggregate
    moment: Moment
    reach: Reach
    known_by: datetime
    regular: Regular | None = None


def reach(window: Window, moment: Moment) -> Reach:
    """The instants of a window that ends at or before `as_of`."""
    if isinstance(window, SinceEntry):
        return Reach(None, moment.as_of, after=window.entered)
    if isinstance(window, Ahead):
        first = moment.as_of + window.gap
        return Reach(first, first + window.horizon)
    if window.in_contact_zone:
        start = None if window.start is None else _earliest(window.start, moment.as_of)
        return Reach(start, moment.as_of, _clock(window.start), _clock(window.end))
    return Reach(*bounds(window, moment.as_of, moment.zone))


def _clock(at: Edge | None) -> str | None:
    return None if at is None else clock_column(ContactClock(Face.INSTANT, at))


def _earliest(at: Edge, as_of: datetime) -> datetime:
    """An instant before the edge in every zone, since no local time is a day away from UTC."""
    return edge(at, as_of - _DAY, _ZONE) - _DAY


def at_moment(column: str, node: Aggregate | Regular, moment: Moment) -> Slice:
    """An aggregate as it stands at a moment."""
    if isinstance(node, Regular):
        periods = Window(Ago(node.periods, node.unit), in_contact_zone=node.in_contact_zone)
        return Slice(column, node.count, moment, reach(periods, moment), moment.as_of, node)
    known_by = node.window.known_by if isinstance(node.window, Ahead) else moment.as_of
    return Slice(column, node, moment, reach(node.window, moment), known_by)
