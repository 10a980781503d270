"""Google Analytics 4 as a source of exported events and as a destination of user properties.

Writing goes by the Measurement Protocol, which answers 2xx to anything it receives, so nothing here is
ever confirmed: it was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from segserver.connectors.base import Outcome, Status, Trigger, Write
from segserver.connectors.batches import batches, deliver, outcomes, rounds
from segserver.connectors.calls import ApiError, Call
from segserver.connectors.ga4_bigquery import BigQuery
from segserver.connectors.ga4_events import ExportStream, Names
from segserver.connectors.http import HttpClient
from segserver.connectors.mapping import Reader, events_of
from segserver.errors import RetryLater, SettingsError
from segserver.records import Cursor, Page, SourceItem
from segserver.specs.connections import ConnectionSpec
from segserver.specs.targets import Target

DEFAULT_ENDPOINT = "https://www.google-analytics.com"
PROPERTIES_PER_CALL = 25
LONGEST_NAME, LONGEST_VALUE = 24, 36
MEMBER, CLEARED = "1", "0"
"""What a property says of those in a segment, and what an emptied one is set to: GA4 does not reliably clear one."""

EXPORT_STREAM = "export"

EVENT = "segserver_segment_update"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_RESERVED = frozenset(
    {"first_open_time", "first_visit_time", "last_deep_link_referrer", "user_id", "first_open_after_install"}
)
_RESERVED_PREFIXES = ("_", "firebase_", "ga_", "google_")
_CONSENT = {"ad_user_data": "DENIED", "ad_personalization": "DENIED"}


class GoogleAnalytics:
    """One web data stream.

    Args:
        http: without credentials; they go into the query, which is never shown.
        measurement_id: of the stream ("G-...").
        api_secret: of the Measurement Protocol.
        export: of raw events to BigQuery; None where none is read.
    """

    trigger_batch = 0

    def __init__(
        self, http: HttpClient, measurement_id: str, api_secret: str, export: ExportStream | None = None
    ) -> None:
        self._http = http
        self._export = export
        self._measurement_id = measurement_id
        self._api_secret = api_secret

    def __repr__(self) -> str:
        return f"GoogleAnalytics({self._http.account}, {self._measurement_id})"

    # ---- reading ---------------------------------------------------------------------------------------------------

    def streams(self) -> Sequence[str]:
        """The export, where events are declared on it."""
        return (EXPORT_STREAM,) if self._export else ()

    def read(self, stream: str, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages of exported events after the cursor."""
        if self._export is None:
            raise SettingsError(f"connection {self._http.account} reads no {stream}; declare events: on it")
        try:
            yield from self._export.read(cursor, until)
        except ApiError as error:
            raise RetryLater(f"{error} ({error.reason}); the next run tries again") from None

    def read_contacts(self, source_ids: Sequence[str]) -> Sequence[SourceItem]:  # noqa: ARG002 - it has none
        """Google Analytics keeps no contacts."""
        return ()

    # ---- writing ---------------------------------------------------------------------------------------------------

    def write(self, writes: Sequence[Write]) -> Iterator[Sequence[Outcome]]:
        """One call for each client id with up to 25 of its properties."""
        good: list[Write] = []
        bad: list[Outcome] = []
        for write in writes:
            fault = fault_of(write)
            if fault is None:
                good.append(write)
            else:
                bad.append(Outcome(write, Status.REJECTED, fault))
        if bad:
            yield bad
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

    def _collect(self, work: Sequence[Sequence[Write]]) -> list[Outcome]:
        (batch,) = work
        body = {
            "client_id": batch[0].address,
            "consent": _CONSENT,
            "user_properties": {write.target.name: {"value": write.value or CLEARED} for write in batch},
            "events": [_told(write) for write in batch],
        }
        credentials = {"measurement_id": self._measurement_id, "api_secret": self._api_secret}
        self._http.request(Call("POST", "/mp/collect", params=credentials, json=body, binary=True))
        return outcomes(batch, Status.SENT)


def exports(spec: ConnectionSpec, bigquery: BigQuery | None, reader: Reader) -> ExportStream | None:
    """The stream of the events that a connection declares on the export; None where there are none."""
    events = events_of(spec, EXPORT_STREAM)
    if bigquery is None or not events:
        return None
    user = spec.options.get("user_identity")
    names = Names(str(spec.options["identity"]), str(user) if user else None)
    return ExportStream(events, bigquery, reader, names, spec.latency)


def _told(write: Write) -> dict[str, object]:
    """The event that tells of one property: the client entered what it stands for, left it, or got another value."""
    action = "exit" if write.value is None else "enter" if write.value == MEMBER else "update"
    params = {"segment_key": write.target.name, "action": action, "engagement_time_msec": 1}
    return {"name": EVENT, "params": params}


def fault_of(write: Write) -> str | None:
    """Why GA4 would drop a write without a word; None if it would not."""
    name, value = write.target.name, write.value or CLEARED
    if write.target.kind != "user property":
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
