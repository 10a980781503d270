"""One HubSpot account: what it holds, and what happens in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from segserver.clock import Clock, to_epoch_ms
from segserver.sandbox.hubspot.contact_list import ContactList
from segserver.sandbox.hubspot.errors import not_found
from segserver.sandbox.hubspot.properties import Definition, contact_schema, deal_schema, new_group
from segserver.sandbox.hubspot.records import Record, Table, instant
from segserver.sandbox.limits import DailyAllowance, Limits, RollingWindow
from segserver.sandbox.population import CLOSED_WON, Person, Population, Purchase
from segserver.sandbox.routing import made_up

CONTACTS, DEALS = "0-1", "0-3"
_TYPES = {"contacts": CONTACTS, "contact": CONTACTS, CONTACTS: CONTACTS, "deals": DEALS, "deal": DEALS, DEALS: DEALS}
PORTAL_ID = 62515

WebhookEvent = dict[str, object]


class HubSpotAccount:
    """The state behind the HubSpot endpoints.

    Attributes:
        token: the key that callers must send.
        client_secret: the key that signs webhooks.
        search_lag: how long a change stays invisible to search; HubSpot's index is eventually consistent.
        all_lists: by id.
        contact_deals: contact id to the ids of its deals, and `deal_contacts` the other way round.
        email_events: legacy marketing e-mail events, oldest first.
        calls: requests received so far.
        outbox: webhook events of everything that happened since it was last emptied.
    """

    def __init__(self, clock: Clock, population: Population, limits: Limits, seed: int) -> None:
        self.clock = clock
        self.token = f"pat-sandbox-{made_up('hubspot token', seed)}"
        self.client_secret = made_up("hubspot client secret", seed)
        self.search_lag = timedelta(0)
        self.burst = RollingWindow(limits.hubspot_burst, timedelta(seconds=10))
        self.searches = RollingWindow(limits.hubspot_search, timedelta(seconds=1))
        self.daily = DailyAllowance(limits.hubspot_daily)
        self.contacts = Table("lastmodifieddate", ("email", "firstname", "lastname"), 100_001)
        deal_defaults = ("amount", "closedate", "dealname", "dealstage", "pipeline")
        self.deals = Table("hs_lastmodifieddate", deal_defaults, 9_000_001)
        self.all_lists: dict[int, ContactList] = {}
        self.contact_deals: dict[int, list[int]] = defaultdict(list)
        self.deal_contacts: dict[int, list[int]] = {}
        self.email_events: list[dict[str, object]] = []
        self.outbox: list[WebhookEvent] = []
        self.searched: dict[str, tuple[tuple[int, datetime | None], list[int]]] = {}
        self.currency = population.currency
        self.calls = 0
        self._schemas = {CONTACTS: contact_schema(), DEALS: deal_schema()}
        self._groups = {
            CONTACTS: {"contactinformation": new_group("contactinformation", "Contact information")},
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
        return self.contacts if self.type_id(object_type) == CONTACTS else self.deals

    def type_id(self, object_type: str) -> str:
        """`0-1` for contacts, `0-3` for deals."""
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

    def _leave_lists(self, record: Record) -> None:
        for entry in self.all_lists.values():
            entry.members.pop(record.id, None)

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
