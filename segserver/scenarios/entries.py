"""Who is in a scenario: entering with the segment, leaving with it, entering again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from segserver.scenarios.stream import held_out
from segserver.scenarios.types import EndReason, Entry
from segserver.specs.cadence import ScenarioSpec


def advance(
    previous: Mapping[str, Entry], members: Collection[str], as_of: datetime, spec: ScenarioSpec
) -> dict[str, Entry]:
    """The latest passage of every contact through a scenario, brought up to one instant.

    A member that never entered enters. One whose passage has ended enters again if the scenario says `again after` and
    that long has gone by since it last entered, whether or not it left the segment in between. A contact that is no
    longer a member leaves. Safe to repeat: the same arguments, or the result as `previous`, give the same result.

    Args:
        previous: latest entry by contact.
        members: contacts in the scenario's segment now.
        as_of: naive UTC.
        spec: the scenario.

    Returns:
        Latest entry by contact, ascending; what did not change is the same object as before.
    """
    present = members if isinstance(members, set | frozenset | dict) else set(members)
    entries: dict[str, Entry] = {}
    for contact in sorted(previous.keys() | present):
        known = previous.get(contact)
        if contact in present:
            stays = known is not None and not _may_enter_again(known, as_of, spec)
            entries[contact] = known if known and stays else enter(contact, as_of, spec)
        elif known:
            entries[contact] = known if known.ended_at else end(known, EndReason.LEFT, as_of)
    return entries


def enter(contact: str, as_of: datetime, spec: ScenarioSpec) -> Entry:
    """A new passage, held out or not by the hash of the contact."""
    held = held_out(spec.name, contact, spec.hold_out)
    return Entry(spec.name, contact, as_of, held, spec.declaration)


def end(entry: Entry, reason: EndReason, as_of: datetime) -> Entry:
    """The passage, over."""
    return replace(entry, ended_at=as_of, reason=reason)


def _may_enter_again(entry: Entry, as_of: datetime, spec: ScenarioSpec) -> bool:
    return bool(entry.ended_at and spec.again_after and as_of >= entry.entered_at + spec.again_after)
