"""What is promised of the canonical form of any rule file."""

from __future__ import annotations

import re

from segserver.rules.findings import Findings
from segserver.rules.formatting.canonical import canonical
from segserver.rules.reading.parse import parse


def form(text: str) -> str:
    formed = canonical("a.seg", text, Findings())
    assert formed is not None, "syntax errors"
    return formed


def reads_the_same(text: str, other: str) -> bool:
    findings = Findings()
    same = parse("a.seg", text, findings) == parse("a.seg", other, findings)
    return same and not findings.has_errors()


def comments(text: str) -> list[str]:
    found = re.findall(r'"(?:[^"\n]|"")*"|(#[^\n]*)', text)
    return [comment.strip() for comment in found if comment]


def held(text: str) -> None:
    """Everything that is promised of the form of any file."""
    formed = form(text)
    assert reads_the_same(text, formed)
    assert form(formed) == formed
    assert comments(formed) == comments(text)


def broken(text: str) -> bool:
    findings = Findings()
    parse("a.seg", text, findings)
    return findings.has_errors()
