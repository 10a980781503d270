"""Events that tell of segments: who enters and who leaves, each once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from segserver.connectors.base import Outcome, Status, Write

RULES = 'segment french\n  where country is "FR"\n  push to hubspot list "French"\n  push to marketo list "French"\n'
EVENT = 'crm event "french"'

MakeStage = Callable[..., Any]


@pytest.fixture
def telling(stage: MakeStage) -> Any:
    """A stage whose crm declares an event."""
    one = stage(RULES)
    text = (one.directory / "connectors/crm.yml").read_text(encoding="utf-8")
    one.write("connectors/crm.yml", f"{text}event: pe1_segment_change\n")
    one.rules(RULES)
    return one


def told(one: Any) -> list[Write]:
    return [write for write in one.destinations["crm"].writes if write.target.kind == "event"]


def said(one: Any) -> list[tuple[str, bool]]:
    """(contact, whether it entered), in the order of telling."""
    return [(write.address, write.value is not None) for write in told(one)]


def test_without_an_event_nothing_is_told(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1)
    one.run()
    assert told(one) == []


def test_entering_and_leaving_are_told_once_each(telling: Any) -> None:
    telling.people(1, 2)
    report = telling.run()
    (event,) = [one for one in report.plan.audiences if one.target.kind == "event"]
    assert (str(event.target), event.entering) == (EVENT, 2)
    telling.people(2, country="DE")
    telling.later(minutes=15).run()
    telling.later(minutes=15).run()
    assert said(telling) == [("1", True), ("2", True), ("2", False)]
    assert telling.destinations["engage"].held[EVENT.replace("crm", "engage")] == {}, "only where one is declared"


def test_each_change_of_a_contact_has_a_key_of_its_own(telling: Any) -> None:
    for country in ("FR", "DE", "FR", "DE"):
        telling.people(1, country=country)
        telling.later(minutes=15).run()
    assert [entered for _, entered in said(telling)] == [True, False, True, False]
    assert len({write.key for write in told(telling)}) == 4


@pytest.mark.parametrize("status", [Status.FAILED, Status.UNKNOWN])
def test_an_event_whose_answer_was_lost_is_sent_again_with_the_same_key(telling: Any, status: Status) -> None:
    crm = telling.destinations["crm"]
    telling.people(1)
    crm.answers["1"] = (status, "the answer was lost")
    assert telling.run().status == "incomplete"
    crm.answers.clear()
    telling.later(minutes=15).run()
    telling.later(minutes=15).run()
    first, second = told(telling)
    assert (first.key, first.value) == (second.key, second.value)


def test_an_event_that_was_cut_off_by_a_crash_is_sent_again_with_the_same_key(telling: Any) -> None:
    crm = telling.destinations["crm"]
    telling.people(1)

    done = crm._done

    def crash(item: Write) -> Outcome:
        if item.target.kind == "event":
            raise RuntimeError
        outcome: Outcome = done(item)
        return outcome

    crm._done = crash
    with pytest.raises(RuntimeError):
        telling.run()
    crm._done = done
    telling.later(minutes=15).run()
    telling.later(minutes=15).run()
    first, second = told(telling)
    assert first.key == second.key


def test_who_left_while_nobody_knew_is_told_to_have_left(telling: Any) -> None:
    """Nobody knows whether the entering arrived, so that whoever acts on it must learn that it is over."""
    crm = telling.destinations["crm"]
    telling.people(1)
    crm.answers["1"] = (Status.UNKNOWN, "the answer was lost")
    telling.run()
    crm.answers.clear()
    telling.people(1, country="DE")
    telling.later(minutes=15).run()
    assert said(telling)[-1] == ("1", False)


def test_a_guard_holds_events_back_with_the_members(telling: Any) -> None:
    telling.rules(f"{RULES}  minimum size 3\n")
    telling.people(1, 2)
    telling.run()
    assert told(telling) == []
    telling.people(3)
    telling.later(minutes=15).run()
    assert len(told(telling)) == 3


def test_what_events_told_is_not_read_back(telling: Any) -> None:
    telling.people(1)
    telling.run(read_back=True)
    assert telling.destinations["crm"].read == ['crm list "French"']
