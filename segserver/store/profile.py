"""`profile.json`: what the data looks like, for tools that never open the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import cast

from segserver.clock import format_instant
from segserver.relations import trait_column
from segserver.specs.catalog import Trait
from segserver.specs.types import Kind
from segserver.store.memberships import sizes
from segserver.store.session import Session, compose

FILE = "profile.json"

_FREQUENT = 20
_QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


def profile(session: Session, as_of: datetime) -> dict[str, object]:
    """How many contacts, how large each segment, and for each trait its known share, values or quantiles.

    Args:
        session: any.
        as_of: when memberships were evaluated last.
    """
    total = session.count("SELECT count(*) FROM contacts WHERE deleted_at IS NULL")
    return {
        "as_of": format_instant(as_of),
        "contacts": total,
        "segments": sizes(session),
        "traits": {name: _trait(session, trait, total) for name, trait in session.layout.catalog.traits.items()},
    }


def write_profile(session: Session, folder: Path, as_of: datetime) -> Path:
    """Write the profile into a folder, whole or not at all; returns the file."""
    path = folder / FILE
    draft = folder / f"{FILE}.new"
    draft.write_text(json.dumps(profile(session, as_of), ensure_ascii=False, indent=1), encoding="utf-8")
    draft.replace(path)
    return path


def read_profile(folder: Path) -> Mapping[str, object] | None:
    """The profile as last written; None before the first."""
    path = folder / FILE
    return cast("Mapping[str, object]", json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def _trait(session: Session, trait: Trait, total: int) -> dict[str, object]:
    column = trait_column(trait.name)
    known = session.count(compose("SELECT count({column}) FROM contacts WHERE deleted_at IS NULL", column=column))
    described: dict[str, object] = {"kind": str(trait.type.kind), "known": known / total if total else 0.0}
    if trait.type.kind is Kind.TEXT:
        described["values"] = _frequent(session, column)
    elif trait.type.kind is Kind.NUMBER:
        described["quantiles"] = _quantiles(session, column)
    return described


def _frequent(session: Session, column: str) -> list[str]:
    found = session.rows(
        compose(
            "SELECT {column} AS value FROM contacts WHERE deleted_at IS NULL AND {column} IS NOT NULL "
            "GROUP BY {column} ORDER BY count(*) DESC, {column} LIMIT ?",
            column=column,
        ),
        [_FREQUENT],
    )
    return [str(row["value"]) for row in found]


def _quantiles(session: Session, column: str) -> dict[str, float]:
    found = session.value(
        compose("SELECT quantile_disc({column}, ?) FROM contacts WHERE deleted_at IS NULL", column=column),
        [list(_QUANTILES)],
    )
    values = cast("list[Decimal] | None", found) or []
    return {f"{share:g}": float(value) for share, value in zip(_QUANTILES, values, strict=False)}
