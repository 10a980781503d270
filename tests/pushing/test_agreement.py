"""What a user property's write says of its contact: whether it tells of a segment, and what was agreed to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from segserver.plans import PLAN
from segserver.pushing import values
from segserver.pushing.report import PushReport

RULES = (
    'segment french\n  where country is "FR"\n  push to web user property "seg_french"\n  push to crm list "French"\n'
)

MakeStage = Callable[..., Any]


def told(one: Any, connection: str = "web") -> list[tuple[str, bool, bool, set[str]]]:
    """(address, whether it was set, whether it tells of a segment, what was agreed to) of every write so far."""
    writes = one.destinations[connection].writes
    return [(write.address, write.value is not None, write.segment, set(write.agreed)) for write in writes]


def test_consent_comes_along_as_it_is_when_the_push_is_made(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1)
    one.people(2, consent={"email": True, "sms": False})
    one.run()
    assert told(one) == [("ga1", True, True, {"email", "sms"}), ("ga2", True, True, {"email"})]
    one.people(1, country="DE", consent={"email": False, "sms": False})
    one.later(minutes=15).run()
    assert told(one)[2:] == [("ga1", False, True, set())]


def test_other_destinations_are_told_of_no_consent(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1)
    one.run()
    assert told(one, "crm") == [("1", True, True, set())]


def test_a_value_of_the_plan_tells_of_no_segment(stage: MakeStage) -> None:
    one = stage(RULES)
    names = ("connection", "target_kind", "target_name", "contact_id", "address", "value")
    rows = [("web", "user property", f"seg_{origin}", "c1", "ga1", None, origin, True) for origin in ("french", PLAN)]
    changes = pa.Table.from_pylist([dict(zip((*names, "origin", "moved"), row, strict=True)) for row in rows])
    changes = changes.set_column(5, "value", pa.nulls(2, pa.string()))
    with one.engine.store.session() as session:
        values.write(session, one.destinations["web"], changes, PushReport("web"), one.clock, lambda *_: None)
    told_of = {write.target.name: write.segment for write in one.destinations["web"].writes}
    assert told_of == {"seg_french": True, f"seg_{PLAN}": False}
