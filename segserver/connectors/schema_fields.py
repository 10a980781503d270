"""Marshmallow fields for single values: each reads one kind of text.

`yaml_positions` hands every scalar over as the text that was written, so all reading of meaning happens here.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from segserver.connectors.schema_base import Written, refuse
from segserver.connectors.suggestions import cure
from segserver.specs.types import Kind


@dataclass(frozen=True, slots=True)
class Variable:
    """A setting written as `env:NAME`."""

    name: str


class Text(Written):
    """Any text, in NFC."""

    def _read(self, value: object) -> object:
        return unicodedata.normalize("NFC", self.text_of(value))


class TextOrList(Text):
    """A text, or a list of alternatives as a tuple."""

    expected = "text or a list of text"

    def _read(self, value: object) -> object:
        if not isinstance(value, list):
            return super()._read(value)
        if not value:
            raise refuse("bad-value", "{key} lists nothing", "write at least one value")
        return tuple(super(TextOrList, self)._read(item) for item in value)


class Fields(Text):
    """The field that something is read from, or the two of a place, as a tuple."""

    expected = "the name of a field, or for a place [latitude, longitude]"

    def _read(self, value: object) -> object:
        if not isinstance(value, list):
            return super()._read(value)
        if len(value) != 2:
            raise refuse("bad-value", "a place is read from one field or from two", "write [latitude, longitude]")
        return tuple(super(Fields, self)._read(item) for item in value)


class OneOf(Written):
    """One of some words."""

    def __init__(self, *words: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words = words
        self.expected = "one of " + ", ".join(words)

    def _read(self, value: object) -> object:
        word = self.text_of(value)
        if word not in self.words:
            raise refuse("bad-value", f"{{key}} cannot be {word!r}", cure(word, self.words, "valid values"))
        return word


class Flag(Written):
    """True or false."""

    expected = "true or false"

    def _read(self, value: object) -> object:
        word = self.text_of(value).lower()
        if word not in ("true", "false"):
            raise refuse("wrong-type", f"{{key}} must be true or false, not {word!r}")
        return word == "true"


class Whole(Written):
    """A whole number of at least 1."""

    expected = "a whole number"

    def _read(self, value: object) -> object:
        text = self.text_of(value)
        if not re.fullmatch(r"[1-9]\d{0,17}", text, re.ASCII):
            raise refuse("wrong-type", f"{{key}} must be a whole number of at least 1, not {text!r}")
        return int(text)


class Number(Whole):
    """A whole number that names something at a vendor, as text."""

    def _read(self, value: object) -> object:
        return str(super()._read(value))


class Share(Written):
    """A percentage, as 0 to 1."""

    expected = "a percentage such as 50%"

    def _read(self, value: object) -> object:
        text = self.text_of(value)
        found = re.fullmatch(r"(\d{1,3}(?:\.\d+)?) ?%", text, re.ASCII)
        if not found or not 0 < float(found[1]) <= 100:
            raise refuse("bad-value", f"{{key}} cannot be {text!r}", "write a percentage above 0% and up to 100%")
        return float(found[1]) / 100


class Length(Written):
    """A duration: a whole number and a unit."""

    expected = "a duration such as 15 minutes"

    def __init__(self, *, zero: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._zero = zero

    def _read(self, value: object) -> object:
        text = self.text_of(value)
        found = re.fullmatch(r"(\d{1,6}) (second|minute|hour|day|week)s?", text, re.ASCII)
        if not found:
            units = "seconds, minutes, hours, days or weeks"
            raise refuse("bad-duration", f"{text!r} is not a duration", f"write a whole number and {units}: 15 minutes")
        span = timedelta(**{f"{found[2]}s": int(found[1])})
        if not span and not self._zero:
            raise refuse("bad-duration", "{key} cannot be 0", "write how long: 15 minutes")
        return span


PROJECT = re.compile(r"(?:[a-z][a-z0-9.-]{0,62}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]", re.ASCII)
DATASET = re.compile(r"\w{1,1024}", re.ASCII)
LOCATION = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,40}", re.ASCII)


class Named(Written):
    """A name that becomes part of an address or a query, and so may hold nothing but what such a name holds."""

    def __init__(self, pattern: re.Pattern[str], expected: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._pattern = pattern
        self.expected = expected

    def _read(self, value: object) -> object:
        text = self.text_of(value)
        if not self._pattern.fullmatch(text):
            raise refuse("bad-value", f"{text!r} is not {self.expected}", "copy it from Google Cloud's console")
        return text


class TypeName(Written):
    """The type of a field."""

    expected = "the name of a type"
    words = tuple(Kind)

    def _read(self, value: object) -> object:
        word = self.text_of(value)
        if word not in self.words:
            raise refuse("unknown-type", f"there is no type {word!r}", cure(word, self.words, "types"))
        return Kind(word)


class Environment(Written):
    """A secret: `env:NAME`, the name of a variable, never the secret itself."""

    expected = "env:NAME, the name of an environment variable"

    def _read(self, value: object) -> object:
        text = self.text_of(value)
        name = text.removeprefix("env:")
        if name == text:
            cure = "write env:NAME, put the secret into that variable, and change the secret: it was in a file"
            raise refuse("secret-in-clear", "{key} must name an environment variable, not hold the secret itself", cure)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name, re.ASCII):
            raise refuse("bad-name", "this is not the name of an environment variable", "write env:NAME")
        return Variable(name)


class Address(Environment):
    """A setting that is no secret: `env:NAME` or the value itself; with `url`, an http(s) address."""

    expected = "text, or env:NAME"

    def __init__(self, *, url: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._url = url

    def _read(self, value: object) -> object:
        text = self.text_of(value)
        if text.startswith("env:"):
            return super()._read(value)
        if not self._url:
            return text
        try:
            parts = urlsplit(text)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise refuse("bad-value", "{key} must be an address that starts with https://")
        if parts.username or parts.password or parts.query:
            raise refuse("secret-in-clear", "{key} must hold no user, password or query", "write scheme, host and path")
        return text.rstrip("/")


class Relative(Written):
    """A path inside the workspace; with `endings`, of a file, `*` and `?` allowed."""

    expected = "a path in the workspace"

    def __init__(self, *endings: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._endings = endings

    def _read(self, value: object) -> object:
        text = self.text_of(value)
        path = PurePosixPath(text)
        if path.is_absolute() or ".." in path.parts or "\\" in text or re.match(r"[A-Za-z]:", text):
            hint = "put the files, or a link to them, under the workspace and write the path from there"
            raise refuse("bad-path", "{key} must stay inside the workspace", hint)
        if self._endings and path.suffix.lower() not in self._endings:
            raise refuse("bad-path", f"cannot tell the format of {text!r}", f"end it in {', '.join(self._endings)}")
        return text
