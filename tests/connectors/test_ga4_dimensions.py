"""User-scoped custom dimensions: made when missing, each once, with a clear word when no slot is left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from textwrap import dedent

import pytest

from segserver.clock import FixedClock
from segserver.connectors import declarations
from segserver.connectors.base import Destination, Outcome, Status, Write
from segserver.connectors.build import build
from segserver.connectors.ga4_dimensions import SLOTS
from segserver.errors import SettingsError
from segserver.sandbox.population import Population
from segserver.sandbox.server import Sandbox
from segserver.sandbox.serving import Server
from segserver.specs.targets import Target

PATH = "/v1beta/properties/424242/customDimensions"
TEXT = """\
    kind: ga4
    measurement_id: env:GA4_MEASUREMENT_ID
    api_secret: env:GA4_API_SECRET
    audiences: true
    service_account: env:GA4_SERVICE_ACCOUNT
    property: 424242
    custom_dimensions: true
    """


class Stage:
    """A property, and a destination that edits it."""

    def __init__(self, sandbox: Sandbox, server: Server, clock: FixedClock) -> None:
        self.sandbox = sandbox
        self.property = sandbox.ga4
        self._server = server
        self._clock = clock

    def destination(self, text: str = TEXT) -> Destination:
        spec, findings = declarations.load("web", dedent(text), "connectors/web.yml")
        assert spec is not None, findings
        made = build(
            spec,
            clock=self._clock,
            sleep=lambda _: None,
            environ=self._server.environ,
            workspace_dir=Path(),
            limits=False,
        ).destination
        assert made is not None
        return made

    def user_scoped(self) -> list[str]:
        return [name for scope, name in self.property.dimensions if scope == "USER"]

    def fill(self, number: int) -> None:
        for one in range(number):
            self.property.add_dimension("424242", f"old_{one}", f"Old {one}", "USER")

    def asked(self, method: str) -> int:
        return len(self.sandbox.requests.to("customDimensions", method))


@pytest.fixture
def stage() -> Iterator[Stage]:
    clock = FixedClock(datetime(2026, 11, 22, 12))
    sandbox = Sandbox(clock, Population((), (), ()))
    with sandbox.serve() as server:
        yield Stage(sandbox, server, clock)


def write(destination: Destination, names: Sequence[str]) -> dict[str, Outcome]:
    writes = [Write(Target("web", "user property", name), "c1", "1.2", "1", segment=True) for name in names]
    outcomes = [outcome for batch in destination.write(writes) for outcome in batch]
    assert len(outcomes) == len(names)
    return {outcome.item.target.name: outcome for outcome in outcomes if isinstance(outcome.item, Write)}


def test_missing_dimensions_are_made_once_before_values_are_sent(stage: Stage) -> None:
    destination = stage.destination()
    write(destination, ["seg_a", "seg_b"])
    write(destination, ["seg_b"])
    assert stage.user_scoped() == ["seg_a", "seg_b"]
    assert stage.property.user_properties == {"1.2": {"seg_a": "1", "seg_b": "1"}}
    assert (stage.asked("GET"), stage.asked("POST")) == (1, 2)
    paths = [one.path for one in stage.sandbox.requests]
    assert paths.index(PATH) < paths.index("/mp/collect")


def test_those_of_other_pages_are_found_and_those_of_events_are_others(stage: Stage) -> None:
    stage.property.dimensions_per_page = 2
    stage.fill(4)
    stage.property.add_dimension("424242", "seg_a", "Segment A", "EVENT")
    stage.property.add_dimension("424242", "seg_b", "Segment B", "USER")
    write(stage.destination(), ["seg_a", "seg_b"])
    assert (stage.asked("GET"), stage.asked("POST")) == (3, 1)
    assert "seg_a" in stage.user_scoped()


def test_without_a_slot_left_only_what_has_no_dimension_is_rejected_with_the_cure(stage: Stage) -> None:
    stage.fill(SLOTS - 1)
    outcomes = write(stage.destination(), ["seg_a", "seg_b"])
    assert outcomes["seg_a"].status is Status.SENT
    assert outcomes["seg_b"].status is Status.REJECTED
    assert "used all its 25 user-scoped custom dimensions; archive one" in str(outcomes["seg_b"].reason)
    assert stage.property.user_properties == {"1.2": {"seg_a": "1"}}
    assert len(stage.user_scoped()) == SLOTS


def test_one_that_was_archived_meanwhile_is_made_by_the_next_run(stage: Stage) -> None:
    write(stage.destination(), ["seg_a"])
    stage.property.dimensions.clear()
    write(stage.destination(), ["seg_a"])
    assert stage.user_scoped() == ["seg_a"]


def test_an_answer_that_was_lost_makes_no_second_one_and_no_fault(stage: Stage) -> None:
    stage.sandbox.faults(rate=0.4, kinds=["dropped-after"], seed=5)
    outcomes = write(stage.destination(), [f"seg_{number}" for number in range(8)])
    assert {outcome.status for outcome in outcomes.values()} == {Status.SENT}
    assert len(stage.user_scoped()) == 8
    assert {one.status for one in stage.sandbox.requests.to("customDimensions", "POST")} >= {409}


def test_a_property_that_the_account_may_not_edit_names_key_and_role(stage: Stage) -> None:
    destination = stage.destination(TEXT.replace("424242", "999"))
    with pytest.raises(SettingsError, match=r"GA4_SERVICE_ACCOUNT and give .* the role Editor of the property"):
        write(destination, ["seg_a"])
    assert not stage.property.user_properties


def test_a_google_that_does_not_answer_fails_the_writes_until_the_next_run(stage: Stage) -> None:
    stage.sandbox.faults(rate=1.0, kinds=["503"], seed=1)
    outcomes = write(stage.destination(), ["seg_a"])
    assert outcomes["seg_a"].status is Status.FAILED


def test_without_the_setting_nothing_is_asked_of_the_property(stage: Stage) -> None:
    write(stage.destination(TEXT.replace("custom_dimensions: true", "custom_dimensions: false")), ["seg_a"])
    assert (stage.asked("GET"), stage.user_scoped()) == (0, [])
    assert not stage.sandbox.requests.to("/token")


def test_the_setting_needs_a_key_and_a_property() -> None:
    lines = [line for line in dedent(TEXT).splitlines() if not line.startswith(("service_account", "property"))]
    spec, findings = declarations.load("web", "\n".join(lines) + "\n", "connectors/web.yml")
    assert spec is None
    assert sorted(one.message for one in findings) == ["property is missing", "service_account is missing"]
