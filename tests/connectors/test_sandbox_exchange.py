"""The connectors against the local stand-ins of the platforms, in good times and bad."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from segserver.clock import FixedClock
from segserver.connectors import declarations
from segserver.connectors.base import Destination, Outcome, Source, Status, Trigger, Write
from segserver.connectors.build import Connector, build
from segserver.records import Cursor, Deletion, SourceItem
from segserver.sandbox import people
from segserver.sandbox.server import Sandbox
from segserver.sandbox.serving import Server
from segserver.specs.targets import Target

NOW = datetime(2026, 11, 22, 12, 0)
ROOT = Path(__file__).parents[2]


def _held(destination: Destination, target: Target) -> dict[str, str]:
    """Everything a destination says that it holds at a target."""
    found = destination.holds(target)
    assert found is not None
    return {address: value for page in found.pages for address, value in page.items()}


@pytest.fixture(scope="module")
def population() -> people.Population:
    return people.generate(NOW, people=120)


@pytest.fixture
def sandbox(population: people.Population) -> Sandbox:
    return Sandbox(FixedClock(NOW), population)


@pytest.fixture
def server(sandbox: Sandbox) -> Iterator[Server]:
    with sandbox.serve() as running:
        yield running


def connector(server: Server, name: str) -> Connector:
    file = ROOT / "connectors" / f"{name}.yml"
    spec, findings = declarations.load(name, file.read_bytes(), file.name)
    assert spec is not None, findings
    return build(spec, clock=FixedClock(NOW), sleep=lambda _: None, environ=server.environ, workspace_dir=ROOT)


def source(server: Server, name: str) -> Source:
    made = connector(server, name).source
    assert made is not None
    return made


def destination(server: Server, name: str) -> Destination:
    made = connector(server, name).destination
    assert made is not None
    return made


def pull(made: Source) -> tuple[dict[str, list[SourceItem]], dict[str, Cursor]]:
    items: dict[str, list[SourceItem]] = {}
    cursors: dict[str, Cursor] = {}
    for stream in made.streams():
        for page in made.read(stream, None, NOW):
            items.setdefault(stream, []).extend(page.items)
            cursors[stream] = page.cursor
        assert page.complete_through == NOW
    return items, cursors


@pytest.mark.parametrize("name", ["crm", "engage"])
def test_a_fifth_of_all_requests_failing_changes_nothing_that_is_read(
    sandbox: Sandbox, server: Server, name: str
) -> None:
    calm, _ = pull(source(server, name))
    sandbox.faults(rate=0.2, seed=3)
    stormy, _ = pull(source(server, name))
    assert sum(sandbox.plan.tally.values()) > 3
    assert stormy == calm
    assert all(calm.values())


def test_what_happens_at_the_platforms_shows_in_the_next_pull(sandbox: Sandbox, server: Server) -> None:
    crm, engage = source(server, "crm"), source(server, "engage")
    (_, crm_cursors), (_, engage_cursors) = pull(crm), pull(engage)
    changed, deleted = (str(one.id) for one in list(sandbox.hubspot.contacts)[:2])
    lead = str(next(iter(sandbox.marketo.leads)))
    sandbox.change_contact(changed, {"country": "XX"})
    sandbox.delete_contact(deleted)
    sandbox.delete_lead(lead)
    seen = [item for page in crm.read("contacts", crm_cursors["contacts"], NOW) for item in page.items]
    assert [getattr(item, "traits", {}).get("country") for item in seen if item.source_id == changed] == ["XX"]
    assert Deletion(deleted, NOW) in seen
    assert Deletion(lead, NOW) in [
        item for page in engage.read("contacts", engage_cursors["contacts"], NOW) for item in page.items
    ]


def _settle(made: Destination, writes: list[Write]) -> list[Outcome]:
    """Write until nothing is left, as runs one after another would."""
    done: list[Outcome] = []
    left = writes
    for _ in range(20):
        outcomes = [outcome for batch in made.write(left) for outcome in batch]
        assert len(outcomes) == len(left)
        done += [outcome for outcome in outcomes if outcome.status is not Status.FAILED]
        left = [
            outcome.item for outcome in outcomes if outcome.status is Status.FAILED and isinstance(outcome.item, Write)
        ]
        if not left:
            break
    return done


@pytest.mark.parametrize("name", ["crm", "engage"])
def test_writes_arrive_whole_although_a_fifth_of_all_requests_fail(sandbox: Sandbox, server: Server, name: str) -> None:
    known = (
        [str(one.id) for one in sandbox.hubspot.contacts] if name == "crm" else list(map(str, sandbox.marketo.leads))
    )
    entering = [Write(Target(name, "list", "hot"), f"c{one}", one, "member") for one in known]
    valued = [Write(Target(name, "property", "segserver_channel"), f"c{one}", one, "email") for one in known]
    sandbox.faults(rate=0.2, seed=5)
    made = destination(server, name)
    assert {outcome.status for outcome in _settle(made, entering + valued)} == {Status.CONFIRMED}
    leaving = [Write(Target(name, "list", "hot"), f"c{one}", one, None) for one in known[:40]]
    assert {outcome.status for outcome in _settle(made, leaving)} == {Status.CONFIRMED}
    assert _held(made, Target(name, "list", "hot")) == dict.fromkeys(known[40:], "member")


def test_no_campaign_is_requested_twice_whatever_is_lost(sandbox: Sandbox, server: Server) -> None:
    leads = list(map(str, sandbox.marketo.leads))[:90]
    sandbox.faults(rate=0.3, seed=1)
    made = destination(server, "engage")
    outcomes = [
        outcome
        for number, lead in enumerate(leads)
        for outcome in made.trigger([Trigger(f"k{number}", lead, lead, "Win back", {"template": lead})])
    ]
    assert max(sandbox.marketo.requests.values()) == 1
    unknown = [outcome.item for outcome in outcomes if outcome.status is Status.UNKNOWN]
    assert unknown
    sandbox.faults(rate=0)
    told = made.read_back([(item, NOW) for item in unknown if isinstance(item, Trigger)])
    for outcome in told:
        requested = sandbox.marketo.requests["Win back", int(outcome.item.address)]
        assert (outcome.status is Status.CONFIRMED) == (requested == 1)
