"""The grammar in the manual and the parser are equal: each takes what the other takes."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import pytest

from segserver.rules.findings import Findings
from segserver.rules.reading import nodes, unsupported
from segserver.rules.reading.keywords import ACCOUNT, CLAUSES, NOT_UNITS, PREVIOUS, RESERVED
from segserver.rules.reading.parse import parse
from segserver.rules.reading.source import Source
from segserver.rules.walk import walk
from tests.rules import ebnf
from tests.rules.cases import cases, sources
from tests.rules.sentences import Writer

ROOT = Path(__file__).parents[2]
PAGE = (files("segserver") / "help" / "language.md").read_text(encoding="utf-8")
SECTION = PAGE.split("\n## Grammar\n")[1].split("\n## ")[0]
(WRITTEN,) = re.findall(r"^```ebnf\n(.*?)^```$", SECTION, re.DOTALL | re.MULTILINE)
GRAMMAR = ebnf.read(WRITTEN)
LOOSE = ebnf.read(WRITTEN.replace("WHOLE", "number")) | ebnf.read(
    (Path(__file__).parent / "loose.ebnf").read_text(encoding="utf-8")
)
"""The grammar with what the parser reads beyond it."""

SAMPLES = {
    "NAME": ("spend", "Größe", "x_1", "цена", "契約", "e\u0301tage"),
    "UNIT": ("days", "weeks", "USD", "km"),
    "TEXT": ('"FR"', '""', '"a ""b"" # c"', '"(and "'),
    "NUMBER": ("12", "0.5", "3"),
    "WHOLE": ("1", "30"),
    "DATE": ("2026-03-01", "2024-2-29"),
    "TIME": ("09:00", "23:59"),
}
"""Names are free here: whether they exist is asked later."""

BARRED = {
    "where": frozenset(
        {
            *("consent", "likely", "event-test", "segment-test", "account-test", "population-test", "anniversary"),
            *("anniversary-in", "change", "held", "current", "measure", "elapsed", "points", "score", "account-count"),
        }
    ),
    "percentile": frozenset({"elapsed"}),
}
"""What means nothing there: the `where` of an event is about its properties, and that of `days since last x` behind
`percentile of` would take the `between` that follows."""


def accepted(text: str, grammar: ebnf.Grammar = GRAMMAR) -> bool:
    """Whether the manual's grammar takes a file."""
    text = text.removeprefix("\ufeff")
    return ebnf.accepts(grammar, Source("x.seg", text, Findings()).tokens, text)


def unread(text: str) -> list[str]:
    """What the parser cannot read of a file."""
    findings = Findings()
    blocks = parse("x.seg", text, findings)
    broken = ["something is left out" for node in walk(blocks) if isinstance(node, nodes.Broken)]
    return [item.message for item in findings.sorted()] or broken


# ---- the page itself -----------------------------------------------------------------------------------------------


def test_every_production_is_used_and_every_used_one_is_there() -> None:
    used = {item.name for right in GRAMMAR.values() for item in ebnf.inside(right) if isinstance(item, ebnf.Use)}
    assert used == set(GRAMMAR) - {"file"}


def test_every_smallest_part_is_explained() -> None:
    used = {item.name for right in GRAMMAR.values() for item in ebnf.inside(right) if isinstance(item, ebnf.Part)}
    explained = re.findall(r"`([A-Z]+)`", "".join(re.findall(r"^\| (.*?) \|", SECTION, re.MULTILINE)))
    assert sorted(used) == sorted(explained)


def test_the_words_that_are_no_units_are_listed() -> None:
    (listed,) = re.findall(r"no word that goes on after a number: `(.*?)`", SECTION)
    assert set(listed.split()) == NOT_UNITS - RESERVED


def words_of(grammar: ebnf.Grammar) -> Iterator[ebnf.Words]:
    """All words and signs that stand for themselves."""
    for right in grammar.values():
        yield from (item for item in ebnf.inside(right) if isinstance(item, ebnf.Words))


def test_every_keyword_stands_in_the_grammar() -> None:
    said = {text for item in words_of(GRAMMAR) for text in item.texts}
    assert said >= RESERVED | {ACCOUNT, PREVIOUS}


CLAUSES_IN = {
    "segment": ("segment", "segment-clause"),
    "model": ("model-clause",),
    "scenario": ("scenario-clause",),
    "caps": ("caps-line",),
    "test": ("test", "given", "said"),
}
"""The productions that hold the clauses of a block."""


@pytest.mark.parametrize("block", CLAUSES_IN)
def test_the_clauses_of_a_block_are_those_that_the_parser_cuts_at(block: str) -> None:
    """A clause begins with its keyword, and words behind that may stand in the same quotes: `cutoffs every`."""
    known = set(CLAUSES[block]) - set(unsupported.CLAUSES[block])
    rights = [GRAMMAR[name] for name in CLAUSES_IN[block]]
    said = {begun(item, known) for right in rights for item in ebnf.inside(right) if isinstance(item, ebnf.Words)}
    assert said - {None} == known
    for right in rights:
        ways = right.ways if isinstance(right, ebnf.Either) else ()
        first = [way.items[0] if isinstance(way, ebnf.Row) else way for way in ways]
        assert all(begun(item, known) for item in first if isinstance(item, ebnf.Words))


def begun(item: ebnf.Words, known: set[str]) -> str | None:
    """The clause that these words begin."""
    text = " ".join(item.texts)
    return next((key for key in known if f"{text} ".startswith(f"{key} ")), None)


# ---- what the page takes, the parser reads ---------------------------------------------------------------------------


def laid_out(words: Sequence[str], chance: random.Random) -> str:
    """The words as a text, with spaces, line ends and comments between them.

    A minus stands right before its number; and where lines mean something, no other is broken.
    """
    gaps = (" ",) if "features" in words else (" ", " ", " ", "  ", "\t", "\n  ", " # and (\n")
    text = ""
    for before, word in zip(["", *words], words, strict=False):
        glued = before in ("", "-", "\n") or (word[0] in "().,%" and chance.random() < 0.5)
        text += ("" if glued else chance.choice(gaps)) + word
    return text


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 10))])
def test_the_parser_reads_whatever_the_grammar_writes(seed: int) -> None:
    """Every production is gone for, and every way and every part that may be missing is taken and left out."""
    chance = random.Random(seed)
    writer = Writer(GRAMMAR, SAMPLES, BARRED, chance)
    for aim in [*GRAMMAR] * 20:
        text = laid_out(writer.write(aim, chance.choice((10, 20, 40))), chance)
        assert not unread(text), text
        assert accepted(text), text
    assert not [(name, str(item), number) for name, item, number in writer.never_written()]


# ---- what the parser reads, the page takes ---------------------------------------------------------------------------


def good_texts() -> Iterator[tuple[str, str]]:
    """Every rule that is shown or shipped as good, by where it stands."""
    for case in cases("good"):
        yield from ((f"{case.stem}/{name}", raw.decode("utf-8")) for name, raw in sources(case).items())
    for path in (*sorted(ROOT.glob("rules/*.seg")), *sorted(ROOT.glob("scenarios/*.seg"))):
        yield path.name, path.read_text(encoding="utf-8")
    for page in sorted((ROOT / "segserver/help").glob("*.md")):
        blocks = re.findall(
            r"^```seg(?: good)?\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        )
        yield from ((f"{page.name} {number}", text) for number, text in enumerate(blocks, 1))


GOOD = dict(good_texts())


@pytest.mark.parametrize("name", GOOD)
def test_the_grammar_takes_every_good_rule(name: str) -> None:
    assert accepted(GOOD[name])


def changed(words: Sequence[str], chance: random.Random) -> list[str]:
    """A sentence with one word more, less or other, or with two of them exchanged."""
    made, known = list(words), sorted({text for item in words_of(GRAMMAR) for text in item.texts})
    at, other = chance.randrange(len(made)), chance.randrange(len(made))
    match chance.randrange(4):
        case 0:
            made.insert(at, chance.choice(known))
        case 1:
            del made[at]
        case 2:
            made[at] = chance.choice(known)
        case _:
            made[at], made[other] = made[other], made[at]
    return made


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 10))])
def test_the_grammar_takes_whatever_the_parser_reads(seed: int) -> None:
    """Most sentences with a mistake are none; what is still read is in the page, or among the known loose forms."""
    chance = random.Random(seed)
    writer = Writer(GRAMMAR, SAMPLES, BARRED, chance)
    read = 0
    for aim in [*GRAMMAR][1:] * 12:
        text = " ".join(changed(writer.write(aim, 15), chance))
        if not unread(text):
            assert accepted(text, LOOSE), text
            read += 1
    assert read > 80


# ---- what the parser cannot read, the page refuses -------------------------------------------------------------------

UNDECIDED = {
    "a_line_that_begins_with_a_name_begins_a_feature": "only the parser insists on reading such a line as a feature",
    "comparison_of_a_percentile_inside_where": "only the parser takes all it can for the `where`",
}
"""Bad cases that the grammar takes, each with the reason."""

UNREADABLE = {"syntax-error", "where-needs-parentheses", "bad-sequence", "not-supported-yet"}
"""Findings of the parser; those on depth and on the size of numbers are about what no grammar says."""


def bad_texts() -> Iterator[tuple[str, str]]:
    """The rules of the bad cases that the parser cannot read, by case and file."""
    for case in cases("bad"):
        for name, raw in sources(case).items():
            text = raw.decode("utf-8", "replace")
            findings = Findings()
            parse(name, text, findings)
            if {item.code for item in findings.sorted()} & UNREADABLE:
                yield f"{case.stem}/{name}", text


BROKEN = dict(bad_texts())


@pytest.mark.parametrize("name", BROKEN)
def test_the_grammar_refuses_what_the_parser_cannot_read(name: str) -> None:
    assert accepted(BROKEN[name]) == (name.split("/")[0] in UNDECIDED)


def test_many_cases_cannot_be_read() -> None:
    assert len(BROKEN) > 40
    assert len(GOOD) > 200
