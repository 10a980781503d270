"""Touches started by Marketo's Request Campaign, a call that Marketo cannot recognise as repeated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from segserver.clock import parse_instant
from segserver.connectors.base import Outcome, Status, Trigger
from segserver.connectors.batches import batches, is_id, outcomes, rounds
from segserver.connectors.calls import AnswerLost, ApiError, Call
from segserver.connectors.marketo_api import ACTIVITIES, BATCH, NOT_A_LEAD_ID, MarketoApi
from segserver.connectors.marketo_codes import NO_SUCH_LEAD
from segserver.errors import RetryLater

LEADS_PER_CALL = 100
LEADS_PER_FEED = 30
REQUEST_CAMPAIGN_TYPE = 47
SKEW = timedelta(minutes=5)
"""Marketo's clock may be behind ours; taking an earlier touch for ours is safe, sending twice is not."""

REACH = timedelta(hours=1)
"""A call follows its intent at once; a request seen later than this belongs to another touch."""


class Campaigns:
    """The requestable campaigns of one instance.

    Args:
        api: the instance.
        lag: how late an activity may show in the feed.
    """

    def __init__(self, api: MarketoApi, lag: timedelta) -> None:
        self._api = api
        self._lag = lag
        self._ids: dict[str, str] = {}

    def trigger(self, triggers: Sequence[Trigger]) -> list[Outcome]:
        """Request campaigns; tokens belong to a call, so leads with the same tokens share one."""
        groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[Trigger]] = {}
        for trigger in triggers:
            groups.setdefault((trigger.campaign, tuple(sorted(trigger.tokens.items()))), []).append(trigger)
        return [
            outcome
            for group in groups.values()
            for one_each in rounds(group, key=lambda trigger: trigger.address)
            for batch in batches(one_each, LEADS_PER_CALL)
            for outcome in self._request(batch)
        ]

    def read_back(self, triggers: Iterable[tuple[Trigger, datetime]]) -> list[Outcome]:
        """What the activity feed says of triggers whose outcome is unknown."""
        asked = sorted(triggers, key=lambda pair: pair[1])
        nameless = [trigger for trigger, _ in asked if not is_id(trigger.address)]
        result = outcomes(nameless, Status.REJECTED, NOT_A_LEAD_ID)
        asked = [pair for pair in asked if is_id(pair[0].address)]
        for group in by_leads(asked):
            try:
                result += self._judged(group)
            except (RetryLater, ApiError) as error:
                items = [trigger for trigger, _ in group]
                result += outcomes(items, Status.UNKNOWN, f"the activities cannot be read: {error}")
        return result

    def _request(self, batch: Sequence[Trigger]) -> list[Outcome]:
        """One call for leads with the same campaign and tokens."""
        try:
            campaign = self._campaign(batch[0].campaign)
        except ApiError as error:
            return outcomes(batch, Status.REJECTED, error.reason)
        except RetryLater as error:
            return outcomes(batch, Status.FAILED, str(error))
        if campaign is None:
            reason = f"Marketo has no campaign, or several, named {batch[0].campaign!r}"
            return outcomes(batch, Status.REJECTED, reason)
        addressed = [trigger for trigger in batch if is_id(trigger.address)]
        others = [trigger for trigger in batch if not is_id(trigger.address)]
        rejected = outcomes(others, Status.REJECTED, NOT_A_LEAD_ID)
        return rejected + (self._send(campaign, addressed) if addressed else [])

    def _send(self, campaign: str, batch: Sequence[Trigger]) -> list[Outcome]:
        tokens = [{"name": f"{{{{my.{name}}}}}", "value": value} for name, value in sorted(batch[0].tokens.items())]
        body = {"input": {"leads": [{"id": int(trigger.address)} for trigger in batch], "tokens": tokens}}
        try:
            self._api.http.request(
                Call("POST", f"/rest/v1/campaigns/{campaign}/trigger.json", json=body, repeatable=False)
            )
        except AnswerLost as error:
            return outcomes(batch, Status.UNKNOWN, str(error))
        except ApiError as error:
            if error.code == NO_SUCH_LEAD and len(batch) > 1:
                # One unknown lead makes Marketo refuse the whole call, before it starts anything.
                middle = len(batch) // 2
                return self._send(campaign, batch[:middle]) + self._send(campaign, batch[middle:])
            return outcomes(batch, Status.REJECTED, error.reason)
        except RetryLater as error:
            return outcomes(batch, Status.FAILED, str(error))
        return outcomes(batch, Status.CONFIRMED)

    def _campaign(self, name: str) -> str | None:
        """The id of the one campaign of that name; of several, of the one that is active."""
        if name not in self._ids:
            listed = self._api.get("/rest/v1/campaigns.json", name=name, batchSize=BATCH).get("result") or []
            named = [one for one in listed if one.get("name") == name]
            meant = [one for one in named if one.get("active")] if len(named) > 1 else named
            if len(meant) != 1:
                return None
            self._ids[name] = str(meant[0]["id"])
        return self._ids[name]

    def _judged(self, group: Sequence[tuple[Trigger, datetime]]) -> list[Outcome]:
        """Outcomes of triggers in the order of their intents; one activity speaks for one trigger."""
        seen = self._requests(group)
        now = self._api.clock.now()
        result: list[Outcome] = []
        for trigger, at in group:
            campaign = self._campaign(trigger.campaign)
            fitting = [
                one for one in seen if one[:2] == (trigger.address, campaign) and at - SKEW <= one[2] <= at + REACH
            ]
            if fitting:
                seen.remove(fitting[0])
                result.append(Outcome(trigger, Status.CONFIRMED))
            elif campaign is not None and now >= at + self._lag + SKEW:
                result.append(Outcome(trigger, Status.FAILED, "Marketo's activities show no such request"))
            else:
                result.append(Outcome(trigger, Status.UNKNOWN, "Marketo's activities may not show it yet"))
        return result

    def _requests(self, group: Sequence[tuple[Trigger, datetime]]) -> list[tuple[str, str, datetime]]:
        """(lead, campaign, instant) of campaign requests of these leads since the first intent."""
        leads = ",".join(sorted({trigger.address for trigger, _ in group}, key=int))
        token = self._api.paging_token(min(at for _, at in group) - SKEW)
        return [
            (str(item["leadId"]), _campaign_of(item), parse_instant(item["activityDate"]))
            for page in self._api.feed(
                ACTIVITIES, token, datetime.max, activityTypeIds=str(REQUEST_CAMPAIGN_TYPE), leadIds=leads
            )
            for item in page.items
        ]


def _campaign_of(item: Any) -> str:
    """Id of the campaign that was requested; the activity's primary attribute."""
    return str(item.get("primaryAttributeValueId") or item.get("campaignId") or "")


def by_leads(asked: Sequence[tuple[Trigger, datetime]]) -> Iterator[list[tuple[Trigger, datetime]]]:
    """Groups of triggers about at most as many leads as one feed can be narrowed to."""
    leads = list(dict.fromkeys(trigger.address for trigger, _ in asked))
    for chunk in batches(leads, LEADS_PER_FEED):
        members = set(chunk)
        yield [pair for pair in asked if pair[0].address in members]
