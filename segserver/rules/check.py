"""Rule files to a checked program, or to all that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from segserver.errors import Diagnostic, Span
from segserver.rules import nodes
from segserver.rules.check_caps import caps
from segserver.rules.check_conditions import condition
from segserver.rules.check_models import model
from segserver.rules.check_scenarios import scenario
from segserver.rules.check_segments import segment, trait
from segserver.rules.check_tests import given_test
from segserver.rules.declarations import declaration
from segserver.rules.findings import Findings
from segserver.rules.graph import Key, order
from segserver.rules.parse import parse
from segserver.rules.past import refuse_unkept
from segserver.rules.program import CapsBlock, ModelBlock, Program, ScenarioBlock, SegmentBlock, TestBlock, TraitBlock
from segserver.rules.scope import CREATED_AT, Scope
from segserver.rules.source import decode
from segserver.specs import Catalog, Type


def check(
    sources: Mapping[str, str | bytes], catalog: Catalog, *, zone: str
) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """Check all rule files of a workspace together.

    Args:
        sources: file name to text, or to raw bytes in UTF-8; broken bytes are a finding.
        catalog: what the connections provide.
        zone: the workspace's time zone, an IANA name; dates in `test` blocks are read in it.

    Returns:
        The program, or None if there is any error, and every finding of every file by (file, line, column).
    """
    findings = Findings()
    blocks: list[nodes.Block] = []
    for file, raw in sorted(sources.items()):
        text = decode(file, raw, findings)
        if text is not None:
            blocks += parse(file, text, findings)
    checker = _Checker(_declared(blocks, catalog, findings), catalog, zone, findings)
    program = checker.program()
    return (None if findings.has_errors() else program), findings.sorted()


@dataclass(frozen=True, slots=True)
class _Declared:
    """The blocks of all files by kind and name, each name once, in the order of files and lines."""

    named: dict[Key, nodes.TraitNode | nodes.BlockNode] = field(default_factory=dict)
    folded: dict[Key, nodes.Name] = field(default_factory=dict)
    caps: list[nodes.BlockNode] = field(default_factory=list)
    tests: list[nodes.TestNode] = field(default_factory=list)

    def of(self, kind: str) -> dict[str, nodes.TraitNode | nodes.BlockNode]:
        return {name: node for (other, name), node in self.named.items() if other == kind}


def _declared(blocks: Iterable[nodes.Block], catalog: Catalog, findings: Findings) -> _Declared:
    declared = _Declared()
    for block in blocks:
        if isinstance(block, nodes.TestNode):
            declared.tests.append(block)
        elif isinstance(block, nodes.BlockNode) and block.keyword == "caps":
            declared.caps.append(block)
        else:
            _declare(block, declared, catalog, findings)
    for second in declared.caps[1:]:
        related = ((declared.caps[0].name.span, "the first one"),)
        message = "`caps` stands once in a workspace"
        findings.error("second-caps", second.name.span, message, "join the two blocks", related)
    return declared


def _declare(
    block: nodes.TraitNode | nodes.BlockNode, declared: _Declared, catalog: Catalog, findings: Findings
) -> None:
    kind = "trait" if isinstance(block, nodes.TraitNode) else block.keyword
    name = block.name
    first = declared.named.get((kind, name.text))
    if first is not None:
        related: tuple[tuple[Span, str], ...] = ((first.name.span, "the first one"),)
        findings.error(
            "duplicate-name", name.span, f"two {kind}s are called `{name.text}`", "rename one of them", related
        )
        return
    if kind == "trait" and (name.text in catalog.traits or name.text == CREATED_AT):
        sources = catalog.traits[name.text].sources if name.text in catalog.traits else ()
        where = f"synced from {', '.join(sources)}" if sources else "a trait of every contact"
        findings.error("duplicate-name", name.span, f"`{name.text}` is already {where}", "choose another name")
        return
    twin = declared.folded.setdefault((kind, name.text.casefold()), name)
    if twin is not name:
        message = f"`{name.text}` and `{twin.text}` differ in letter case only"
        findings.error("name-case", name.span, message, "rename one of them", ((twin.span, "the first one"),))
    declared.named[kind, name.text] = block


class _Checker:
    """Checks the blocks in dependency order, so that the type of every trait is known when it is read."""

    def __init__(self, declared: _Declared, catalog: Catalog, zone: str, findings: Findings) -> None:
        self._declared = declared
        self._catalog = catalog
        self._zone = zone
        self._findings = findings
        self._types: dict[str, Type | None] = dict.fromkeys(declared.of("trait"))
        self._scope = Scope(
            catalog=catalog,
            traits=self._types,
            segments=frozenset(declared.of("segment")),
            models=frozenset(declared.of("model")),
            findings=findings,
            condition=condition,
        )
        self._declarations: dict[Key, str] = {}
        self._traits: dict[str, TraitBlock] = {}
        self._segments: dict[str, SegmentBlock] = {}
        self._models: dict[str, ModelBlock] = {}

    def program(self) -> Program:
        """Everything that could be checked; whole only if there are no errors."""
        computed = {key: node for key, node in self._declared.named.items() if key[0] != "scenario"}
        sequence, _ = order(computed, self._findings)
        for key in sequence:
            self._block(key, computed[key])
        limits = [caps(node, self._scope) for node in self._declared.caps]
        return Program(
            catalog=self._catalog,
            zone=self._zone,
            traits=self._traits,
            models=self._models,
            segments=self._segments,
            scenarios=self._scenarios(limits[0] if limits else None),
            caps=limits[0] if limits else None,
            tests=self._tests(),
        )

    def _block(self, key: Key, node: nodes.TraitNode | nodes.BlockNode) -> None:
        name = key[1]
        if isinstance(node, nodes.TraitNode):
            computed = trait(node, self._scope)
            if computed is not None:
                self._types[name] = computed.type
                self._traits[name] = computed
                self._declarations[key] = declaration(computed, self._declarations)
        elif node.keyword == "model":
            learned = model(node, self._scope)
            if learned is not None:
                refuse_unkept(learned, self._traits, self._segments, self._catalog, self._findings)
                self._declarations[key] = declaration(learned, self._declarations)
                self._models[name] = replace(learned, declaration=self._declarations[key])
        else:
            chosen = segment(node, self._scope)
            if chosen is not None:
                self._declarations[key] = declaration(chosen, self._declarations)
                self._segments[name] = replace(chosen, declaration=self._declarations[key])

    def _scenarios(self, limits: CapsBlock | None) -> dict[str, ScenarioBlock]:
        by_channel = {channel.channel: channel for channel in limits.channels} if limits else {}
        found: dict[str, ScenarioBlock] = {}
        for name, node in self._declared.of("scenario").items():
            block = scenario(node, self._scope, by_channel) if isinstance(node, nodes.BlockNode) else None
            if block is not None:
                known = declaration(block, self._declarations)
                found[name] = replace(block, declaration=known)
        return found

    def _tests(self) -> tuple[TestBlock, ...]:
        checked = (given_test(node, self._scope, self._zone) for node in self._declared.tests)
        return tuple(test for test in checked if test is not None)
