"""What declarations are built of: mappings with known keys, mappings of chosen names, and `Problem`s.

Marshmallow walks the data and collects; what is wrong travels through it as `Problem` values, so that code, hint and
whether the key or the value is at fault are still known when `declarations` looks up the place.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validates_schema

from segserver.connectors.suggestions import cure


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one key or value, before its place is known.

    Attributes:
        message: `{key}` stands for the key in question.
        on_key: the key is at fault, not its value.
    """

    code: str
    message: str
    hint: str | None = None
    on_key: bool = False


def refuse(code: str, message: str, hint: str | None = None, *, on_key: bool = False) -> ValidationError:
    """A `Problem` in the form marshmallow collects."""
    return ValidationError([Problem(code, message, hint, on_key)])


class Declared(Schema):
    """A mapping with known keys: refuses others, with the nearest valid one and the list of all.

    Attributes:
        not_yet: keys that later versions will read, with what they declare.
    """

    not_yet: ClassVar[Mapping[str, str]] = {}

    class Meta:
        """Unknown keys are reported by `_refuse_unknown`, which knows the valid ones."""

        unknown = EXCLUDE

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _refuse_unknown(self, _data: object, original: Mapping[str, object], **_: object) -> None:
        valid = [item.data_key or name for name, item in self.fields.items()]
        problems = {key: [self._unknown(key, valid)] for key in original if key not in valid}
        if problems:
            raise ValidationError(problems)

    def _unknown(self, key: str, valid: list[str]) -> Problem:
        if key in self.not_yet:
            return Problem("not-supported-yet", f"{self.not_yet[key]} not supported yet", "remove this key", True)
        return Problem("unknown-key", f"there is no key {key!r} here", cure(key, valid, "valid keys"), True)


class Written(fields.Field[Any]):
    """Base of all fields: messages for missing and empty values; subclasses say how a value is `_read`.

    Attributes:
        expected: what must stand there, for messages.
    """

    expected = "text"

    def make_error(self, key: str, **_: object) -> ValidationError:
        """What marshmallow says of a missing key and of one without a value."""
        if key == "required":
            return refuse("missing-key", "{key} is missing", "add {key}: ...", on_key=True)
        return refuse("bad-value", "{key} has no value", "write one, or remove the key")

    def _deserialize(self, value: object, *_: object, **__: object) -> object:
        return self._read(value)

    def _read(self, value: object) -> object:
        """The value as the declaration means it.

        Raises:
            ValidationError: with `Problem`s.
        """
        raise NotImplementedError

    def text_of(self, value: object) -> str:
        """The value as the text written, without blanks around it."""
        if not isinstance(value, str) or not value.strip():
            raise refuse("wrong-type", f"{{key}} must be {self.expected}")
        return value.strip()


class Block(Written):
    """A mapping with known keys."""

    expected = "a mapping of keys to values"

    def __init__(self, schema: type[Declared], *, short: Callable[[str], object] | None = None, **kwargs: Any) -> None:
        """A nested mapping.

        Args:
            schema: its keys.
            short: what a bare text in its place stands for.
            kwargs: as for every field.
        """
        super().__init__(**kwargs)
        self.schema = schema
        self._short = short

    def _read(self, value: object) -> object:
        if self._short and isinstance(value, str) and value.strip():
            value = self._short(value.strip())
        if not isinstance(value, dict):
            raise refuse("wrong-type", f"{{key}} must be {self.expected}")
        return self.schema().load(value)


class Names(Written):
    """A mapping from names that the user chooses to values of one kind.

    A name is an identifier of the rule language, in NFC; two that differ in case only are refused, since columns
    of a table do not tell them apart.
    """

    expected = "a mapping of names to values"

    def __init__(self, inner: Written, *, free: bool = False, **kwargs: Any) -> None:
        """A mapping.

        Args:
            inner: reads each value.
            free: any text may be a name (fields of a vendor).
            kwargs: as for every field.
        """
        super().__init__(**kwargs)
        self.inner = inner
        self._free = free

    def _read(self, value: object) -> object:
        if not isinstance(value, dict) or not value:
            raise refuse("wrong-type", f"{{key}} must be {self.expected}, at least one")
        result: dict[str, object] = {}
        problems: dict[str, object] = {}
        for name, written in value.items():
            try:
                result[name] = self.inner.deserialize(written)
            except ValidationError as error:
                problems[name] = error.messages
        if not self._free:
            problems |= {name: [problem] for name, problem in _bad_names(value)}
        if problems:
            raise ValidationError(problems)
        return result


def _bad_names(names: Mapping[str, object]) -> Iterator[tuple[str, Problem]]:
    seen: dict[str, str] = {}
    for name in names:
        folded = unicodedata.normalize("NFC", name).casefold()
        if not name.isidentifier():
            hint = f"choose a name of letters, digits and _, and map it: my_name: {{from: {name}}}"
            yield name, Problem("bad-name", f"{name!r} cannot be a name in rule files", hint, True)
        elif folded in seen:
            message = f"{name} and {seen[folded]} differ in case only"
            yield name, Problem("bad-name", message, "give one of them another name", True)
        seen.setdefault(folded, name)


def refuse_key(key: str, code: str, message: str, hint: str, *, on_key: bool = False) -> None:
    """Refuse a value, or its key.

    Raises:
        ValidationError: always.
    """
    raise ValidationError({key: [Problem(code, message, hint, on_key)]})
