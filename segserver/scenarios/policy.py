"""What the workspace allows: its scenarios, its caps and its time zone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from segserver.scenarios.rates import Demand, demand_of, shares
from segserver.scenarios.types import ContactState
from segserver.scenarios.zones import check_hours
from segserver.specs.cadence import ChannelCaps, ScenarioSpec


@dataclass(frozen=True, slots=True)
class Policy:
    """Scenarios and caps of a workspace; made by `make_policy`.

    Attributes:
        scenarios: by name.
        demands: what each asks for, by name.
        caps: by channel; a channel without caps is not limited.
        zone: the workspace's time zone.
        platform_rates: touches per day and contact, by channel, that the platforms send by themselves; they come before
            every scenario when rates are planned.
        known_shares: shares already worked out; most contacts are in one of a few sets of scenarios.
    """

    scenarios: Mapping[str, ScenarioSpec]
    demands: Mapping[str, Demand]
    caps: Mapping[str, ChannelCaps]
    zone: str
    platform_rates: Mapping[str, float] = field(default_factory=dict)
    known_shares: dict[tuple[str, tuple[str, ...]], Mapping[str, float]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def caps_of(self, channel: str) -> ChannelCaps:
        """The caps of a channel, empty if it has none."""
        return self.caps.get(channel) or ChannelCaps(channel, (), None)

    def shares(self, channel: str, scenarios: tuple[str, ...]) -> Mapping[str, float]:
        """What each of the scenarios that may touch a contact through a channel keeps of its demand."""
        key = channel, scenarios
        if key not in self.known_shares:
            demands = tuple(self.demands[name] for name in scenarios)
            rate = self.platform_rates.get(channel, 0.0)
            self.known_shares[key] = shares(self.caps_of(channel), demands, rate)
        return self.known_shares[key]

    def zone_of(self, spec: ScenarioSpec, state: ContactState) -> str:
        """The zone in which a scenario's hours are read for a contact."""
        return self.zone if spec.hours and spec.hours.zone == "workspace" else state.zone


def make_policy(
    scenarios: Iterable[ScenarioSpec],
    caps: Iterable[ChannelCaps],
    zone: str,
    platform_rates: Mapping[str, float] | None = None,
) -> Policy:
    """Join what a workspace declares.

    Raises:
        ValueError: a scenario could never be carried out: hours without an open minute, a channel without exactly one
            sender, neither steps nor a rate.
    """
    by_name = {spec.name: spec for spec in scenarios}
    for spec in by_name.values():
        _check(spec)
    demands = {name: demand_of(spec) for name, spec in by_name.items()}
    return Policy(by_name, demands, {cap.channel: cap for cap in caps}, zone, platform_rates or {})


def _check(spec: ScenarioSpec) -> None:
    if spec.hours:
        check_hours(spec.hours)
    if sorted(sender.channel for sender in spec.senders) != sorted(spec.channels):
        raise ValueError(f"scenario {spec.name}: each of its channels needs exactly one sender")
    if bool(spec.steps) == bool(spec.every):
        raise ValueError(f"scenario {spec.name}: it needs either steps or a mean time between touches")
