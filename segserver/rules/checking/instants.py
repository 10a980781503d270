"""Written instants of test and segment blocks, which are local wall-clock times, as naive UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from segserver.rules.findings import Findings
from segserver.rules.reading import nodes

YEARS = range(1900, 2200)
"""Years an instant may lie in, so that 200 years before or after it are still in the calendar."""


def to_utc(local: datetime, zone: str) -> datetime:
    """Naive UTC of a local wall-clock time: one that does not exist moves forward, of two the first is meant."""
    return local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC).replace(tzinfo=None)


def instant(node: nodes.Day, zone: str, findings: Findings) -> datetime | None:
    """A written date, 00:00 of it, or a date with a time of day, as naive UTC; None, with a finding, if out of range.

    Args:
        node: as written.
        zone: the workspace's time zone.
        findings: takes what is wrong.
    """
    if node.at.year in YEARS:
        return to_utc(node.at, zone)
    message = f"the year {node.at.year} is out of range"
    findings.error("bad-date", node.span, message, f"write a year from {YEARS[0]} to {YEARS[-1]}")
    return None
