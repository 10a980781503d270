"""A file that was read: its findings and its blocks, each with what others need to know without looking into it.

As text it is JSON lines: a head, then one line for each block. Whoever keeps that text (`segserver.rule_files`) saves
reading the file again, and a block's tree is built only if somebody looks into it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from segserver.errors import Diagnostic, Severity, Span
from segserver.rules.findings import MOST_FINDINGS, Findings
from segserver.rules.reading import block_nodes, nodes
from segserver.rules.reading.graph import Key, Place, reads
from segserver.rules.reading.source import decode
from segserver.rules.reading.tree_text import from_text, place, to_text
from segserver.rules.walk import walk


class ParsedBlock:
    """A block, whose tree may still be text.

    Attributes:
        kind: its keyword.
        name: of a test its title, of `caps` the keyword.
        reads: blocks it depends on, each with its place.
        clauses: keywords of its clauses, each with its place.
    """

    def __init__(
        self,
        kind: str,
        name: nodes.Name,
        reads: Sequence[tuple[Key, Place]],
        clauses: Sequence[tuple[str, Place]],
        *,
        node: block_nodes.Block | None = None,
        names: Sequence[str] = (),
        tree: str = "",
    ) -> None:
        self.kind = kind
        self.name = name
        self.reads = reads
        self.clauses = clauses
        if node is not None:
            self.node = node
        else:
            self.names, self.tree = names, tree

    @cached_property
    def node(self) -> block_nodes.Block:
        """The block itself."""
        return cast("block_nodes.Block", from_text(self.tree, self.name.span.file))

    @cached_property
    def tree(self) -> str:
        """The block as text."""
        return to_text(self.node)

    @cached_property
    def names(self) -> Sequence[str]:
        """Every name written anywhere in it, whatever it stands for; sorted."""
        found = (item.text for item in walk(self.node) if isinstance(item, nodes.Name))
        return sorted(set(found))

    @cached_property
    def digest(self) -> str:
        """Hash of the block and its place, hex."""
        return hashlib.sha256(self.tree.encode("utf-8")).hexdigest()

    def has(self, clause: str) -> bool:
        """Whether a clause is written."""
        return any(key == clause for key, _ in self.clauses)

    def places(self, clause: str) -> list[Span]:
        """Where a clause is written, each time."""
        return [Span(self.name.span.file, *where) for key, where in self.clauses if key == clause]


@dataclass(frozen=True, slots=True, eq=False)
class ParsedFile:
    """What reading one file gave."""

    findings: tuple[Diagnostic, ...]
    blocks: tuple[ParsedBlock, ...]


def read(file: str, raw: str | bytes) -> ParsedFile:
    """Read a file; text that cannot be read is in the findings."""
    from segserver.rules.reading.parse import parse  # a grammar is built only where text is read

    findings = Findings(MOST_FINDINGS)
    text = decode(file, raw, findings)
    blocks = [] if text is None else [_block(node) for node in parse(file, text, findings)]
    return ParsedFile(findings.sorted(), tuple(blocks))


def _block(node: block_nodes.Block) -> ParsedBlock:
    match node:
        case block_nodes.TestNode(title=title):
            return ParsedBlock("test", nodes.Name(title.text, span=title.span), (), (), node=node)
        case block_nodes.BlockNode(keyword=kind, name=name):
            clauses = [(clause.key, place(clause.span)) for clause in node.clauses]
            return ParsedBlock(kind, name, _reads(node), clauses, node=node)
        case block_nodes.TraitNode(name=name):
            return ParsedBlock("trait", name, _reads(node), (), node=node)
        case block_nodes.ExclusiveNode(name=name):
            return ParsedBlock("exclusive", name, (), (), node=node)


def _reads(node: block_nodes.Block) -> list[tuple[Key, Place]]:
    return [(read.key, place(read.span)) for read in reads(node)]


# ---- as text -------------------------------------------------------------------------------------------------------


def to_lines(parsed: ParsedFile) -> str:
    """The file as text."""
    heads = [
        [
            block.kind,
            block.name.text,
            place(block.name.span),
            [[*key, where] for key, where in block.reads],
            block.clauses,
            block.names,
        ]
        for block in parsed.blocks
    ]
    head = json.dumps([[_told(finding) for finding in parsed.findings], heads], separators=(",", ":"))
    return "\n".join([head, *(block.tree for block in parsed.blocks)])


def from_lines(text: str, file: str) -> ParsedFile:
    """The file that `to_lines` made the text of, as if it had that name.

    Raises:
        ValueError: the text is nothing that `to_lines` makes.
    """
    try:
        head, *trees = text.split("\n")
        findings, heads = json.loads(head)
        found = tuple(_finding(told, file) for told in findings)
        blocks = tuple(_from_head(one, tree, file) for one, tree in zip(heads, trees, strict=True))
    except (KeyError, IndexError, TypeError, RecursionError) as error:
        raise ValueError(f"no file that was read: {error}") from error
    return ParsedFile(found, blocks)


def _from_head(head: Any, tree: str, file: str) -> ParsedBlock:
    kind, name, at, reads_, clauses, names = head
    return ParsedBlock(
        kind,
        nodes.Name(name, span=Span(file, *at)),
        [((other, said), where) for other, said, where in reads_],
        clauses,
        names=names,
        tree=tree,
    )


def _told(finding: Diagnostic) -> list[object]:
    related = [[place(span), note] for span, note in finding.related]
    return [finding.code, finding.severity.value, place(finding.span), finding.message, finding.hint, related]


def _finding(told: Any, file: str) -> Diagnostic:
    code, severity, at, message, hint, related = told
    notes = tuple((Span(file, *where), note) for where, note in related)
    return Diagnostic(code, Severity(severity), Span(file, *at), message, hint, notes)
