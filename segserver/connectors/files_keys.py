"""Which keys each data file held when it was last read, so that rows that vanish from it can be told.

The keys of a file lie in a Parquet file of their own under `.segserver/files/<connection>/<stream>/`, written before
any of its rows is handed out. Its name holds the generation of the pull and hashes of the data file's name and content:

    000007-<name>-<content>.parquet

A pull compares with *all* key files on disk, also with those of a pull that was cut off, so no row that ever reached
the store is forgotten. The cursor says which generation was completed last; older key files that it does not name are
removed when the next pull starts, that is, when the cursor has certainly been committed.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_SCHEMA = pa.schema([("key", pa.string()), ("line", pa.int64())])
_BATCH = 100_000


class KeyFiles:
    """The key files of one stream."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, generation: int, name: str, digest: str) -> Path:
        """The key file of a data file in a generation."""
        return self._folder / f"{generation:06}-{_hashed(name)}-{digest[:16]}.parquet"

    def existing(self) -> dict[Path, int]:
        """All key files, each with its generation."""
        return {path: int(path.name.split("-")[0]) for path in sorted(self._folder.glob("*-*-*.parquet"))}

    @staticmethod
    def belongs(path: Path, name: str) -> bool:
        """Whether a key file is of the data file of that name."""
        return path.name.split("-")[1] == _hashed(name)

    def sweep(self, completed: int, live: Iterable[Path]) -> None:
        """Remove key files that a completed pull has made useless."""
        self.remove_unfinished()
        kept = set(live)
        for path, generation in self.existing().items():
            if generation <= completed and path not in kept:
                path.unlink()

    def remove_unfinished(self) -> None:
        """Remove what a process left that ended in the middle of writing."""
        for left in self._folder.glob("*.unfinished"):
            left.unlink()

    def write(self, path: Path, keys: Iterable[tuple[str, int]]) -> None:
        """Write a key file whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        try:
            with unfinished.open("wb") as file:
                with pq.ParquetWriter(file, _SCHEMA, compression="zstd") as writer:
                    for batch in _batches(keys):
                        writer.write_table(batch)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    @staticmethod
    def read(path: Path) -> Iterator[tuple[str, int]]:
        """Keys and lines of a key file."""
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH):
                yield from zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)


def _hashed(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _batches(keys: Iterable[tuple[str, int]]) -> Iterator[pa.Table]:
    names: list[str] = []
    lines: list[int] = []
    for name, line in keys:
        names.append(name)
        lines.append(line)
        if len(names) == _BATCH:
            yield pa.table([names, lines], schema=_SCHEMA)
            names, lines = [], []
    yield pa.table([names, lines], schema=_SCHEMA)


class Present:
    """The keys a stream now holds, as 64-bit hashes: 8 bytes for each row instead of about 150.

    The hash is Python's own, seeded per process. A key that is gone is missed if its hash is that of a present one:
    for 10 million rows and 10,000 gone ones the odds are about one in 200 million.
    """

    def __init__(self) -> None:
        self._hashes = array("q")
        self._sorted: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None

    def add(self, key: str) -> None:
        """One more row."""
        self._hashes.append(hash(key))

    def repeated(self) -> frozenset[int]:
        """Hashes that occur more than once; equal keys are among them, and hardly anything else."""
        ordered = self._order()
        return frozenset(ordered[1:][ordered[1:] == ordered[:-1]].tolist())

    def missing(self, keys: Iterable[str]) -> Iterator[str]:
        """Those of the keys that no row has, each once."""
        ordered = self._order()
        told: set[str] = set()
        for batch in _chunks(keys):
            hashes = np.fromiter((hash(key) for key in batch), np.int64, len(batch))
            low, high = np.searchsorted(ordered, hashes, "left"), np.searchsorted(ordered, hashes, "right")
            for key, absent in zip(batch, (low == high).tolist(), strict=True):
                if absent and key not in told:
                    told.add(key)
                    yield key

    def _order(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        if self._sorted is None or self._sorted.size != len(self._hashes):
            self._sorted = np.sort(np.array(self._hashes, dtype=np.int64))
        return self._sorted


def _chunks(keys: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for key in keys:
        batch.append(key)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
