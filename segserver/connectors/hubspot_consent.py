"""HubSpot's e-mail subscriptions as a second word on consent: a channel is open only if property and status allow it.

Statuses are read for many addresses at once, which asks for a permission of Marketing Hub Enterprise. Without it each
address is asked by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import quote

from segserver.clock import format_instant, parse_instant, to_epoch_ms
from segserver.connectors.batches import batches
from segserver.connectors.calls import ApiError
from segserver.connectors.hubspot_api import BATCH, HubSpotApi
from segserver.connectors.hubspot_paths import SUBSCRIPTIONS_TIMELINE
from segserver.connectors.mapping import Reader
from segserver.connectors.values import GRANTED
from segserver.errors import SettingsError
from segserver.records import ContactRecord, Cursor, Page, SourceItem
from segserver.specs.connections import ConsentSpec

BATCH_PERMISSION = "communication_preferences.statuses.batch.read"
OVERLAP = timedelta(minutes=5)
_TIMELINE_PAGE = 100

Statuses = Mapping[str, Mapping[str, str]]
"""Address in small letters to subscription to status."""


class Subscriptions:
    """What HubSpot says of the subscriptions that a declaration names."""

    def __init__(self, consent: Iterable[ConsentSpec], api: HubSpotApi, reader: Reader) -> None:
        self._lines = tuple(line for line in consent if line.subscription)
        self._api = api
        self._reader = reader
        self._by_batch = True

    @property
    def wanted(self) -> frozenset[str]:
        """Ids of the subscriptions that matter."""
        return frozenset(line.subscription for line in self._lines if line.subscription)

    def applied(self, contacts: Sequence[tuple[str, ContactRecord]]) -> list[ContactRecord]:
        """Records whose consent holds what the statuses allow too.

        Args:
            contacts: records with the address of each; "" where it has none.

        Raises:
            SettingsError: the key may not read statuses at all.
        """
        if not self._lines:
            return [record for _, record in contacts]
        statuses = self._read(sorted({address.lower() for address, _ in contacts if address}))
        return [self._decided(address.lower(), record, statuses) for address, record in contacts]

    def _decided(self, address: str, record: ContactRecord, statuses: Statuses) -> ContactRecord:
        if not address:
            return record
        consent = dict(record.consent)
        known = statuses.get(address)
        for line in self._lines:
            if known is None:
                reason = f"its subscriptions could not be read; {line.channel} is not used meanwhile"
                self._reader.note(record.source_id, "subscriptions", reason)
                consent[line.channel] = False
            else:
                consent[line.channel] = consent.get(line.channel, False) and _allows(line, known)
        return replace(record, consent=consent)

    def _read(self, addresses: Sequence[str]) -> Statuses:
        found: dict[str, Mapping[str, str]] = {}
        for some in batches(addresses, BATCH):
            found |= self._batch(some) if self._by_batch else {}
            if not self._by_batch:
                alone = {address: self._single(address) for address in some}
                found |= {address: known for address, known in alone.items() if known is not None}
        return found

    def _batch(self, addresses: Sequence[str]) -> Statuses:
        """Statuses of many addresses; those that could not be read are missing."""
        try:
            path = f"{self._api.paths.statuses}/batch/read"
            answer = self._api.send("POST", path, {"inputs": list(addresses)}, channel="EMAIL")
        except SettingsError:
            self._by_batch = False
            reason = f"the key lacks {BATCH_PERMISSION} (Marketing Hub Enterprise), so each address is asked by itself"
            self._reader.note("", "subscriptions", reason)
            return {}
        except ApiError as error:
            if error.status != 400 or len(addresses) == 1:
                return {}
            middle = len(addresses) // 2
            return {**self._batch(addresses[:middle]), **self._batch(addresses[middle:])}
        return {str(one["subscriberIdString"]).lower(): _by_subscription(one["statuses"]) for one in answer["results"]}

    def _single(self, address: str) -> Mapping[str, str] | None:
        """Statuses of one address; None where HubSpot refuses to tell."""
        base = self._api.paths.statuses
        try:
            answer = self._api.get(f"{base}/{quote(address, safe='')}", shown=f"{base}/...", channel="EMAIL")
        except ApiError:
            return None
        return _by_subscription(answer["results"])


def _by_subscription(listed: Iterable[Any]) -> dict[str, str]:
    return {str(one["subscriptionId"]): str(one["status"]) for one in listed}


def _allows(line: ConsentSpec, known: Mapping[str, str]) -> bool:
    status = known.get(str(line.subscription), "NOT_SPECIFIED")
    return status == "SUBSCRIBED" or (status == "NOT_SPECIFIED" and line.means != GRANTED)


class Fresh(Protocol):
    """Gives fresh copies of contacts by their addresses."""

    def by_email(self, addresses: Sequence[str]) -> list[SourceItem]:
        """Fresh copies; addresses nobody has are left out."""
        ...


class SubscriptionChanges:
    """Contacts whose subscriptions changed, read again: a change of a status need not move a contact's date."""

    def __init__(self, api: HubSpotApi, contacts: Fresh) -> None:
        self._api = api
        self._contacts = contacts

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages after the cursor, up to `until`; what was before the first pull came with the contacts."""
        place = dict(cursor) if cursor else {"since": format_instant(until)}
        while True:
            through = parse_instant(str(place.setdefault("through", format_instant(until))))
            answer = self._api.get(
                SUBSCRIPTIONS_TIMELINE,
                startTimestamp=to_epoch_ms(parse_instant(str(place["since"])) - OVERLAP),
                endTimestamp=to_epoch_ms(through),
                limit=_TIMELINE_PAGE,
                offset=place.get("offset"),
            )
            items = self._contacts.by_email([str(one["recipient"]) for one in answer["timeline"]])
            more = bool(answer.get("hasMore"))
            place = {**place, "offset": answer["offset"]} if more else {"since": format_instant(through)}
            done = not more and through >= until
            yield Page(items, dict(place), through if done else None)
            if done:
                return
