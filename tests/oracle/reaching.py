"""What code a program reaches, and with what: steps from line to line, and the arguments of calls."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable
from enum import Enum
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

_TRACED = tuple(f"{Path('segserver') / folder}/" for folder in ("compiler", "rules/checking"))
_SHORT = 12


def reached(work: Callable[[], object]) -> set[Hashable]:
    """The steps and arguments of what some work runs in the compiler and the checker."""
    found: set[Hashable] = set()
    traced: dict[CodeType, bool] = {}

    def enter(frame: FrameType, _event: str, _value: Any) -> Any:
        code = frame.f_code
        if code not in traced:
            traced[code] = any(part in code.co_filename for part in _TRACED)
        if not traced[code]:
            return None
        here = (code.co_filename, code.co_firstlineno)
        for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
            found.add((*here, name, _kind(frame.f_locals.get(name))))
        last = 0

        def line(inner: FrameType, event: str, value: Any) -> Any:
            nonlocal last
            if event == "line":
                found.add((*here, last, inner.f_lineno))
                last = inner.f_lineno
            elif event == "return":
                found.add((*here, last, "gives", _kind(value)))
            return line

        return line

    sys.settrace(enter)
    try:
        work()
    finally:
        sys.settrace(None)
    return found


def _kind(value: object) -> Hashable:
    """A value as far as it may decide what happens: small ones themselves, others by their type."""
    if value is None or isinstance(value, bool | Enum) or (isinstance(value, int) and abs(value) < _SHORT):
        return value
    if isinstance(value, str) and len(value) < _SHORT and not any(letter.isdigit() for letter in value):
        return value
    if isinstance(value, tuple | list | dict | set | frozenset):
        return type(value).__name__, min(len(value), 2)
    return type(value).__name__
