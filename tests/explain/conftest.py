"""The small world of the compiler's tests."""

from ..compiler.conftest import people, world

__all__ = ["people", "world"]
