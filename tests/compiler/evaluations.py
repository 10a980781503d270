"""Evaluations one after another, each taking over what the one before kept, in plain statements."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from segserver import relations
from segserver.compiler.plan import Evaluation
from segserver.compiler.segments import compile_segments
from segserver.relations import Cutoff
from segserver.rules.program import ExclusiveBlock, Program, SegmentBlock

from .conftest import AS_OF, CATALOG, ZONE, World

Members = dict[str, str]
"""Segment to the ids of its members, joined in order: "a c"."""


def rules(*blocks: SegmentBlock, exclusive: Iterable[str] = ()) -> Program:
    group = tuple(exclusive)
    exclusives = {"group": ExclusiveBlock("group", group)} if group else {}
    segments = {block.name: block for block in blocks}
    return Program(CATALOG, ZONE, {}, {}, segments, {}, None, (), exclusives)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Evaluations:
    """A world in which evaluations keep what they found."""

    world: World
    cutoffs: dict[str, Cutoff] = field(default_factory=dict)
    frozen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        present = {row["table_name"] for row in self.world.rows("select table_name from duckdb_tables()")}
        for relation in (relations.pending(), relations.manual_members(), relations.membership_changes()):
            if relation.name not in present:
                self.world._create(relation)

    def look(
        self,
        program: Program,
        as_of: datetime = AS_OF,
        *,
        among: Collection[str] | None = None,
        serving: Mapping[str, float] | None = None,
        score: Mapping[str, Callable[..., float | None]] | None = None,
        **options: object,
    ) -> Evaluation:
        """Evaluate and keep nothing."""
        if among is not None:
            self.world.connection.execute("create or replace temp table chosen (contact_id varchar)")
            for contact in among:
                self.world.connection.execute("insert into chosen values (?)", [contact])
            options = {"among": "chosen", "cutoffs": self.cutoffs, **options}
        evaluation = compile_segments(
            program,
            as_of,
            serving=serving or {},
            **{"frozen": self.frozen, **options},
        )
        self.world.run(evaluation.steps, score)
        return evaluation

    def members(self, evaluation: Evaluation, columns: Mapping[str, str] | None = None) -> Members:
        found = self.world.found(evaluation, evaluation.columns if columns is None else columns)
        return {name: " ".join(sorted(contacts)) for name, contacts in found.items()}

    def run(self, program: Program, as_of: datetime = AS_OF, **options: object) -> Members:
        """Evaluate and keep what was found."""
        evaluation = self.look(program, as_of, **options)
        found = self.members(evaluation)
        among = options.get("among")
        for segment, contacts in found.items():
            self._keep(segment, set(contacts.split()), as_of, among)
        for segment in evaluation.waits:
            self._forget("pending", segment, among)
        if evaluation.pending is not None:
            self.world.connection.execute(f'insert into "pending" by name select * from "{evaluation.pending}"')
        if among is None:
            rows = self.world.rows(f'select * from "{evaluation.cutoffs}"') if evaluation.cutoffs else []
            self.cutoffs = {str(row.pop("key")): Cutoff(**row) for row in rows}
        return found

    def _keep(self, segment: str, now: set[str], as_of: datetime, among: object) -> None:
        rows = self.world.rows(f"select contact_id from memberships where segment = '{segment}'")
        before = {str(row["contact_id"]) for row in rows}
        if isinstance(among, Collection):
            before &= set(among)
        for contact in before - now:
            self.world.insert(
                "membership_changes", segment=segment, contact_id=contact, change="exited", as_of=as_of, cause="data"
            )
        for contact in now - before:
            self.world.insert(
                "membership_changes", segment=segment, contact_id=contact, change="entered", as_of=as_of, cause="data"
            )
        self._forget("memberships", segment, among)
        for contact in now:
            self.world.insert("memberships", segment=segment, contact_id=contact, entered_at=as_of)

    def _forget(self, table: str, segment: str, among: object) -> None:
        chosen = "" if among is None else "and contact_id in (select contact_id from chosen)"
        self.world.connection.execute(f"delete from \"{table}\" where segment = '{segment}' {chosen}")

    def set(self, contact: str, **traits: object) -> None:
        """Give a contact other values."""
        for name, value in traits.items():
            column = relations.trait_column(name)
            self.world.connection.execute(f'update contacts set "{column}" = ? where contact_id = ?', [value, contact])
