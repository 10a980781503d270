"""Custom activities, on which Marketo's own campaigns can start: touches, and who enters and leaves a segment.

Marketo takes the same activity twice, so each carries our key in an attribute where the connection names one: then the
feed tells for certain whether a touch whose answer was lost was written. Without, nobody can tell, and it is not sent
again; nor is a segment's event whose answer was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from segserver.clock import format_instant
from segserver.connectors.base import Outcome, Status, Trigger, Write
from segserver.connectors.batches import Item, batches, is_id, outcomes
from segserver.connectors.calls import AnswerLost, ApiError, Call
from segserver.connectors.marketo_api import ACTIVITIES, BATCH, NOT_A_LEAD_ID, MarketoApi, reasons
from segserver.connectors.marketo_campaigns import SKEW, by_leads
from segserver.connectors.marketo_codes import NO_SUCH_LEAD, PASSING, splits
from segserver.errors import RetryLater

T = TypeVar("T", Trigger, Write)

_EXTERNAL = "/rest/v1/activities/external.json"


@dataclass(frozen=True, slots=True)
class CustomActivity:
    """A declared custom activity.

    Attributes:
        type: its number at the instance.
        key: attribute that takes our key; None where it has none.
    """

    type: int
    key: str | None


ENTERED, LEFT = "entered", "left"
Raw = dict[str, object]


class CustomActivities:
    """The custom activities that one connection writes.

    Args:
        api: the instance.
        declared: for touches, by the name that rule files use.
        event: for entering and leaving a segment; None where the connection declares none.
        lag: how late an activity may show in the feed.
    """

    def __init__(
        self,
        api: MarketoApi,
        declared: Mapping[str, CustomActivity],
        event: CustomActivity | None,
        lag: timedelta,
    ) -> None:
        self._api = api
        self._declared = declared
        self._event = event
        self._lag = lag

    def __contains__(self, name: str) -> bool:
        return name in self._declared

    def send(self, triggers: Sequence[Trigger]) -> list[Outcome]:
        """Write activities; a lost answer is UNKNOWN and they are never sent again."""
        result = outcomes([one for one in triggers if not is_id(one.address)], Status.REJECTED, NOT_A_LEAD_ID)
        addressed = [one for one in triggers if is_id(one.address)]
        for batch in batches(addressed, BATCH):
            result += self._send(batch, self._touch, Status.UNKNOWN)
        return result

    def tell(self, writes: Sequence[Write]) -> Iterator[Sequence[Outcome]]:
        """Tell of each contact that it has entered or left the segment that its write names."""
        event = self._event
        if event is None and writes:
            yield outcomes(writes, Status.REJECTED, "the connection names no event; add event: to it")
            return
        nameless = [write for write in writes if not is_id(write.address)]
        if nameless:
            yield outcomes(nameless, Status.REJECTED, NOT_A_LEAD_ID)
        for batch in batches([write for write in writes if is_id(write.address)], BATCH):
            yield self._send(batch, self._passage, Status.SENT)

    def read_back(self, triggers: Iterable[tuple[Trigger, datetime]]) -> list[Outcome]:
        """What the activity feed says of triggers whose outcome is unknown."""
        asked = sorted(triggers, key=lambda pair: pair[1])
        keyless = [trigger for trigger, _ in asked if self._declared[trigger.campaign].key is None]
        result = outcomes(
            keyless, Status.UNKNOWN, "the activity has no attribute for our key; add key: to the connection"
        )
        for group in by_leads([pair for pair in asked if self._declared[pair[0].campaign].key is not None]):
            try:
                result += self._judged(group)
            except (RetryLater, ApiError) as error:
                items = [trigger for trigger, _ in group]
                result += outcomes(items, Status.UNKNOWN, f"the activities cannot be read: {error}")
        return result

    def _send(self, batch: Sequence[T], as_activity: Callable[[T], Raw], lost: Status) -> list[Outcome]:
        """One call; `lost` is what becomes of a batch that may have been written and must not be written twice."""
        body = {"input": [as_activity(item) for item in batch]}
        try:
            answer = self._api.http.request(Call("POST", _EXTERNAL, json=body, repeatable=False)).json()
        except AnswerLost as error:
            return outcomes(batch, lost, str(error))
        except RetryLater as error:
            return outcomes(batch, Status.FAILED, str(error))
        except ApiError as error:
            if len(batch) == 1 or not splits(error.status, error.code):
                return outcomes(batch, Status.REJECTED, error.reason)
            middle = len(batch) // 2
            return [one for part in (batch[:middle], batch[middle:]) for one in self._send(part, as_activity, lost)]
        results = answer.get("result") or []
        if len(results) != len(batch):
            return outcomes(batch, lost, "Marketo's answer does not mention every activity")
        return [_outcome(item, result) for item, result in zip(batch, results, strict=True)]

    def _touch(self, trigger: Trigger) -> Raw:
        primary = trigger.tokens.get("template") or trigger.campaign
        return self._activity(self._declared[trigger.campaign], trigger.address, primary, trigger.key)

    def _passage(self, write: Write) -> Raw:
        if self._event is None:
            raise TypeError("no event is declared")
        primary = f"{write.target.name} {LEFT if write.value is None else ENTERED}"
        return self._activity(self._event, write.address, primary, write.key)

    def _activity(self, declared: CustomActivity, lead: str, primary: str, key: str | None) -> Raw:
        return {
            "leadId": int(lead),
            "activityDate": format_instant(self._api.clock.now().replace(microsecond=0)),
            "activityTypeId": declared.type,
            "primaryAttributeValue": primary,
            "attributes": [{"apiName": declared.key, "value": key}] if declared.key and key else [],
        }

    def _judged(self, group: Sequence[tuple[Trigger, datetime]]) -> list[Outcome]:
        seen, now = self._values(group), self._api.clock.now()
        result = []
        for trigger, at in group:
            if trigger.key in seen:
                result.append(Outcome(trigger, Status.CONFIRMED))
            elif now >= at + self._lag + SKEW:
                result.append(Outcome(trigger, Status.FAILED, "Marketo's activities show no such activity"))
            else:
                result.append(Outcome(trigger, Status.UNKNOWN, "Marketo's activities may not show it yet"))
        return result

    def _values(self, group: Sequence[tuple[Trigger, datetime]]) -> set[str]:
        """Values of attributes of the leads' activities since the first intent; our keys are among them."""
        leads = ",".join(sorted({trigger.address for trigger, _ in group}, key=int))
        types = ",".join(sorted({str(self._declared[trigger.campaign].type) for trigger, _ in group}))
        token = self._api.paging_token(min(at for _, at in group) - SKEW)
        return {
            str(attribute.get("value"))
            for page in self._api.feed(ACTIVITIES, token, datetime.max, activityTypeIds=types, leadIds=leads)
            for item in page.items
            for attribute in item.get("attributes") or ()
        }


def _outcome(item: Item, result: Mapping[str, Any]) -> Outcome:
    """Marketo tells failures of activities in `errors`."""
    if result.get("status") == "added":
        return Outcome(item, Status.CONFIRMED)
    codes, text = reasons(result)
    status = Status.FAILED if codes & PASSING else Status.REJECTED
    return Outcome(item, status, text or f"Marketo answered {result.get('status')}", NO_SUCH_LEAD in codes)
