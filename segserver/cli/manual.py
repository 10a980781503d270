"""The manual: its pages, their sections, and how they look in a terminal.

Prose is wrapped to the terminal's width, code never is, so that it can be copied.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import ClassVar

from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Markdown, MarkdownElement
from rich.text import Text

_VERDICTS = {"bad": "wrong:", "good": "right:"}
"""What stands above an example, by the second word of its fence."""


def pages() -> dict[str, str]:
    """Every page's text by name, in the order of the names."""
    found = {item.name.removesuffix(".md"): item for item in (files("segserver") / "help").iterdir()}
    return {name: found[name].read_text(encoding="utf-8") for name in sorted(found)}


def codes(pages: dict[str, str]) -> dict[str, str]:
    """What the manual says of each code that a finding can have."""
    sections = [section for text in pages.values() for section in re.split(r"^(?=## )", text, flags=re.MULTILINE)]
    return {match[1]: section for section in sections if (match := re.match(r"## `([a-z-]+)`\n", section))}


class Code(CodeBlock):
    """A code block: every line as it is written, however long, with nothing around it.

    Attributes:
        verdict: what stands above it; empty where it is no example of right and wrong.
    """

    verdict = ""

    @classmethod
    def create(cls, markdown: Markdown, token: Token) -> Code:
        """The block that begins at a fence."""
        block = cls(token.info, markdown.code_theme)
        block.verdict = _VERDICTS.get(token.info.partition(" ")[2], "")
        return block

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, for a print that does not crop."""
        if self.verdict:
            yield Text(self.verdict)
        yield Text(str(self.text).rstrip(), style=self.style_name, no_wrap=True, overflow="ignore")


class Page(Markdown):
    """A page of the manual."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {**Markdown.elements, "fence": Code, "code_block": Code}


def show_page(console: Console, text: str) -> None:
    """Print a page; a line of code that is longer than the terminal is wide runs on, it is not cut."""
    console.print(Page(text), crop=False)
