"""What became of tests: for people, for machines, and for build servers (JUnit's XML)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

from segserver.errors import Span
from segserver.rules.program import Expectation
from segserver.wrapping import wrapped

if TYPE_CHECKING:
    from segserver.explain.verdicts import Verdict

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that does not hold.

    Attributes:
        contact: its number in the test, from 1.
        place: where it is written.
        zone: IANA name of the workspace's, in which instants are shown.
        because: the conditions that decided, with what was observed and the events behind it.
    """

    contact: int
    expected: Expectation
    place: Span
    zone: str
    because: tuple[Verdict, ...] = ()

    @property
    def reasons(self) -> list[str]:
        """What decided, line by line."""
        from segserver.explain.report import Tree

        tree = Tree(self.zone, {})
        return [line for verdict in self.because for line in tree.lines(verdict)]

    @property
    def text(self) -> str:
        """In words."""
        wanted, found = ("should be in", "is not") if self.expected.member else ("should not be in", "is")
        return f"{self.place}: contact {self.contact} {wanted} {self.expected.segment}, and {found}"

    def to_dict(self) -> dict[str, object]:
        """Plain data."""
        from segserver.explain.plain import verdict_data

        return {
            "text": self.text,
            "contact": self.contact,
            "segment": self.expected.segment,
            "expected": self.expected.member,
            "line": self.place.line,
            "column": self.place.column,
            "because": [verdict_data(verdict, {}) for verdict in self.because],
        }


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test and what failed in it."""

    title: str
    place: Span
    failures: tuple[Failure, ...]

    @property
    def passed(self) -> bool:
        """Whether everything holds."""
        return not self.failures

    def render(self, width: int | None = None) -> str:
        """For a terminal, in lines no longer than `width`; None: however long they are."""
        lines = [f"{'ok  ' if self.passed else 'FAIL'} {self.title}"]
        for failure in self.failures:
            lines.append(f"     {failure.text}")
            lines += [f"     {line}" for line in failure.reasons]
        return "\n".join(lines if width is None else wrapped(lines, width))

    def to_dict(self) -> dict[str, object]:
        """Plain data."""
        return {
            "title": self.title,
            "file": self.place.file,
            "line": self.place.line,
            "passed": self.passed,
            "failures": [failure.to_dict() for failure in self.failures],
        }


def junit(results: Sequence[TestResult]) -> bytes:
    """Results as JUnit's XML, a suite for each file."""
    failed = sum(not result.passed for result in results)
    root = Xml.Element("testsuites", name="segserver", tests=str(len(results)), failures=str(failed))
    for file in dict.fromkeys(result.place.file for result in results):
        some = [result for result in results if result.place.file == file]
        failed = sum(not result.passed for result in some)
        suite = Xml.SubElement(root, "testsuite", name=file, tests=str(len(some)), failures=str(failed))
        for result in some:
            _case(suite, result)
    Xml.indent(root)
    return bytes(Xml.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _case(suite: Xml.Element, result: TestResult) -> None:
    place = result.place
    case = Xml.SubElement(suite, "testcase", classname=place.file, name=_clean(result.title), line=str(place.line))
    for failure in result.failures:
        told = Xml.SubElement(case, "failure", message=_clean(failure.text), type="expectation")
        told.text = _clean("\n".join([failure.text, *failure.reasons]))


def _clean(text: str) -> str:
    """Text without the characters that XML cannot have."""
    return _NOT_IN_XML.sub("\ufffd", text)
