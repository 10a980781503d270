"""What is wanted of the events: an aggregate between two instants, known by a third."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from segserver.compiler.translate import Moment
from segserver.compiler.windows import bounds
from segserver.rules.expressions import Aggregate
from segserver.rules.times import Window


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
class Slice:
    """An aggregate at one moment.

    Attributes:
        column: name of its result.
        aggregate: what is measured.
        moment: what relative instants in its `where` mean, and the instant "days since" counts to.
        start: included; None is the beginning of time.
        end: excluded.
        known_by: what became known later is not seen.
    """

    column: str
    aggregate: Aggregate
    moment: Moment
    start: datetime | None
    end: datetime
    known_by: datetime

    @property
    def entered(self) -> str | None:
        """Column with a further lower bound, included, or None."""
        window = self.aggregate.window
        return window.entered if isinstance(window, SinceEntry) else None


def at_moment(column: str, aggregate: Aggregate, moment: Moment) -> Slice:
    """An aggregate as it stands at a moment."""
    window = aggregate.window
    if isinstance(window, Ahead):
        start = moment.as_of + window.gap
        return Slice(column, aggregate, moment, start, start + window.horizon, window.known_by)
    earliest, end = bounds(window, moment.as_of, moment.zone)
    return Slice(column, aggregate, moment, earliest, end, moment.as_of)
