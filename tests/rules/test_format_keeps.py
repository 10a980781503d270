"""The canonical form of rule files: what it never changes, in the files of the repository and in generated ones."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segserver.rules.check import check
from segserver.rules.findings import Findings
from segserver.rules.formatting.canonical import canonical
from segserver.rules.formatting.respell import compared
from segserver.rules.program import Program
from segserver.rules.reading.source import Source
from tests.oracle.draw import drawn
from tests.oracle.texts import Writer
from tests.rules.cases import ZONE, case_catalog, cases, checked
from tests.rules.formatting import broken, comments, form, held, reads_the_same

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```seg[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def corpus() -> list[str]:
    """Every rule file of the repository that has no syntax errors."""
    texts = [
        path.read_text(encoding="utf-8") for name in ("rules", "scenarios") for path in (ROOT / name).glob("*.seg")
    ]
    texts += [path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests/cases/good").rglob("*.seg"))]
    for page in sorted((ROOT / "segserver/help").glob("*.md")):
        texts += FENCE.findall(page.read_text(encoding="utf-8"))
    return [text for text in texts if not broken(text)]


CORPUS = corpus()
CATALOG = case_catalog()


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_every_rule_file_of_the_repository_keeps_its_meaning_and_comments(text: str) -> None:
    held(text)


def stirred(text: str, draw: Random, *, commented: bool) -> str:
    """The same words with other space between some of them, and with comments."""
    tokens = Source("a.seg", text, Findings()).tokens
    parts = [text[: tokens[0].start] if tokens else ""]
    for before, after in pairwise(tokens):
        parts += [before.text, _gap(text[before.end : after.start], draw, commented=commented)]
    return "".join(parts) + (text[tokens[-1].start :] if tokens else "")


def _gap(gap: str, draw: Random, *, commented: bool) -> str:
    if not gap or "#" in gap or draw.random() < 0.7:
        return gap
    if commented and draw.random() < 0.4:
        return draw.choice((" # a\n", "\n# b\n", "\n  # c\n\n", "# d\n   # e\n", "\n\n# f\n\n\n# g\n"))
    return draw.choice(("  ", "\t", "\n", " \n\t ")) if "\n" in gap else draw.choice(("  ", "\t", "   "))


@pytest.mark.parametrize("seed", range(3))
def test_space_and_comments_anywhere_change_no_meaning(seed: int) -> None:
    draw = Random(seed)
    kept = 0
    for text in CORPUS:
        mixed = stirred(text, draw, commented=True)
        if not broken(mixed):
            held(mixed)
            kept += 1
    assert kept > len(CORPUS) / 2


@pytest.mark.parametrize("case", cases("good"), ids=lambda case: case.stem)
def test_a_formatted_case_is_the_same_program_and_stays_as_it_is(case: Path) -> None:
    program, _, texts = checked(case, CATALOG)
    assert program is not None
    formed = {name: formed_with_types(name, text, program) for name, text in texts.items()}
    again, findings = check(formed, CATALOG, zone=ZONE)
    assert again == program, findings
    assert formed == {name: formed_with_types(name, text, again) for name, text in formed.items()}


def formed_with_types(name: str, text: str, program: Program) -> str:
    formed = canonical(name, text.removeprefix("\ufeff"), Findings(), compared(program))
    assert formed is not None
    return formed


DATES = ("2026-01-01", "2026-01-31 12:30", "2026-03-01")
WORDS = ("", "a", 'É "x"', "tea # milk")
NUMBERS = ("0", "1", "2.5", "-3")


GENERATED = drawn(lambda draw: Writer(draw, DATES, WORDS, NUMBERS).program("p"))


@given(GENERATED, st.integers(0, 99))
@settings(max_examples=30)
def test_generated_files_keep_their_meaning_and_comments(text: str, seed: int) -> None:
    held_when_stirred(text, Random(seed))


@pytest.mark.long
@given(GENERATED, st.integers(0, 99))
@settings(max_examples=1000)
def test_many_generated_files_keep_their_meaning_and_comments(text: str, seed: int) -> None:
    held_when_stirred(text, Random(seed))


def held_when_stirred(text: str, draw: Random) -> None:
    held(text)
    mixed = stirred(text, draw, commented=True)
    if not broken(mixed):
        held(mixed)


def test_space_alone_changes_nothing_of_the_form() -> None:
    draw = Random(7)
    stable = 0
    for text in CORPUS:
        mixed = stirred(text, draw, commented=False)
        if reads_the_same(text, mixed) and text.count("trait ") < 2 and not comments(text):
            assert form(mixed) == form(text)
            stable += 1
    assert stable > len(CORPUS) / 3
