"""The keys of a connection file that say how contacts and accounts are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import validates_schema

from segserver.connectors.schema_base import Block, Declared, Names, refuse_key
from segserver.connectors.schema_fields import Fields, Flag, Number, OneOf, Relative, Text, TypeName
from segserver.connectors.values import GRANTED, OPTED_OUT
from segserver.specs.types import Kind

DATA_FILES = (".csv", ".parquet", ".jsonl", ".ndjson")


def by_field(source: str) -> dict[str, object]:
    """What a property is that is written as the name of its field alone."""
    return {"from": source}


# ---- fields --------------------------------------------------------------------------------------------------------


class Property(Declared):
    """A field of an event."""

    source = Fields(data_key="from")
    type = TypeName(load_default=Kind.TEXT)
    unit = Text()

    @validates_schema(skip_on_field_errors=False)
    def _unit_needs_number(self, data: Mapping[str, Any], **_: object) -> None:
        if "unit" in data and data.get("type") not in (Kind.NUMBER, None):
            refuse_key(
                "unit", "bad-value", "only numbers have a unit", "write type: number, or remove unit", on_key=True
            )

    @validates_schema(skip_on_field_errors=False)
    def _two_fields_are_a_place(self, data: Mapping[str, Any], **_: object) -> None:
        if isinstance(data.get("source"), tuple) and data.get("type") not in (Kind.PLACE, None):
            refuse_key(
                "from", "bad-value", "only a place is read from two fields", "write type: place, or name one field"
            )


class Trait(Property):
    """A field of a contact."""

    history = Flag(load_default=False)

    @validates_schema(skip_on_field_errors=False)
    def _no_history_of_two_fields(self, data: Mapping[str, Any], **_: object) -> None:
        if data.get("history") and isinstance(data.get("source"), tuple):
            hint = "read the place from one field, or remove history"
            refuse_key(
                "history", "bad-value", "fields that change one by one have no history together", hint, on_key=True
            )


class Consent(Declared):
    """A field that speaks about one channel."""

    source = Text(data_key="from", required=True)
    means = OneOf(OPTED_OUT, GRANTED, required=True)


# ---- contacts ------------------------------------------------------------------------------------------------------


class Contacts(Declared):
    """How contacts are read."""

    identities = Names(Text(), required=True)
    traits = Names(Block(Trait, short=by_field), load_default=dict)
    created = Text(load_default=None)
    account = Text(load_default=None)
    consent = Names(Block(Consent), load_default=dict)


class HubSpotConsent(Consent):
    """A property that speaks about one channel, and a subscription that must allow it too."""

    subscription = Number()


class HubSpotContacts(Contacts):
    """How HubSpot's contacts are read."""

    consent = Names(Block(HubSpotConsent), load_default=dict)


class FileContacts(Contacts):
    """How contacts are read from files."""

    path = Relative(*DATA_FILES, required=True)
    key = Text()


# ---- accounts ------------------------------------------------------------------------------------------------------


class AccountTrait(Property):
    """A field of an account."""

    not_yet: ClassVar[Mapping[str, str]] = {"history": "a history of accounts is"}


class Accounts(Declared):
    """How accounts are read."""

    traits = Names(Block(AccountTrait, short=by_field), required=True)


class FileAccounts(Accounts):
    """How accounts are read from files."""

    path = Relative(*DATA_FILES, required=True)
    key = Text(required=True)
