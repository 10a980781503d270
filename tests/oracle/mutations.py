"""Small mistakes in source code: each the change of one node of its syntax tree."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

_SWAPS: dict[type, type] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_DROPPED = frozenset(
    {
        "fill_null",
        "cast",
        "filter",
        "nullif",
        "round",
        "abs",
        "floor",
        "lower",
        "negate",
        "distinct",
        "order_by",
        "strip",
    }
)
"""Methods whose result may be mistaken for what they are called on."""

_RENAMED = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "left_join": "inner_join",
    "lead": "lag",
    "lag": "lead",
    "notnull": "isnull",
    "isnull": "notnull",
    "startswith": "endswith",
    "union": "intersect",
    "keys": "values",
}

_SYMMETRIC = frozenset({"max", "min", "_midnights"})
"""Functions of which no order of arguments is a mistake."""

_SPLITTING = frozenset({"_LEVELS_PER_STATEMENT", "_DEEPEST", "_CHEAP", "_choose_cells", "_deserves_column", "depth"})
"""Names that say how work is split over statements and columns, which changes no result."""


@dataclass(frozen=True)
class Mutant:
    """One mistake in a file.

    Attributes:
        path: of the file, within the package's folder.
        line: where.
        what: the mistake in words.
        source: the whole file with it.
        diff: the lines that it changes.
    """

    path: str
    line: int
    what: str
    source: str
    diff: str


def mutants(root: Path, path: Path) -> Iterator[Mutant]:
    """Every mistake this module knows, in one file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    before = ast.unparse(tree)
    for index, node in enumerate(_meant(tree)):
        for what, change in _mistakes(node):
            copy = deepcopy(tree)
            change(list(_meant(copy))[index])
            source = ast.unparse(copy)
            if source != before:
                yield Mutant(str(path.relative_to(root)), node.lineno, what, source, _diff(before, source))


def _diff(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), n=1, lineterm="")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++")))


def _meant(tree: ast.Module) -> Iterator[ast.expr | ast.stmt]:
    """Nodes that mean something when they run.

    Left out are imports, annotations, decorators, messages, what only states that something cannot be (`assert`, and
    `strict=` of `zip`), and what only says how work is split.
    """
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Raise | ast.Assert | ast.JoinedStr):
            continue
        if (isinstance(node, ast.keyword) and node.arg == "strict") or _splits(node):
            continue
        if isinstance(node, ast.expr | ast.stmt):
            yield node
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "bases"):
                continue
            items: Sequence[object] = value if isinstance(value, list) else [value]
            waiting += [item for item in reversed(items) if isinstance(item, ast.AST)]


def _splits(node: ast.AST) -> bool:
    """Whether a node only says how work is split: the definition of such a name, or a test that reads it."""
    match node:
        case (
            ast.FunctionDef(name=name)
            | ast.Assign(targets=[ast.Name(id=name)])
            | ast.AnnAssign(target=ast.Name(id=name))
        ):
            return name in _SPLITTING
        case ast.Compare():
            return any(isinstance(part, ast.Name) and part.id in _SPLITTING for part in ast.walk(node))
        case _:
            return False


def _mistakes(node: ast.expr | ast.stmt) -> Iterator[tuple[str, Callable[[ast.AST], None]]]:
    match node:
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                if type(op) in _SWAPS:
                    yield f"{_name(op)} for {_name(_SWAPS[type(op)]())}", _in_list("ops", place, _SWAPS[type(op)])
        case ast.BoolOp(op=op) | ast.BinOp(op=op) if type(op) in _SWAPS:
            yield f"{_name(op)} for {_name(_SWAPS[type(op)]())}", _field("op", _SWAPS[type(op)])
        case ast.UnaryOp(op=ast.Not() | ast.Invert() | ast.USub()):
            yield "a dropped not", _become("operand")
        case ast.Constant(value=bool()):
            yield "the other truth", lambda made: setattr(made, "value", not made.value)
        case ast.Constant(value=int()):
            yield "one more", lambda made: setattr(made, "value", made.value + 1)
        case ast.Call(func=ast.Attribute(attr=attr)) if attr in _DROPPED:
            yield f"no .{attr}()", _become("func", "value")
        case ast.Attribute(attr=attr) if attr in _RENAMED:
            yield f".{attr} for .{_RENAMED[attr]}", lambda made: setattr(made, "attr", _RENAMED[attr])
        case ast.If(test=test) if not _splits(test):
            for truth in (True, False):
                yield f"if {truth}", lambda made, truth=truth: setattr(made, "test", ast.Constant(truth))
        case ast.IfExp():
            yield "the first way always", _become("body")
            yield "the other way always", _become("orelse")
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            yield "a statement less", _deleted
    if (
        isinstance(node, ast.Call)
        and len(node.args) >= 2
        and not any(isinstance(arg, ast.Starred) for arg in node.args)
        and not (isinstance(node.func, ast.Name) and node.func.id in _SYMMETRIC)
    ):
        yield "swapped arguments", _swapped


def _name(op: ast.AST) -> str:
    return type(op).__name__


def _in_list(name: str, place: int, kind: type) -> Callable[[ast.AST], None]:
    return lambda made: getattr(made, name).__setitem__(place, kind())


def _field(name: str, kind: type) -> Callable[[ast.AST], None]:
    return lambda made: setattr(made, name, kind())


def _become(*path: str) -> Callable[[ast.AST], None]:
    """The node becomes one of its own parts."""

    def change(made: ast.AST) -> None:
        part = made
        for name in path:
            part = getattr(part, name)
        _replace(made, part)

    return change


def _deleted(made: ast.AST) -> None:
    _replace(made, ast.Pass())


def _swapped(made: ast.AST) -> None:
    assert isinstance(made, ast.Call)
    made.args[:2] = made.args[1::-1]


def _replace(made: ast.AST, other: ast.AST) -> None:
    """Turn a node into another where it stands."""
    place = {name: getattr(made, name) for name in ("lineno", "col_offset")}
    made.__class__ = other.__class__
    made.__dict__.clear()
    made.__dict__.update({**other.__dict__, **place})
