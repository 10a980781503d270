"""Everything that fuzzing ever found worth keeping is read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.reading import read

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


def test_there_is_a_corpus() -> None:
    assert len(CORPUS) > 100


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name[:12])
def test_an_input_of_the_corpus_gives_findings_or_a_program(path: Path) -> None:
    read(path.read_bytes())
