"""Disagreements that were found: they agree now, and they would be found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracle import golden
from tests.oracle.cases import Case, Disagreement, case
from tests.oracle.compare import agree
from tests.oracle.draw import seeded
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


def is_short(case: Case) -> bool:
    """Whether a person sees at once what a case is about."""
    return len(case.texts[0].text.splitlines()) <= 8 and len(case.scene.contacts) <= 3


@pytest.mark.long
def test_a_case_that_shows_a_mistake_shrinks_to_a_short_rule_that_still_does() -> None:
    with planted("steps_at_once"):
        drawn = (case(seeded(seed), 1, small=True) for seed in range(200))
        large = next(some for some in drawn if " then " in some.texts[0].text and disagrees(some))
        small = golden.reduced(large, 100)
        with pytest.raises(Disagreement) as found:
            agree(small, Tally())
    assert is_short(small)
    assert len(large.scene.contacts) > 3
    assert small.texts[0].text in str(found.value)
    agree(small, Tally())


def disagrees(some: Case) -> bool:
    try:
        agree(some, Tally())
    except Disagreement:
        return True
    return False


@pytest.mark.long
@pytest.mark.parametrize("fault", ["events_at_once", "one_period", "steps_at_once"])
def test_a_mistake_in_the_compiler_is_found_among_a_few_hundred_programs(fault: str) -> None:
    with planted(fault), pytest.raises(Disagreement) as found:
        agree_on(400, 1)
    assert found.value.case is not None
    assert is_short(found.value.case)
