"""Mistakes to plant in the compiler, to see that they are found and what a person is shown of them.

Each is one that was made once, or one that only an edge shows; `golden/` keeps what each of them made disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from unittest.mock import patch
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir

from segserver.compiler import calendars, finishing, measures, requirements, windows
from segserver.compiler.derived import ContactClock, Face
from segserver.compiler.slices import Slice
from segserver.compiler.walk import Node
from segserver.rules.expressions.conditions import InSegment
from segserver.rules.expressions.history import Regular


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Make a mistake for a while."""
    with ExitStack() as stack:
        for target, wrong in FAULTS[name].items():
            stack.enter_context(patch(f"segserver.compiler.{target}", wrong))
        yield


def _second_of_two(local: datetime, zone: str) -> datetime:
    return local.replace(tzinfo=ZoneInfo(zone), fold=1).astimezone(UTC).replace(tzinfo=None)


def _early_end_of_month(local: datetime, months: int) -> datetime:
    stepped = _step_months(local.replace(day=1), months)
    return stepped.replace(day=min(local.day, 28))


def _everybody_s_day(clock: ContactClock, as_of: datetime, zone: str) -> date | object:
    return _clock_value(clock, as_of, "UTC" if clock.face is Face.DAY else zone)


def _more_than_one(rows: ir.Table, item: Slice, wanted: Regular, where: ir.BooleanValue | None) -> ir.BooleanValue:
    if wanted.periods == 1:
        return rows.count(where=where) > wanted.low
    return _regular(rows, item, wanted, where)


def _without_key(rows: ir.Table, item: Slice) -> ir.StructValue:
    known = _ranked(rows, item)
    return ibis.struct({"t": known["t"], "v": known["v"]})


def _never_a_rival(self: requirements.Requirements, node: Node) -> list[Node]:
    rivals = finishing.rivals(self._program, node.segment) if isinstance(node, InSegment) else ()
    return [used for used in self.uses(node) if used not in rivals]


_step_months = windows._step_months
_clock_value = calendars.clock_value
_regular = measures._regular
_ranked = measures._ranked

FAULTS: Mapping[str, Mapping[str, Callable[..., object] | int]] = {
    "clocks_turned_back": {"windows.to_utc": _second_of_two},
    "end_of_month": {"windows._step_months": _early_end_of_month},
    "date_on_contacts_day": {"calendars.clock_value": _everybody_s_day},
    "one_period": {"measures._regular": _more_than_one},
    "events_at_once": {"measures._ranked": _without_key},
    "steps_at_once": {"sequences._PLACE": 0, "sequences._NEXT": 1},
    "rule_asks_for_a_rival": {"requirements.Requirements._needed": _never_a_rival},
}
"""By name, what to put in whose place."""
