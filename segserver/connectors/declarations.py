"""Connection files: YAML to `ConnectionSpec`, with every finding at its line and column.

yaml_positions   text to plain data and places
schema           which keys there are, what their values mean
declarations     findings from the places, specs from the values
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError

from segserver.connectors import kinds, yaml_positions
from segserver.connectors.schema import EVERY, LATENCY
from segserver.connectors.schema_base import Declared, Problem
from segserver.connectors.schema_events import OWN_PLACE
from segserver.connectors.schema_fields import Variable
from segserver.connectors.suggestions import closest, cure
from segserver.connectors.yaml_positions import Document, Path
from segserver.errors import Diagnostic, MissingSecret, Severity, Span
from segserver.specs.connections import (
    AccountsSpec,
    ConnectionSpec,
    ConsentSpec,
    ContactsSpec,
    EventSpec,
    PropertySpec,
    Secret,
    TraitSpec,
)
from segserver.specs.types import Type

_PAIR = re.compile(r"(?P<before>(?P<key>[\w -]+)[\"']?[ \t]*:[ \t]*)(?P<value>[^\s,}#][^\n,}#]*)")
_SECRETS = ("token", "client_id", "client_secret", "api_secret", "webhook_secret", "flow_step_key", "service_account")
_COMMON = frozenset({"kind", "audiences", "every", "read_back", "latency", "quota", "contacts", "accounts", "events"})
_CONTACTS = frozenset({"identities", "traits", "created", "consent", "account"})
_ACCOUNTS = frozenset({"key", "traits"})
_RECORD_ID = "hs_object_id"
"""What contacts of a platform name their account by, where the declaration has no choice."""
_EVENT = frozenset({"at", "properties", "counts_as"})


def load(name: str, source: str | bytes, file: str) -> tuple[ConnectionSpec | None, tuple[Diagnostic, ...]]:
    """Read one connection file.

    Args:
        name: the connection's name: the file's name without ".yml".
        source: its content; bytes are UTF-8.
        file: its path as the user knows it, for positions.

    Returns:
        The connection, or None where there is any error; and all findings in the order of the file.
    """
    document = yaml_positions.read(source, file)
    findings = [*document.findings, *_name_findings(name, file)]
    values, problems = _validate(document)
    findings += (_diagnostic(document, path, problem) for path, problem in problems)
    if findings or values is None:
        return None, _in_order(findings)
    return _Builder(document, name, values).connection(), ()


def reveal(secret: Secret, connection: str, environ: Mapping[str, str]) -> str:
    """The value of a secret, at the moment it is needed.

    Raises:
        MissingSecret: the variable is not set, or empty.
    """
    value = environ.get(secret.variable, "").strip()
    if not value:
        raise MissingSecret(connection, secret.variable, secret.place)
    return value


def setting(spec: ConnectionSpec, key: str, environ: Mapping[str, str]) -> str | None:
    """A setting of a connection, whether it is written plainly or as `env:NAME`; None where it is not written.

    Raises:
        MissingSecret: its variable is not set, or empty.
    """
    if key in spec.secrets:
        return reveal(spec.secrets[key], spec.name, environ)
    plain = spec.options.get(key)
    return None if plain is None else str(plain)


def redacted(source: str) -> str:
    """The text of a connection file that is safe to show under a finding, even where it is not YAML.

    Whatever stands after a key that sounds like a secret is replaced by dots of the same length, so that columns
    stay right; `env:NAME` is left.
    """
    return _PAIR.sub(_dotted, source)


def _dotted(pair: re.Match[str]) -> str:
    key, value = pair["key"].strip().casefold(), pair["value"]
    line = pair.string[pair.string.rfind("\n", 0, pair.start("key")) + 1 :]
    top = not line[:1].isspace()
    secret = any(word in key for word in ("token", "secret", "password")) or (top and closest(key, _SECRETS))
    hidden = secret and not value.lstrip("\"'").startswith("env:")
    return pair["before"] + ("•" * len(value) if hidden else value)


def _name_findings(name: str, file: str) -> Iterator[Diagnostic]:
    if not name.isidentifier():
        message = f"{name!r} cannot name a connection in rule files"
        hint = "rename the file: letters, digits and _, such as crm.yml"
        yield Diagnostic("bad-name", Severity.ERROR, Span(file, 1, 1, 1, 1), message, hint)


def validated(
    source: str | bytes, file: str, schema: type[Declared]
) -> tuple[dict[str, Any] | None, tuple[Diagnostic, ...]]:
    """The values of a YAML file with known keys, or all that is wrong with it; an empty file has no key at all."""
    document = yaml_positions.read(source, file)
    findings = list(document.findings)
    values: dict[str, Any] | None = None
    if document.values:
        values, problems = _values({} if document.data is None else document.data, schema)
        findings += (_diagnostic(document, path, problem) for path, problem in problems)
    return None if findings else values, _in_order(findings)


def placed(source: str | bytes, file: str, problems: Iterable[tuple[Path, Problem]]) -> tuple[Diagnostic, ...]:
    """Findings of a file that can be read, for what turned out to be wrong with it afterwards."""
    document = yaml_positions.read(source, file)
    return _in_order(_diagnostic(document, path, problem) for path, problem in problems)


def _validate(document: Document) -> tuple[dict[str, Any] | None, list[tuple[Path, Problem]]]:
    data = document.data
    if not document.values:
        return None, []
    if not isinstance(data, dict):
        return None, [((), Problem("wrong-type", "a connection is a mapping", "start with kind: hubspot"))]
    if "kind" not in data:
        return None, [((), Problem("missing-key", "kind is missing", cure("", kinds.names(), "add kind: with one of")))]
    kind = data["kind"]
    if not isinstance(kind, str) or kind not in kinds.names():
        hint = cure(str(kind), kinds.names(), "kinds")
        return None, [(("kind",), Problem("unknown-kind", f"there is no kind of connection {kind!r}", hint))]
    return _values(data, kinds.kind(kind).schema)


def _values(data: object, schema: type[Declared]) -> tuple[dict[str, Any] | None, list[tuple[Path, Problem]]]:
    if not isinstance(data, dict):
        return None, [((), Problem("wrong-type", "the file must be a mapping of keys to values"))]
    try:
        return schema().load(data), []
    except ValidationError as error:
        return None, list(_problems(error.messages, ()))


def _in_order(findings: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(findings, key=lambda finding: (finding.span, finding.code)))


def _problems(messages: object, path: Path) -> Iterator[tuple[Path, Problem]]:
    """Marshmallow's tree of messages as paths; problems of a whole block are kept under "_schema"."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            yield from _problems(inner, path if key == "_schema" else (*path, key))
    elif isinstance(messages, Sequence):
        for found in messages:
            yield path, found if isinstance(found, Problem) else Problem("wrong-type", str(found))


def _diagnostic(document: Document, path: Path, problem: Problem) -> Diagnostic:
    key = str(path[-1]) if path else ""
    hint = problem.hint.replace("{key}", key) if problem.hint else None
    place = _place(document, path, on_key=problem.on_key)
    return Diagnostic(problem.code, Severity.ERROR, place, problem.message.replace("{key}", key), hint)


def _place(document: Document, path: Path, *, on_key: bool) -> Span:
    """The place of a value or key; for one that is missing, of the key whose block lacks it."""
    places = document.keys if on_key else document.values
    while path and path not in places:
        path, places = path[:-1], document.keys
    if path:
        return places[path]
    top = document.values[()]
    return Span(top.file, top.line, top.column, top.line, top.column)


@dataclass(frozen=True, slots=True)
class _Builder:
    """Specs from validated values; places come from the document by path."""

    document: Document
    name: str
    values: Mapping[str, Any]

    def connection(self) -> ConnectionSpec:
        values = self.values
        return ConnectionSpec(
            name=self.name,
            kind=values["kind"],
            contacts=self._contacts(values["contacts"]) if values.get("contacts") else None,
            events=tuple(self._event(name, event) for name, event in values.get("events", {}).items()),
            audiences=values["audiences"],
            every=values.get("every", EVERY),
            latency=values.get("latency", LATENCY),
            quota=values.get("quota", 1.0),
            secrets={key: self._secret(key, value) for key, value in values.items() if isinstance(value, Variable)},
            options={
                key: value for key, value in values.items() if key not in _COMMON and not isinstance(value, Variable)
            },
            place=self.document.keys[("kind",)],
            accounts=self._accounts(values["accounts"]) if values.get("accounts") else None,
            read_back=values.get("read_back"),
        )

    def _secret(self, key: str, variable: Variable) -> Secret:
        return Secret(variable.name, self.document.values[(key,)])

    def _contacts(self, contacts: Mapping[str, Any]) -> ContactsSpec:
        here: Path = ("contacts",)
        return ContactsSpec(
            identities=_by_name(contacts["identities"]),
            traits=tuple(
                _trait(name, trait, self._key(*here, "traits", name), history=trait["history"])
                for name, trait in contacts["traits"].items()
            ),
            created=contacts["created"],
            consent=tuple(
                ConsentSpec(
                    _nfc(name),
                    line["source"],
                    line["means"],
                    self._key(*here, "consent", name),
                    line.get("subscription"),
                )
                for name, line in contacts["consent"].items()
            ),
            options={key: value for key, value in contacts.items() if key not in _CONTACTS},
            place=self._key(*here),
            account=contacts["account"],
        )

    def _accounts(self, accounts: Mapping[str, Any]) -> AccountsSpec:
        return AccountsSpec(
            key=accounts.get("key", _RECORD_ID),
            traits=tuple(
                _trait(name, trait, self._key("accounts", "traits", name), history=False)
                for name, trait in accounts["traits"].items()
            ),
            options={key: value for key, value in accounts.items() if key not in _ACCOUNTS},
            place=self._key("accounts"),
        )

    def _event(self, name: str, event: Mapping[str, Any]) -> EventSpec:
        options = {key: value for key, value in event.items() if key not in _EVENT}
        if "contact" in options:
            options["contact"] = _by_name(options["contact"])
        return EventSpec(
            name=_nfc(name),
            at=event.get("at"),
            properties=tuple(
                _property(key, item, self._key("events", name, "properties", key))
                for key, item in event["properties"].items()
            ),
            counts_as=event["counts_as"],
            options=options,
            place=self._key("events", name),
            own_place=event.get("stream") in OWN_PLACE,
        )

    def _key(self, *path: str | int) -> Span:
        return self.document.keys[path]


def _trait(name: str, written: Mapping[str, Any], place: Span, *, history: bool) -> TraitSpec:
    field, longitude = _fields(name, written)
    return TraitSpec(_nfc(name), field, _type(written), place, longitude, history=history)


def _property(name: str, written: Mapping[str, Any], place: Span) -> PropertySpec:
    field, longitude = _fields(name, written)
    return PropertySpec(_nfc(name), field, _type(written), place, longitude)


def _fields(name: str, written: Mapping[str, Any]) -> tuple[str, str | None]:
    """The source's field, which has the same name where none is written; of a place in two fields both."""
    source = written.get("source", name)
    return source if isinstance(source, tuple) else (source, None)


def _type(written: Mapping[str, Any]) -> Type:
    return Type(written["type"], written.get("unit"))


def _by_name(names: Mapping[str, str]) -> dict[str, str]:
    return {_nfc(name): field for name, field in names.items()}


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)
