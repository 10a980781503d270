"""Where HubSpot's endpoints are: each area has a version of its own, and not every one moves by its date alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_VERSION = "2026-03"
"""The version all areas have."""

_BASES: Mapping[str, Mapping[str, str]] = {
    "objects": {"2026-03": "/crm/objects/2026-03", "2026-09": "/crm/objects/2026-09"},
    "associations": {"2026-03": "/crm/associations/2026-03", "2026-09": "/crm/associations/2026-09"},
    "lists": {"2026-03": "/crm/lists/2026-03", "2026-09": "/crm/lists/2026-09"},
    "properties": {"2026-03": "/crm/properties/2026-03", "2026-09": "/crm/properties/2026-09"},
    "event_occurrences": {
        "2026-03": "/events/event-occurrences/2026-03",
        "2026-09": "/events/event-occurrences/2026-09",
    },
    "custom_events": {"2026-03": "/events/2026-03", "2026-09": "/events/custom/2026-09"},
    "callbacks": {
        "2026-03": "/automation/actions/callbacks/2026-03",
        "2026-09": "/automation/actions/callbacks/2026-09",
    },
    "communication_preferences": {
        "2026-03": "/communication-preferences/2026-03",
        "2026-09": "/communication-preferences/2026-09",
    },
    "oauth": {"2026-03": "/oauth/2026-03", "2026-09": "/oauth/2026-09"},
    "journal": {"2026-03": "/webhooks-journal/journal/2026-03"},
    "journal_subscriptions": {"2026-03": "/webhooks-journal/subscriptions/2026-03"},
}

EMAIL_EVENTS = "/email/public/v1/events"
SUBSCRIPTIONS_TIMELINE = "/email/public/v1/subscriptions/timeline"
"""Neither has a dated successor; both fall with v1 in September 2027."""


def versions_of(area: str) -> tuple[str, ...]:
    """The versions an area has."""
    return tuple(_BASES[area])


VERSIONED = tuple(area for area, bases in _BASES.items() if len(bases) > 1)
"""Areas between whose versions an account may choose."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The endpoints as one account uses them.

    Attributes:
        versions: area to version, for areas that are not to have the default one.
    """

    versions: Mapping[str, str] = field(default_factory=dict)

    def base(self, area: str) -> str:
        """What the paths of an area begin with."""
        return _BASES[area][self.versions.get(area, DEFAULT_VERSION)]

    @property
    def contacts(self) -> str:
        """Contacts."""
        return f"{self.base('objects')}/contacts"

    @property
    def companies(self) -> str:
        """Companies."""
        return f"{self.base('objects')}/companies"

    @property
    def deals(self) -> str:
        """Deals."""
        return f"{self.base('objects')}/0-3"

    @property
    def deal_contacts(self) -> str:
        """Contacts of deals, many at once."""
        return f"{self.base('associations')}/0-3/0-1/batch/read"

    @property
    def contact_properties(self) -> str:
        """Definitions of the properties of contacts."""
        return f"{self.base('properties')}/contacts"

    @property
    def lists(self) -> str:
        """Lists."""
        return self.base("lists")

    @property
    def lists_by_name(self) -> str:
        """Lists of contacts by their name."""
        return f"{self.lists}/object-type-id/0-1/name"

    @property
    def custom_events(self) -> str:
        """Occurrences of custom events, to send."""
        return self.base("custom_events")

    @property
    def callbacks(self) -> str:
        """Workflow actions that wait for an answer."""
        return self.base("callbacks")

    @property
    def statuses(self) -> str:
        """Which subscriptions addresses have."""
        return f"{self.base('communication_preferences')}/statuses"

    @property
    def token(self) -> str:
        """Tokens of an app."""
        return f"{self.base('oauth')}/token"
