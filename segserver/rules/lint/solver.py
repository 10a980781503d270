"""Whether a formula can be true of anybody: a search through its branches that gives up rather than guess."""

from __future__ import annotations

from collections.abc import Sequence

from segserver.rules.expressions.conditions import Condition
from segserver.rules.lint import facts
from segserver.rules.lint.formulas import Atom, Conjunction, Disjunction, Formula, Threshold, conjunction
from segserver.rules.lint.links import Links
from segserver.rules.lint.reading import Reader
from segserver.rules.lint.subjects import Subject
from segserver.rules.program import Program

_STEPS = 4000
"""Formulas looked at for one question; beyond it there is no answer."""

Known = dict[Subject, tuple[Atom, ...]]


class _GivenUp(Exception):
    """Too many branches."""


class Solver:
    """Answers questions about the conditions of one program, each once."""

    def __init__(self, program: Program) -> None:
        self.reader = Reader(program, implying=True)
        self._links = Links(program, self.implies)
        self._answers: dict[tuple[Condition, bool], bool] = {}
        self._implied: dict[tuple[Condition, Condition], bool] = {}

    def never(self, node: Condition) -> bool:
        """Whether it is certain that a condition holds for nobody."""
        return self._ask(node, positive=True)

    def always(self, node: Condition) -> bool:
        """Whether it is certain that a condition holds for everybody."""
        return self._ask(node, positive=False)

    def implies(self, one: Condition, other: Condition) -> bool:
        """Whether it is certain that `other` holds wherever `one` does."""
        if one == other:
            return True
        if (one, other) not in self._implied:
            self._implied[one, other] = False  # asked again while it is being answered: not certain
            both = conjunction((self.reader.formula(one), self.reader.formula(other, positive=False)))
            self._implied[one, other] = self.contradicts(both)
        return self._implied[one, other]

    def contradicts(self, formula: Formula) -> bool:
        """Whether it is certain that a formula holds for nobody."""
        try:
            return not _Search(self._links).is_possible((formula,), {})
        except _GivenUp:
            return False

    def _ask(self, node: Condition, *, positive: bool) -> bool:
        if (node, positive) not in self._answers:
            self._answers[node, positive] = self.contradicts(self.reader.formula(node, positive=positive))
        return self._answers[node, positive]


class _Search:
    def __init__(self, links: Links) -> None:
        self._links = links
        self._left = _STEPS

    def is_possible(self, waiting: Sequence[Formula], known: Known) -> bool:
        """Whether some branch is free of contradictions.

        Args:
            waiting: what must hold too.
            known: the atoms that hold on this branch, free of contradictions by themselves.
        """
        atoms, choices = self._flat(waiting)
        grown = self._with(atoms, known) if atoms else known
        if grown is None or (atoms and self._links.contradict(grown)):
            return False
        if not choices:
            return True
        chosen = min(choices, key=lambda choice: len(choice.items))
        rest = [item for item in choices if item is not chosen]
        return any(self.is_possible([*branch, *rest], grown) for branch in _branches(chosen))

    def _flat(self, waiting: Sequence[Formula]) -> tuple[list[Atom], list[Disjunction | Threshold]]:
        atoms: list[Atom] = []
        choices: list[Disjunction | Threshold] = []
        stack = list(waiting)
        while stack:
            self._left -= 1
            if self._left < 0:
                raise _GivenUp
            item = stack.pop()
            match item:
                case Atom():
                    atoms.append(item)
                case Conjunction(items=items):
                    stack.extend(items)
                case _:
                    choices.append(item)
        return atoms, choices

    def _with(self, atoms: Sequence[Atom], known: Known) -> Known | None:
        """The atoms of a branch with some more; None if they contradict each other."""
        grown = dict(known)
        for atom in atoms:
            held = grown.get(atom.subject, ())
            if atom in held:
                continue
            self._left -= len(held)
            grown[atom.subject] = (*held, atom)
            if facts.contradict(atom.subject, grown[atom.subject]):
                return None
        return grown


def _branches(choice: Disjunction | Threshold) -> Sequence[Sequence[Formula]]:
    if isinstance(choice, Disjunction):
        return [(item,) for item in choice.items]
    first, rest = choice.items[0], choice.items[1:]
    with_first = _rest(choice.n - 1, rest)
    without = [(Threshold(choice.n, rest),)] if len(rest) > choice.n else [rest] if len(rest) == choice.n else []
    return [(first, *with_first), *without]


def _rest(n: int, items: tuple[Formula, ...]) -> tuple[Formula, ...]:
    """At least `n` of some formulas, as formulas that must all hold."""
    if n == 0:
        return ()
    return (Disjunction(items),) if n == 1 else items if n == len(items) else (Threshold(n, items),)
