"""The clauses of one block by their keyword: which are missing, and which are there twice."""

from __future__ import annotations

from typing import TypeVar

from segserver.errors import Span
from segserver.rules.findings import Findings
from segserver.rules.reading import block_nodes, condition_nodes, nodes

T = TypeVar("T")


class Clauses:
    """The clauses of a block, asked for one by one.

    A clause that could not be read counts as written: it is not missing, and its content is None.
    """

    def __init__(
        self, block: block_nodes.BlockNode, findings: Findings, *, repeatable: frozenset[str] = frozenset()
    ) -> None:
        self._block = block
        self._findings = findings
        self._by_key: dict[str, list[block_nodes.Clause]] = {}
        for clause in block.clauses:
            self._by_key.setdefault(clause.key, []).append(clause)
        for key, clauses in self._by_key.items():
            if key not in repeatable:
                self._once(key, clauses)

    def _once(self, key: str, clauses: list[block_nodes.Clause]) -> None:
        for clause in clauses[1:]:
            message = f"`{key}` stands twice in this block"
            first = ((clauses[0].span, "the first one"),)
            hint = "join the two with `and`" if key == "where" else "keep one of them"
            self._findings.error("duplicate-clause", clause.span, message, hint, first)

    def has(self, key: str) -> bool:
        """Whether the clause is written at all."""
        return key in self._by_key

    def span(self, key: str) -> Span:
        """Where the clause's keyword is; the block's name if it is not written."""
        return self._by_key[key][0].span if key in self._by_key else self._block.name.span

    def content(self, key: str, kind: type[T]) -> T | None:
        """What the clause says; None if it is not written or could not be read."""
        found = self._by_key.get(key)
        content = found[0].content if found else None
        return content if isinstance(content, kind) else None

    def condition(self, key: str) -> condition_nodes.Condition | None:
        """The condition the clause holds; None if it is not written."""
        found = self._by_key.get(key)
        content = found[0].content if found else None
        return content if isinstance(content, condition_nodes.Condition) else None

    def value(self, key: str) -> nodes.Value | None:
        """The value the clause holds; None if it is not written."""
        found = self._by_key.get(key)
        content = found[0].content if found else None
        return content if isinstance(content, nodes.Value) else None

    def all(self, key: str) -> list[block_nodes.Clause]:
        """Every clause with that keyword."""
        return self._by_key.get(key, [])

    def require(self, key: str, example: str) -> None:
        """Report the clause as missing if it is, and if no unreadable text can have been meant for it."""
        if not self.has(key) and not self._block.unread:
            name = self._block.name
            title = f"{self._block.keyword} `{name.text}`" if name.text != self._block.keyword else "this block"
            self._findings.error("missing-clause", name.span, f"{title} has no `{key}`", f"for example `{example}`")
