"""Patterns of `like` in which nothing stands for any text, as where they are written with the `%` of SQL."""

from __future__ import annotations

from segserver.rules.expressions.conditions import TextTest
from segserver.rules.lint.advice import Advice
from segserver.rules.program import Program
from segserver.rules.walk import walk


def look(program: Program, advice: Advice) -> None:
    """Report each `like` whose pattern has no `*`."""
    for node in walk(program.blocks):
        if isinstance(node, TextTest) and node.test == "like" and "*" not in node.pattern:
            pattern = node.pattern.replace('"', '""')
            message = f'without `*`, `like` holds for the text "{pattern}" alone'
            starred = pattern.replace("%", "*")
            any_text = starred if "*" in starred else f"{starred}*"
            hint = f'write `*` where any text may stand, `like "{any_text}"`, or `is` for this one text'
            advice.give("like-without-star", node.span, message, hint)
