"""Verdicts on several contacts with the evidence behind them: events, changes, and the contacts of their accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from segserver.compiler.accounts import ACCOUNT, with_colleagues
from segserver.compiler.plan import Step
from segserver.compiler.walk import Node, children
from segserver.compiler.witnesses import Sight, compile_witnesses
from segserver.explain.evidence import READ, Rows, Seen, witnessed
from segserver.explain.questions import Questions, ask
from segserver.explain.sights import sights, single
from segserver.explain.verdicts import Colleague, Explanation, Verdict
from segserver.explain.written import literal
from segserver.rules.expressions.conditions import AccountAny, Condition
from segserver.rules.expressions.values import AccountCount, ComputedTrait, Points

if TYPE_CHECKING:
    from segserver.explain.observing import Row
    from segserver.rules.program import Program

COUNTED = 5
"""Contacts of an account that are shown of those a condition counts."""

PASSED_OVER = 3
"""Contacts of an account that are shown where a condition counts none."""

Asked = AccountAny | AccountCount


class Runner(Protocol):
    """Whoever holds the tables."""

    def run(self, steps: Sequence[Step]) -> None:
        """Carry steps out."""
        ...

    def rows(self, table: str) -> Sequence[Mapping[str, object]]:
        """The rows of a table that a step made."""
        ...


@dataclass(frozen=True, slots=True)
class Gathering:
    """Where evidence is gathered.

    Attributes:
        questions: what was asked about the contacts.
        runner: executes steps and reads their tables.
        among: table whose `contact_id` column holds the contacts.
        prefix: begins the name of every table made.
        account: what to call an account, by its id.
    """

    questions: Questions
    runner: Runner
    among: str
    prefix: str
    account: Callable[[str], str] = str

    def evidence(self, verdicts: Sequence[tuple[str, Verdict]]) -> list[Verdict]:
        """Verdicts, each on the contact beside it, with what happened and which colleagues were counted."""
        seen = self._witnessed(verdicts)
        asked = list(dict.fromkeys(node for verdict in seen for node in _asked(self.questions.program, verdict)))
        if not asked:
            return seen
        colleagues = _Colleagues(self, asked)
        contacts = [contact for contact, _ in verdicts]
        return [colleagues.beside(contact, verdict) for contact, verdict in zip(contacts, seen, strict=True)]

    def _witnessed(self, verdicts: Sequence[tuple[str, Verdict]]) -> list[Verdict]:
        program, as_of = self.questions.program, self.questions.as_of
        wanted = list(dict.fromkeys(sight for _, verdict in verdicts for sight in sights(program, verdict)))
        steps, tables = compile_witnesses(
            program,
            as_of,
            wanted,
            among=self.among,
            most=READ,
            historical=self.questions.standing.past,
            prefix=self.prefix,
        )
        self.runner.run(steps)
        rows: dict[str, dict[Sight, Rows]] = defaultdict(dict)
        for sight, table in zip(wanted, tables, strict=True):
            for contact, some in _by_contact(self.runner.rows(table)).items():
                rows[contact][sight] = some
        return [witnessed(verdict, Seen(program, as_of, rows[contact])) for contact, verdict in verdicts]


def _by_contact(rows: Iterable[Row]) -> Mapping[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[str(row["contact_id"])].append(row)
    return found


# ---- colleagues ----------------------------------------------------------------------------------------------------


class _Colleagues:
    """The contacts of the accounts, asked what the rules ask about them."""

    def __init__(self, gathering: Gathering, asked: Sequence[Asked]) -> None:
        questions, runner, prefix = gathering.questions, gathering.runner, f"{gathering.prefix}colleagues_"
        program = questions.program
        everybody, steps = with_colleagues(program.catalog, [ACCOUNT], gathering.among, prefix)
        runner.run(steps)
        among = everybody or gathering.among
        conditions = [condition for node in asked if (condition := _condition(node)) is not None]
        self._questions = ask(
            program,
            [ACCOUNT, *conditions],
            questions.as_of,
            thresholds=questions.thresholds,
            among=among,
            historical=questions.standing.past,
            cutoffs=questions.cutoffs,
            prefix=prefix,
        )
        runner.run(self._questions.observed.steps)
        self._rows = {str(row["contact_id"]): row for row in runner.rows(self._questions.observed.table)}
        self._of_account: dict[object, list[str]] = defaultdict(list)
        for contact in sorted(self._rows):
            self._of_account[self._account(contact)].append(contact)
        self._gathering = Gathering(self._questions, runner, among, prefix)
        self._call = gathering.account
        self._program = program

    def beside(self, contact: str, verdict: Verdict) -> Verdict:
        """The same verdict with the contacts of the account beside each condition that asks about them."""
        verdict = replace(verdict, parts=tuple(self.beside(contact, part) for part in verdict.parts))
        nodes = list(_asked(self._program, replace(verdict, parts=())))
        if not nodes or contact not in self._rows:
            return verdict
        told = [self._told(contact, node) for node in nodes]
        note = "; ".join(dict.fromkeys([*([verdict.note] if verdict.note else []), *(text for text, _ in told)]))
        return replace(verdict, note=note, colleagues=tuple(one for _, some in told for one in some))

    def _told(self, contact: str, node: Asked) -> tuple[str, list[Colleague]]:
        """How many contacts of the account were counted, and some of them; of none, some that were not."""
        account = self._account(contact)
        if account is None:
            return "the contact has no account", []
        everybody = self._of_account[account]
        condition = _condition(node)
        met = everybody if condition is None else [key for key in everybody if self._holds(condition, key)]
        candidates, most = (met, COUNTED) if met else (everybody, PASSED_OVER)
        some = candidates[:most]
        cut = f", {most} of them shown" if len(candidates) > most else ""
        counts = f"{len(everybody)}" if condition is None else f"{len(met)} of the {len(everybody)}"
        contacts = "contact" if len(everybody) == 1 else "contacts"
        text = f"{counts} {contacts} of account {literal(self._call(str(account)))}{cut}"
        if condition is None:
            return text, [Colleague(key, None) for key in some]
        verdicts = [(key, self._questions.verdict(condition, self._rows[key])) for key in some]
        return text, [
            Colleague(key, verdict)
            for (key, _), verdict in zip(verdicts, self._gathering.evidence(verdicts), strict=True)
        ]

    def _account(self, contact: str) -> object:
        return self._rows[contact][self._questions.observed.columns[ACCOUNT]]

    def _holds(self, condition: Condition, contact: str) -> bool:
        column = self._questions.observed.columns.get(condition)
        return column is not None and bool(self._rows[contact][column])


def colleagues(explanation: Explanation) -> list[str]:
    """The ids of the contacts that are shown as colleagues, each once."""
    waiting = [] if explanation.verdict is None else [explanation.verdict]
    found: dict[str, None] = {}
    while waiting:
        verdict = waiting.pop()
        found |= dict.fromkeys(one.contact_id for one in verdict.colleagues)
        waiting.extend(verdict.parts)
    return list(found)


def _condition(node: Asked) -> Condition | None:
    return node.item if isinstance(node, AccountAny) else node.where


def _asked(program: Program, verdict: Verdict) -> Iterator[Asked]:
    """What conditions ask about the contacts of an account."""
    node = single(verdict)
    if node is not None:
        yield from _over_account(program, node)
    for part in verdict.parts:
        yield from _asked(program, part)


def _over_account(program: Program, node: Node) -> Iterator[Asked]:
    if isinstance(node, Asked):
        yield node
        return
    if isinstance(node, ComputedTrait):
        yield from _over_account(program, program.traits[node.name].value)
    if not isinstance(node, Points):
        for child in children(node):
            yield from _over_account(program, child)
