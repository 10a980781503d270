"""`segserver demo`: the whole job on a sandbox, step by step, with what each step shows.

The clock is simulated: it stands at the data's own present and moves only between steps, so that the demonstration
says the same every time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from segserver import pipeline
from segserver.cli import tables
from segserver.cli.running import labels
from segserver.cli.serving import Execute, running
from segserver.clock import FixedClock
from segserver.engine import Engine, open_engine
from segserver.errors import SettingsError, StopError
from segserver.models import card
from segserver.progress import Progress
from segserver.sandbox import completejourney, people, webhooks
from segserver.sandbox.population import Population
from segserver.sandbox.server import Sandbox
from segserver.settings import Settings
from segserver.store import people as contacts
from segserver.sync import ConnectionReport
from segserver.workspace import load
from segserver.workspace_files import SETTINGS_FILE

PEOPLE_START = datetime(2026, 3, 2, 9, 30)
"""A Monday morning, so that touches may be sent."""

BETWEEN_STEPS = timedelta(minutes=1)
PATIENCE_SECONDS = 60.0
NEEDED = ("hubspot", "marketo", "ga4")


def show(
    console: Console, environ: Mapping[str, str], directory: Path, data: str, execute: Execute, progress: Progress
) -> None:
    """Show the job on the workspace in `directory`, with a store of its own that is thrown away.

    Raises:
        SettingsError: the workspace has no connections to the three platforms, or the data's package is missing.
        StopError: a step did not do what it should.
    """
    _require_platforms(directory)
    clock = FixedClock(completejourney.START if data == "completejourney" else PEOPLE_START)
    population = completejourney.load() if data == "completejourney" else people.generate(clock.now())
    sandbox = Sandbox(clock, population)
    with sandbox.serve() as server, TemporaryDirectory(prefix="segserver-demo-") as folder:
        settings = Settings(workspace=directory, store=Path(folder) / "store.duckdb", port=0)
        surroundings = {**environ, **server.environ}
        demo = _Demo(console, sandbox, clock, settings, surroundings, execute, progress)
        demo.introduce(population)
        with open_engine(settings, surroundings, clock=clock, sleep=demo.sleep) as engine:
            demo.sync(engine)
            demo.train(engine)
            demo.plan(engine)
            demo.push(engine)
            demo.run_again(engine)
        demo.notify()
        demo.say_what_next(data)


class _Demo:
    """The steps, each with a heading."""

    def __init__(
        self,
        console: Console,
        sandbox: Sandbox,
        clock: FixedClock,
        settings: Settings,
        environ: Mapping[str, str],
        execute: Execute,
        progress: Progress,
    ) -> None:
        self._console = console
        self._sandbox = sandbox
        self._clock = clock
        self._settings = settings
        self._environ = environ
        self._execute = execute
        self._progress = progress
        self._step = 0

    def sleep(self, seconds: float) -> None:
        """Waiting moves the simulated clock."""
        self._clock.advance(timedelta(seconds=seconds))

    def introduce(self, population: Population) -> None:
        """Say what the stand-ins hold."""
        self._head("A sandbox stands in for HubSpot, Marketo and Google Analytics 4")
        self._say(
            f"its clock is simulated and stands at {self._clock.now():%Y-%m-%d %H:%M} UTC\n"
            f"hubspot: {len(self._sandbox.hubspot.contacts):,} contacts, {len(self._sandbox.hubspot.deals):,} deals\n"
            f"marketo: {len(self._sandbox.marketo.leads):,} leads, {len(population.activities):,} activities"
        )

    def sync(self, engine: Engine) -> None:
        """Read everything."""
        self._head("Sync: pages and cursors into the store, records joined to contacts")
        reports: dict[str, ConnectionReport] = {}
        for name, connector in engine.connectors().items():
            if connector.source is not None:
                reports |= pipeline.pull(engine, name, progress=self._progress)
        tables.show_sync(self._console, reports)
        with engine.store.session() as session:
            counted = contacts.counts(session)
        people_held, purchases = counted.pop("contact"), counted.pop("purchase", 0)
        others = ", ".join(f"{number:,} {name}" for name, number in counted.items() if number)
        self._say(f"now in the store: {people_held:,} contacts and {purchases:,} purchases, {others}")

    def train(self, engine: Engine) -> None:
        """Learn what the rules ask for."""
        self._head("Train: the model declared in rules/, on the past as it was known then")
        for report in pipeline.train(engine):
            self._say(card.summary(report.version.card))
            self._say(f"version {report.version.version} serves: {report.promotion.reason}")

    def plan(self, engine: Engine) -> None:
        """Show what would happen."""
        self._head("Plan: who enters and leaves, which touches, why others are held; nothing is pushed yet")
        self._next()
        report = pipeline.run(engine, apply=False, progress=self._progress)
        tables.show_run(self._console, report, labels(engine))

    def push(self, engine: Engine) -> None:
        """Do it, and look at the platforms."""
        self._head("Run: push it")
        self._next()
        report = pipeline.run(engine, progress=self._progress)
        tables.show_pushes(self._console, report)
        _require(report.status == "done", "the push is not complete")
        self._show_platforms()

    def run_again(self, engine: Engine) -> None:
        """Nothing is left to do."""
        self._head("Run again")
        self._next()
        report = pipeline.run(engine, progress=self._progress)
        _require(report.plan is not None and report.plan.empty, "the second run should find nothing to push")
        self._say("nothing to push")

    def notify(self) -> None:
        """A signed webhook changes a membership, and the change arrives on the platforms."""
        self._head("Serve: a person opts out at HubSpot, and HubSpot says so by a signed webhook")
        self._next()
        name = "Lapsed big spenders"
        contact = min(self._sandbox.hubspot.lists[name], key=int)
        email = self._sandbox.hubspot.properties(contact)["email"]
        with running(self._settings, self._environ, self._execute, clock=self._clock, sleep=self.sleep) as server:
            server.settle(PATIENCE_SECONDS)
            self._say(f'before: {email} is on the HubSpot list "{name}"')
            emitted = self._sandbox.change_contact(contact, {"hs_email_optout": "true"})
            events = [event for event in emitted if event.get("propertyName") == "hs_email_optout"]
            connection = next(one.name for one in server.engine.workspace.connections.values() if one.kind == "hubspot")
            request = self._sandbox.webhook(events, f"http://{server.address}/hooks/{connection}")
            self._say(f"POST /hooks/{connection}: answered {webhooks.deliver(request)}")
            server.settle(PATIENCE_SECONDS)
        gone = contact not in self._sandbox.hubspot.lists[name]
        _require(gone, "the contact should have left the list")
        self._say(f'after:  {email} is {"not " if gone else ""}on the HubSpot list "{name}", nobody ran a command')

    def say_what_next(self, data: str) -> None:
        """Where to go from here."""
        self._head("What next")
        other = (
            ""
            if data == "completejourney"
            else "\n  segserver demo --data completejourney   the same with real baskets"
        )
        self._say(
            "  segserver init DIR                      your own workspace, from two spreadsheets"
            f"{other}\n"
            "  segserver sandbox                       keep the stand-ins running, and `segserver plan` against them\n"
            "  segserver help                          the manual; rules/ and scenarios/ are what you just saw at work"
        )

    def _show_platforms(self) -> None:
        held = tables.plain_table("now held at", "what", "contacts", right=("contacts",))
        for name, members in sorted(self._sandbox.hubspot.lists.items()):
            held.add_row("hubspot", f'list "{name}"', f"{len(members):,}")
        for name, members in sorted(self._sandbox.marketo.lists.items()):
            held.add_row("marketo", f'list "{name}"', f"{len(members):,}")
        state = self._sandbox.state()
        for campaign, leads in sorted(_section(state, "marketo", "campaign_requests").items()):
            held.add_row("marketo", f'campaign "{campaign}" requested', f"{len(leads):,}")
        properties: dict[str, int] = {}
        for values in self._sandbox.ga4.user_properties.values():
            for name in values:
                properties[name] = properties.get(name, 0) + 1
        for name, number in sorted(properties.items()):
            held.add_row("ga4", f"user property {name}", f"{number:,}")
        self._console.print()
        self._console.print(held)

    def _head(self, text: str) -> None:
        self._step += 1
        self._console.print(f"\n[bold]{self._step}. {text}[/]")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def _next(self) -> None:
        self._clock.advance(BETWEEN_STEPS)


def _section(state: Mapping[str, object], *path: str) -> Mapping[str, Mapping[str, object]]:
    value: object = state
    for name in path:
        value = value[name] if isinstance(value, Mapping) else {}
    return value if isinstance(value, Mapping) else {}


def _require(condition: bool, complaint: str) -> None:
    if not condition:
        raise StopError(f"the demonstration failed: {complaint}")


def _require_platforms(directory: Path) -> None:
    if not (directory / SETTINGS_FILE).is_file():
        raise SettingsError(
            f"{directory.resolve()} is not a workspace, and the demonstration shows one with connections to "
            f"{', '.join(NEEDED)}; run it in segserver's own repository, or name such a workspace with --workspace; "
            "`segserver init DIR` starts one from two spreadsheets, to try `segserver plan` in"
        )
    kinds = {spec.kind for spec in load(directory).connections.values()}
    missing = [kind for kind in NEEDED if kind not in kinds]
    if missing:
        raise SettingsError(
            f"the demonstration shows a workspace with connections to {', '.join(NEEDED)}, and this one has none to "
            f"{', '.join(missing)}; run it in segserver's own repository"
        )
