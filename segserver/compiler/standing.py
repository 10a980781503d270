"""What an evaluation takes over from earlier ones: who is a member, who waits, who is listed, where ranks were cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import ibis
import ibis.expr.types as ir

from segserver import relations
from segserver.compiler.inner import Listed, Stored, WaitingSince
from segserver.compiler.sources import Source
from segserver.compiler.tables import narrowed, unbound
from segserver.compiler.walk import Node
from segserver.relations import Cutoff
from segserver.rules.program import SegmentBlock


@dataclass(frozen=True, slots=True)
class Standing:
    """What an evaluation takes over.

    Attributes:
        kept: segments whose members are those stored: frozen ones, and those that are not evaluated this time but
            still claim their members in their exclusive group.
        frozen: those of them that never move, so that they are the same at any instant.
        cutoffs: by key, for a run over some contacts; None: contacts are ranked among all.
        past: the evaluation looks back, so members are those at that instant, and nobody waits.
    """

    kept: frozenset[str]
    frozen: frozenset[str]
    cutoffs: Mapping[str, Cutoff] | None
    past: bool

    def waits(self, block: SegmentBlock) -> bool:
        """Whether newcomers of a segment have to wait."""
        return block.enter_after is not None and not self.past


AFRESH = Standing(frozenset(), frozenset(), None, past=False)
"""Nothing is taken over."""


def standing_sources(
    columns: Mapping[Node, str], standing: Standing, as_of: datetime, *, among: str | None = None
) -> list[Source]:
    """What is stored of earlier evaluations, among some nodes."""
    stored = {column: node.segment for node, column in columns.items() if isinstance(node, Stored)}
    past = {column: name for column, name in stored.items() if standing.past and name not in standing.frozen}
    present = {column: name for column, name in stored.items() if column not in past}
    listed = {column: node.segment for node, column in columns.items() if isinstance(node, Listed)}
    waiting = {column: node for node, column in columns.items() if isinstance(node, WaitingSince)}
    sources = [
        *([_belonging(narrowed(unbound(relations.memberships()), among), present)] if present else []),
        *([_belonging(narrowed(unbound(relations.manual_members()), among), listed)] if listed else []),
        *([_members_before(as_of, past, among)] if past else []),
    ]
    if waiting:
        rows = narrowed(unbound(relations.pending()), among)
        since = {
            column: rows.since.max(where=(rows.segment == node.segment) & (rows.declaration == node.declaration))
            for column, node in waiting.items()
        }
        sources.append(Source(rows.group_by("contact_id").aggregate(**since), {column: column for column in since}))
    return sources


def _belonging(rows: ir.Table, wanted: Mapping[str, str]) -> Source:
    """Which of some segments each contact is listed under."""
    held = {column: (rows.segment == segment).any() for column, segment in wanted.items()}
    return _conditions(rows.group_by("contact_id").aggregate(**held), wanted)


def _members_before(as_of: datetime, wanted: Mapping[str, str], among: str | None) -> Source:
    """Who was a member after the last run before an instant; of one run that has both changes, entering counts."""
    rows = narrowed(unbound(relations.membership_changes()), among)
    rows = rows.filter(rows.as_of < ibis.literal(as_of))
    change = ibis.struct({"t": rows.as_of, "entered": rows.change == "entered"})
    held = {
        column: change.max(where=rows.segment == segment)["entered"].fill_null(False)
        for column, segment in wanted.items()
    }
    return _conditions(rows.group_by("contact_id").aggregate(**held), wanted)


def _conditions(table: ir.Table, wanted: Mapping[str, str]) -> Source:
    return Source(table, {column: column for column in wanted}, dict.fromkeys(wanted, ibis.literal(False)))
