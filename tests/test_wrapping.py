"""Explanations in lines that fit a console."""

from __future__ import annotations

import pytest

from segserver.wrapping import wrapped


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        (
            "  no    did purchase in last 30 days    (0 times)",
            ["  no    did purchase in last", "        30 days    (0 times)"],
        ),
        ('  yes     country is "FR"', ['  yes     country is "FR"']),
        ("to leave: no `purchase in last 30 days`", ["to leave: no `purchase in last", "          30 days`"]),
        ("or: `country is known` no longer holds", ["or: `country is known` no", "    longer holds"]),
        ("leaves at 2026-03-11 11:00 if nothing happens", ["leaves at 2026-03-11 11:00 if", "  nothing happens"]),
        ("FAIL somebody who bought is a customer", ["FAIL somebody who bought is a", "     customer"]),
        ("          2026-02-21 13:30 purchase: amount", ["          2026-02-21 13:30", "          purchase: amount"]),
        ("  no  " + "x" * 40 + " y", ["  no  " + "x" * 40, "      y"]),
        ("", [""]),
    ],
)
def test_a_line_goes_on_under_its_text(line: str, lines: list[str]) -> None:
    assert list(wrapped([line], 30)) == lines
