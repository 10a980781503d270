"""Which engine holds the relations, and how its SQL is written."""

from __future__ import annotations

DIALECT = "duckdb"
"""The name by which Ibis writes this engine's SQL."""
