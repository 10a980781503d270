"""Disagreements that were found: they agree now, and they would be found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracle import golden
from tests.oracle.cases import Disagreement
from tests.oracle.compare import agree
from tests.oracle.drive import agree_on
from tests.oracle.faults import FAULTS, planted
from tests.oracle.notes import Tally

KEPT = sorted(golden.FOLDER.glob("*.seg"))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_what_once_disagreed_agrees(path: Path) -> None:
    tally = Tally()
    agree(golden.read(path), tally)
    assert tally.programs == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_what_once_disagreed_shows_the_mistake_that_it_was(fault: str) -> None:
    with planted(fault), pytest.raises(Disagreement):
        agree(golden.read(golden.FOLDER / f"{fault}.seg"), Tally())


def test_a_case_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    for path in KEPT:
        kept = golden.read(path)
        assert golden.read(golden.write(path.stem, kept, tmp_path)) == kept


FOUND_SOON = "steps_at_once"


@pytest.mark.parametrize(
    "fault", [FOUND_SOON, *(pytest.param(name, marks=pytest.mark.long) for name in FAULTS if name != FOUND_SOON)]
)
def test_a_mistake_in_the_compiler_is_found_and_shrinks_to_a_short_rule(fault: str) -> None:
    with planted(fault), pytest.raises(Disagreement) as found:
        agree_on(400, 1)
    assert found.value.case is not None
    (text,) = found.value.case.texts
    assert text.text in str(found.value)
    assert len(text.text.splitlines()) <= 8
    assert len(found.value.case.scene.contacts) <= 3
