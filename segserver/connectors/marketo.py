"""Marketo as a source of leads and activities and as a destination of lists, fields and campaign requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from segserver.connectors.auth import Grant
from segserver.connectors.base import Holding, Outcome, Status, Trigger, Write
from segserver.connectors.batches import outcomes
from segserver.connectors.calls import ApiError, Call
from segserver.connectors.http import HttpClient
from segserver.connectors.mapping import Reader, consent_fields, events_of
from segserver.connectors.marketo_activities import ActivitiesStream
from segserver.connectors.marketo_api import MarketoApi
from segserver.connectors.marketo_callbacks import Callback, deliver
from segserver.connectors.marketo_campaigns import LEADS_PER_CALL, Campaigns
from segserver.connectors.marketo_custom import CustomActivities, CustomActivity
from segserver.connectors.marketo_fields import Fields
from segserver.connectors.marketo_leads import LeadsStream
from segserver.connectors.marketo_lists import DEFAULT_FOLDER, StaticLists
from segserver.errors import RetryLater, SettingsError
from segserver.records import Cursor, Page, SourceItem
from segserver.specs.connections import ConnectionSpec
from segserver.specs.targets import EVENT, Target

CONTACTS_STREAM = "contacts"
ACTIVITIES_STREAM = "activities"


class Marketo:
    """One Marketo instance."""

    trigger_batch = LEADS_PER_CALL

    def __init__(
        self,
        spec: ConnectionSpec,
        api: MarketoApi,
        reader: Reader,
        sleep: Callable[[float], None],
        caller: Callable[[str], HttpClient],
    ) -> None:
        """Talk to an instance by `api`, and to the addresses of its callbacks by what `caller` makes."""
        self._spec = spec
        self._caller = caller
        self._leads = LeadsStream(spec.contacts, api, reader, sleep) if spec.contacts else None
        self._streams: dict[str, LeadsStream | ActivitiesStream] = {}
        if self._leads:
            self._streams[CONTACTS_STREAM] = self._leads
        if activities := events_of(spec, ACTIVITIES_STREAM):
            self._streams[ACTIVITIES_STREAM] = ActivitiesStream(activities, api, reader)
        folder = spec.options.get("folder")
        self._lists = StaticLists(api, folder if isinstance(folder, Mapping) else DEFAULT_FOLDER)
        self._fields = Fields(api, consent_fields(spec.contacts))
        self._campaigns = Campaigns(api, spec.latency)
        self._custom = CustomActivities(api, _activities(spec), _event(spec), spec.latency)

    # ---- reading ---------------------------------------------------------------------------------------------------

    def streams(self) -> Sequence[str]:
        """Leads first, then activities."""
        return tuple(self._streams)

    def read(self, stream: str, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages of one stream after the cursor."""
        with self._answering():
            yield from self._streams[stream].read(cursor, until)

    def read_contacts(self, source_ids: Sequence[str]) -> Sequence[SourceItem]:
        """Fresh copies of some leads.

        Raises:
            SettingsError: the connection declares no contacts.
        """
        if self._leads is None:
            raise SettingsError(f"{self._spec.place}: connection {self._spec.name} reads no contacts; add contacts:")
        with self._answering():
            return self._leads.by_id(source_ids)

    def call_back(self, callback: Callback) -> bool:
        """Answer an invocation of a flow step; says whether Marketo took it.

        Raises:
            RetryLater: Marketo does not answer now.
        """
        return deliver(self._caller, callback)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """A reading call that Marketo refuses ends this pull only: what is read stays, and the next run asks again."""
        try:
            yield
        except ApiError as error:
            raise RetryLater(f"{error} ({error.reason}); the next run tries again") from None

    # ---- writing ---------------------------------------------------------------------------------------------------

    def write(self, writes: Sequence[Write]) -> Iterator[Sequence[Outcome]]:
        """Lists one after another, then all fields together, then events."""
        lists: dict[str, list[Write]] = {}
        for write in writes:
            if write.target.kind == "list":
                lists.setdefault(write.target.name, []).append(write)
        for name, members in lists.items():
            yield from self._lists.write(name, members)
        yield from self._fields.write([write for write in writes if write.target.kind == "property"])
        yield from self._custom.tell([write for write in writes if write.target.kind == EVENT])
        unknown = [write for write in writes if write.target.kind not in ("list", "property", EVENT)]
        if unknown:
            yield outcomes(unknown, Status.REJECTED, "Marketo takes lists, fields and events")

    def trigger(self, triggers: Sequence[Trigger]) -> Sequence[Outcome]:
        """Request campaigns, or write activities of that name; a lost answer is UNKNOWN and never asked again."""
        custom = [one for one in triggers if one.campaign in self._custom]
        others = [one for one in triggers if one.campaign not in self._custom]
        return [*self._custom.send(custom), *self._campaigns.trigger(others)]

    def read_back(self, triggers: Iterable[tuple[Trigger, datetime]]) -> Sequence[Outcome]:
        """What the activity feed says of requests and activities whose outcome is unknown."""
        asked = list(triggers)
        custom = [pair for pair in asked if pair[0].campaign in self._custom]
        others = [pair for pair in asked if pair[0].campaign not in self._custom]
        return [*self._custom.read_back(custom), *self._campaigns.read_back(others)]

    def holds(self, target: Target) -> Holding | None:
        """Members of a list; None for a field, which Marketo cannot be searched by."""
        return Holding(self._lists.holds(target.name)) if target.kind == "list" else None


def _activities(spec: ConnectionSpec) -> dict[str, CustomActivity]:
    declared = spec.options.get("activities")
    written = declared if isinstance(declared, Mapping) else {}
    return {str(name): CustomActivity(int(one["type"]), one.get("key")) for name, one in written.items()}


def _event(spec: ConnectionSpec) -> CustomActivity | None:
    declared = spec.options.get(EVENT)
    return CustomActivity(int(declared["type"]), declared.get("key")) if isinstance(declared, Mapping) else None


def fetch_grant(identity: HttpClient, client_id: str, client_secret: str) -> Grant:
    """Ask for the custom service's token; before it expires, Marketo gives the same one again.

    Raises:
        RetryLater: the answer holds none.
        SettingsError: Marketo refuses the id or the secret.
    """
    params = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
    body = identity.request(Call("GET", "/identity/oauth/token", params=params)).json()
    if not isinstance(body, dict) or not body.get("access_token"):
        raise RetryLater(f"connection {identity.account}: Marketo's answer holds no token")
    return Grant(str(body["access_token"]), float(body.get("expires_in", 0)))
