"""`matching:` of `segserver.yml`: which contacts may be one person although they share no key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import ValidationError, validates_schema

from segserver.connectors.schema_base import Declared, Names, Problem, Written, refuse
from segserver.connectors.schema_fields import OneOf, Share, Whole
from segserver.connectors.suggestions import cure
from segserver.connectors.yaml_positions import Path
from segserver.specs.catalog import Catalog
from segserver.specs.matching import BlockPart, Comparison, MatchField, MatchSpec
from segserver.specs.types import Kind

KEY = "matching"

_PART = re.compile(r"(?:first (?P<first>[1-9]\d?) of )?(?P<field>\w+)")
_MANY = frozenset({Kind.TEXTS, Kind.PLACE})


class _Listed(Written):
    """A list of names."""

    expected = "a list of names: [first_name, last_name]"

    def _read(self, value: object) -> object:
        if not isinstance(value, list) or not value or not all(isinstance(one, str) and one.strip() for one in value):
            raise refuse("wrong-type", f"{{key}} must be {self.expected}")
        return tuple(one.strip() for one in value)


class _Rules(Written):
    """Blocking rules: lists of fields, each whole or by its first letters."""

    expected = "a list of lists of fields: [[birthday], [last_name, first 3 of first_name]]"

    def _read(self, value: object) -> object:
        if not isinstance(value, list) or not value or not all(isinstance(rule, list) and rule for rule in value):
            raise refuse("wrong-type", f"{{key}} must be {self.expected}")
        return tuple(tuple(self._part(part) for part in rule) for rule in value)

    def _part(self, written: object) -> BlockPart:
        text = " ".join(self.text_of(written).split())
        found = _PART.fullmatch(text)
        if found is None:
            hint = "write the name of a field, or `first 3 of last_name`"
            raise refuse("bad-value", f"{text!r} is not part of a blocking rule", hint)
        return BlockPart(found["field"], int(found["first"]) if found["first"] else None)


class Matching(Declared):
    """The keys of `matching:`."""

    fields_ = Names(OneOf(*Comparison), data_key="fields", required=True)
    blocking = _Rules(required=True)
    link = Share(load_default=0.99)
    review = Share(load_default=0.8)
    shared = _Listed(load_default=())
    never_across = _Listed(data_key="never across", load_default=())
    within = _Listed(load_default=())
    largest_block = Whole(data_key="largest block", load_default=500)

    @validates_schema
    def _hold_together(self, values: Mapping[str, Any], **_: object) -> None:
        names = tuple(values["fields_"])
        problems = dict(_strange(names, values))
        if values["review"] > values["link"]:
            problems["review"] = Problem(
                "bad-value", "`review` is above `link`", "pairs between the two are looked at: 80% and 99%"
            )
        if not problems and set(values["shared"]) >= set(names):
            problems["shared"] = Problem(
                "bad-value",
                "every field is `shared`, so that nothing tells one person from two of a household",
                "leave out what people of one household do not share: first_name, birthday",
            )
        if problems:
            raise ValidationError({key: [problem] for key, problem in problems.items()})


def _strange(names: tuple[str, ...], values: Mapping[str, Any]) -> Iterator[tuple[str, Problem]]:
    """Names that are not among the fields."""
    used = {
        "blocking": [part.field for rule in values["blocking"] for part in rule],
        "shared": values["shared"],
    }
    for key, found in used.items():
        for name in found:
            if name not in names:
                yield key, Problem("unknown-name", f"{name} is not among `fields`", cure(name, names, "fields"))


def spec_of(values: Mapping[str, Any]) -> MatchSpec:
    """The declared match out of checked values."""
    return MatchSpec(
        fields=tuple(MatchField(name, Comparison(word)) for name, word in values["fields_"].items()),
        blocking=values["blocking"],
        link=values["link"],
        review=values["review"],
        shared=values["shared"],
        never_across=values["never_across"],
        within=values["within"],
        largest_block=values["largest_block"],
    )


def problems(spec: MatchSpec, catalog: Catalog, kinds: frozenset[str]) -> Iterator[tuple[Path, Problem]]:
    """What a match names that the connections do not have.

    Args:
        spec: the match.
        catalog: of the connections.
        kinds: of identity that some connection gives.
    """
    comparable = [*(name for name, trait in catalog.traits.items() if trait.type.kind not in _MANY), *sorted(kinds)]
    for field in spec.fields:
        if field.name not in comparable:
            message = f"{field.name} is no trait with a single value, nor a kind of identity"
            hint = cure(field.name, comparable, "traits and kinds")
            yield (KEY, "fields", field.name), Problem("unknown-name", message, hint, on_key=True)
    for kind in spec.never_across:
        if kind not in kinds:
            message = f"no connection names {kind} under `identities`"
            yield (
                (KEY, "never across"),
                Problem("unknown-name", message, cure(kind, sorted(kinds), "kinds of identity")),
            )
    for name in spec.within:
        if name not in catalog.connections:
            hint = cure(name, catalog.connections, "connections")
            yield (KEY, "within"), Problem("unknown-name", f"there is no connection {name}", hint)
