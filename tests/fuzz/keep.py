"""Keeps of the inputs that fuzzing found those that reach code no shorter one reaches: `make corpus`."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz.reading import read

CORPUS = Path(__file__).parent / "corpus"
_READER = str(Path("segserver") / "rules")

Step = tuple[str, int, int]
"""A file, and the line run after another line of it."""


def main() -> None:
    """Put the corpus and the folder named by the first argument together, the shortest inputs first."""
    inputs = {path.read_bytes() for folder in (CORPUS, Path(sys.argv[1])) for path in folder.iterdir()}
    for path in CORPUS.iterdir():
        path.unlink()
    reached: set[Step] = set()
    for raw in sorted(inputs, key=lambda raw: (len(raw), raw)):
        steps = _steps(raw)
        if not steps <= reached:
            reached |= steps
            (CORPUS / hashlib.sha256(raw).hexdigest()[:16]).write_bytes(raw)
    sys.stdout.write(f"{len(list(CORPUS.iterdir()))} of {len(inputs)} inputs kept\n")


def _steps(raw: bytes) -> set[Step]:
    """What reading an input runs."""
    steps: set[Step] = set()

    def enter(frame: FrameType, _event: str, _value: Any) -> Any:
        file = frame.f_code.co_filename
        if _READER not in file:
            return None
        last = 0

        def line(inner: FrameType, _event: str, _value: Any) -> Any:
            nonlocal last
            steps.add((file, last, inner.f_lineno))
            last = inner.f_lineno
            return line

        return line

    sys.settrace(enter)
    try:
        read(raw)
    finally:
        sys.settrace(None)
    return steps


if __name__ == "__main__":
    main()
