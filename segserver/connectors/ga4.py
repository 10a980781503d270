"""Google Analytics 4 as a destination of user properties, by the Measurement Protocol.

The protocol answers 2xx to anything it receives, so nothing here is ever confirmed: it was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from segserver.connectors.base import Outcome, Status, Trigger, Write
from segserver.connectors.batches import batches, deliver, outcomes, rounds
from segserver.connectors.calls import Call
from segserver.connectors.http import HttpClient
from segserver.specs.targets import Target

DEFAULT_ENDPOINT = "https://www.google-analytics.com"
PROPERTIES_PER_CALL = 25
LONGEST_NAME, LONGEST_VALUE = 24, 36
CLEARED = "none"
"""What an emptied property is set to: GA4 does not reliably clear one."""

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
    """

    trigger_batch = 0

    def __init__(self, http: HttpClient, measurement_id: str, api_secret: str) -> None:
        self._http = http
        self._measurement_id = measurement_id
        self._api_secret = api_secret

    def __repr__(self) -> str:
        return f"GoogleAnalytics({self._http.account}, {self._measurement_id})"

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
            "events": [{"name": EVENT, "params": {"engagement_time_msec": 1}}],
        }
        credentials = {"measurement_id": self._measurement_id, "api_secret": self._api_secret}
        self._http.request(Call("POST", "/mp/collect", params=credentials, json=body, binary=True))
        return outcomes(batch, Status.SENT)


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
