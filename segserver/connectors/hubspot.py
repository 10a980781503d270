"""HubSpot as a source of contacts, accounts and events and as a destination of lists and properties."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from segserver.connectors.base import Holding, Outcome, Status, Trigger, Write
from segserver.connectors.batches import outcomes
from segserver.connectors.hubspot_accounts import AccountsStream
from segserver.connectors.hubspot_api import HubSpotApi
from segserver.connectors.hubspot_callbacks import Completion, complete
from segserver.connectors.hubspot_catch_up import CatchUpStream, Readable
from segserver.connectors.hubspot_consent import SubscriptionChanges
from segserver.connectors.hubspot_contacts import ContactsStream
from segserver.connectors.hubspot_deals import DealsStream
from segserver.connectors.hubspot_emails import EmailStream
from segserver.connectors.hubspot_events import SegmentEvents
from segserver.connectors.hubspot_feed import OVERLAP
from segserver.connectors.hubspot_journal import COMPANY, CONTACT, DEAL, Journal
from segserver.connectors.hubspot_lists import Lists
from segserver.connectors.hubspot_occurrences import OccurrencesStream
from segserver.connectors.hubspot_properties import Properties
from segserver.connectors.mapping import Reader, consent_fields, events_of
from segserver.errors import SettingsError
from segserver.records import Cursor, Page, SourceItem
from segserver.specs.connections import ConnectionSpec
from segserver.specs.targets import EVENT, Target

CONTACTS_STREAM = "contacts"
ACCOUNTS_STREAM = "accounts"
DEALS_STREAM = "deals"
EMAIL_STREAM = "marketing_email"
OCCURRENCES_STREAM = "occurrences"
SUBSCRIPTIONS_STREAM = "subscriptions"
JOURNAL_STREAM = "journal"
_NAMES = {CONTACT: CONTACTS_STREAM, COMPANY: ACCOUNTS_STREAM, DEAL: DEALS_STREAM}


class Stream(Protocol):
    """One stream of the account."""

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages after the cursor, up to `until`."""
        ...


class HubSpot:
    """One HubSpot account."""

    trigger_batch = 0

    def __init__(self, spec: ConnectionSpec, api: HubSpotApi, reader: Reader, journal: Journal | None = None) -> None:
        self._spec = spec
        self._api = api
        self._contacts = ContactsStream(spec.contacts, api, reader) if spec.contacts else None
        objects = _objects(spec, self._contacts, api, reader)
        self._streams: dict[str, Stream] = {_NAMES[kind]: stream for kind, stream in objects.items()}
        if emails := events_of(spec, EMAIL_STREAM):
            self._streams[EMAIL_STREAM] = EmailStream(emails, api, reader, spec.latency)
        if occurrences := events_of(spec, OCCURRENCES_STREAM):
            self._streams[OCCURRENCES_STREAM] = OccurrencesStream(occurrences, api, reader, spec.latency)
        if self._contacts and spec.contacts and any(line.subscription for line in spec.contacts.consent):
            self._streams[SUBSCRIPTIONS_STREAM] = SubscriptionChanges(api, self._contacts)
        if journal:
            self._streams[JOURNAL_STREAM] = CatchUpStream(journal, api.portal, objects, reader)
        self._lists = Lists(api)
        self._properties = Properties(api, consent_fields(spec.contacts))
        event = spec.options.get("event")
        self._events = SegmentEvents(api, None if event is None else str(event))

    # ---- reading ---------------------------------------------------------------------------------------------------

    def streams(self) -> Sequence[str]:
        """Contacts first, then accounts, the streams of events, and what tells of changes to all of them."""
        return tuple(self._streams)

    def read(self, stream: str, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages of one stream after the cursor."""
        return self._streams[stream].read(cursor, until)

    def read_contacts(self, source_ids: Sequence[str]) -> Sequence[SourceItem]:
        """Fresh copies of some contacts.

        Raises:
            SettingsError: the connection declares no contacts.
        """
        if self._contacts is None:
            raise SettingsError(f"{self._spec.place}: connection {self._spec.name} reads no contacts; add contacts:")
        return self._contacts.by_id(source_ids)

    # ---- writing ---------------------------------------------------------------------------------------------------

    def write(self, writes: Sequence[Write]) -> Iterator[Sequence[Outcome]]:
        """Lists one after another, then all properties together, then events."""
        lists: dict[str, list[Write]] = {}
        for write in writes:
            if write.target.kind == "list":
                lists.setdefault(write.target.name, []).append(write)
        for name, members in lists.items():
            yield from self._lists.write(name, members)
        properties = [write for write in writes if write.target.kind == "property"]
        yield from self._properties.write(properties)
        yield from self._events.write([write for write in writes if write.target.kind == EVENT])
        unknown = [write for write in writes if write.target.kind not in ("list", "property", EVENT)]
        if unknown:
            yield outcomes(unknown, Status.REJECTED, "HubSpot takes lists, properties and events")

    def trigger(self, triggers: Sequence[Trigger]) -> Sequence[Outcome]:
        """HubSpot starts touches by a property that a workflow watches, not by a call."""
        return outcomes(triggers, Status.REJECTED, "HubSpot has no call that starts a touch; send by a property")

    def read_back(self, triggers: Iterable[tuple[Trigger, datetime]]) -> Sequence[Outcome]:
        """Whether the properties that start touches hold the values they were to be set to."""
        return self._properties.read_back([trigger for trigger, _ in triggers])

    def holds(self, target: Target) -> Holding | None:
        """Members of a list, or contacts with a value of a property, whom the search shows only after a while."""
        if target.kind == EVENT:
            return None
        if target.kind == "list":
            return Holding(self._lists.holds(target.name))
        return Holding(self._properties.holds(target.name), OVERLAP)

    # ---- workflow actions ------------------------------------------------------------------------------------------

    def complete(self, completions: Sequence[Completion]) -> set[str]:
        """Answer executions of workflow actions that wait; returns the callback ids HubSpot took."""
        return complete(self._api, completions)


def _objects(
    spec: ConnectionSpec, contacts: ContactsStream | None, api: HubSpotApi, reader: Reader
) -> dict[str, Readable]:
    """The streams of records, by object type."""
    objects: dict[str, Readable] = {}
    if contacts:
        objects[CONTACT] = contacts
    if spec.accounts:
        objects[COMPANY] = AccountsStream(spec.accounts, api, reader)
    if deals := events_of(spec, DEALS_STREAM):
        objects[DEAL] = DealsStream(deals, api, reader)
    return objects
