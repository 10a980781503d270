"""A rule file in its one canonical form: the same words, each where a reader expects it.

Only the space between words changes, and spellings that mean the same (`respell.py`). So nothing that a file says can
be lost, whatever the grammar holds; what was written is read again all the same, and compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from segserver.errors import Span
from segserver.rules.findings import Findings
from segserver.rules.formatting.blocks import INDENT, Trait, block, trait
from segserver.rules.formatting.comments import Word, shared, words
from segserver.rules.formatting.respell import respell
from segserver.rules.reading import block_nodes, outline
from segserver.rules.reading.parentheses import bare
from segserver.rules.reading.parse import parse
from segserver.rules.reading.source import Source
from segserver.specs.types import Kind


def canonical(file: str, text: str, findings: Findings, kinds: Mapping[Span, Kind] | None = None) -> str | None:
    """The canonical form of a rule file.

    Args:
        file: its name, for findings.
        text: its content.
        findings: takes its syntax errors.
        kinds: of what each comparison of the file compares, by place (`respell.compared`); without it `is` and `=`
            stay as written where neither side is a written value.

    Returns:
        The text, or None if the file has syntax errors; formatting it again changes nothing.
    """
    own = Findings()
    text = text.replace("\r\n", "\n")
    blocks = parse(file, text, own)
    findings.extend(own.sorted())
    if own.has_errors():
        return None
    formed = _respelled(file, text, blocks, kinds or {})
    if parse(file, formed, own) != blocks:
        formed = _laid_out(file, text)
        if parse(file, formed, own) != blocks:
            raise AssertionError(f"{file}: the canonical form reads differently; please report this file")
    return formed


def _respelled(file: str, text: str, blocks: Sequence[block_nodes.Block], kinds: Mapping[Span, Kind]) -> str:
    source = Source(file, bare(Source(file, text, Findings()), blocks), Findings())
    made, rest = words(source)
    return _file(respell(made, blocks, source, kinds), rest, source)


def _laid_out(file: str, text: str) -> str:
    """The words as written: where a line that a comment ends would begin a feature if a word were spelled otherwise."""
    source = Source(file, text, Findings())
    return _file(*words(source), source)


@dataclass(frozen=True, slots=True)
class _Formed:
    """A block laid out.

    Attributes:
        lead: comments above it, an empty text being an empty line; it starts with one if the file has one there.
        form: its text, or a trait on one line.
        tail: comments that end it.
    """

    lead: list[str]
    form: str | Trait
    tail: list[str]


def _file(made: list[Word], rest: Sequence[str], source: Source) -> str:
    stretches = outline.blocks(source.tokens)
    if not stretches:
        return _joined(_paragraphs([line.strip() for line in rest]))
    above = [[line.strip() for line in made[0].above]]
    tails: list[list[str]] = []
    for stretch in stretches[1:]:
        tail, lead = shared(made[stretch.first].above)
        tails.append(tail)
        above.append(lead)
    tail, last = shared(rest)
    tails.append(tail)
    for stretch in stretches:
        made[stretch.first] = replace(made[stretch.first], above=())
    forms = (trait(made[at.first : at.last]) if at.key == "trait" else block(made, at, source) for at in stretches)
    formed = [_Formed(*parts) for parts in zip(above, forms, tails, strict=True)]
    lines = [line for run in _runs(formed) for line in ["", *_run(run)]]
    ending = _paragraphs(last)
    return _joined([*lines[1:], *([""] if ending else []), *ending])


def _runs(blocks: Sequence[_Formed]) -> Iterator[list[_Formed]]:
    """Blocks with empty lines between them: each on its own, but traits that were written together stay together."""
    run: list[_Formed] = []
    for item in blocks:
        together = isinstance(item.form, Trait) and item.lead[:1] != [""]
        if run and not (together and isinstance(run[-1].form, Trait)):
            yield run
            run = []
        run.append(item)
    yield run


def _run(blocks: Sequence[_Formed]) -> Iterator[str]:
    width = max((item.form.width for item in blocks if isinstance(item.form, Trait)), default=0)
    for item in blocks:
        comments = _paragraphs(item.lead)
        yield from comments
        if comments and not item.lead[-1]:
            yield ""
        yield item.form.text(width) if isinstance(item.form, Trait) else item.form
        yield from (" " * INDENT + comment for comment in item.tail)


def _paragraphs(lines: Sequence[str]) -> list[str]:
    """Comments on lines of their own, with one empty line at most between them and none around."""
    kept = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return kept[:-1] if kept and not kept[-1] else kept


def _joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
