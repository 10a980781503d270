"""Which engine holds the relations, how its SQL is written, and what it lacks.

`check` reads `LACKS` as a plain value; it opens nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DIALECT = "duckdb"
"""The name by which Ibis writes this engine's SQL."""

SHA256 = "sha256"
"""The engine's function that gives SHA-256 of a text as lower-case hex: the only name that differs between engines."""

LACKS: Mapping[str, str] = MappingProxyType({})
"""Construct to what to write in its place, for what the engine cannot do; the embedded engine does everything."""
