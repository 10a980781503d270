"""One HubSpot account: what it holds, and what happens in it."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from segserver.clock import Clock, to_epoch_ms
from segserver.sandbox.hubspot.contact_list import ContactList
from segserver.sandbox.hubspot.errors import not_found
from segserver.sandbox.hubspot.execution import Execution
from segserver.sandbox.hubspot.journal import JournalLog
from segserver.sandbox.hubspot.oauth import PORTAL_ID, Installs
from segserver.sandbox.hubspot.occurrences import Occurrence, in_time
from segserver.sandbox.hubspot.preferences import StatusChange
from segserver.sandbox.hubspot.properties import Definition, company_schema, contact_schema, deal_schema, new_group
from segserver.sandbox.hubspot.records import Record, Table, instant
from segserver.sandbox.limits import DailyAllowance, Limits, RollingWindow
from segserver.sandbox.population import CLOSED_WON, Person, Population, Purchase
from segserver.sandbox.routing import made_up

CONTACTS, COMPANIES, DEALS = "0-1", "0-2", "0-3"
_NAMES = {CONTACTS: ("contact", "contacts"), COMPANIES: ("company", "companies"), DEALS: ("deal", "deals")}
_TYPES = {name: kind for kind, names in _NAMES.items() for name in (kind, *names)}


WebhookEvent = dict[str, object]


class HubSpotAccount:
    """The state behind the HubSpot endpoints.

    Attributes:
        token: the key that callers must send.
        client_id: of the app that the journal belongs to.
        client_secret: the key that signs webhooks, and with which the app asks for tokens.
        lacking: permissions that the key does not have.
        installs: what logins gave the app.
        locked: ids of contacts that somebody else is writing to at the moment.
        moving_until: until when the account is moved to another data centre.
        search_lag: how long a change stays invisible to search; HubSpot's index is eventually consistent.
        all_lists: by id.
        contact_deals: contact id to the ids of its deals, and `deal_contacts` the other way round.
        contact_companies: contact id to the ids of its companies, the primary one first; and the other way round.
        occurrences: what contacts did, by type, oldest first.
        status_changes: what addresses were asked or said about their subscriptions, oldest first.
        journal: what the app asked to be told.
        email_events: legacy marketing e-mail events, oldest first.
        calls: requests received so far.
        outbox: webhook events of everything that happened since it was last emptied.
        executions: custom actions that workflows have executed, by callback id.
    """

    def __init__(self, clock: Clock, population: Population, limits: Limits, seed: int) -> None:
        self.clock = clock
        self.token = f"pat-sandbox-{made_up('hubspot token', seed)}"
        self.client_secret = made_up("hubspot client secret", seed)
        self.client_id = f"app-{made_up('hubspot client id', seed, 12)}"
        self.lacking: set[str] = set()
        self.installs = Installs(limits.hubspot_install_burst, seed)
        self.locked: set[str] = set()
        self.moving_until: datetime | None = None
        self.search_lag = timedelta(0)
        self.burst = RollingWindow(limits.hubspot_burst, timedelta(seconds=10))
        self.searches = RollingWindow(limits.hubspot_search, timedelta(seconds=1))
        self.zone = ZoneInfo(limits.hubspot_zone)
        self.daily = DailyAllowance(limits.hubspot_daily, self.zone)
        self.contacts = Table("lastmodifieddate", ("email", "firstname", "lastname"), 100_001)
        deal_defaults = ("amount", "closedate", "dealname", "dealstage", "pipeline")
        self.deals = Table("hs_lastmodifieddate", deal_defaults, 9_000_001)
        self.companies = Table("hs_lastmodifieddate", ("name", "domain"), 7_000_001)
        self.all_lists: dict[int, ContactList] = {}
        self.contact_deals: dict[int, list[int]] = defaultdict(list)
        self.deal_contacts: dict[int, list[int]] = {}
        self.contact_companies: dict[int, list[int]] = {}
        self.company_contacts: dict[int, list[int]] = {}
        self.email_events: list[dict[str, object]] = []
        self.occurrences: dict[str, list[Occurrence]] = {}
        self.event_keys: set[str] = set()
        self.status_changes: list[StatusChange] = []
        self.journal = JournalLog(made_up("hubspot journal", seed))
        self.outbox: list[WebhookEvent] = []
        self.executions: dict[str, Execution] = {}
        self.searched: dict[str, tuple[tuple[int, datetime | None], list[int]]] = {}
        self.currency = population.currency
        self.calls = 0
        self._schemas = {CONTACTS: contact_schema(), COMPANIES: company_schema(), DEALS: deal_schema()}
        self._groups = {
            CONTACTS: {"contactinformation": new_group("contactinformation", "Contact information")},
            COMPANIES: {"companyinformation": new_group("companyinformation", "Company information")},
            DEALS: {"dealinformation": new_group("dealinformation", "Deal information")},
        }
        self._fill(population)

    # ---- what it holds

    @property
    def lists(self) -> dict[str, set[str]]:
        """Who is on each list: list name to contact ids."""
        living = (entry for entry in self.all_lists.values() if entry.deleted_at is None)
        return {entry.name: {str(member) for member in entry.members} for entry in living}

    def properties(self, contact: str) -> Mapping[str, str]:
        """What a contact, given by id or e-mail, holds; properties without a value are missing."""
        return dict(self.contact(contact).properties)

    def contact(self, contact: str) -> Record:
        """A living contact by id or e-mail.

        Raises:
            KeyError: there is none.
        """
        record = self.contacts.get(int(contact)) if contact.isdigit() else self.contacts.by_email(contact)
        if record is None:
            raise KeyError(f"HubSpot's stand-in has no contact {contact!r}")
        return record

    def table(self, object_type: str) -> Table:
        """Records of a type, by name or type id."""
        return {CONTACTS: self.contacts, COMPANIES: self.companies, DEALS: self.deals}[self.type_id(object_type)]

    def links(self, from_type: str, to_type: str) -> Mapping[int, list[int]] | None:
        """Which records of one type belong to which of another; None where they are not linked."""
        return {
            (CONTACTS, DEALS): self.contact_deals,
            (DEALS, CONTACTS): self.deal_contacts,
            (CONTACTS, COMPANIES): self.contact_companies,
            (COMPANIES, CONTACTS): self.company_contacts,
        }.get((self.type_id(from_type), self.type_id(to_type)))

    def type_id(self, object_type: str) -> str:
        """`0-1` for contacts, `0-2` for companies, `0-3` for deals."""
        if object_type not in _TYPES:
            raise not_found(f"Unable to infer object type from: {object_type}")
        return _TYPES[object_type]

    def schema(self, object_type: str) -> dict[str, Definition]:
        """Property definitions by name."""
        return self._schemas[self.type_id(object_type)]

    def groups(self, object_type: str) -> dict[str, dict[str, object]]:
        """Property groups by name."""
        return self._groups[self.type_id(object_type)]

    def batch_reply(
        self, results: Sequence[object], errors: Sequence[object], done: int = 200
    ) -> tuple[dict[str, object], int]:
        """The body and status of a batch: 207 if some records failed."""
        now = instant(self.clock.now())
        reply: dict[str, object] = {"status": "COMPLETE", "startedAt": now, "completedAt": now, "results": results}
        if not errors:
            return reply, done
        return {**reply, "numErrors": len(errors), "errors": errors}, 207

    # ---- what happens in it

    def change(self, record: Record, properties: Mapping[str, str], source: str = "CRM_UI") -> list[str]:
        """Set properties of a contact and note the webhook events that HubSpot would send."""
        changed = self.contacts.update(record, properties, self.clock.now())
        for name in changed:
            about = {"propertyName": name, "propertyValue": properties[name], "changeSource": source}
            self.emit("contact.propertyChange", record.id, **about)
        return changed

    def add_deal(self, contact: Record, purchase: Purchase) -> Record:
        """A new deal of a contact, with the contact's own figures that follow from it."""
        now = self.clock.now()
        deal = self._load_deal(contact, purchase, now, now)
        self.emit("object.creation", deal.id, objectTypeId=DEALS)
        count = len(self.contact_deals[contact.id])
        figures = {"num_associated_deals": str(count), "recent_deal_close_date": instant(purchase.at)}
        self.change(contact, figures, source="CALCULATED")
        return deal

    def add_company(self, properties: Mapping[str, str], contacts: Sequence[Record] = ()) -> Record:
        """A new company, the primary one of contacts that have none yet."""
        company = self.companies.create(properties, self.clock.now())
        self.journal.note_object(COMPANIES, company.id, "CREATE", self.clock.now())
        for contact in contacts:
            self.link_company(contact, company)
        return company

    def link_company(self, contact: Record, company: Record, *, primary: bool = False) -> None:
        """Let a contact belong to a company too."""
        companies = self.contact_companies.setdefault(contact.id, [])
        if company.id not in companies:
            self.company_contacts.setdefault(company.id, []).append(contact.id)
        companies[:] = [one for one in companies if one != company.id]
        companies.insert(0 if primary else len(companies), company.id)
        self._placed(contact, company, "ASSOCIATION_ADDED")

    def unlink_company(self, contact: Record, company: Record) -> None:
        """Let a contact leave a company; if that was the primary one, the next becomes it."""
        self.contact_companies[contact.id].remove(company.id)
        self.company_contacts[company.id].remove(contact.id)
        self._placed(contact, company, "ASSOCIATION_REMOVED")

    def link_deal(self, contact: Record, deal: Record) -> None:
        """Let a deal belong to one more contact; neither's modification date moves."""
        self.contact_deals[contact.id].append(deal.id)
        self.deal_contacts[deal.id].append(contact.id)
        self.journal.note_link(contact.id, DEALS, deal.id, "ASSOCIATION_ADDED", self.clock.now())

    def add_occurrence(
        self, contact: Record, kind: str, at: datetime, properties: Mapping[str, str], known_at: datetime | None = None
    ) -> None:
        """Let a contact do something; HubSpot may only show it later."""
        number = f"{sum(map(len, self.occurrences.values())) + 1:08d}"
        told = Occurrence(number, kind, contact.id, at, known_at or at, dict(properties))
        insort(self.occurrences.setdefault(kind, []), told, key=in_time)

    def set_subscription(self, address: str, subscription: str, status: str) -> None:
        """Let an address say SUBSCRIBED, UNSUBSCRIBED or NOT_SPECIFIED to a subscription."""
        self.status_changes.append(StatusChange(address.lower(), subscription, status, self.clock.now()))

    def restore_contact(self, contact_id: str, *, touched: bool = True) -> None:
        """Take a contact back out of the recycle bin; nobody says whether that moves its modification instant."""
        record = self.contacts.get_archived(int(contact_id))
        if record is None:
            raise KeyError(f"HubSpot's stand-in has no deleted contact {contact_id!r}")
        self.contacts.restore(record, self.clock.now() if touched else None)
        self.emit("contact.restore", record.id)

    def archive_contact(self, record: Record) -> None:
        """Delete a contact; it stays in the recycle bin."""
        self._leave_lists(record)
        self.contacts.archive(record, self.clock.now())
        self.emit("contact.deletion", record.id)

    def erase_contact(self, record: Record) -> None:
        """Delete a contact for privacy: nothing stays."""
        self._leave_lists(record)
        self.contacts.erase(record)
        self.emit("contact.privacyDeletion", record.id)

    def merge_contacts(self, survivor: Record, loser: Record) -> None:
        """Join two contacts; the loser's deals go to the survivor."""
        self._leave_lists(loser)
        for deal in self.contact_deals.pop(loser.id, []):
            holders = self.deal_contacts[deal]
            self.deal_contacts[deal] = [survivor.id if holder == loser.id else holder for holder in holders]
            self.contact_deals[survivor.id].append(deal)
        for company in self.contact_companies.pop(loser.id, []):
            self.company_contacts[company].remove(loser.id)
            self.link_company(survivor, self.companies.find(company))
        self.contacts.absorb(survivor, loser, self.clock.now())
        about = {"primaryObjectId": survivor.id, "mergedObjectIds": [loser.id], "newObjectId": survivor.id}
        self.emit("contact.merge", survivor.id, **about)

    def emit(self, kind: str, object_id: int, **about: object) -> None:
        """Note a webhook event; `Sandbox.webhook` signs it."""
        number = len(self.outbox) + 1
        event: WebhookEvent = {
            "eventId": number,
            "subscriptionId": 1_000 + sum(map(ord, kind)) % 1_000,
            "portalId": PORTAL_ID,
            "appId": 1_160_452,
            "occurredAt": to_epoch_ms(self.clock.now()),
            "subscriptionType": kind,
            "attemptNumber": 0,
            "objectId": object_id,
            "changeSource": "CRM_UI",
        }
        self.outbox.append(event | about)
        self.journal.note_webhook(kind, object_id, about, self.clock.now())

    def _placed(self, contact: Record, company: Record, action: str) -> None:
        companies = self.contact_companies[contact.id]
        primary = str(companies[0]) if companies else ""
        self.change(contact, {"associatedcompanyid": primary}, source="CALCULATED")
        self.journal.note_link(contact.id, COMPANIES, company.id, action, self.clock.now())

    def _leave_lists(self, record: Record) -> None:
        for entry in self.all_lists.values():
            entry.members.leave(record.id)

    # ---- filling it

    def _fill(self, population: Population) -> None:
        contacts: dict[int, Record] = {}
        for number, person in sorted(enumerate(population.people), key=lambda entry: entry[1].created_at):
            if person.in_hubspot:
                contacts[number] = self._load_contact(person)
        now = self.clock.now()
        for purchase in sorted(population.purchases, key=lambda purchase: purchase.opened_at or purchase.at):
            if purchase.person in contacts:
                opened = min(purchase.opened_at or purchase.at, now)
                closed = opened if purchase.at > now else purchase.at
                self._load_deal(contacts[purchase.person], purchase, opened, closed)

    def _load_contact(self, person: Person) -> Record:
        record = self.contacts.create({**person.properties, "email": person.email}, person.created_at)
        for at, stage in person.stages:
            self.contacts.update(record, {"lifecyclestage": stage}, at)
        return record

    def _load_deal(self, contact: Record, purchase: Purchase, opened: datetime, changed: datetime) -> Record:
        won = purchase.stage == CLOSED_WON
        properties = {
            "dealname": "Order" if won else "Offer",
            "amount": str(purchase.amount),
            "closedate": instant(purchase.at),
            "dealstage": purchase.stage,
            "pipeline": "default",
            "deal_currency_code": self.currency,
            "categories": ";".join(purchase.categories),
            "items": str(purchase.items),
        }
        deal = self.deals.create(properties, opened, changed)
        self.contact_deals[contact.id].append(deal.id)
        self.deal_contacts[deal.id] = [contact.id]
        return deal
