"""Builders of scenarios and contacts for the tests of the cadence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from segserver.scenarios.policy import Policy, make_policy
from segserver.scenarios.types import ContactState, Entry, Touch
from segserver.specs.cadence import CapSpec, ChannelCaps, Hours, ScenarioSpec, Sender, Step

DAY = timedelta(days=1)
MONDAY = datetime(2026, 3, 2, 10)
EMAIL = Sender("email", "engage", "campaign", "Win back")
SMS = Sender("sms", "crm", "property", "segserver_send")

STEPS = ScenarioSpec(
    name="win_back",
    title=None,
    segment="lapsed",
    channels=("email",),
    senders=(EMAIL,),
    inform=(),
    content="winback_{country}",
    steps=(Step(0 * DAY, "winback_1"), Step(4 * DAY, "winback_2"), Step(10 * DAY, None)),
    every=None,
    priority=3,
    hours=None,
    valid_for=None,
    again_after=None,
    hold_out=Decimal(0),
    declaration="d1",
)
RATED = replace(STEPS, name="coffee_offer", steps=(), every=10 * DAY, content="coffee", priority=2)


class Build:
    """Defaults that each test changes where it matters."""

    day = DAY
    monday = MONDAY
    email = EMAIL
    sms = SMS

    def steps(self, **changes: object) -> ScenarioSpec:
        """`win_back`: three steps on days 0, 4 and 10 by email, high priority."""
        return replace(STEPS, **changes)

    def rated(self, **changes: object) -> ScenarioSpec:
        """`coffee_offer`: about every 10 days by email, normal priority."""
        return replace(RATED, **changes)

    def caps(self, *caps: tuple[int, float], risk: float | None = None, channel: str = "email") -> ChannelCaps:
        """Caps as (count, days)."""
        return ChannelCaps(channel, tuple(CapSpec(count, days * DAY) for count, days in caps), risk)

    def hours(self, start: int = 9, end: int = 19, not_on: tuple[int, ...] = (), zone: str = "contact") -> Hours:
        """Hours of the day in full hours."""
        return Hours(start * 60, end * 60, not_on, zone)

    def policy(self, *scenarios: ScenarioSpec, caps: tuple[ChannelCaps, ...] = (), **more: object) -> Policy:
        """A policy in Paris."""
        return make_policy(scenarios, caps, "Europe/Paris", **more)

    def touch(self, at: datetime, **more: object) -> Touch:
        """An email that a platform sent by itself unless a scenario is given."""
        return Touch(**{"channel": "email", "at": at, **more})

    def state(self, entered: Mapping[str, datetime] | None = None, **changes: object) -> ContactState:
        """A contact in Paris known everywhere, with consent to everything, in scenarios since some instants."""
        entries = {name: Entry(name, "c1", at, False, "d1") for name, at in (entered or {"win_back": MONDAY}).items()}
        state = ContactState(
            contact_id="c1",
            zone="Europe/Paris",
            entries=entries,
            consent={"email": True, "sms": True},
            known_to=frozenset({"engage", "crm"}),
            placeholders={"country": "FR"},
        )
        return replace(state, **changes)


@pytest.fixture(scope="session")
def build() -> Build:
    """Builders of specs, policies and contacts."""
    return Build()
