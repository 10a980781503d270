"""A contact's own zone, from the language's page, for the names that the oracle's contacts use."""

from __future__ import annotations

HOMES = {"europe/paris": "Europe/Paris", "america/new_york": "America/New_York", "asia/kathmandu": "Asia/Kathmandu"}
SINGLE = {"fr": "Europe/Paris", "np": "Asia/Kathmandu"}


def zone_of(home: object, country: object, workspace: str) -> str:
    """What it says itself if that is a zone, else its country's single one, else the workspace's."""
    spelt = str(home or "").strip().lower().replace("_slash_", "/")
    return HOMES.get(spelt) or SINGLE.get(str(country or "").strip().lower()) or workspace
