"""Blocks that nothing reads, pushes or tests."""

from __future__ import annotations

import re
from collections.abc import Iterator

from segserver.rules.expressions.conditions import InSegment, Percentile, Top
from segserver.rules.expressions.history import SegmentChange, WasIn
from segserver.rules.expressions.values import ComputedTrait
from segserver.rules.lint.advice import Advice
from segserver.rules.program import Program, ScenarioBlock
from segserver.rules.walk import walk

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def look(program: Program, advice: Advice) -> None:
    """Report unused traits, and segments without a push or a test."""
    read = set(_reads(program))
    tested = {
        expected.segment for test in program.tests for _, expectations in test.contacts for expected in expectations
    }
    for trait in program.traits.values():
        if ("trait", trait.name) not in read:
            message = f"nothing reads the trait `{trait.name}`"
            advice.give("unused-trait", trait.span, message, "use it in a segment, or remove it")
    for segment in program.segments.values():
        if segment.draft:
            continue
        if not segment.targets and ("segment", segment.name) not in read:
            message = f"`{segment.name}` is pushed nowhere, and nothing reads it"
            advice.give(
                "segment-without-push", segment.span, message, "add `push to ...`, or `draft` while it is tried out"
            )
        if segment.name not in tested:
            message = f"no test says who is in `{segment.name}`"
            hint = f"write one that ends with `expect in {segment.name}`"
            advice.give("segment-without-test", segment.span, message, hint)


def _reads(program: Program) -> Iterator[tuple[str, str]]:
    for node in walk(program.blocks):
        match node:
            case ComputedTrait(name=name):
                yield "trait", name
            case InSegment(segment=name) | SegmentChange(segment=name) | WasIn(segment=name):
                yield "segment", name
            case Top(among=str(name)) | Percentile(among=str(name)):
                yield "segment", name
    for scenario in program.scenarios.values():
        yield "segment", scenario.segment
        yield from (("trait", name) for name in _placeholders(scenario))
    for group in program.exclusives.values():
        yield from (("segment", name) for name in group.segments)


def _placeholders(scenario: ScenarioBlock) -> Iterator[str]:
    for template in (scenario.content, *(step.content for step in scenario.steps)):
        yield from _PLACEHOLDER.findall(template or "")
