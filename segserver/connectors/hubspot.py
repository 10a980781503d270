"""HubSpot as a source of contacts, accounts and events and as a destination of lists and properties."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from segserver.connectors.base import Outcome, Status, Trigger, Write
from segserver.connectors.batches import outcomes
from segserver.connectors.hubspot_accounts import AccountsStream
from segserver.connectors.hubspot_api import HubSpotApi
from segserver.connectors.hubspot_contacts import ContactsStream
from segserver.connectors.hubspot_deals import DealsStream
from segserver.connectors.hubspot_emails import EmailStream
from segserver.connectors.hubspot_lists import Lists
from segserver.connectors.hubspot_properties import Properties
from segserver.connectors.mapping import Reader, events_of
from segserver.errors import SettingsError
from segserver.records import Cursor, Page, SourceItem
from segserver.specs.connections import ConnectionSpec
from segserver.specs.targets import Target

CONTACTS_STREAM = "contacts"
ACCOUNTS_STREAM = "accounts"
DEALS_STREAM = "deals"
EMAIL_STREAM = "marketing_email"


class HubSpot:
    """One HubSpot account."""

    trigger_batch = 0

    def __init__(self, spec: ConnectionSpec, api: HubSpotApi, reader: Reader) -> None:
        self._spec = spec
        self._contacts = ContactsStream(spec.contacts, api, reader) if spec.contacts else None
        self._streams: dict[str, ContactsStream | AccountsStream | DealsStream | EmailStream] = {}
        if self._contacts:
            self._streams[CONTACTS_STREAM] = self._contacts
        if spec.accounts:
            self._streams[ACCOUNTS_STREAM] = AccountsStream(spec.accounts, api, reader)
        if deals := events_of(spec, DEALS_STREAM):
            self._streams[DEALS_STREAM] = DealsStream(deals, api, reader)
        if emails := events_of(spec, EMAIL_STREAM):
            self._streams[EMAIL_STREAM] = EmailStream(emails, api, reader)
        self._lists = Lists(api)
        self._properties = Properties(api)

    # ---- reading ---------------------------------------------------------------------------------------------------

    def streams(self) -> Sequence[str]:
        """Contacts first, then accounts, then the streams of events."""
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
        """Lists one after another, then all properties together."""
        lists: dict[str, list[Write]] = {}
        for write in writes:
            if write.target.kind == "list":
                lists.setdefault(write.target.name, []).append(write)
        for name, members in lists.items():
            yield from self._lists.write(name, members)
        properties = [write for write in writes if write.target.kind == "property"]
        yield from self._properties.write(properties)
        unknown = [write for write in writes if write.target.kind not in ("list", "property")]
        if unknown:
            yield outcomes(unknown, Status.REJECTED, "HubSpot takes lists and properties")

    def trigger(self, triggers: Sequence[Trigger]) -> Sequence[Outcome]:
        """HubSpot starts touches by a property that a workflow watches, not by a call."""
        return outcomes(triggers, Status.REJECTED, "HubSpot has no call that starts a touch; send by a property")

    def read_back(self, triggers: Iterable[tuple[Trigger, datetime]]) -> Sequence[Outcome]:
        """Whether the properties that start touches hold the values they were to be set to."""
        return self._properties.read_back([trigger for trigger, _ in triggers])

    def holds(self, target: Target) -> dict[str, str]:
        """Members of a list, or contacts with a value of a property."""
        return self._lists.holds(target.name) if target.kind == "list" else self._properties.holds(target.name)
