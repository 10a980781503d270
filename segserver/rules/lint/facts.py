"""What a set of atoms says of each subject, and whether that can be true of anybody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from segserver.rules.lint import texts
from segserver.rules.lint.formulas import Atom, Compared, Present, Timed
from segserver.rules.lint.ranges import COMPLEMENTS, Range, compared
from segserver.rules.lint.spans import Moment, before
from segserver.rules.lint.subjects import Sort, Subject, reach


def contradict(subject: Subject, atoms: Sequence[Atom]) -> bool:
    """Whether nobody can have such a value; atoms of one subject.

    The newest atom stands last, and those before it are known not to contradict each other.
    """
    newest = atoms[-1]
    if any(item.predicate == newest.predicate and item.positive is not newest.positive for item in atoms):
        return True
    match subject.sort:
        case Sort.NUMBER:
            return numbers(subject, atoms).is_empty
        case Sort.TEXT:
            return texts.contradict(atoms)
        case Sort.INSTANT:
            return _instants(atoms)
        case Sort.FLAG:
            return False


def numbers(subject: Subject, atoms: Iterable[Atom]) -> Range:
    """The numbers that are left."""
    left = reach(subject)
    for atom in atoms:
        match atom.predicate:
            case Present():
                left = left.known() if atom.positive else left.meet((), unknown=True)
            case Compared(op=op, bound=bound):
                wanted = compared(op if atom.positive else COMPLEMENTS[op], bound)
                left = left.meet(wanted, unknown=not atom.positive)
    return left


def _instants(atoms: Sequence[Atom]) -> bool:
    if not any(atom.positive for atom in atoms):
        return False
    if any(isinstance(atom.predicate, Present) and not atom.positive for atom in atoms):
        return True
    lows: list[tuple[Moment, bool]] = []
    highs: list[tuple[Moment, bool]] = []
    for atom in atoms:
        if isinstance(atom.predicate, Timed):
            op, moment = atom.predicate.op, atom.predicate.moment
            op = op if atom.positive else COMPLEMENTS[op]
            lows += [(moment, op == ">")] if op in (">", ">=", "=") else []
            highs += [(moment, op == "<")] if op in ("<", "<=", "=") else []
    return any(
        before(high, low, strictly=not (low_open or high_open)) for low, low_open in lows for high, high_open in highs
    )
