"""Exclusive groups: from the syntax tree to the checked program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

from segserver.rules.checking.scope import Scope
from segserver.rules.program import ExclusiveBlock
from segserver.rules.reading import block_nodes, nodes
from segserver.rules.reading.parsed import ParsedBlock


def exclusives(
    groups: Iterable[block_nodes.ExclusiveNode], segments: Mapping[str, ParsedBlock], scope: Scope
) -> dict[str, ExclusiveBlock]:
    """The groups by name, each of segments that exist, each segment once in all of them.

    Args:
        groups: as written, each name once.
        segments: all segment blocks by name.
        scope: what names mean.
    """
    placed: dict[str, tuple[nodes.Name, block_nodes.ExclusiveNode]] = {}
    found: dict[str, ExclusiveBlock] = {}
    for group in groups:
        names = [name for name in group.segments if scope.has_segment(name) and _is_free(name, group, placed, scope)]
        if len(group.segments) < 2:
            message, hint = "a group of one segment excludes nobody", "name two segments at least"
            scope.findings.error("missing-clause", group.name.span, message, hint)
        _check_frozen(names, segments, scope)
        found[group.name.text] = ExclusiveBlock(
            group.name.text, tuple(name.text for name in names), span=group.name.span
        )
    return found


def _is_free(
    name: nodes.Name,
    group: block_nodes.ExclusiveNode,
    placed: dict[str, tuple[nodes.Name, block_nodes.ExclusiveNode]],
    scope: Scope,
) -> bool:
    """Whether the segment stands in no group yet; it does from now on."""
    first = placed.setdefault(name.text, (name, group))
    if first[0] is name:
        return True
    same = first[1] is group
    message = f"`{name.text}` stands in this group twice" if same else f"`{name.text}` stands in two exclusive groups"
    hint = (
        "keep one of them" if same else "a contact would have two first choices: keep one of them, or join the groups"
    )
    scope.findings.error("conflicting-clauses", name.span, message, hint, ((first[0].span, "the first one"),))
    return False


def _check_frozen(names: list[nodes.Name], segments: Mapping[str, ParsedBlock], scope: Scope) -> None:
    """Report frozen segments behind another: they keep members that the other may claim later."""
    for before, name in pairwise(names):
        for frozen in segments[name.text].places("frozen at")[:1]:
            message = f"`{name.text}` is frozen, so it cannot give way to `{before.text}`"
            hint = "a frozen segment can only stand first in an exclusive group"
            scope.findings.error("conflicting-clauses", name.span, message, hint, ((frozen, "frozen here"),))
