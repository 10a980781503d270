"""The blocks of all files by kind and name, and what is wrong with their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from segserver.rules.checking.scope import CREATED_AT
from segserver.rules.findings import Findings
from segserver.rules.reading import block_nodes, nodes
from segserver.rules.reading.graph import Key
from segserver.rules.reading.parsed import ParsedBlock
from segserver.specs.catalog import Catalog

_SEVERAL = {"exclusive": "exclusive groups"}
"""How people call several of a kind, where it is not its keyword with an s."""


@dataclass(frozen=True, slots=True)
class Declared:
    """The blocks of all files by kind and name, each name once, in the order of files and lines.

    Attributes:
        named: traits, segments, models and scenarios.
        groups: exclusive groups by name.
        folded: names without letter case, with the first that is written so.
        caps, tests: blocks without names.
    """

    named: dict[Key, ParsedBlock] = field(default_factory=dict)
    groups: dict[str, ParsedBlock] = field(default_factory=dict)
    folded: dict[Key, nodes.Name] = field(default_factory=dict)
    caps: list[ParsedBlock] = field(default_factory=list)
    tests: list[ParsedBlock] = field(default_factory=list)

    def of(self, kind: str) -> dict[str, ParsedBlock]:
        """All blocks of a kind by name."""
        return {name: block for (other, name), block in self.named.items() if other == kind}

    def exclusives(self) -> list[block_nodes.ExclusiveNode]:
        """The exclusive groups."""
        return [group.node for group in self.groups.values() if isinstance(group.node, block_nodes.ExclusiveNode)]


def declared(blocks: Iterable[ParsedBlock], catalog: Catalog, findings: Findings) -> Declared:
    """Sort blocks by kind and name; of two with one name the first counts, and the second is a finding."""
    found = Declared()
    for block in blocks:
        if block.kind == "test":
            found.tests.append(block)
        elif block.kind == "caps":
            found.caps.append(block)
        else:
            _declare(block, found, catalog, findings)
    for second in found.caps[1:]:
        related = ((found.caps[0].name.span, "the first one"),)
        message = "`caps` stands once in a workspace"
        findings.error("second-caps", second.name.span, message, "join the two blocks", related)
    return found


def _declare(block: ParsedBlock, found: Declared, catalog: Catalog, findings: Findings) -> None:
    kind, name = block.kind, block.name
    first = found.groups.get(name.text) if kind == "exclusive" else found.named.get((kind, name.text))
    if first is not None:
        message = f"two {_SEVERAL.get(kind, f'{kind}s')} are called `{name.text}`"
        related = ((first.name.span, "the first one"),)
        findings.error("duplicate-name", name.span, message, "rename one of them", related)
        return
    if kind == "trait" and (name.text in catalog.traits or name.text == CREATED_AT):
        sources = catalog.traits[name.text].sources if name.text in catalog.traits else ()
        where = f"synced from {', '.join(sources)}" if sources else "a trait of every contact"
        findings.error("duplicate-name", name.span, f"`{name.text}` is already {where}", "choose another name")
        return
    twin = found.folded.setdefault((kind, name.text.casefold()), name)
    if twin is not name:
        message = f"`{name.text}` and `{twin.text}` differ in letter case only"
        findings.error("name-case", name.span, message, "rename one of them", ((twin.span, "the first one"),))
    if kind == "exclusive":
        found.groups[name.text] = block
    else:
        found.named[kind, name.text] = block
