"""A small workspace of spreadsheets, and the command line as a person uses it."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import hypothesis
import pytest
from rich.console import Console

from segserver import training
from segserver.cli import execute
from segserver.cli.invocation import Invocation
from segserver.clock import FixedClock
from segserver.connectors.base import Holding, Outcome, Status, Trigger, Write
from segserver.connectors.build import Connector
from segserver.engine import Engine
from segserver.errors import RetryLater
from segserver.pipeline import RunReport, run
from segserver.records import ContactRecord, Cursor, Deletion, Page, SourceItem
from segserver.sandbox.recording import RequestLog
from segserver.settings import Settings
from segserver.specs.connections import ConnectionSpec
from segserver.specs.targets import Target
from segserver.store import state
from segserver.store.db import Store
from segserver.store.state import Notification
from segserver.workspace import load
from tests import discovery, openapi

hypothesis.settings.register_profile("fixed", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("fixed")


@pytest.fixture(autouse=True)
def keeps_to_the_platforms_descriptions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Checks every exchange with the sandbox, in whichever test, against HubSpot's and Google's own descriptions."""
    faults: list[str] = []
    made = RequestLog.__init__

    def watched(self: RequestLog, *args: Any) -> None:
        made(self, *args)
        self.watchers.append(lambda exchange: faults.extend(openapi.hubspot().faults(exchange)))
        self.watchers.append(lambda exchange: faults.extend(discovery.google().faults(exchange)))

    monkeypatch.setattr(RequestLog, "__init__", watched)
    yield
    assert not faults, "\n".join(dict.fromkeys(faults))


SHOP = {
    "segserver.yml": "time zone: Europe/Paris\n",
    "connectors/shop.yml": """\
kind: files
contacts:
  path: customers.csv
  created: signup_date
  identities: {email: email}
  traits:
    country: country
    age: {type: number}
  consent:
    email: {from: newsletter, means: granted}
events:
  purchase:
    path: orders.csv
    key: order_id
    contact: {email: email}
    at: ordered_at
    properties:
      amount: {type: number, unit: EUR}
      categories: {type: list of text}
audiences: true
""",
    "rules/shop.seg": """\
segment recent "Bought lately"
  where did purchase in last 30 days
  push to shop file "recent.csv"

segment french_spenders
  where country is "FR" and sum(purchase.amount) >= 100 EUR
  push to shop file "french_spenders.csv"
""",
    "customers.csv": """\
email,country,age,signup_date,newsletter
ada@example.com,FR,41,2025-04-02,yes
bo@example.com,BE,,2025-06-11,yes
cleo@example.com,FR,29,2025-09-30,no
dan@example.com,FR,35,2025-11-05,
""",
    "orders.csv": """\
order_id,email,ordered_at,amount,categories
1,ada@example.com,2026-02-10T10:00:00Z,60.00,COFFEE;MILK
2,ada@example.com,2026-01-10T10:00:00Z,40.00,COFFEE
3,bo@example.com,2026-02-20T10:00:00Z,500.00,TEA
4,cleo@example.com,2026-01-05T10:00:00Z,99.99,TEA
""",
}
"""On 1 March 2026 Ada and Bo are `recent`, and Ada alone is in `french_spenders`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command did: its exit code and what it printed."""

    code: int
    text: str

    def json(self) -> Any:
        """The output as data."""
        return json.loads(self.text)


class Shop:
    """A workspace in a directory, and commands for it.

    Attributes:
        directory: the workspace.
        environ: variables of the commands.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environ: dict[str, str] = {}

    def __call__(self, *arguments: str) -> Answer:
        """Run `segserver -w WORKSPACE ARGUMENTS`."""
        out = io.StringIO()
        line = ["-w", str(self.directory), *arguments]
        code = execute(line, Invocation(self.environ, Console(file=out, width=160, highlight=False), line))
        return Answer(code, out.getvalue())

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Write files of the workspace."""
        for name, content in files.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that stands once in a file."""
        text = (self.directory / name).read_text(encoding="utf-8")
        assert text.count(old) == 1
        self.write({name: text.replace(old, new)})

    def append(self, name: str, text: str) -> None:
        """Add to the end of a file."""
        self.write({name: (self.directory / name).read_text(encoding="utf-8") + text})

    def members(self, segment: str) -> list[str]:
        """E-mail addresses of a segment's members since the last run, in order."""
        return sorted(one["identities"]["email"][0] for one in self("members", segment, "--format", "json").json())

    @property
    def store(self) -> Path:
        """The database file."""
        return self.directory / ".segserver" / "store.duckdb"

    def audiences(self) -> dict[str, str]:
        """Audience files by name."""
        folder = self.directory / "audiences"
        return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*"))}

    def known(self) -> dict[str, list[str]]:
        """Everything in the store, by table, but the list of runs."""
        with duckdb.connect(self.store, read_only=True) as store:
            names = [name for (name,) in store.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
            return {
                name: sorted(map(repr, store.execute(f'FROM "{name}"').fetchall())) for name in names if name != "runs"
            }


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Four customers and four orders, two segments, nothing run yet."""
    made = Shop(tmp_path / "shop")
    made.write(SHOP)
    return made


@pytest.fixture
def fit_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are fitted in this process, which saves the start of another."""

    def fit(
        frame: Any, spec: Any, trained_at: datetime, seed: int, over_events: Sequence[str], checks: Sequence[Any]
    ) -> Any:
        return training.train(frame, spec, trained_at=trained_at, seed=seed, over_events=over_events, checks=checks)

    monkeypatch.setattr(training, "_fit", fit)


# ---- the steps, with platforms that only remember ------------------------------------------------------------------

START = datetime(2026, 3, 2, 10)
"""A Monday morning."""

CONNECTIONS = {
    "segserver.yml": "time zone: UTC\nsources: [crm, engage]\n",
    "connectors/crm.yml": """\
kind: hubspot
token: env:HUBSPOT_TOKEN
contacts:
  identities: {email: email, ga_client_id: ga_client_id}
  traits:
    country: country
    spend: {from: spend, type: number, history: true}
  created: createdate
  consent:
    email: {from: hs_email_optout, means: opted out}
    sms: {from: sms_consent, means: granted}
events:
  purchase: {stream: deals, at: closedate, properties: {amount: {type: number, unit: EUR}}}
audiences: true
""",
    "connectors/engage.yml": """\
kind: marketo
client_id: env:MARKETO_CLIENT_ID
client_secret: env:MARKETO_CLIENT_SECRET
endpoint: env:MARKETO_ENDPOINT
contacts:
  identities: {email: email}
  consent:
    email: {from: unsubscribed, means: opted out}
events:
  email_sent: {stream: activities, type: 6, counts as: email}
audiences: true
""",
    "connectors/web.yml": """\
kind: ga4
measurement_id: env:GA4_MEASUREMENT_ID
api_secret: env:GA4_API_SECRET
identity: ga_client_id
audiences: true
""",
}
"""HubSpot and Marketo to read and write, GA4 to write."""


class PretendSource:
    """A source whose one stream is what it was told, page by page.

    Attributes:
        page: items of a page.
        copies: what it shows of a contact when asked for it by its id, where that differs from what it was told last.
        asked: the ids of each such call.
        failure: raised by every call.
        breaks_after: pages after which a pull breaks off.
    """

    def __init__(self) -> None:
        self._items: list[SourceItem] = []
        self.page = 100
        self.copies: dict[str, SourceItem] = {}
        self.asked: list[list[str]] = []
        self.failure: Exception | None = None
        self.breaks_after: int | None = None

    def tell(self, *items: SourceItem) -> None:
        """More for the next pull."""
        self._items += items

    def streams(self) -> Sequence[str]:
        return ("all",)

    def read(self, stream: str, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        assert stream in self.streams()
        if self.failure is not None:
            raise self.failure
        done, pages = int(str((cursor or {}).get("done", 0))), 0
        while True:
            if self.breaks_after is not None and pages >= self.breaks_after:
                raise RetryLater("the line went dead")
            items = self._items[done : done + self.page]
            done, pages = done + len(items), pages + 1
            last = done == len(self._items)
            yield Page(items, {"done": done}, until if last else None, len(self._items))
            if last:
                return

    def read_contacts(self, source_ids: Sequence[str]) -> Sequence[SourceItem]:
        self.asked.append(list(source_ids))
        if self.failure is not None:
            raise self.failure
        told = {item.source_id: item for item in self._items if isinstance(item, ContactRecord)} | self.copies
        return [told.get(source_id) or Deletion(source_id, START) for source_id in source_ids]


class PretendDestination:
    """A destination that does as it is told, unless a test says otherwise.

    Attributes:
        held: by target as text, address to value.
        answers: what becomes of a write to an address, and of a touch of one; CONFIRMED unless said otherwise.
        told: what it says of a touch, by key, when asked afterwards; UNKNOWN unless said otherwise.
        writes: everything it was asked to write.
        touched: addresses of the touches started, in order, with campaign and tokens.
        asked: keys of the touches it was asked about afterwards.
        failure: raised by every call.
        before_writing: called at every call that writes.
        read: targets that were read back, in order.
        shown: what it says that it holds; what it holds unless said otherwise, nothing where it never confirms.
    """

    def __init__(self, good: Status = Status.CONFIRMED, trigger_batch: int = 0) -> None:
        self.good = good
        self.trigger_batch = trigger_batch
        self.held: dict[str, dict[str, str]] = defaultdict(dict)
        self.answers: dict[str, tuple[Status, str]] = {}
        self.told: dict[str, Status] = {}
        self.writes: list[Write] = []
        self.touched: list[tuple[str, str, dict[str, str]]] = []
        self.asked: list[str] = []
        self.failure: Exception | None = None
        self.before_writing: Callable[[], object] = lambda: None
        self.read: list[str] = []
        self.shown: Callable[[Target], Holding | None] = self._shown

    def write(self, writes: Sequence[Write]) -> Iterator[Sequence[Outcome]]:
        if self.failure is not None:
            raise self.failure
        self.before_writing()
        self.writes += writes
        for part in (writes[:2], writes[2:]):
            if part:
                yield [self._done(item) for item in part]

    def _done(self, item: Write) -> Outcome:
        status, reason = self.answers.get(item.address, (self.good, None))
        if status in (Status.CONFIRMED, Status.SENT):
            held = self.held[str(item.target)]
            held.pop(item.address, None)
            if item.value is not None:
                held[item.address] = item.value
        return Outcome(item, status, reason)

    def trigger(self, triggers: Sequence[Trigger]) -> Sequence[Outcome]:
        if self.failure is not None:
            raise self.failure
        self.touched += [(one.address, one.campaign, dict(one.tokens)) for one in triggers]
        return [Outcome(one, *self.answers.get(one.address, (self.good, None))) for one in triggers]

    def read_back(self, triggers: Iterable[tuple[Trigger, datetime]]) -> Sequence[Outcome]:
        asked = [one for one, _ in triggers]
        self.asked += [one.key for one in asked]
        return [Outcome(one, self.told.get(one.address, Status.UNKNOWN), "it says so") for one in asked]

    def holds(self, target: Target) -> Holding | None:
        self.read.append(str(target))
        return self.shown(target)

    def _shown(self, target: Target) -> Holding | None:
        return None if self.good is Status.SENT else Holding(iter([dict(self.held[str(target)])]))


class Stage:
    """A workspace of three connections whose platforms only remember, one process's engine, and a fixed clock.

    Attributes:
        sources, destinations: the platforms' two sides, by connection; "web" is only written.
    """

    def __init__(self, directory: Path, rules: str, scenarios: str, store: Path | None) -> None:
        self.directory = directory
        self.clock = FixedClock(START)
        self.sources = {"crm": PretendSource(), "engage": PretendSource()}
        self.destinations = {
            "crm": PretendDestination(),
            "engage": PretendDestination(trigger_batch=100),
            "web": PretendDestination(good=Status.SENT),
        }
        for name, content in CONNECTIONS.items():
            self.write(name, content)
        self.write("scenarios/cadence.seg", scenarios)
        self.write("rules/rules.seg", rules)
        store_opened = Store.open(store, clock=self.clock)
        self.engine = Engine(Settings(workspace=directory), {}, load(directory), store_opened, self.clock, print)
        self.engine.replace_workspace(self.engine.workspace)

    def write(self, name: str, content: str) -> None:
        """Write a file of the workspace."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")

    def rules(self, text: str) -> None:
        """Go on with other rules."""
        self.write("rules/rules.seg", text)
        self.engine.replace_workspace(load(self.directory))

    def connector(self, spec: ConnectionSpec) -> Connector:
        """What stands in for a connection's real connector."""
        return Connector(spec, self.sources.get(spec.name), self.destinations[spec.name], [])

    def people(self, *numbers: int, known_to: Sequence[str] = ("crm", "engage"), **changes: Any) -> None:
        """Tell the sources of some people: `p1@x.org` is record 1 of crm and e1 of engage."""
        for number in numbers:
            if "crm" in known_to:
                self.sources["crm"].tell(self.record(number, **changes))
            if "engage" in known_to:
                self.sources["engage"].tell(ContactRecord(f"e{number}", {"email": f"p{number}@x.org"}, {}))

    def record(self, number: int, **changes: Any) -> ContactRecord:
        """A person at the crm; keywords are traits, or replace fields of the record."""
        known = {field.name for field in fields(ContactRecord)}
        traits = {"country": "FR", "spend": None} | {k: v for k, v in changes.items() if k not in known}
        record = ContactRecord(
            str(number),
            {"email": f"p{number}@x.org", "ga_client_id": f"ga{number}"},
            traits,
            consent={"email": True, "sms": True},
            created_at=START - timedelta(days=100),
        )
        return replace(record, **{k: v for k, v in changes.items() if k in known})

    def notify(self, *numbers: int) -> None:
        """The crm says that something about these people has changed."""
        seen = f"{self.clock.now()}"
        told = [Notification("crm", f"{number} {seen}", "changed", str(number), {}) for number in numbers]
        with self.engine.store.session() as session:
            state.append_inbox(session, told, self.clock.now())

    def waiting(self) -> int:
        """How many notifications wait in the inbox."""
        with self.engine.store.session() as session:
            return len(state.pending_inbox(session))

    def run(self, **options: Any) -> RunReport:
        """One run."""
        return run(self.engine, **options)

    def later(self, **by: float) -> Stage:
        """Move the clock."""
        self.clock.advance(timedelta(**by))
        return self

    def held(self, target: str) -> dict[str, str]:
        """What a target (`crm list "French"`) holds: address to value."""
        return self.destinations[target.split()[0]].held[target]

    def ids(self) -> dict[int, str]:
        """Our ids of the people."""
        found = self.ask("SELECT DISTINCT value, contact_id FROM identities WHERE kind = 'email'")
        return {int(str(row["value"])[1:].partition("@")[0]): str(row["contact_id"]) for row in found}

    def ask(self, sql: str) -> list[dict[str, object]]:
        """Rows of a query over the store."""
        with self.engine.store.session() as session:
            return session.rows(sql)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Stage]]:
    """Makes a stage: `stage(rules, scenarios="", store=None)`; without `store` it lives in memory."""
    made: dict[str, Stage] = {}

    def make(rules: str, scenarios: str = "", store: Path | None = None) -> Stage:
        made["it"] = Stage(tmp_path / "workspace", rules, scenarios, store)
        monkeypatch.setattr("segserver.engine.build", lambda spec, **_: made["it"].connector(spec))
        return made["it"]

    yield make
    for one in made.values():
        one.engine.close()
