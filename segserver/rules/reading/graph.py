"""Which block reads which: the order of checking and computing, and cycles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

from segserver.errors import Span
from segserver.rules.findings import Findings
from segserver.rules.reading import block_nodes, condition_nodes, nodes

Key = tuple[str, str]
"""("trait" | "segment" | "model", name)."""


@dataclass(frozen=True, slots=True)
class Read:
    """One block naming another at a place, or standing behind it in an exclusive group."""

    key: Key
    span: Span
    verb: str = "reads"


Place = list[int]
"""First line and column, last line and the column after the last character, in the reader's file."""

Edges = Mapping[Key, Mapping[Key, Read | Place]]
"""Each block with those it needs first."""


def reads(node: object) -> Iterator[Read]:
    """Everything that a block names: traits, segments and models, in the order written.

    What stands inside a `where` of events are properties and no names of blocks.
    """
    waiting: list[object] = [node]
    while waiting:
        item = waiting.pop()
        match item:
            case nodes.Reference():
                yield Read(("trait", item.name.text), item.name.span)
            case block_nodes.FeatureNode(expression=None):
                yield Read(("trait", item.name.text), item.name.span)
            case condition_nodes.Member():
                yield Read(("segment", item.segment.text), item.segment.span)
            case nodes.ScoreValue() | condition_nodes.LikelyModel():
                yield Read(("model", item.model.text), item.model.span)
            case nodes.EventClause():
                pass
            case tuple():
                waiting.extend(reversed(item))
            case nodes.Node():
                waiting.extend(getattr(item, field.name) for field in reversed(fields(item)) if field.name != "span")


class Reader(Protocol):
    """What the order of blocks depends on."""

    name: nodes.Name
    reads: Sequence[tuple[Key, Place]]

    def has(self, clause: str) -> bool:
        """Whether a clause is written."""
        ...


def order(
    blocks: Mapping[Key, Reader], findings: Findings, groups: Iterable[block_nodes.ExclusiveNode] = ()
) -> tuple[list[Key], frozenset[Key]]:
    """The blocks so that what is read comes before its readers, and those that lie on a cycle.

    Every cycle gives one finding with all its steps; blocks on or behind a cycle stand last, in the order given.

    Args:
        blocks: by kind and name.
        findings: takes the cycles.
        groups: exclusive groups: each segment follows those listed before it, except drafts, which claim nobody.
    """
    edges: dict[Key, dict[Key, Read | Place]] = {
        key: {other: where for other, where in reversed(block.reads) if other in blocks}
        for key, block in blocks.items()
    }
    for group in groups:
        for later, read in _turns(group, blocks):
            edges[later].setdefault(read.key, read)
    sorted_, rest = _sort(edges)
    cyclic = _report_cycles({key: edges[key] for key in rest}, blocks, findings)
    return [*sorted_, *rest], cyclic


def _turns(group: block_nodes.ExclusiveNode, blocks: Mapping[Key, Reader]) -> Iterator[tuple[Key, Read]]:
    """Each segment of a group with one it gives way to."""
    before: dict[Key, None] = {}
    for name in group.segments:
        key = ("segment", name.text)
        block = blocks.get(key)
        if block is None or key in before:
            continue
        for other in before:
            yield key, Read(other, name.span, "gives way to")
        if not block.has("draft"):
            before[key] = None


def _sort(edges: Edges) -> tuple[list[Key], list[Key]]:
    """Keys in dependency order, and those left over because they lie on or behind a cycle."""
    missing = {key: len(read) for key, read in edges.items()}
    readers: dict[Key, list[Key]] = {key: [] for key in edges}
    for key, read in edges.items():
        for other in read:
            readers[other].append(key)
    done = [key for key in edges if missing[key] == 0]
    for key in done:
        for reader in readers[key]:
            missing[reader] -= 1
            if missing[reader] == 0:
                done.append(reader)
    return done, [key for key in edges if missing[key] > 0]


def _report_cycles(edges: Edges, blocks: Mapping[Key, Reader], findings: Findings) -> frozenset[Key]:
    """One finding for each cycle that shares no block with one before it."""
    found: set[Key] = set()
    clean: set[Key] = set()
    for start in edges:
        path: list[Key] = []
        on_path: dict[Key, int] = {}
        key: Key | None = start
        while key is not None and key not in found and key not in clean and key not in on_path:
            on_path[key] = len(path)
            path.append(key)
            key = next((other for other in edges[key] if other in edges and other not in clean), None)
            while key is None and path:
                clean.add(path.pop())
                key = path[-1] if path else None
                if key is not None:
                    on_path.pop(path.pop())
        if key is not None and key in on_path:
            cycle = path[on_path[key] :]
            found.update(cycle)
            _report(cycle, edges, blocks, findings)
    return frozenset(found)


def _report(cycle: list[Key], edges: Edges, blocks: Mapping[Key, Reader], findings: Findings) -> None:
    steps = list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
    named = [f"{kind} {name}" for kind, name in [*cycle, cycle[0]]]
    related = [_step(reader, read, edges[reader][read], blocks[reader]) for reader, read in steps]
    span = blocks[cycle[0]].name.span
    hint = "leave one of these steps out"
    if len(cycle) == 1:
        hint = "nothing can be made from itself"
    findings.error("cycle", span, f"this reads itself: {' -> '.join(named)}", hint, related)


def _step(reader: Key, read: Key, edge: Read | Place, block: Reader) -> tuple[Span, str]:
    """A step of a cycle: where it is written, and in words."""
    found = edge if isinstance(edge, Read) else Read(read, Span(block.name.span.file, *edge))
    return found.span, f"{' '.join(reader)} {found.verb} {' '.join(read)}"
