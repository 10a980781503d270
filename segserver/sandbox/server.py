"""The three stand-ins behind one address, and the things that happen at them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

from flask import Flask

from segserver.clock import Clock
from segserver.sandbox import frontdoor, webhooks
from segserver.sandbox.faults import Fault, FaultPlan
from segserver.sandbox.ga4 import routes as ga4_routes
from segserver.sandbox.ga4.property import Ga4Property
from segserver.sandbox.hubspot import routes as hubspot_routes
from segserver.sandbox.hubspot.account import HubSpotAccount, WebhookEvent
from segserver.sandbox.hubspot.workflows import Workflows
from segserver.sandbox.limits import UNLIMITED, Limits
from segserver.sandbox.marketo import flow_steps
from segserver.sandbox.marketo import routes as marketo_routes
from segserver.sandbox.marketo.account import MarketoAccount
from segserver.sandbox.marketo.flow_steps import FlowSteps
from segserver.sandbox.population import Activity, Population, Purchase
from segserver.sandbox.recording import RequestLog
from segserver.sandbox.serving import Server

ALL_FAULTS = tuple(Fault)
_SECRETS = ("_TOKEN", "_SECRET", "_KEY", "_CREDENTIALS", "_SERVICE_ACCOUNT")


class Sandbox:
    """Local stand-ins of HubSpot, Marketo and GA4 that keep what is pushed to them.

    Attributes:
        app: the WSGI application; `serve` puts it behind a port.
        hubspot: the HubSpot account: `lists`, `properties(contact)`, `outbox`, ...
        marketo: the Marketo instance: `lists`, `lead(...)`, `requests` (campaign requests per lead), ...
        workflows: what executes custom actions of the HubSpot account.
        flow_steps: what calls Self-Service Flow Steps of the Marketo instance.
        ga4: the GA4 property: `user_properties` by client id, `events`.
        requests: what was asked of the platforms, without secrets; `requests.to("/batch/update", "POST")`.
    """

    def __init__(
        self,
        clock: Clock,
        population: Population,
        *,
        enforce_limits: bool = False,
        limits: Limits | None = None,
        seed: int = 0,
    ) -> None:
        """Fill the accounts.

        Args:
            clock: the platforms' time.
            population: who is there.
            enforce_limits: whether the platforms' call limits hold; without, HubSpot announces ample ones.
            limits: other limits than a small plan's, to be enforced.
            seed: of keys, faults and empty pages.
        """
        allowed = limits or (Limits() if enforce_limits else UNLIMITED)
        self.clock = clock
        self.hubspot = HubSpotAccount(clock, population, allowed, seed)
        self.marketo = MarketoAccount(clock, population, allowed, seed)
        self.workflows = Workflows(self.hubspot, clock)
        self.flow_steps = FlowSteps(self.marketo, clock)
        self.ga4 = Ga4Property(clock, seed)
        self.plan = FaultPlan()
        self.requests = RequestLog(clock, self._secrets)
        self._seed = seed
        self._lock = threading.RLock()
        self.app = self._application()

    def _application(self) -> Flask:
        app = frontdoor.application(self.plan, self.requests, self._lock)
        app.register_blueprint(hubspot_routes.blueprint(self.hubspot))
        app.register_blueprint(marketo_routes.blueprint(self.marketo))
        app.register_blueprint(flow_steps.blueprint(self.flow_steps))
        app.register_blueprint(ga4_routes.blueprint(self.ga4))
        app.register_blueprint(frontdoor.control(self.state, self.faults, self.marketo.add_campaign, self.requests))
        return app

    def serve(self, port: int = 0, host: str = "127.0.0.1") -> Server:
        """A server for a `with` block; port 0 takes a free one."""
        return Server(self.app, self.environ, host, port)

    def environ(self, url: str) -> dict[str, str]:
        """The environment variables that point connections at this sandbox, served at `url`."""
        return {
            "HUBSPOT_TOKEN": self.hubspot.token,
            "HUBSPOT_CLIENT_ID": self.hubspot.client_id,
            "HUBSPOT_CLIENT_SECRET": self.hubspot.client_secret,
            "HUBSPOT_ENDPOINT": f"{url}/hubspot",
            "HUBSPOT_APP_ENDPOINT": f"{url}/hubspot",
            "MARKETO_CLIENT_ID": self.marketo.client_id,
            "MARKETO_CLIENT_SECRET": self.marketo.client_secret,
            "MARKETO_ENDPOINT": f"{url}/marketo",
            "GA4_MEASUREMENT_ID": self.ga4.measurement_id,
            "GA4_API_SECRET": self.ga4.api_secret,
            "GA4_ENDPOINT": f"{url}/ga4",
            "GA4_SERVICE_ACCOUNT": self.ga4.google.key_file(),
            "GA4_GOOGLE_ENDPOINT": f"{url}/ga4",
        }

    def _secrets(self) -> list[str]:
        variables = [value for name, value in self.environ("").items() if name.endswith(_SECRETS)]
        return [*variables, *self.hubspot.installs.secrets()]

    # ---- things going wrong

    def faults(self, *, rate: float = 0.0, kinds: Sequence[Fault | str] = ALL_FAULTS, seed: int | None = None) -> None:
        """Let a share of the requests from now on fail; the same seed picks the same requests. Rate 0 ends it.

        Raises:
            ValueError: a rate outside 0 to 1, or an unknown kind.
        """
        with self._lock:
            self.plan.set(rate, kinds, self._seed if seed is None else seed)

    # ---- things happening at the platforms

    def change_contact(self, contact: str, properties: Mapping[str, str]) -> list[WebhookEvent]:
        """Set HubSpot properties of a contact, by id or e-mail; returns the webhook events of it.

        Raises:
            KeyError: there is no such contact.
        """
        with self._lock:
            self.hubspot.change(self.hubspot.contact(contact), properties)
            return self._emitted()

    def change_lead(self, lead: str, values: Mapping[str, object]) -> None:
        """Set Marketo fields of a lead, by id or e-mail.

        Raises:
            KeyError: there is no such lead or field.
        """
        with self._lock:
            self.marketo.change_lead(self.marketo.lead(lead), values, reason="Form fill-out")

    def add_purchase(self, contact: str, purchase: Purchase) -> list[WebhookEvent]:
        """Let a contact buy: a won deal at HubSpot; `purchase.person` is not looked at."""
        with self._lock:
            self.hubspot.add_deal(self.hubspot.contact(contact), purchase)
            return self._emitted()

    def add_activity(self, lead: str, activity: Activity) -> None:
        """Let a lead do something Marketo sees; `activity.person` is not looked at."""
        with self._lock:
            number = self.marketo.lead(lead).number
            self.marketo.note(number, activity.type, activity.at, activity.asset, activity.attributes)

    def delete_contact(self, contact: str, *, for_privacy: bool = False) -> list[WebhookEvent]:
        """Delete a contact at HubSpot; for privacy it is erased, else it goes to the recycle bin."""
        with self._lock:
            record = self.hubspot.contact(contact)
            (self.hubspot.erase_contact if for_privacy else self.hubspot.archive_contact)(record)
            return self._emitted()

    def delete_lead(self, lead: str) -> None:
        """Delete a lead at Marketo."""
        with self._lock:
            self.marketo.delete_lead(self.marketo.lead(lead))

    def merge_contacts(self, survivor: str, loser: str) -> list[WebhookEvent]:
        """Join two HubSpot contacts."""
        with self._lock:
            self.hubspot.merge_contacts(self.hubspot.contact(survivor), self.hubspot.contact(loser))
            return self._emitted()

    def merge_leads(self, survivor: str, loser: str) -> None:
        """Join two Marketo leads."""
        with self._lock:
            self.marketo.merge_leads(self.marketo.lead(survivor), self.marketo.lead(loser))

    def webhook(self, events: Iterable[WebhookEvent], url: str, secret: str | None = None) -> webhooks.SignedRequest:
        """The signed request that brings these events to a receiver; `webhooks.deliver` sends it."""
        return webhooks.signed(list(events), url, secret or self.hubspot.client_secret, self.clock)

    def _emitted(self) -> list[WebhookEvent]:
        events, self.hubspot.outbox[:] = list(self.hubspot.outbox), []
        return events

    # ---- looking at it

    def state(self) -> dict[str, object]:
        """Everything that was pushed, as plain data."""
        with self._lock:
            self.marketo.settle()
            requests: dict[str, dict[str, int]] = {}
            for (campaign, lead), count in sorted(self.marketo.requests.items()):
                requests.setdefault(campaign, {})[str(lead)] = count
            return {
                "now": self.clock.now().isoformat() + "Z",
                "hubspot": {
                    "contacts": len(self.hubspot.contacts),
                    "deals": len(self.hubspot.deals),
                    "lists": {name: sorted(members, key=int) for name, members in self.hubspot.lists.items()},
                    "properties": self._pushed_properties(),
                },
                "marketo": {
                    "leads": len(self.marketo.leads),
                    "activities": len(self.marketo.log),
                    "lists": {name: sorted(members, key=int) for name, members in self.marketo.lists.items()},
                    "fields": self._pushed_fields(),
                    "campaign_requests": requests,
                },
                "ga4": {"user_properties": self.ga4.user_properties, "ignored": self.ga4.ignored},
                "requests": self.plan.requests,
                "faults": {str(fault): count for fault, count in sorted(self.plan.tally.items())},
            }

    def _pushed_properties(self) -> dict[str, dict[str, str]]:
        made = [name for name, one in self.hubspot.schema("contacts").items() if not one["hubspotDefined"]]
        held = {
            str(record.id): {name: record.properties[name] for name in made if name in record.properties}
            for record in self.hubspot.contacts
        }
        return {contact: values for contact, values in held.items() if values}

    def _pushed_fields(self) -> dict[str, dict[str, object]]:
        made = [field.name for field in self.marketo.fields.values() if field.custom]
        held = {
            str(lead.number): {name: lead.values[name] for name in made if name in lead.values}
            for lead in self.marketo.leads.values()
        }
        return {lead: values for lead, values in held.items() if values}
