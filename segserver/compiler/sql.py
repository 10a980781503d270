"""Expressions as SQL text. The engine's dialect is the runner's choice; no connection is needed."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir


def to_sql(expression: ir.Table, dialect: str = "duckdb") -> str:
    """SQL of a table expression.

    Args:
        expression: over unbound tables.
        dialect: an engine's name as Ibis knows it ("duckdb", "pyspark", "postgres", ...).
    """
    return str(ibis.to_sql(expression, dialect=dialect))
