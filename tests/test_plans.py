"""A plan as a value that can be counted, cut by target and printed."""

from __future__ import annotations

import json
from datetime import datetime

import pyarrow as pa

from segserver.plans import AudiencePlan, Plan, at_target
from segserver.scenarios.types import Decision, Due, Entry, Held, Why
from segserver.specs.cadence import Sender
from segserver.specs.targets import Target

AT = datetime(2026, 3, 2)
LIST, OTHER = Target("crm", "list", "French"), Target("crm", "list", "Other")
COLUMNS = ("connection", "target_kind", "target_name", "contact_id", "address", "value")


def table(*rows: tuple[Target, str, str | None]) -> pa.Table:
    plain = [("crm", target.kind, target.name, contact, contact, value) for target, contact, value in rows]
    return pa.table({name: pa.array([row[i] for row in plain], pa.string()) for i, name in enumerate(COLUMNS)})


def decision(contact: str, why: Why | None) -> Decision:
    entry = Entry("letter", contact, AT, False, "d")
    held = None if why is None else Held(why, f"because of {why}")
    return Decision(entry, due(contact) if why is None else None, held, None, "", 0.0)


def due(contact: str) -> Due:
    return Due(contact, "letter", "email", 0, "hello", "key", Sender("email", "engage", "campaign", "Letter"))


def plan(changes: pa.Table | None = None, stopped: pa.Table | None = None, touched: bool = False) -> Plan:
    audience = AudiencePlan("french", "French", LIST, 3, 2, 1, 0, 1, 0)
    return Plan(
        "id",
        AT,
        (audience,),
        table() if changes is None else changes,
        table() if stopped is None else stopped,
        (due("a"),) if touched else (),
        (decision("a", None), decision("b", Why.CAPPED), decision("c", Why.CAPPED), decision("d", Why.NO_CONSENT)),
    )


def test_a_plan_is_empty_without_changes_and_touches() -> None:
    change = table((LIST, "a", "member"))
    assert plan().empty
    assert plan(stopped=change).empty, "what waits for approval is not pushed"
    assert not plan(change).empty
    assert not plan(touched=True).empty


def test_a_plan_is_blocked_while_a_change_waits_for_approval() -> None:
    assert not plan(table((LIST, "a", "member"))).blocked
    assert plan(stopped=table((LIST, "a", "member"))).blocked


def test_the_changes_of_a_target_include_those_that_wait() -> None:
    made = plan(table((LIST, "a", "member"), (OTHER, "b", "member")), table((LIST, "c", None)))
    assert made.of(LIST)["contact_id"].to_pylist() == ["a", "c"]
    assert at_target(made.changes, OTHER)["contact_id"].to_pylist() == ["b"]
    assert made.of(Target("engage", "list", "French")).num_rows == 0


def test_reasons_are_counted_by_kind() -> None:
    assert plan().held() == {"letter": {"capped": 2, "no consent": 1}}


def test_a_summary_counts_and_the_long_form_names() -> None:
    made = plan(table((LIST, "a", "member")), table((LIST, "c", None)), touched=True)
    short, full = (json.loads(json.dumps(made.to_dict(members=members))) for members in (False, True))
    assert (short["changes"], short["stopped"], short["touches"]) == (1, 1, 1)
    assert short["held"] == {"letter": {"capped": 2, "no consent": 1}}
    assert [(row["contact_id"], row["value"]) for row in full["changes"] + full["stopped"]] == [
        ("a", "member"),
        ("c", None),
    ]
    assert [(touch["contact_id"], touch["by"]) for touch in full["touches"]] == [("a", "campaign Letter")]
    assert full["held"][0] == {
        "contact_id": "b",
        "scenario": "letter",
        "why": "capped",
        "reason": "because of capped",
    }


def test_an_audience_says_where_it_is_and_what_happens_to_it() -> None:
    told = plan().audiences[0].to_dict()
    assert (told["connection"], told["kind"], told["name"]) == ("crm", "list", "French")
    assert (told["entering"], told["leaving"], told["unaddressed"], told["stopped"]) == (2, 1, 1, None)
