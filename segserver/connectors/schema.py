"""The keys of a connection file, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from marshmallow import ValidationError, validates_schema

from segserver.connectors.hubspot_paths import versions_of
from segserver.connectors.schema_base import Block, Declared, Names, Problem, refuse_key
from segserver.connectors.schema_events import FileEvent, Ga4Event, HubSpotEvent, MarketoEvent
from segserver.connectors.schema_fields import (
    DATASET,
    LOCATION,
    PROJECT,
    Address,
    Environment,
    Flag,
    Length,
    Named,
    Number,
    OneOf,
    Relative,
    Share,
    Text,
    Whole,
)
from segserver.connectors.schema_people import Accounts, Contacts, FileAccounts, FileContacts, HubSpotContacts

EVERY = timedelta(hours=1)
LATENCY = timedelta(minutes=10)
READ_BACK = timedelta(days=7)
"""Between two readings of an audience at its destination."""

EXPORT_LATENCY = timedelta(days=1)
"""Until an event of a day is in Google's daily table."""

MOST_BYTES = 20_000_000_000
"""That one query may read at BigQuery."""

QUOTA = 0.5
OAUTH = "oauth"
"""How HubSpot lets us in, where it is not by a key."""


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
            refuse_key("accounts", "missing-key", "no contact says which account is its own", hint, on_key=True)


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

    auth = OneOf("key", OAUTH)
    token = Environment()
    client_id = Address()
    client_secret = Environment()
    endpoint = Address(url=True)
    app_endpoint = Address(url=True)
    versions = Block(Versions)
    event = Text()
    journal = Flag()
    quota = Share(load_default=QUOTA)
    latency = Length(zero=True, load_default=LATENCY)
    contacts = Block(HubSpotContacts, required=True)
    accounts = Block(Accounts)
    events = Names(Block(HubSpotEvent), load_default=dict)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _is_let_in(self, _data: object, original: Mapping[str, object], **_: object) -> None:
        oauth = original.get("auth") == OAUTH
        needed = ("client_id", "client_secret") if oauth else ("token",)
        problems = {
            key: [Problem("missing-key", f"{key} is missing", f"add {key}: ...", True)]
            for key in needed
            if key not in original
        }
        if oauth and "token" in original:
            hint = "remove this key: `segserver connect hubspot` gets the tokens"
            problems["token"] = [Problem("unknown-key", "with auth: oauth there is no token:", hint, True)]
        if problems:
            raise ValidationError(problems)

    @validates_schema
    def _journal_has_an_app(self, data: Mapping[str, Any], **_: object) -> None:
        missing = [key for key in ("client_id", "client_secret") if key not in data]
        if data.get("journal") and missing:
            hint = f"add {' and '.join(f'{key}: env:...' for key in missing)}, of the app that the journal belongs to"
            refuse_key("journal", "missing-key", "the journal is read as an app", hint, on_key=True)


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
_READ_BY = ("service_account", "property")
_EXPORTED_BY = ("project",)
_EDITED_BY = ("service_account", "property")


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
    quota = Share(load_default=QUOTA)
    every = Length(zero=False, load_default=EVERY)
    latency = Length(zero=True, load_default=EXPORT_LATENCY)
    events = Names(Block(Ga4Event), load_default=dict)
    analytics_consent = Text(load_default=None)
    ads_consent = Text(load_default=None)
    custom_dimensions = Flag(load_default=False)
    channel_token = Environment()
    push_audience = Text()
    push_account = Text()

    @validates_schema
    def _push_is_whole(self, data: Mapping[str, Any], **_: object) -> None:
        keys = ("push_audience", "push_account")
        given, missing = [key for key in keys if key in data], [key for key in keys if key not in data]
        if given and missing:
            hint = f"add {' and '.join(f'{key}: ...' for key in missing)}"
            refuse_key(given[0], "missing-key", "Pub/Sub's calls are believed by both push_ keys", hint, on_key=True)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _has_what_it_needs(self, _data: object, original: Mapping[str, object], **_: object) -> None:
        reads = bool(original.get("events"))
        writes = not reads or str(original.get("audiences")).lower() == "true"
        edits = str(original.get("custom_dimensions")).lower() == "true"
        exports = reads and _export_is_read(original.get("events"))
        asked = ((_READ_BY, reads), (_EXPORTED_BY, exports), (_EDITED_BY, edits), (_WRITTEN_BY, writes))
        needed = dict.fromkeys(key for keys, wanted in asked if wanted for key in keys)
        problems = {
            key: [Problem("missing-key", f"{key} is missing", f"add {key}: ...", True)]
            for key in needed
            if key not in original
        }
        if problems:
            raise ValidationError(problems)


def _export_is_read(events: object) -> bool:
    """Whether anything is read from the export, as far as the events can be read at all."""
    found = events.values() if isinstance(events, dict) else [None]
    return not all(isinstance(one, dict) and one.get("stream") in ("audience", "report") for one in found)


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
            refuse_key("events", "bad-name", f"an event of files cannot be named {taken}", hint, on_key=True)
        if not data.get("contacts") and not data.get("events") and not data.get("audiences"):
            hint = "add contacts:, events: or audiences: true"
            refuse_key("kind", "missing-key", "this connection neither reads nor writes anything", hint, on_key=True)


KINDS: Mapping[str, type[Connection]] = {"hubspot": HubSpot, "marketo": Marketo, "ga4": Ga4, "files": Files}


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
