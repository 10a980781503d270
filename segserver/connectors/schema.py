"""The keys of a connection file, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from marshmallow import ValidationError, validates_schema

from segserver.connectors.hubspot_paths import versions_of
from segserver.connectors.schema_base import Block, Declared, Names, Problem
from segserver.connectors.schema_fields import (
    DATASET,
    LOCATION,
    PROJECT,
    Address,
    Environment,
    Fields,
    Flag,
    Length,
    Named,
    Number,
    OneOf,
    Relative,
    Share,
    Text,
    TextOrList,
    TypeName,
    Whole,
)
from segserver.connectors.suggestions import cure
from segserver.connectors.values import GRANTED, OPTED_OUT
from segserver.specs.types import Kind

EVERY = timedelta(hours=1)
LATENCY = timedelta(minutes=10)
READ_BACK = timedelta(days=7)
"""Between two readings of an audience at its destination."""

EXPORT_LATENCY = timedelta(days=1)
"""Until an event of a day is in Google's daily table."""

MOST_BYTES = 20_000_000_000
"""That one query may read at BigQuery."""

QUOTA = 0.5
DATA_FILES = (".csv", ".parquet", ".jsonl", ".ndjson")
MARKETING_EMAIL = ("SENT", "DELIVERED", "OPEN", "CLICK", "BOUNCE", "DROPPED", "DEFERRED", "SPAMREPORT", "STATUSCHANGE")


def _from(source: str) -> dict[str, object]:
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
            _refuse("unit", "bad-value", "only numbers have a unit", "write type: number, or remove unit", on_key=True)

    @validates_schema(skip_on_field_errors=False)
    def _two_fields_are_a_place(self, data: Mapping[str, Any], **_: object) -> None:
        if isinstance(data.get("source"), tuple) and data.get("type") not in (Kind.PLACE, None):
            _refuse("from", "bad-value", "only a place is read from two fields", "write type: place, or name one field")


class Trait(Property):
    """A field of a contact."""

    history = Flag(load_default=False)

    @validates_schema(skip_on_field_errors=False)
    def _no_history_of_two_fields(self, data: Mapping[str, Any], **_: object) -> None:
        if data.get("history") and isinstance(data.get("source"), tuple):
            hint = "read the place from one field, or remove history"
            _refuse("history", "bad-value", "fields that change one by one have no history together", hint, on_key=True)


class Consent(Declared):
    """A field that speaks about one channel."""

    source = Text(data_key="from", required=True)
    means = OneOf(OPTED_OUT, GRANTED, required=True)


# ---- contacts ------------------------------------------------------------------------------------------------------


class Contacts(Declared):
    """How contacts are read."""

    identities = Names(Text(), required=True)
    traits = Names(Block(Trait, short=_from), load_default=dict)
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

    traits = Names(Block(AccountTrait, short=_from), required=True)


class FileAccounts(Accounts):
    """How accounts are read from files."""

    path = Relative(*DATA_FILES, required=True)
    key = Text(required=True)


# ---- events --------------------------------------------------------------------------------------------------------


class Event(Declared):
    """What events of all kinds have."""

    properties = Names(Block(Property, short=_from), load_default=dict)
    counts_as = Text(data_key="counts as", load_default=None)


_OF_STREAM: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "deals": (("at",), ("type",)),
    "marketing_email": (("type",), ("where", "at")),
    "occurrences": (("type",), ("at",)),
}
"""Which keys a HubSpot stream needs, and which it cannot use."""


class HubSpotEvent(Event):
    """An event made of deals, of what marketing e-mails report, or of occurrences such as page views."""

    stream = OneOf(*_OF_STREAM, required=True)
    where = Names(TextOrList(), free=True)
    at = Text(load_default=None)
    type = Text()

    @validates_schema(skip_on_field_errors=False)
    def _email_reports_one_of(self, data: Mapping[str, Any], **_: object) -> None:
        word = data.get("type")
        if data.get("stream") == "marketing_email" and word is not None and word not in MARKETING_EMAIL:
            _refuse("type", "bad-value", f"{{key}} cannot be {word!r}", cure(word, MARKETING_EMAIL, "valid values"))

    @validates_schema(skip_on_field_errors=False)
    def _keys_of_stream(self, data: Mapping[str, Any], **_: object) -> None:
        stream = str(data.get("stream"))
        needed, useless = _OF_STREAM.get(stream, ((), ()))
        problems = {
            key: [Problem("missing-key", f"{stream} need {key}:", f"add {key}: ...", True)]
            for key in needed
            if data.get(key) is None
        }
        problems |= {
            key: [Problem("unknown-key", f"{stream} have no {key}:", "remove this key", True)]
            for key in useless
            if data.get(key) is not None
        }
        if problems:
            raise ValidationError(problems)


class MarketoEvent(Event):
    """An event made of activities of one type."""

    stream = OneOf("activities", required=True)
    type = Whole(required=True)


class Ga4Event(Event):
    """An event made of exported events of one name."""

    stream = OneOf("export", required=True)
    type = Text(required=True)
    where = Names(TextOrList(), free=True)


class FileEvent(Event):
    """An event made of rows."""

    path = Relative(*DATA_FILES, required=True)
    key = Text()
    contact = Names(Text(), required=True)
    at = Text(required=True)

    @validates_schema(skip_on_field_errors=False)
    def _one_identity(self, data: Mapping[str, Any], **_: object) -> None:
        if len(data.get("contact", {})) > 1:
            _refuse("contact", "bad-value", "an event names its contact by one identity", "keep the surest one")


# ---- connections ---------------------------------------------------------------------------------------------------


class Connection(Declared):
    """What connections of all kinds have."""

    kind = Text(required=True)
    audiences = Flag(load_default=False)


class Reading(Connection):
    """What connections that are read have."""

    every = Length(zero=False, load_default=EVERY)
    read_back = Length(data_key="read back", zero=False, load_default=READ_BACK)

    @validates_schema
    def _accounts_have_contacts(self, data: Mapping[str, Any], **_: object) -> None:
        if data.get("accounts") and not data.get("contacts", {}).get("account"):
            hint = "add account: to contacts:, with the field that holds the account's key"
            _refuse("accounts", "missing-key", "no contact says which account is its own", hint, on_key=True)


class Versions(Declared):
    """Which version of HubSpot's interface is used, by area; a version is the year and month of its release."""

    objects = OneOf(*versions_of("objects"))
    associations = OneOf(*versions_of("associations"))
    lists = OneOf(*versions_of("lists"))
    properties = OneOf(*versions_of("properties"))
    event_occurrences = OneOf(*versions_of("event_occurrences"))
    custom_events = OneOf(*versions_of("custom_events"))
    callbacks = OneOf(*versions_of("callbacks"))
    communication_preferences = OneOf(*versions_of("communication_preferences"))
    oauth = OneOf(*versions_of("oauth"))


class HubSpot(Reading):
    """One HubSpot account."""

    token = Environment(required=True)
    client_id = Address()
    client_secret = Environment()
    endpoint = Address(url=True)
    versions = Block(Versions)
    event = Text()
    journal = Flag()
    quota = Share(load_default=QUOTA)
    latency = Length(zero=True, load_default=LATENCY)
    contacts = Block(HubSpotContacts, required=True)
    accounts = Block(Accounts)
    events = Names(Block(HubSpotEvent), load_default=dict)

    @validates_schema
    def _journal_has_an_app(self, data: Mapping[str, Any], **_: object) -> None:
        missing = [key for key in ("client_id", "client_secret") if key not in data]
        if data.get("journal") and missing:
            hint = f"add {' and '.join(f'{key}: env:...' for key in missing)}, of the app that the journal belongs to"
            _refuse("journal", "missing-key", "the journal is read as an app", hint, on_key=True)


class Folder(Declared):
    """Where Marketo keeps new static lists."""

    id = Whole(required=True)
    type = OneOf("Folder", "Program", load_default="Folder")


class CustomActivity(Declared):
    """An activity that segserver writes at Marketo."""

    type = Whole(required=True)
    key = Text()


class Marketo(Reading):
    """One Marketo instance."""

    not_yet: ClassVar[Mapping[str, str]] = {"accounts": "reading accounts from marketo is"}

    client_id = Environment(required=True)
    client_secret = Environment(required=True)
    endpoint = Address(url=True, required=True)
    webhook_secret = Environment()
    flow_step_key = Environment()
    folder = Block(Folder)
    activities = Names(Block(CustomActivity), free=True)
    event = Block(CustomActivity)
    quota = Share(load_default=QUOTA)
    latency = Length(zero=True, load_default=LATENCY)
    contacts = Block(Contacts, required=True)
    events = Names(Block(MarketoEvent), load_default=dict)


_WRITTEN_BY = ("measurement_id", "api_secret")
_READ_BY = ("service_account", "property", "project")


class Ga4(Connection):
    """One Google Analytics 4 property, which receives user properties and whose exported events are read."""

    not_yet: ClassVar[Mapping[str, str]] = {"contacts": "reading contacts from ga4 is"}

    measurement_id = Address()
    api_secret = Environment()
    identity = Text(load_default="ga_client_id")
    endpoint = Address(url=True)
    service_account = Environment()
    property = Number()
    project = Named(PROJECT, "the id of a project of Google Cloud")
    dataset = Named(DATASET, "the name of a dataset of BigQuery")
    location = Named(LOCATION, "a location of BigQuery, such as EU")
    most_bytes = Whole(load_default=MOST_BYTES)
    google_endpoint = Address(url=True)
    user_identity = Text(load_default=None)
    every = Length(zero=False, load_default=EVERY)
    latency = Length(zero=True, load_default=EXPORT_LATENCY)
    events = Names(Block(Ga4Event), load_default=dict)
    channel_token = Environment()
    push_audience = Text()
    push_account = Text()
    push_keys = Relative(".json")

    @validates_schema
    def _push_is_whole(self, data: Mapping[str, Any], **_: object) -> None:
        keys = ("push_audience", "push_account", "push_keys")
        given, missing = [key for key in keys if key in data], [key for key in keys if key not in data]
        if given and missing:
            hint = f"add {' and '.join(f'{key}: ...' for key in missing)}"
            _refuse(given[0], "missing-key", "Pub/Sub's calls are believed by all three push_ keys", hint, on_key=True)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _has_what_it_needs(self, _data: object, original: Mapping[str, object], **_: object) -> None:
        reads = bool(original.get("events"))
        writes = not reads or str(original.get("audiences")).lower() == "true"
        needed = [*(_READ_BY if reads else ()), *(_WRITTEN_BY if writes else ())]
        problems = {
            key: [Problem("missing-key", f"{key} is missing", f"add {key}: ...", True)]
            for key in needed
            if key not in original
        }
        if problems:
            raise ValidationError(problems)


class Files(Reading):
    """A folder of CSV, Parquet or JSON lines."""

    folder = Relative(load_default="audiences")
    webhook_secret = Environment()
    latency = Length(zero=True, load_default=timedelta(0))
    contacts = Block(FileContacts)
    accounts = Block(FileAccounts)
    events = Names(Block(FileEvent), load_default=dict)

    @validates_schema
    def _does_something(self, data: Mapping[str, Any], **_: object) -> None:
        for taken in data.get("events", {}).keys() & {"contacts", "accounts"}:
            hint = f"give the event another name: {taken} is the stream of {taken}"
            _refuse("events", "bad-name", f"an event of files cannot be named {taken}", hint, on_key=True)
        if not data.get("contacts") and not data.get("events") and not data.get("audiences"):
            hint = "add contacts:, events: or audiences: true"
            _refuse("kind", "missing-key", "this connection neither reads nor writes anything", hint, on_key=True)


KINDS: Mapping[str, type[Connection]] = {"hubspot": HubSpot, "marketo": Marketo, "ga4": Ga4, "files": Files}


def _refuse(key: str, code: str, message: str, hint: str, *, on_key: bool = False) -> None:
    raise ValidationError({key: [Problem(code, message, hint, on_key)]})


def sections(kind: str) -> dict[str, tuple[str, ...]]:
    """Every key of a kind by section: "" at the top, "contacts", "contacts.traits", "events", ...; for the manual."""
    found: dict[str, tuple[str, ...]] = {}
    _collect(KINDS[kind], "", found)
    return found


def _collect(schema: type[Declared], section: str, found: dict[str, tuple[str, ...]]) -> None:
    declared = schema().fields
    found[section] = tuple(item.data_key or name for name, item in declared.items())
    for name, item in declared.items():
        inner: object = item.inner if isinstance(item, Names) else item
        if isinstance(inner, Block):
            _collect(inner.schema, f"{section}.{name}".lstrip("."), found)
