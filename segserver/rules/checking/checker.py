"""Checks the blocks of all files in dependency order, so that what is read is known when it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar, cast

from segserver.errors import Span
from segserver.rules.checking.accounts import refuse_nested
from segserver.rules.checking.caps import caps
from segserver.rules.checking.conditions import condition
from segserver.rules.checking.declarations import declaration
from segserver.rules.checking.declared import Declared
from segserver.rules.checking.exclusives import exclusives
from segserver.rules.checking.models import model
from segserver.rules.checking.past import Kept, refuse_unkept
from segserver.rules.checking.scenarios import refuse_rankings, scenario
from segserver.rules.checking.scope import Scope
from segserver.rules.checking.segments import pushed, refuse_shared, segment, trait
from segserver.rules.checking.tests import given_test
from segserver.rules.checking.verdicts import Verdict, Verdicts
from segserver.rules.findings import Findings
from segserver.rules.program import CapsBlock, ModelBlock, Program, ScenarioBlock, SegmentBlock, TestBlock, TraitBlock
from segserver.rules.reading import block_nodes
from segserver.rules.reading.graph import Key, order
from segserver.rules.reading.parsed import ParsedBlock
from segserver.specs.cadence import ChannelCaps
from segserver.specs.catalog import Catalog
from segserver.specs.targets import Target
from segserver.specs.types import Type

T = TypeVar("T")


class Checker:
    """Checks every block once; what is remembered of a block stands in for checking it."""

    def __init__(
        self, declared: Declared, catalog: Catalog, zone: str, findings: Findings, verdicts: Verdicts | None = None
    ) -> None:
        self._declared = declared
        self._catalog = catalog
        self._zone = zone
        self._findings = findings
        self._verdicts = verdicts
        self._names = {name for _, name in declared.named}
        self._segment_blocks = declared.of("segment")
        self._types: dict[str, Type | None] = dict.fromkeys(declared.of("trait"))
        self._scope = Scope(
            catalog=catalog,
            traits=self._types,
            segments=frozenset(self._segment_blocks),
            models=frozenset(declared.of("model")),
            findings=findings,
            condition=condition,
        )
        self._exclusives = exclusives(declared.exclusives(), self._segment_blocks, self._scope)
        self._group_of = {name: group for group in self._exclusives.values() for name in group.segments}
        self._declarations: dict[Key, str] = {}
        self._pushed: list[tuple[Target, Span]] = []
        self._traits = _Blocks[TraitBlock](lambda block: trait(cast("block_nodes.TraitNode", block.node), self._scope))
        self._segments = _Blocks[SegmentBlock](self._segment)
        self._models: dict[str, ModelBlock] = {}
        self._scenarios: dict[str, ScenarioBlock] = {}
        self._limits: list[CapsBlock] = []
        self._tests: list[TestBlock] = []
        self.manual: list[tuple[str, Span]] = []
        """Files of manual members, with the place that names each."""

    def run(self) -> None:
        """Check everything."""
        computed = {key: block for key, block in self._declared.named.items() if key[0] != "scenario"}
        sequence, _ = order(computed, self._findings, self._declared.exclusives())
        for key in sequence:
            self._settle(key, computed[key])
        refuse_shared(self._pushed, self._findings)
        self._limits = [caps(cast("block_nodes.BlockNode", block.node), self._scope) for block in self._declared.caps]
        for name, block in self._declared.of("scenario").items():
            self._settle(("scenario", name), block)
        for block in self._declared.tests:
            self._settle(("test", block.name.text), block)

    def program(self) -> Program:
        """Everything that could be checked, after `run` without verdicts; whole only if there are no errors."""
        return Program(
            catalog=self._catalog,
            zone=self._zone,
            traits=dict(self._traits),
            models=self._models,
            segments=dict(self._segments),
            scenarios=self._scenarios,
            caps=self._limits[0] if self._limits else None,
            tests=tuple(self._tests),
            exclusives=self._exclusives,
        )

    # ---- one block

    def _settle(self, key: Key, block: ParsedBlock) -> None:
        """Know what a block is to others: from an earlier check if that still holds, else by checking it."""
        if self._verdicts is None:
            verdict = self._check(key, block)
        else:
            seen = self._seen(key, block)
            verdict = self._remembered(block, seen) or self._judge(key, block, seen)
        if verdict is None:
            return
        self._declarations[key] = verdict.declaration
        if key[0] == "trait":
            self._types[key[1]] = verdict.type
            self._traits.add(key[1], block)
        elif key[0] == "segment":
            self._segments.add(key[1], block)
            self.manual += [(verdict.manual, block.name.span)] if verdict.manual is not None else []

    def _remembered(self, block: ParsedBlock, seen: str) -> Verdict | None:
        verdict = self._verdicts.find(block.digest, seen) if self._verdicts is not None else None
        if verdict is not None:
            self._pushed += zip(verdict.targets, block.places("push to"), strict=True)
        return verdict

    def _judge(self, key: Key, block: ParsedBlock, seen: str) -> Verdict | None:
        before = len(self._findings)
        verdict = self._check(key, block)
        silent = len(self._findings) == before and not self._findings.is_full(block.name.span.file)
        if verdict is not None and self._verdicts is not None and silent:
            self._verdicts.held[block.digest] = replace(verdict, seen=seen)
        return verdict

    def _check(self, key: Key, block: ParsedBlock) -> Verdict | None:
        match block.node:
            case block_nodes.TraitNode() as node:
                return self._trait(trait(node, self._scope))
            case block_nodes.TestNode() as node:
                return self._test(given_test(node, self._scope, self._zone))
            case block_nodes.BlockNode(keyword="model") as node:
                return self._model(model(node, self._scope))
            case block_nodes.BlockNode(keyword="scenario") as node:
                return self._scenario(scenario(node, self._scope, self._caps()))
            case block_nodes.BlockNode() as node:
                self._pushed += pushed(node, self._catalog)
                return self._checked_segment(key[1], self._segment(block))
        raise TypeError(f"{key[0]} is checked elsewhere")

    def _trait(self, checked: TraitBlock | None) -> Verdict | None:
        if checked is None:
            return None
        refuse_nested(self._scope.over_accounts, self._traits, self._findings)
        self._traits.made[checked.name] = checked
        return Verdict("", declaration(checked, self._declarations), type=checked.type)

    def _segment(self, block: ParsedBlock) -> SegmentBlock | None:
        return segment(cast("block_nodes.BlockNode", block.node), self._scope, self._zone)

    def _checked_segment(self, name: str, checked: SegmentBlock | None) -> Verdict | None:
        if checked is None:
            return None
        refuse_nested(self._scope.over_accounts, self._traits, self._findings)
        known = declaration(checked, self._declarations, self._before(name))
        self._segments.made[name] = replace(checked, declaration=known)
        return Verdict("", known, targets=checked.targets, manual=checked.manual)

    def _model(self, checked: ModelBlock | None) -> Verdict | None:
        if checked is None:
            return None
        kept = Kept(self._traits, self._segments, self._exclusives, self._catalog)
        refuse_unkept(checked, kept, self._findings)
        refuse_nested(self._scope.over_accounts, self._traits, self._findings)
        known = declaration(checked, self._declarations)
        self._models[checked.name] = replace(checked, declaration=known)
        return Verdict("", known)

    def _scenario(self, checked: ScenarioBlock | None) -> Verdict | None:
        if checked is None:
            return None
        refuse_rankings(checked, self._traits, self._findings)
        known = declaration(checked, self._declarations)
        self._scenarios[checked.name] = replace(checked, declaration=known)
        return Verdict("", known)

    def _test(self, checked: TestBlock | None) -> Verdict | None:
        if checked is None:
            return None
        self._tests.append(checked)
        return Verdict("")

    def _caps(self) -> dict[str, ChannelCaps]:
        return {channel.channel: channel for limits in self._limits[:1] for channel in limits.channels}

    # ---- what a block depends on

    def _before(self, name: str) -> list[str]:
        """The segments that claim members before this one: those listed before it, but for drafts."""
        group = self._group_of.get(name)
        if group is None:
            return []
        earlier = group.segments[: group.segments.index(name)]
        return [other for other in earlier if other in self._segments and not self._segment_blocks[other].has("draft")]

    def _seen(self, key: Key, block: ParsedBlock) -> str:
        """A hash of everything outside a block that its check depends on, but for the catalog and the zone."""
        parts = [self._standing(name) for name in block.names if name in self._names]
        if key[0] == "segment":
            parts += [self._standing(name) for name in self._before(key[1])]
        elif key[0] == "model":
            parts += sorted(self._group_of)
        elif key[0] == "scenario":
            parts += [" ".join(self._types), *(limits.digest for limits in self._declared.caps)]
        return hashlib.sha256("\n".join(parts).encode("utf-8")).hexdigest()

    def _standing(self, name: str) -> str:
        """What a name stands for: every block called so, as far as it is known by now."""
        kinds = [kind for kind in ("trait", "segment", "model") if (kind, name) in self._declared.named]
        grouped = "exclusive" if name in self._group_of else ""
        return " ".join([name, grouped, *(f"{kind} {self._declarations.get((kind, name), '?')}" for kind in kinds)])


class _Blocks(Mapping[str, T]):
    """Checked blocks by name; those that are only remembered are checked when somebody looks at them."""

    def __init__(self, check: Callable[[ParsedBlock], T | None]) -> None:
        self.made: dict[str, T] = {}
        self._check = check
        self._blocks: dict[str, ParsedBlock] = {}

    def add(self, name: str, block: ParsedBlock) -> None:
        """Have a block that is without fault."""
        self._blocks[name] = block

    def __getitem__(self, name: str) -> T:
        if name not in self.made:
            checked = self._check(self._blocks[name])
            if checked is None:
                raise KeyError(name)
            self.made[name] = checked
        return self.made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._blocks

    def __iter__(self) -> Iterator[str]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)
