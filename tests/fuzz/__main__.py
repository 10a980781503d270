"""Fuzzing of the reader of rules: `make fuzz`, ten minutes unless `SECONDS` says otherwise.

It begins from the golden cases and the corpus, writes what reaches new code to the folder `FOUND`, and stops at the
first input that breaks a promise, takes over ten seconds or over two gigabytes; that input is left as a file.
`make corpus` then keeps of all inputs as few as reach the same code: `make test` reads each of them again.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from random import Random

import atheris

HERE = Path(__file__).parent
LONGEST = 4096

with atheris.instrument_imports(include=["segserver.rules", "segserver.errors"]):
    from segserver.rules.reading.keywords import BLOCKS, CLAUSES, OPERATOR_PHRASES, RESERVED
    from tests.fuzz.reading import CATALOG, read


def main() -> None:
    """Fuzz until the time is over.

    Arguments: how many seconds, the folder that takes new inputs.
    """
    seconds, found = sys.argv[1:3]
    Path(found).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        seeds = Path(folder)
        for place, path in enumerate(sorted((HERE.parent / "cases").rglob("*.seg"))):
            (seeds / str(place)).write_bytes(path.read_bytes()[:LONGEST])
        limits = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", f"-max_len={LONGEST}"]
        folders = [found, str(HERE / "corpus"), str(seeds)]
        atheris.Setup([sys.argv[0], *limits, *folders], read, custom_mutator=_mutate)
        atheris.Fuzz()


def _mutate(data: bytes, longest: int, seed: int) -> bytes:
    """Half of the time bytes change, half of the time whole words do, so that rules stay nearly right."""
    draw = Random(seed)
    if draw.random() < 0.5:
        return bytes(atheris.Mutate(data, longest))
    pieces = _PIECE.findall(data.decode("utf-8", "replace")) or [" "]
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(pieces))
        end = min(at + draw.randint(0, 6), len(pieces))
        other = draw.randrange(len(pieces))
        pieces[at:end] = draw.choice(
            ([], [draw.choice(_WORDS)], [" ", draw.choice(_WORDS), " "], pieces[other : other + draw.randint(1, 8)])
        )
        pieces = pieces or [" "]
    return "".join(pieces).encode("utf-8", "replace")[:longest]


def _words() -> list[str]:
    clauses = [key for keys in CLAUSES.values() for key in keys]
    named = [*CATALOG.traits, *CATALOG.events, *CATALOG.channels, *CATALOG.connections]
    signs = ["(", ")", '"', "%", "<=", ">=", ", ", " days", " in last ", " then ", " within ", "previous.", "account."]
    return sorted({*BLOCKS, *clauses, *OPERATOR_PHRASES, *RESERVED, *named, *signs})


_PIECE = re.compile(r"\s+|\w+|.")
_WORDS = _words()


if __name__ == "__main__":
    main()
