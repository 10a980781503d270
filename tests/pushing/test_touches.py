"""Touches by call: as few calls as the platform's batches allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segserver.connectors.base import Outcome, Trigger
from segserver.pushing.touches import _calls
from segserver.store.ledger import Intent

LETTER = """\
scenario letter
  for      everybody
  channels email
  send     email by marketo campaign "Letter"
  content  "letter_{country}"
  steps    day 0
  valid for 14 days
"""


def intent(number: int, template: str, campaign: str = "Letter") -> Intent:
    key = f"{campaign} {template} {number}"
    return Intent(key, "engage", f"c{number}", str(number), campaign, {"template": template}, "letter", "email", 0)


@settings(max_examples=30)
@given(groups=st.dictionaries(st.tuples(st.sampled_from("AB"), st.sampled_from("xyz")), st.integers(1, 350)))
def test_a_call_is_for_one_campaign_and_template_and_none_is_cut_short_by_another(
    groups: dict[tuple[str, str], int],
) -> None:
    intents = [intent(n, template, campaign) for (campaign, template), size in groups.items() for n in range(size)]
    calls = list(_calls(intents, 100))
    assert len(calls) == sum(ceil(size / 100) for size in groups.values())
    assert all(len({(one.campaign, one.tokens["template"]) for one in call}) == 1 for call in calls)
    assert sorted(one.key for call in calls for one in call) == sorted(one.key for one in intents)


def test_nobody_is_twice_in_a_call() -> None:
    twice = [
        intent(1, "x"),
        intent(2, "x"),
        Intent("again", "engage", "c1", "1", "Letter", {"template": "x"}, "s", "email", 0),
    ]
    assert [[one.address for one in call] for call in _calls(twice, 100)] == [["1", "2"], ["1"]]


def test_a_push_starts_touches_with_a_call_for_each_hundred_of_a_template(
    stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = stage("segment everybody\n  where country is known\n", LETTER)
    one.people(*range(50), country="BE")
    one.people(*range(50, 180), country="FR")
    engage = one.destinations["engage"]
    calls, trigger = [], engage.trigger

    def counted(triggers: Sequence[Trigger]) -> Sequence[Outcome]:
        calls.append(len(triggers))
        done: Sequence[Outcome] = trigger(triggers)
        return done

    monkeypatch.setattr(engage, "trigger", counted)
    assert dict(one.run().pushes["engage"].touched) == {"confirmed": 180}
    assert calls == [50, 100, 30]
