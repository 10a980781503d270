"""A YAML file as plain data, with the place of every key and value.

Only what a declaration needs: mappings, lists and text. Every scalar stays the text that was written, so `NO` is
never false and `12:30` never a number; what a text means is for the schema to say. Anchors, aliases and tags are
refused: nothing here is worth the surprises they bring.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml
from yaml.error import Mark

from segserver.errors import Diagnostic, Severity, Span

Path = tuple[str | int, ...]
"""Keys and list positions from the top of the document."""

_DEEPEST = 20
_LOOKS_EMPTY = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class Document:
    """A file read.

    Attributes:
        data: dict, list, str or None (nothing written), nested; None where the file cannot be read at all.
        keys: place of each key by its path.
        values: place of each value by its path; the whole document at ().
        findings: what is wrong with the YAML itself.
    """

    data: object
    keys: Mapping[Path, Span]
    values: Mapping[Path, Span]
    findings: tuple[Diagnostic, ...]


def read(source: str | bytes, file: str) -> Document:
    """Read a file; mistakes are in `findings`, never raised.

    Args:
        source: its content; bytes are UTF-8, with or without a byte order mark.
        file: its name in positions.
    """
    text, broken = _decode(source, file)
    if broken is not None:
        return Document(None, {}, {}, (broken,))
    lines = _Lines(text, file)
    findings = list(_refused(text, lines))
    if findings:
        return Document(None, {}, {}, tuple(findings))
    reading = _Reading(lines)
    node = yaml.compose(text, yaml.SafeLoader)
    if node is None:
        reading.values[()] = lines.span(0, 0)
        return Document(None, {}, reading.values, ())
    data = reading.convert(node, ())
    return Document(data, reading.keys, reading.values, tuple(reading.findings))


def _decode(source: str | bytes, file: str) -> tuple[str, Diagnostic | None]:
    if isinstance(source, str):
        return source.removeprefix("\ufeff"), None
    try:
        return source.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        good = error.object[: error.start].decode("utf-8")
        line, column = good.count("\n") + 1, len(good) - (good.rfind("\n") + 1) + 1
        return "", Diagnostic(
            "broken-encoding",
            Severity.ERROR,
            Span(file, line, column, line, column + 1),
            f"byte 0x{error.object[error.start]:02X} is not UTF-8",
            "save the file as UTF-8",
        )


class _Lines:
    """Turns YAML's marks into spans: by character index, since YAML counts more line ends than editors do."""

    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._size = len(text)
        self._starts = [0, *(index + 1 for index, char in enumerate(text) if char == "\n")]

    def span(self, start: int, stop: int) -> Span:
        (line, column), (end_line, end_column) = self._place(start), self._place(max(start, stop))
        return Span(self._file, line, column, end_line, end_column)

    def of(self, part: yaml.Node | yaml.Event) -> Span:
        start, stop = part.start_mark, part.end_mark
        return self.span(start.index if start else 0, stop.index if stop else self._size)

    def at(self, index: int) -> Span:
        return self.span(index, min(index + 1, self._size))

    def _place(self, index: int) -> tuple[int, int]:
        line = bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1


def _refused(text: str, lines: _Lines) -> Iterator[Diagnostic]:
    """Findings of a first pass over the events, which, unlike composing, copes with any depth and any alias."""
    depth = documents = 0
    try:
        for event in yaml.parse(text, yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            documents += isinstance(event, yaml.DocumentStartEvent)
            refusal = _refusal(event, depth, documents)
            if refusal is not None:
                yield Diagnostic("yaml-syntax", Severity.ERROR, lines.of(event), *refusal)
            if depth > _DEEPEST:
                return
    except yaml.reader.ReaderError as error:
        message = f"the character U+{_code(error.character):04X} may not stand in YAML"
        yield Diagnostic("yaml-syntax", Severity.ERROR, lines.at(error.position), message, "remove it")
    except yaml.MarkedYAMLError as error:
        mark, message, hint = _explain(error)
        yield Diagnostic("yaml-syntax", Severity.ERROR, lines.at(mark.index if mark else 0), message, hint)


def _code(character: object) -> int:
    return ord(character) if isinstance(character, str) else int(str(character))


def _refusal(event: yaml.Event, depth: int, documents: int) -> tuple[str, str] | None:
    if isinstance(event, yaml.AliasEvent):
        return "aliases (*name) are not used here", "write the value out"
    if getattr(event, "anchor", None) is not None:
        return "anchors (&name) are not used here", "remove the anchor and write each value out"
    if getattr(event, "tag", None) is not None:
        return "tags (!name) are not used here", "remove the tag"
    if depth > _DEEPEST:
        return f"more than {_DEEPEST} levels of nesting", "a connection needs five"
    if documents > 1 and isinstance(event, yaml.DocumentStartEvent):
        return "a second document starts here", "put each connection in a file of its own"
    return None


_EXPLAINED = (
    (re.compile(r"character '\\t'"), "a tab cannot start a value", "indent with spaces"),
    (re.compile(r"character '(?P<char>.)' that cannot start"), "a value cannot start with {char}", "put it in quotes"),
    (re.compile("mapping values are not allowed"), "a second colon in one line", 'put the value in quotes: "a: b"'),
    (re.compile("could not find expected ':'"), "a key without a colon", "write key: value"),
    (
        re.compile("expected <block end>"),
        "this line is indented unlike those above it",
        "give keys of one block one indent",
    ),
)


def _explain(error: yaml.MarkedYAMLError) -> tuple[Mark | None, str, str | None]:
    """Place, message and hint of a mistake in YAML, in words for people who do not know its grammar."""
    problem = error.problem or "the text cannot be read"
    if error.context_mark is not None and ("stream end" in problem or "end of stream" in problem):
        if "flow node" in (error.context or ""):
            return error.context_mark, "the file ends inside a list or mapping", "close the bracket"
        return error.context_mark, "what opens here is never closed", "close the bracket or the quotes"
    simple_key = "could not find expected ':'" in problem
    place = (error.context_mark if simple_key else None) or error.problem_mark
    for pattern, message, hint in _EXPLAINED:
        found = pattern.search(problem)
        if found:
            return place, message.format_map(found.groupdict()), hint
    return place, f"not YAML: {problem}", None


@dataclass(slots=True)
class _Reading:
    """The walk over a composed document."""

    lines: _Lines
    keys: dict[Path, Span] = field(default_factory=dict)
    values: dict[Path, Span] = field(default_factory=dict)
    findings: list[Diagnostic] = field(default_factory=list)

    def convert(self, node: yaml.Node, path: Path) -> object:
        self.values[path] = self.lines.of(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.convert(item, (*path, index)) for index, item in enumerate(node.value)]
        plain = isinstance(node, yaml.ScalarNode) and node.style is None
        return None if plain and node.value in _LOOKS_EMPTY else str(node.value)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        data: dict[str, object] = {}
        for key, value in node.value:
            place = self.lines.of(key)
            if not isinstance(key, yaml.ScalarNode):
                self._report("wrong-type", place, "a key must be text", "write key: value")
                continue
            name = str(key.value)
            if name in data:
                note = ((self.keys[(*path, name)], "first written here"),)
                self._report("duplicate-key", place, f"{name} is written twice", "keep one of them", note)
                continue
            self.keys[(*path, name)] = place
            data[name] = self.convert(value, (*path, name))
        return data

    def _report(
        self, code: str, place: Span, message: str, hint: str, related: tuple[tuple[Span, str], ...] = ()
    ) -> None:
        self.findings.append(Diagnostic(code, Severity.ERROR, place, message, hint, related))
