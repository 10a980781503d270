"""How long work says how far it is, without knowing who looks."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the state of a task."""

    def __call__(self, task: str, done: int, total: int | None) -> None:
        """`done` of `total` items of `task` are finished; None: nobody knows how many there will be."""
        ...


def silent(task: str, done: int, total: int | None) -> None:
    """Nobody looks."""
