"""Which block reads which: the order of checking and computing, and cycles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from segserver.errors import Span
from segserver.rules import nodes
from segserver.rules.findings import Findings

Key = tuple[str, str]
"""("trait" | "segment" | "model", name)."""


@dataclass(frozen=True, slots=True)
class Read:
    """One block naming another at a place."""

    key: Key
    span: Span


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
            case nodes.FeatureNode(expression=None):
                yield Read(("trait", item.name.text), item.name.span)
            case nodes.Member():
                yield Read(("segment", item.segment.text), item.segment.span)
            case nodes.ScoreValue() | nodes.LikelyModel():
                yield Read(("model", item.model.text), item.model.span)
            case nodes.EventClause():
                pass
            case tuple():
                waiting.extend(reversed(item))
            case nodes.Node():
                waiting.extend(getattr(item, field.name) for field in reversed(fields(item)) if field.name != "span")


def order(blocks: Mapping[Key, nodes.Block], findings: Findings) -> tuple[list[Key], frozenset[Key]]:
    """The blocks so that what is read comes before its readers, and those that lie on a cycle.

    Every cycle gives one finding with all its steps; blocks on or behind a cycle stand last, in the order given.
    """
    edges = {
        key: {read.key: read for read in reversed(list(reads(node))) if read.key in blocks}
        for key, node in blocks.items()
    }
    sorted_, rest = _sort(edges)
    cyclic = _report_cycles({key: edges[key] for key in rest}, blocks, findings)
    return [*sorted_, *rest], cyclic


def _sort(edges: Mapping[Key, Mapping[Key, Read]]) -> tuple[list[Key], list[Key]]:
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


def _report_cycles(
    edges: Mapping[Key, Mapping[Key, Read]], blocks: Mapping[Key, nodes.Block], findings: Findings
) -> frozenset[Key]:
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


def _report(
    cycle: list[Key], edges: Mapping[Key, Mapping[Key, Read]], blocks: Mapping[Key, nodes.Block], findings: Findings
) -> None:
    steps = list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
    named = [f"{kind} {name}" for kind, name in [*cycle, cycle[0]]]
    related = tuple((edges[reader][read].span, f"{' '.join(reader)} reads {' '.join(read)}") for reader, read in steps)
    first = blocks[cycle[0]]
    span = first.name.span if isinstance(first, nodes.TraitNode | nodes.BlockNode) else first.span
    hint = "leave one of these steps out"
    if len(cycle) == 1:
        hint = "nothing can be made from itself"
    findings.error("cycle", span, f"this reads itself: {' -> '.join(named)}", hint, related)
