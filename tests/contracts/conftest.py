"""Every kind of connector with the other side it talks to: what a test may do there, and what it may look at.

A subject makes fresh connectors from a declaration, so nothing is carried over from one to the next but the platform
itself. Platforms are the sandbox behind a port; files lie in a temporary directory. Waiting moves the clock.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from segserver.clock import FixedClock, to_epoch_ms
from segserver.connectors import declarations, files_pull
from segserver.connectors.build import Connector, build
from segserver.connectors.calls import Answer, Call, Lost
from segserver.connectors.files import address
from segserver.connectors.http import HttpClient
from segserver.sandbox import people
from segserver.sandbox.limits import Limits
from segserver.sandbox.population import Person, Population
from segserver.sandbox.server import Sandbox
from segserver.specs.targets import Target

NOW = datetime(2026, 11, 22, 12, 0)
PEOPLE = 260
FILE_ROWS = 50

SOURCES = ("hubspot", "marketo", "files")
DESTINATIONS = ("hubspot", "marketo", "ga4", "files")
PLATFORMS = ("hubspot", "marketo", "ga4")
EXPORT = "ga4 export"
"""Google Analytics as it is read."""


# ---- what leaves the house ------------------------------------------------------------------------------------------


@dataclass
class Traffic:
    """Every attempt of every call, with what came back."""

    seen: list[tuple[Call, Answer | Lost]] = field(default_factory=list)

    @property
    def calls(self) -> list[Call]:
        return [call for call, _ in self.seen]

    def to(self, part: str, method: str | None = None) -> list[Call]:
        """Calls to addresses that hold `part`."""
        return [call for call in self.calls if part in call.path and method in (None, call.method)]

    def forget(self) -> None:
        self.seen.clear()


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> Traffic:
    """Watches the one place where anything leaves the house."""
    watched, exchange = Traffic(), HttpClient.exchange

    def watching(self, call, headers):
        answer = exchange(self, call, headers)
        watched.seen.append((call, answer))
        return answer

    monkeypatch.setattr(HttpClient, "exchange", watching)
    return watched


# ---- subjects -------------------------------------------------------------------------------------------------------


class Subject:
    """A connector under test.

    Attributes:
        name: of the connection.
        declaration: its file.
        places: targets it takes, of each kind one.
        bad_places: targets whose names the platform cannot have, or of a kind that it does not know.
        bad_addresses: addresses that nobody has, or that are none.
        repeats: the most records that come again when a cut pull goes on: a file that was open is begun again.
        quiet: streams that tell of changes only, so that a first pull brings nothing.
    """

    name = ""
    declaration = ""
    places: Sequence[Target] = ()
    bad_places: Sequence[Target] = ()
    bad_addresses: Sequence[str] = ()
    repeats = 0
    quiet: Sequence[str] = ()

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = FixedClock(NOW)
        self.environ: dict[str, str] = {}

    def pass_time(self, **by: float) -> None:
        self.clock.advance(timedelta(**by))

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def connector(self, *, limits: bool | None = None, **changed: str) -> Connector:
        spec, findings = declarations.load(self.name, dedent(self.declaration), f"connectors/{self.name}.yml")
        assert spec is not None, findings
        return build(
            spec,
            clock=self.clock,
            sleep=lambda seconds: self.pass_time(seconds=seconds),
            environ=self.environ | changed,
            workspace_dir=self.directory,
            limits=limits,
        )

    def source(self):
        made = self.connector().source
        assert made is not None
        return made

    def destination(self):
        made = self.connector().destination
        assert made is not None
        return made

    def value(self, place: Target, number: int) -> str:
        """Something to write there."""
        return "member" if place.kind in ("list", "file") else f"value {number % 7}"

    # what a test may do at the other side, where it can be done; each returns the id it concerns

    def change(self) -> str:
        raise NotImplementedError

    def delete(self) -> str:
        raise NotImplementedError

    def merge(self) -> tuple[str, str]:
        raise NotImplementedError

    def withdraw(self) -> tuple[str, str]:
        raise NotImplementedError

    # what a test may look at

    def known(self) -> list[str]:
        """Addresses of everybody there."""
        raise NotImplementedError

    def held(self, place: Target) -> dict[str, str]:
        """What is really there, without asking the connector."""
        raise NotImplementedError


class Served(Subject):
    """A platform that the sandbox stands in for."""

    def __init__(self, directory: Path, sandbox: Sandbox, clock: FixedClock) -> None:
        super().__init__(directory)
        self.sandbox = sandbox
        self.clock = clock
        self.furnish()

    def furnish(self) -> None:
        """What the platform holds besides its inhabitants."""

    @property
    def secrets(self) -> list[str]:
        """Whatever must never be shown."""
        names = ("HUBSPOT_TOKEN", "HUBSPOT_CLIENT_SECRET", "MARKETO_CLIENT_SECRET", "GA4_API_SECRET")
        return [self.environ[name] for name in names] + [self.sandbox.marketo.access_token()[0]]


class HubSpotSubject(Served):
    name = "crm"
    declaration = """\
        kind: hubspot
        token: env:HUBSPOT_TOKEN
        quota: 10%
        contacts:
          identities: {email: email, ga_client_id: ga_client_id}
          traits:
            first_name: firstname
            lifecycle_stage: {from: lifecyclestage, history: true}
            household_size: {from: household_size, type: number}
            sms_wanted: {from: sms_consent, type: boolean}
            signed_up: {from: createdate, type: instant}
          created: createdate
          account: associatedcompanyid
          consent:
            email: {from: hs_email_optout, means: opted out, subscription: 77}
            sms: {from: sms_consent, means: granted}
        accounts:
          traits: {industry: industry}
        events:
          purchase:
            stream: deals
            where: {dealstage: closedwon}
            at: closedate
            properties:
              amount: {type: number, unit: USD}
              categories: {type: list of text}
              items: {type: number}
          view: {stream: occurrences, type: e_visited_page, properties: {url: hs_url}}
        audiences: true
        """
    places = (Target("crm", "list", "Hot & new"), Target("crm", "property", "segserver_channel"))
    bad_places = (
        Target("crm", "list", ""),
        Target("crm", "property", "Not A Name"),
        Target("crm", "property", ""),
        Target("crm", "user property", "seg"),
    )
    bad_addresses = ("7777777", "999999999999999999999999", "ada@example.com", "", "١٢", "-5", "100001.0")
    quiet = ("subscriptions",)

    def furnish(self):
        """Companies of 20 contacts each, page views, and a word on the subscription."""
        account, everybody = self.sandbox.hubspot, list(self.sandbox.hubspot.contacts)
        self.pass_time(days=-1)
        for number, contact in enumerate(everybody):
            at = self.now - timedelta(hours=number)
            account.add_occurrence(contact, "e_visited_page", at, {"hs_url": f"/{number}"})
            if number % 20 == 0:
                account.add_company({"name": f"c{number}", "industry": "RETAIL"}, everybody[number : number + 20])
        for contact in everybody[:1]:
            account.set_subscription(contact.properties["email"], "77", "UNSUBSCRIBED")
        account.outbox.clear()
        self.pass_time(days=1)

    def change(self):
        one = self.known()[3]
        self.sandbox.change_contact(one, {"firstname": "Somebody"})
        return one

    def delete(self):
        one = self.known()[5]
        self.sandbox.delete_contact(one)
        return one

    def merge(self):
        survivor, loser = self.known()[7], self.known()[8]
        self.sandbox.merge_contacts(survivor, loser)
        return survivor, loser

    def withdraw(self):
        deals = self.sandbox.hubspot.deals
        deal = next(one for one in deals if one.properties["dealstage"] == "closedwon")
        deals.update(deal, {"dealstage": "closedlost"}, self.now)
        return "purchase", str(deal.id)

    def known(self):
        return [str(one.id) for one in self.sandbox.hubspot.contacts]

    def held(self, place):
        if place.kind == "list":
            return dict.fromkeys(self.sandbox.hubspot.lists.get(place.name, ()), "member")
        values = {one: self.sandbox.hubspot.properties(one).get(place.name) for one in self.known()}
        return {one: value for one, value in values.items() if value}


class MarketoSubject(Served):
    name = "engage"
    declaration = """\
        kind: marketo
        client_id: env:MARKETO_CLIENT_ID
        client_secret: env:MARKETO_CLIENT_SECRET
        endpoint: env:MARKETO_ENDPOINT
        quota: 10%
        contacts:
          identities: {email: email}
          traits:
            first_name: firstName
            country: country
            left: {from: unsubscribed, type: boolean}
            signed_up: {from: createdAt, type: instant}
          consent:
            email: {from: unsubscribed, means: opted out}
        events:
          page_view: {stream: activities, type: 1, properties: {path: {from: Webpage URL}}}
          email_open: {stream: activities, type: 10, properties: {mailing: {from: primaryAttributeValue}}}
          email_sent: {stream: activities, type: 6, counts as: email}
        audiences: true
        """
    places = (Target("engage", "list", "Hot & new"), Target("engage", "property", "segserver_channel"))
    bad_places = (
        Target("engage", "list", ""),
        Target("engage", "property", "not a name"),
        Target("engage", "property", ""),
        Target("engage", "user property", "seg"),
    )
    bad_addresses = ("7777777", "999999999999999999999999", "ada@example.com", "", "١٢", "-5", "5001.0")

    def change(self):
        one = self.known()[3]
        self.sandbox.change_lead(one, {"firstName": "Somebody"})
        return one

    def delete(self):
        one = self.known()[5]
        self.sandbox.delete_lead(one)
        return one

    def merge(self):
        survivor, loser = self.known()[7], self.known()[8]
        self.sandbox.merge_leads(survivor, loser)
        return survivor, loser

    def known(self):
        return list(map(str, self.sandbox.marketo.leads))

    def held(self, place):
        if place.kind == "list":
            return dict.fromkeys(self.sandbox.marketo.lists.get(place.name, ()), "member")
        values = {str(one.number): one.values.get(place.name) for one in self.sandbox.marketo.leads.values()}
        return {one: value for one, value in values.items() if value}


class Ga4Subject(Served):
    name = "analytics"
    declaration = """\
        kind: ga4
        measurement_id: env:GA4_MEASUREMENT_ID
        api_secret: env:GA4_API_SECRET
        identity: ga_client_id
        audiences: true
        """
    places = (Target("analytics", "user property", "seg_channel"),)
    bad_places = (
        Target("analytics", "user property", "ga_reserved"),
        Target("analytics", "user property", "not a name"),
        Target("analytics", "user property", "x" * 25),
        Target("analytics", "user property", ""),
        Target("analytics", "list", "Hot"),
    )
    bad_addresses = ("",)

    def known(self):
        return [f"{100_000_000 + number}.1700000000" for number in range(PEOPLE)]

    def held(self, place):
        clients = self.sandbox.ga4.user_properties.items()
        return {one: str(values[place.name]) for one, values in clients if values.get(place.name, "0") != "0"}


class Ga4ExportSubject(Served):
    """What a property exports: events and no contacts, so it is read and not asked for anybody."""

    name = "web"
    declaration = """\
        kind: ga4
        service_account: env:GA4_SERVICE_ACCOUNT
        property: 424242
        project: sandbox-project
        events:
          page_view:
            stream: export
            type: page_view
            properties: {page: page_location, device: device.category}
          purchase:
            stream: export
            type: purchase
            properties: {amount: {from: ecommerce.purchase_revenue, type: number},
                         products: {from: items.item_name, type: list of text}}
          web_day:
            stream: report
            contact: {ga_client_id: "customUser:client_id"}
            back: 5 days
            properties: {sessions: {type: number}, channel: {from: sessionDefaultChannelGroup}}
        """

    def furnish(self):
        self.sandbox.ga4.rows_per_page = 60
        for day in (20, 21):
            self._export(day, [self._event(day, number) for number in range(PEOPLE)])
        self.sandbox.ga4.reports.rows_per_page = 60
        self.sandbox.ga4.reports.facts += [
            {
                "date": f"202611{day}",
                "customUser:client_id": f"{100_000_000 + number}.1700000000",
                "sessions": 1 + number % 3,
                "sessionDefaultChannelGroup": "Direct",
            }
            for day in (19, 21)
            for number in range(PEOPLE)
        ]

    def _export(self, day, events):
        self.sandbox.ga4.warehouse.export(f"202611{day}", events)

    @staticmethod
    def _event(day, number):
        at = to_epoch_ms(datetime(2026, 11, day) + timedelta(minutes=10 * (number // 2))) * 1000
        here = {"event_timestamp": at, "user_pseudo_id": f"{100_000_000 + number}.1700000000"}
        if number % 3:
            return {"event_name": "page_view", "event_params": {"page_location": "/a"}, **here} | {
                "device": {"category": "mobile", "web_info": {"browser": "X"}}
            }
        bought = {"transaction_id": str(number), "purchase_revenue": 9.5, "total_item_quantity": 1}
        items = [{"item_id": "1", "item_name": "Coffee", "price": 9.5}]
        return {"event_name": "purchase", "ecommerce": bought, "items": items, **here}

    def withdraw(self):
        """Google writes a day anew, without its last event; returns the kind of that event and its day."""
        kept = [self._event(21, number) for number in range(PEOPLE)]
        gone = kept.pop()
        self._export(21, kept)
        return gone["event_name"], "20261121"


class FilesSubject(Subject):
    name = "shop"
    declaration = """\
        kind: files
        contacts:
          path: data/people-*.csv
          key: id
          identities: {email: email}
          traits:
            first_name: name
            orders: {from: orders, type: number}
            vip: {from: vip, type: boolean}
            since: {from: since, type: date}
            tags: {from: tags, type: list of text}
          created: created
          consent:
            email: {from: newsletter, means: granted}
        events:
          purchase:
            path: data/purchases-*.csv
            key: no
            contact: {email: email}
            at: at
            properties: {amount: {type: number, unit: EUR}}
        audiences: true
        """
    places = (Target("shop", "file", "hot.csv"), Target("shop", "file", "hot.parquet"))
    bad_places = (
        Target("shop", "file", "../hot.csv"),
        Target("shop", "file", "hot.txt"),
        Target("shop", "file", ""),
        Target("shop", "list", "hot.csv"),
    )
    bad_addresses = ("ada@example.com", "", "[]", '{"email": 5}')
    repeats = FILE_ROWS

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        (directory / "data").mkdir(parents=True, exist_ok=True)
        self.people = {str(number): self._person(number) for number in range(3 * FILE_ROWS)}
        self.purchases = {str(number): self._purchase(number) for number in range(5 * FILE_ROWS)}
        self._save()

    @staticmethod
    def _person(number):
        return {
            "id": str(number),
            "email": f"person{number}@example.com",
            "name": f"Person {number}",
            "orders": "" if number % 5 == 0 else str(number % 9),
            "vip": ("yes", "no", "")[number % 3],
            "since": f"2025-{number % 12 + 1:02}-01",
            "tags": "a;b" if number % 2 else "",
            "created": "2025-01-01T09:30:00Z",
            "newsletter": "true" if number % 4 else "false",
        }

    @staticmethod
    def _purchase(number):
        at = datetime(2026, 1, 1) + timedelta(hours=number)
        who = f"person{number % (3 * FILE_ROWS)}@example.com"
        return {"no": str(number), "email": who, "at": at.isoformat() + "Z", "amount": f"{number}.50"}

    def _save(self):
        for name, rows in (("people", self.people), ("purchases", self.purchases)):
            for part in range(max(map(int, rows)) // FILE_ROWS + 1):
                self._write(f"{name}-{part}.csv", [row for no, row in rows.items() if int(no) // FILE_ROWS == part])

    def _write(self, name, rows):
        with (self.directory / "data" / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def change(self):
        self.people["3"]["name"] = "Somebody"
        self._save()
        return "3"

    def delete(self):
        del self.people["5"]
        self._save()
        return "5"

    def withdraw(self):
        del self.purchases["11"]
        self._save()
        return "purchase", "11"

    def known(self):
        return [address({"email": one["email"]}) for one in self.people.values()]

    def held(self, place):
        path = self.directory / "audiences" / place.name
        if not path.exists():
            return {}
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            rows = pq.read_table(path).to_pylist()
        else:
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        named = [{kind: value for kind, value in row.items() if kind != "contact_id" and value} for row in rows]
        return {json.dumps(one, sort_keys=True, separators=(",", ":")): "member" for one in named}


_SERVED = {"hubspot": HubSpotSubject, "marketo": MarketoSubject, "ga4": Ga4Subject, EXPORT: Ga4ExportSubject}


@pytest.fixture(scope="session")
def population() -> Population:
    """People with a past, of whose activities only the last are told: enough for several pages."""
    made = people.generate(NOW, people=PEOPLE, seed=4)
    return replace(made, activities=made.activities[-2_000:])


@pytest.fixture(scope="session")
def crowd() -> Population:
    """Many people without one: more than any platform takes in one call."""
    since = NOW - timedelta(days=30)
    return Population(tuple(Person(f"person{number}@example.com", since) for number in range(1_300)), (), ())


@pytest.fixture
def open_subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """Makes a subject by the kind of its connection; platforms are served until the test ends."""
    servers = []
    monkeypatch.setattr(files_pull, "PAGE", 20)

    def opened(kind: str, inhabitants: Population, limits: Limits | None = None) -> Subject:
        if kind == "files":
            return FilesSubject(tmp_path)
        clock = FixedClock(NOW)
        sandbox = Sandbox(clock, inhabitants, limits=limits)
        server = sandbox.serve().start()
        servers.append(server)
        subject = _SERVED[kind](tmp_path, sandbox, clock)
        subject.environ = server.environ
        return subject

    yield opened
    for server in servers:
        server.stop()


@pytest.fixture(params=SOURCES)
def readable(request, open_subject, population) -> Subject:
    """Each connector that is a source."""
    return open_subject(request.param, population)


@pytest.fixture(params=[*SOURCES, EXPORT])
def streamed(request, open_subject, population) -> Subject:
    """Each connector that is a source, also where it has events and no contacts."""
    return open_subject(request.param, population)


@pytest.fixture(params=DESTINATIONS)
def writable(request, open_subject, population) -> Subject:
    """Each connector that is a destination."""
    return open_subject(request.param, population)


@pytest.fixture(params=PLATFORMS)
def platform(request, open_subject, population) -> Subject:
    """Each connector that talks over HTTP."""
    return open_subject(request.param, population)


@pytest.fixture
def hubspot(open_subject, crowd) -> Subject:
    return open_subject("hubspot", crowd)


@pytest.fixture
def marketo(open_subject, crowd) -> Subject:
    return open_subject("marketo", crowd)


@pytest.fixture
def ga4(open_subject, crowd) -> Subject:
    return open_subject("ga4", crowd)
