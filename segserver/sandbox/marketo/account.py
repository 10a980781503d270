"""One Marketo instance: what it holds, and what happens in it."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from segserver.clock import Clock
from segserver.sandbox.limits import DailyAllowance, Limits, RollingWindow
from segserver.sandbox.marketo.bulk import BulkPace
from segserver.sandbox.marketo.errors import MarketoError, invalid
from segserver.sandbox.marketo.fields import Field, standard_fields
from segserver.sandbox.marketo.records import (
    ACTIVITY_KINDS,
    ActivityType,
    Campaign,
    Lead,
    Logged,
    StaticList,
    instant,
)
from segserver.sandbox.population import Population
from segserver.sandbox.routing import made_up

TOKEN_LIFETIME = timedelta(seconds=3_600)
SEND_AFTER, DELIVER_AFTER = timedelta(seconds=20), timedelta(seconds=30)
"""How long after a campaign is requested its e-mail goes out and arrives."""

_CENTRAL = timedelta(hours=-6)

PERMISSIONS = (
    "Read-Write Person",
    "Read-Only Activity",
    "Read-Write Activity",
    "Read-Write Assets",
    "Execute Campaign",
    "Read-Write Schema Custom Field",
)
"""What the role of an API user may hold."""


class MarketoAccount:
    """The state behind the Marketo endpoints.

    Attributes:
        client_id: the custom service's id, and `client_secret` its key.
        leads: by id.
        log: all activities in the order in which they became known.
        all_lists: static lists by id.
        campaigns: by id.
        requests: how often each campaign was requested for each lead: (campaign name, lead id) to count.
        tokens: what each request passed along, in order: (campaign name, lead id, token name to value).
        calls: requests received so far.
        bulk: how exports go.
        activity_kinds: types of activities by number.
        permissions: what the role of the API user holds.
    """

    def __init__(self, clock: Clock, population: Population, limits: Limits, seed: int) -> None:
        self.clock = clock
        self.seed = seed
        self.client_id = made_up("marketo client id", seed)
        self.client_secret = made_up("marketo client secret", seed)
        self.burst = RollingWindow(limits.marketo_burst, timedelta(seconds=20))
        self.daily = DailyAllowance(limits.marketo_daily, timezone(_CENTRAL))
        self.concurrent = limits.marketo_concurrent
        self.fields: dict[str, Field] = standard_fields()
        self.leads: dict[int, Lead] = {}
        self.log: list[Logged] = []
        self.all_lists: dict[int, StaticList] = {}
        self.campaigns: dict[int, Campaign] = {}
        self.requests: Counter[tuple[str, int]] = Counter()
        self.tokens: list[tuple[str, int, Mapping[str, str]]] = []
        self.bulk = BulkPace()
        self.activity_kinds = dict(ACTIVITY_KINDS)
        self.permissions = set(PERMISSIONS)
        self.calls = 0
        self._token: tuple[str, datetime] | None = None
        self._tokens_made = 0
        self._next_lead = 5_001
        self._due: list[tuple[datetime, int, int, str | None, int | None]] = []
        for name in ("Win back", "Coffee offer"):
            self.add_campaign(name)
        self.add_campaign("Newsletter", requestable=False)
        self._fill(population)

    # ---- what it holds

    @property
    def lists(self) -> dict[str, set[str]]:
        """Who is on each static list: list name to lead ids."""
        return {entry.name: {str(member) for member in entry.members} for entry in self.all_lists.values()}

    def lead(self, lead: str) -> Lead:
        """A lead by id or e-mail, the oldest if several have it.

        Raises:
            KeyError: there is none.
        """
        for entry in self.leads.values():
            if str(entry.number) == lead or str(entry.values.get("email", "")).lower() == lead.lower():
                return entry
        raise KeyError(f"Marketo's stand-in has no lead {lead!r}")

    # ---- tokens and places

    def access_token(self) -> tuple[str, int]:
        """The present token with its remaining seconds; a new one only when the old one has ended."""
        now = self.clock.now()
        if self._token is None or self._token[1] <= now:
            self._tokens_made += 1
            self._token = made_up(f"marketo token {self._tokens_made}", self.seed), now + TOKEN_LIFETIME
        value, end = self._token
        return value, int((end - now).total_seconds())

    def check_token(self, sent: str) -> None:
        """Admit the present token only.

        Raises:
            MarketoError: 600, 601 or 602.
        """
        if not sent:
            raise MarketoError("600", "Empty access token")
        if self._token is None or sent != self._token[0]:
            former = (made_up(f"marketo token {number}", self.seed) for number in range(1, self._tokens_made + 1))
            if sent in former:
                raise MarketoError("602", "Access token expired")
            raise MarketoError("601", "Access token invalid")
        if self._token[1] <= self.clock.now():
            raise MarketoError("602", "Access token expired")

    def expire_token(self) -> None:
        """End the present token early."""
        self._token = None

    def token_at(self, position: int, *, rested: bool = False) -> str:
        """A paging token for a position."""
        place = json.dumps({"at": position, "rested": rested, "for": self.client_id})
        return base64.b32encode(place.encode()).decode()

    def place(self, token: str | None) -> int:
        """The position of a paging token; 0 without one."""
        return self.rested_place(token)[0] if token else 0

    def rested_place(self, token: str) -> tuple[int, bool]:
        """The position of a paging token, and whether an empty page was served there already.

        Raises:
            MarketoError: it is not one of ours.
        """
        try:
            place = json.loads(base64.b32decode(token))
            return int(place["at"]), bool(place["rested"])
        except (ValueError, KeyError, TypeError):
            raise invalid("Invalid nextPageToken") from None

    # ---- what happens in it

    def add_campaign(self, name: str, *, requestable: bool = True) -> Campaign:
        """A further smart campaign."""
        campaign = Campaign(2_001 + len(self.campaigns), name, requestable)
        self.campaigns[campaign.number] = campaign
        return campaign

    def add_lead(self, values: Mapping[str, object], at: datetime, *, source: str) -> Lead:
        """A new lead, with its type 12 activity."""
        number, self._next_lead = self._next_lead, self._next_lead + 1
        known = {name: value for name, value in values.items() if value is not None}
        lead = self.leads[number] = Lead(number, at, at, at, known)
        asset = str(known.get("email", "")) or None
        self.note(
            number, ActivityType.NEW_LEAD, at, asset, (("Source Type", source), ("Created Date", instant(at)[:10]))
        )
        return lead

    def change_lead(self, lead: Lead, values: Mapping[str, object], reason: str) -> list[str]:
        """Set fields; None clears one. Each change is a type 13 activity. Returns the names that changed."""
        now = self.clock.now()
        changed = [name for name, value in values.items() if lead.values.get(name) != value]
        for name in changed:
            old, new = lead.values.get(name), values[name]
            field = self.fields[name]
            about = (("New Value", _text(new)), ("Old Value", _text(old)), ("Reason", reason), ("Source", reason))
            self.note(lead.number, ActivityType.CHANGE, now, field.label, about, asset_id=field.number)
            if new is None:
                lead.values.pop(name, None)
            else:
                lead.values[name] = new
        if changed:
            lead.touched_at = now
        if any(not self.fields[name].custom for name in changed):
            lead.updated_at = now
        return changed

    def delete_lead(self, lead: Lead) -> None:
        """Delete a lead, with its type 37 activity."""
        self._forget(lead)
        self.note(lead.number, ActivityType.DELETE, self.clock.now(), str(lead.values.get("email", "")) or None)

    def merge_leads(self, survivor: Lead, loser: Lead) -> None:
        """Join two leads, with the type 32 activity of the survivor."""
        self._forget(loser)
        missing = {name: value for name, value in loser.values.items() if name not in survivor.values}
        survivor.values.update(missing)
        survivor.updated_at = survivor.touched_at = self.clock.now()
        about = (("Merge IDs", str(loser.number)), ("Merge Fields", ",".join(missing)))
        self.note(survivor.number, ActivityType.MERGE, self.clock.now(), None, about)

    def request_campaign(self, campaign: Campaign, lead: Lead, tokens: Mapping[str, str]) -> None:
        """Start a campaign for one lead: type 47 now; e-mails follow shortly where mail may be sent."""
        now = self.clock.now()
        self.requests[campaign.name, lead.number] += 1
        self.tokens.append((campaign.name, lead.number, dict(tokens)))
        about = (("Source", "Web service API"),)
        self.note(
            lead.number, ActivityType.REQUEST_CAMPAIGN, now, campaign.name, about, campaign.number, campaign.number
        )
        if any(lead.values.get(name) for name in ("unsubscribed", "emailInvalid", "marketingSuspended", "blackListed")):
            return
        mailing = f"{campaign.name}.{next(iter(tokens.values()), 'Email')}"
        self._due.append((now + SEND_AFTER, lead.number, ActivityType.SEND, mailing, campaign.number))
        self._due.append((now + DELIVER_AFTER, lead.number, ActivityType.DELIVERED, mailing, campaign.number))

    def settle(self) -> None:
        """Let happen what has become due."""
        now = self.clock.now()
        if not self._due or min(self._due)[0] > now:
            return
        for at, lead, kind, mailing, campaign in sorted(entry for entry in self._due if entry[0] <= now):
            if lead in self.leads:
                self.note(lead, kind, at, mailing, (("Campaign Run ID", campaign),), campaign, campaign)
        self._due = [entry for entry in self._due if entry[0] > now]

    def note(
        self,
        lead: int,
        kind: int,
        at: datetime,
        asset: str | None = None,
        attributes: tuple[tuple[str, object], ...] = (),
        campaign: int | None = None,
        asset_id: int | None = None,
    ) -> None:
        """Write an activity into the log."""
        arrived = max(at, self.log[-1].arrived) if self.log else at
        self.log.append(Logged(len(self.log) + 1, lead, kind, at, arrived, asset_id, asset, attributes, campaign))

    def _forget(self, lead: Lead) -> None:
        del self.leads[lead.number]
        for entry in self.all_lists.values():
            entry.take(lead.number)

    # ---- filling it

    def _fill(self, population: Population) -> None:
        numbers: dict[int, int] = {}
        for position, person in sorted(enumerate(population.people), key=lambda entry: entry[1].created_at):
            if person.in_marketo:
                values = {"email": person.lead_email or person.email, **person.lead}
                numbers[position] = self.add_lead(values, person.created_at, source="New lead").number
        for activity in population.activities:
            if activity.person in numbers:
                self.note(numbers[activity.person], activity.type, activity.at, activity.asset, activity.attributes)
        self.log.sort(key=lambda entry: entry.at)
        self.log = [entry._replace(number=n, arrived=entry.at) for n, entry in enumerate(self.log, start=1)]


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
