"""Which past instants a model learns from, and what each of them is used for.

A row is a contact at a cutoff t; its label is what happened in [t + gap, t + gap + horizon). Only windows that are
fully known are used, so a label is never a guess about a future that has not arrived.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from segserver.specs.models import ModelSpec

FOLDS = 5


class Part(StrEnum):
    """What the rows of a cutoff are used for."""

    TRAIN = "train"
    TEST = "test"
    PURGED = "purged"


def cutoffs(spec: ModelSpec, watermark: datetime, earliest: datetime | None) -> tuple[datetime, ...]:
    """The cutoffs of a training, newest first: `watermark - (gap + horizon) - i * step`.

    Args:
        spec: the model.
        watermark: everything that happened before it is known, naive UTC.
        earliest: the first event or contact there is; a cutoff at or before it has nothing to learn from.
            None where there is no data at all.

    Returns:
        At most `spec.cutoffs` instants; fewer, or none, where the data does not reach back that far.
    """
    if earliest is None:
        return ()
    newest = watermark - (spec.gap + spec.horizon)
    every = (newest - i * spec.step for i in range(spec.cutoffs))
    return tuple(cutoff for cutoff in every if cutoff > earliest)


def split(present: Sequence[datetime], label_reach: timedelta) -> dict[datetime, Part]:
    """Each cutoff's part: the newest is the test, and no training label may look past it.

    A training cutoff whose label window ends after the test cutoff is purged: its labels overlap the time in which
    the test's features were observed.

    Args:
        present: distinct cutoffs, in any order.
        label_reach: gap + horizon, from a cutoff to the end of its label window.
    """
    newest = max(present)
    return {
        cutoff: Part.TEST if cutoff == newest else (Part.TRAIN if cutoff + label_reach <= newest else Part.PURGED)
        for cutoff in sorted(present)
    }


def fold(contact_id: str, seed: int) -> int:
    """The fold of a contact, 0 to `FOLDS` - 1: the same at every cutoff, on every machine, in every run."""
    digest = hashlib.sha256(f"{seed}|fold|{contact_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % FOLDS
