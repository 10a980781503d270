"""Google Analytics 4 as a source of exported events and as a destination of user properties.

Writing goes by the Measurement Protocol, which answers 2xx to anything it receives, so nothing here is
ever confirmed: it was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from segserver.clock import Clock, to_epoch_ms
from segserver.connectors.base import Outcome, Status, Trigger, Write
from segserver.connectors.batches import batches, deliver, outcomes, rounds
from segserver.connectors.calls import ApiError, Call
from segserver.connectors.ga4_audiences import AudienceStream, KeptMembers
from segserver.connectors.ga4_bigquery import BigQuery
from segserver.connectors.ga4_data import DataApi, worded
from segserver.connectors.ga4_dimensions import Dimensions
from segserver.connectors.ga4_events import ExportStream, Names
from segserver.connectors.ga4_reports import ReportStream
from segserver.connectors.http import HttpClient
from segserver.connectors.mapping import Reader, events_of
from segserver.errors import RetryLater, SettingsError, StreamFailed
from segserver.records import Cursor, Page, SourceItem
from segserver.specs.connections import ConnectionSpec
from segserver.specs.targets import USER_PROPERTY, Target

DEFAULT_ENDPOINT = "https://www.google-analytics.com"
PROPERTIES_PER_CALL = 25
LONGEST_NAME, LONGEST_VALUE = 24, 36
CLEARED = "0"
"""What an emptied property is set to: GA4 does not reliably clear one."""

EXPORT_STREAM, AUDIENCE_STREAM, REPORT_STREAM = "export", "audience", "report"

EVENT = "segserver_segment_update"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_RESERVED = frozenset(
    {"first_open_time", "first_visit_time", "last_deep_link_referrer", "user_id", "first_open_after_install"}
)
_RESERVED_PREFIXES = ("_", "firebase_", "ga_", "google_")
_ADS = ("ad_user_data", "ad_personalization")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Which channels of consent lines stand for which consent of Google's; None where none was named.

    Attributes:
        analytics: without it nothing is sent about a contact.
        ads: with it Google may use what is sent for advertising.
    """

    analytics: str | None = None
    ads: str | None = None

    def denies(self, write: Write) -> bool:
        """Whether nothing may be sent about the contact."""
        return self.analytics is not None and self.analytics not in write.agreed

    def told(self, writes: Sequence[Write]) -> Mapping[str, str]:
        """What Google is told of advertising: denied unless the contact is known to have agreed."""
        granted = self.ads is not None and all(self.ads in write.agreed for write in writes)
        return dict.fromkeys(_ADS, "GRANTED" if granted else "DENIED")


class GoogleAnalytics:
    """One web data stream.

    Args:
        http: without credentials; they go into the query, which is never shown.
        measurement_id: of the stream ("G-...").
        api_secret: of the Measurement Protocol.
        clock: dates what is sent, so that of two values the later one wins, whichever arrives first.
        agreement: what consent stands for what.
        dimensions: of the property, made for the user properties written; None where they are made by hand.
        export: of raw events to BigQuery; None where none is read.
        kept: whom audiences held.
        audiences: who is in them; None where none is read.
        reports: by day and person; None where none is read.
    """

    trigger_batch = 0

    def __init__(
        self,
        http: HttpClient,
        measurement_id: str,
        api_secret: str,
        clock: Clock,
        *,
        agreement: Agreement,
        kept: KeptMembers,
        dimensions: Dimensions | None = None,
        export: ExportStream | None = None,
        audiences: AudienceStream | None = None,
        reports: ReportStream | None = None,
    ) -> None:
        self._http = http
        self._kept = kept
        self._clock = clock
        self._agreement = agreement
        self._dimensions = dimensions
        streams = {EXPORT_STREAM: export, AUDIENCE_STREAM: audiences, REPORT_STREAM: reports}
        self._streams = {name: stream for name, stream in streams.items() if stream is not None}
        self._measurement_id = measurement_id
        self._api_secret = api_secret

    def __repr__(self) -> str:
        return f"GoogleAnalytics({self._http.account}, {self._measurement_id})"

    # ---- reading ---------------------------------------------------------------------------------------------------

    def tidy(self) -> None:
        """Keep nothing of people who were forgotten, nor of audiences that are not declared."""
        self._kept.tidy()

    def streams(self) -> Sequence[str]:
        """The export, the audiences and the reports, where events are declared on them."""
        return tuple(self._streams)

    def read(self, stream: str, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages of events after the cursor.

        Raises:
            StreamFailed: the stream cannot be read; the others may be.
        """
        if stream not in self._streams:
            raise SettingsError(f"connection {self._http.account} reads no {stream}; declare events: on it")
        try:
            yield from self._streams[stream].read(cursor, until)
        except (ApiError, RetryLater) as error:
            raise StreamFailed(worded(error)) from None

    def read_contacts(self, source_ids: Sequence[str]) -> Sequence[SourceItem]:  # noqa: ARG002 - it has none
        """Google Analytics keeps no contacts."""
        return ()

    # ---- writing ---------------------------------------------------------------------------------------------------

    def write(self, writes: Sequence[Write]) -> Iterator[Sequence[Outcome]]:
        """One call for each client id with up to 25 of its properties."""
        faults = [self._fault(write) for write in writes]
        good = [write for write, fault in zip(writes, faults, strict=True) if fault is None]
        bad = [Outcome(write, Status.REJECTED, fault) for write, fault in zip(writes, faults, strict=True) if fault]
        if bad:
            yield bad
        if self._dimensions is not None:
            good, unmade = self._with_dimensions(self._dimensions, good)
            if unmade:
                yield unmade
        by_client: dict[str, list[Write]] = {}
        for write in good:
            by_client.setdefault(write.address, []).append(write)
        work = [
            [batch]
            for mine in by_client.values()
            for one_each in rounds(mine, key=lambda write: write.target.name)
            for batch in batches(one_each, PROPERTIES_PER_CALL)
        ]
        yield from deliver(work, self._collect, lambda batch: batch, splits=lambda _: False)

    def trigger(self, triggers: Sequence[Trigger]) -> Sequence[Outcome]:
        """GA4 sends nothing to anybody."""
        return outcomes(triggers, Status.REJECTED, "Google Analytics cannot start a touch")

    def read_back(self, triggers: Iterable[tuple[Trigger, datetime]]) -> Sequence[Outcome]:
        """Nothing was ever triggered here."""
        return outcomes([trigger for trigger, _ in triggers], Status.FAILED, "Google Analytics cannot start a touch")

    def holds(self, target: Target) -> None:
        """GA4 does not say what it holds."""

    def _fault(self, write: Write) -> str | None:
        fault = fault_of(write)
        if fault is None and self._agreement.denies(write):
            return f"the contact has not agreed to {self._agreement.analytics}"
        return fault

    @staticmethod
    def _with_dimensions(dimensions: Dimensions, writes: Sequence[Write]) -> tuple[list[Write], list[Outcome]]:
        """The writes whose properties have a dimension now, and what became of the others."""
        try:
            faults = dimensions.ensure({write.target.name for write in writes})
        except RetryLater as error:
            return [], outcomes(writes, Status.FAILED, str(error))
        good = [write for write in writes if write.target.name not in faults]
        unmade = [write for write in writes if write.target.name in faults]
        return good, [Outcome(write, Status.REJECTED, faults[write.target.name]) for write in unmade]

    def _collect(self, work: Sequence[Sequence[Write]]) -> list[Outcome]:
        (batch,) = work
        body = {
            "client_id": batch[0].address,
            "timestamp_micros": to_epoch_ms(self._clock.now()) * 1000,
            "consent": self._agreement.told(batch),
            "user_properties": {write.target.name: {"value": write.value or CLEARED} for write in batch},
            "events": [_told(write) for write in batch],
        }
        credentials = {"measurement_id": self._measurement_id, "api_secret": self._api_secret}
        self._http.request(Call("POST", "/mp/collect", params=credentials, json=body, binary=True))
        return outcomes(batch, Status.SENT)


def agreement_of(spec: ConnectionSpec) -> Agreement:
    """The channels that a connection names for Google's consent."""
    named = [spec.options.get(key) for key in ("analytics_consent", "ads_consent")]
    analytics, ads = (str(one) if one else None for one in named)
    return Agreement(analytics, ads)


def exports(spec: ConnectionSpec, bigquery: BigQuery | None, reader: Reader) -> ExportStream | None:
    """The stream of the events that a connection declares on the export; None where there are none."""
    events = events_of(spec, EXPORT_STREAM)
    if bigquery is None or not events:
        return None
    return ExportStream(events, bigquery, reader, _names(spec), spec.latency)


def kept_members(spec: ConnectionSpec, reader: Reader, folder: Path) -> KeptMembers:
    """What is remembered in a folder of whom the audiences of a connection held last."""
    events = [event.name for event in events_of(spec, AUDIENCE_STREAM)]
    return KeptMembers(folder, events, _names(spec), reader.left_out)


def audiences(spec: ConnectionSpec, data: DataApi | None, reader: Reader, kept: KeptMembers) -> AudienceStream | None:
    """The stream of the audiences that a connection declares; None where there are none."""
    events = events_of(spec, AUDIENCE_STREAM)
    return AudienceStream(events, data, reader, _names(spec), kept) if data is not None and events else None


def reports(spec: ConnectionSpec, data: DataApi | None, reader: Reader) -> ReportStream | None:
    """The stream of the reports that a connection declares; None where there are none."""
    events = events_of(spec, REPORT_STREAM)
    return ReportStream(events, data, reader, spec.latency) if data is not None and events else None


def _names(spec: ConnectionSpec) -> Names:
    user = spec.options.get("user_identity")
    return Names(str(spec.options["identity"]), str(user) if user else None)


def _told(write: Write) -> dict[str, object]:
    """The event that tells of one property: the client entered its segment, left it, or the plan changed."""
    action = "update" if not write.segment else "exit" if write.value is None else "enter"
    params = {"segment_key": write.target.name, "action": action, "engagement_time_msec": 1}
    return {"name": EVENT, "params": params}


def fault_of(write: Write) -> str | None:
    """Why GA4 would drop a write without a word; None if it would not."""
    name, value = write.target.name, write.value or CLEARED
    if write.target.kind != USER_PROPERTY:
        return "Google Analytics takes user properties"
    if not write.address:
        return "the contact has no client id"
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        return f"{name!r} is no name of a user property: a letter, then letters, digits and _, {LONGEST_NAME} at most"
    if name in _RESERVED or name.startswith(_RESERVED_PREFIXES):
        return f"the name {name!r} is reserved by Google"
    if len(value) > LONGEST_VALUE:
        return f"the value has {len(value)} characters, Google Analytics keeps {LONGEST_VALUE}"
    return None
