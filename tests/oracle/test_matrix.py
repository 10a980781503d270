"""Which value may stand in which condition, and what is said where it may not."""

from __future__ import annotations

from tests.oracle import matrix


def test_every_kind_of_value_is_right_or_refused_in_every_condition_as_written_down() -> None:
    written = matrix.FILE.read_text(encoding="utf-8").splitlines()
    assert list(matrix.said()) == written
    right = sum(line.endswith(" right") for line in written)
    assert 300 < right < len(written) / 2
