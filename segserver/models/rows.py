"""The training frame: checked, sorted, typed, fingerprinted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segserver.clock import format_instant
from segserver.errors import StopError
from segserver.specs.models import ModelSpec

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
Mask = NDArray[np.bool_]
Folds = NDArray[np.int64]

KEYS = ("contact_id", "cutoff")
LABEL = "label"
EPOCH = datetime(1970, 1, 1)


class TrainingRefused(StopError):
    """A model cannot be trained on what there is; says what is missing. No version was made."""

    def __init__(self, model: str, reason: str) -> None:
        # Training runs in another process; an exception comes back by calling its class with these.
        super().__init__(model, reason)
        self.model = model
        self.reason = reason

    def __str__(self) -> str:
        return f"model {self.model} was not trained: {self.reason}"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A training frame in its one order: by cutoff, then by contact.

    Attributes:
        contacts: contact ids, shape (n,).
        cutoffs: instants in microseconds since 1970, int64, shape (n,).
        features: names, in the order of the columns of `x`.
        x: float64, shape (n, features); NaN is unknown, nothing else is not finite.
        y: 0 or 1, int8, shape (n,).
    """

    contacts: NDArray[np.str_]
    cutoffs: NDArray[np.int64]
    features: tuple[str, ...]
    x: Floats
    y: Labels

    def __len__(self) -> int:
        return len(self.y)

    def where(self, mask: Mask) -> Rows:
        """The rows that the mask keeps, in the same order."""
        return Rows(self.contacts[mask], self.cutoffs[mask], self.features, self.x[mask], self.y[mask])

    def only(self, features: Sequence[str]) -> Rows:
        """The same rows with some of the features."""
        keep = [self.features.index(name) for name in features]
        return Rows(self.contacts, self.cutoffs, tuple(features), self.x[:, keep], self.y)

    def instants(self) -> list[datetime]:
        """The distinct cutoffs, oldest first, naive UTC."""
        return [as_instant(int(cutoff)) for cutoff in np.unique(self.cutoffs)]

    def at(self, cutoff: datetime) -> Mask:
        """Which rows belong to a cutoff."""
        mask: Mask = self.cutoffs == as_microseconds(cutoff)
        return mask


def read_rows(frame: pa.Table, spec: ModelSpec) -> Rows:
    """A frame as rows, in their one order.

    Args:
        frame: `contact_id` text, `cutoff` timestamp, `label` 0/1, and one numeric or boolean column per feature of
            `spec`; null, NaN and infinities are unknown. Other columns are ignored.
        spec: the model.

    Raises:
        TrainingRefused: a column is missing or not a number, a key or label is null, or a row comes twice.
    """
    missing = [name for name in (*KEYS, *spec.features, LABEL) if name not in frame.column_names]
    if missing:
        raise TrainingRefused(spec.name, f"the training frame has no column {', '.join(missing)}")
    if not spec.features:
        raise TrainingRefused(spec.name, "it declares no features; list at least one under `features`")
    taken = [name for name in spec.features if name in (*KEYS, LABEL)]
    if taken:
        raise TrainingRefused(spec.name, f"feature {taken[0]} has the name of a column of its own; call it otherwise")
    for name in (*KEYS, LABEL):
        if frame[name].null_count:
            raise TrainingRefused(spec.name, f"{frame[name].null_count} rows of the training frame have no {name}")
    ordered = frame.select([*KEYS, *spec.features, LABEL]).sort_by(
        [("cutoff", "ascending"), ("contact_id", "ascending")]
    )
    rows = Rows(
        contacts=np.asarray(ordered["contact_id"].to_pylist(), dtype=np.str_),
        cutoffs=ordered["cutoff"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy(),
        features=spec.features,
        x=np.column_stack([_feature(ordered[name], name, spec.name) for name in spec.features]),
        y=_label(ordered[LABEL], spec.name),
    )
    _refuse_repeated(rows, spec.name)
    return rows


def _feature(column: pa.ChunkedArray, name: str, model: str) -> Floats:
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or _boolean(kind)):
        raise TrainingRefused(model, f"feature {name} is {kind}; a feature is a number or a condition")
    # Booleans have no direct cast to float64 in Arrow.
    numbers = pc.cast(column, pa.int8()) if _boolean(kind) else column
    values: Floats = pc.cast(numbers, pa.float64(), safe=False).to_numpy().astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _boolean(kind: pa.DataType) -> bool:
    return bool(pa.types.is_boolean(kind))


def _label(column: pa.ChunkedArray, model: str) -> Labels:
    values: Floats = column.to_numpy().astype(np.float64)
    if not np.isin(values, (0.0, 1.0)).all():
        raise TrainingRefused(model, "its label has values other than 0 and 1")
    return values.astype(np.int8)


def _refuse_repeated(rows: Rows, model: str) -> None:
    same = (rows.cutoffs[1:] == rows.cutoffs[:-1]) & (rows.contacts[1:] == rows.contacts[:-1])
    if same.any():
        first = int(np.argmax(same))
        place = f"{rows.contacts[first]} at {format_instant(as_instant(int(rows.cutoffs[first])))}"
        raise TrainingRefused(model, f"the training frame has a contact twice at one cutoff ({place})")


def fingerprint(rows: Rows) -> str:
    """SHA-256, hex, of everything that was learned from: independent of the frame's row and column order."""
    digest = hashlib.sha256()
    order = sorted(range(len(rows.features)), key=rows.features.__getitem__)
    # Adding 0.0 turns -0.0 into 0.0; one bit pattern stands for every unknown value.
    values = np.where(np.isnan(rows.x), np.nan, rows.x + 0.0)[:, order]
    parts = [rows.features[i].encode() for i in order]
    parts += [contact.encode() for contact in rows.contacts.tolist()]
    parts += [rows.cutoffs.astype("<i8").tobytes(), values.astype("<f8").tobytes(), rows.y.tobytes()]
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def as_instant(microseconds: int) -> datetime:
    """Naive UTC instant of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=microseconds)


def as_microseconds(at: datetime) -> int:
    """Microseconds since 1970 of a naive UTC instant."""
    return (at - EPOCH) // timedelta(microseconds=1)
