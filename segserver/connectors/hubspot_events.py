"""Who enters and leaves a segment, as occurrences of a custom event that the account defines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from segserver.clock import format_instant
from segserver.connectors.base import Outcome, Status, Write
from segserver.connectors.batches import batches, deliver, is_id, itself, outcomes, rounds
from segserver.connectors.hubspot_api import HubSpotApi

EVENTS_PER_CALL = 500
ENTERED, LEFT = "entered", "left"


class SegmentEvents:
    """The custom event that tells of segments.

    Args:
        api: the account.
        name: the event's full name ("pe12345_segment_change"); None where the connection declares none.
    """

    def __init__(self, api: HubSpotApi, name: str | None) -> None:
        self._api = api
        self._name = name

    def write(self, writes: Sequence[Write]) -> Iterator[Sequence[Outcome]]:
        """Send an occurrence for each; HubSpot drops one whose key it has seen, and never says what it did."""
        if not writes:
            return
        if self._name is None:
            yield outcomes(writes, Status.REJECTED, "the connection names no event; add event: to it")
            return
        nameless = [write for write in writes if not is_id(write.address)]
        if nameless:
            yield outcomes(nameless, Status.REJECTED, "the address is not a HubSpot contact id")
        good = [write for write in writes if is_id(write.address)]
        work = [
            batch
            for one_each in rounds(good, key=lambda write: write.address)
            for batch in batches(one_each, EVENTS_PER_CALL)
        ]
        yield from deliver(work, self._send, itself, splits=lambda error: error.status in (400, 413))

    def _send(self, batch: Sequence[Write]) -> list[Outcome]:
        occurred_at = format_instant(self._api.clock.now())
        inputs = [
            {
                "eventName": self._name,
                "objectId": write.address,
                "occurredAt": occurred_at,
                "properties": {"segment": write.target.name, "action": LEFT if write.value is None else ENTERED},
                **({"uuid": write.key} if write.key else {}),
            }
            for write in batch
        ]
        self._api.send("POST", f"{self._api.paths.custom_events}/send/batch", {"inputs": inputs})
        return outcomes(batch, Status.SENT)
