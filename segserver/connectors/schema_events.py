"""The keys of a connection file that say how events are read, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from marshmallow import ValidationError, validates_schema

from segserver.connectors.schema_base import Block, Declared, Names, Problem, refuse_key
from segserver.connectors.schema_fields import Length, Number, OneOf, Relative, Text, TextOrList, Whole
from segserver.connectors.schema_people import DATA_FILES, Property, by_field
from segserver.connectors.suggestions import cure

MARKETING_EMAIL = ("SENT", "DELIVERED", "OPEN", "CLICK", "BOUNCE", "DROPPED", "DEFERRED", "SPAMREPORT", "STATUSCHANGE")

REPORTS_BACK = timedelta(days=30)
"""How far the first reading of a report goes back; each day costs tokens."""


class Event(Declared):
    """What events of all kinds have."""

    properties = Names(Block(Property, short=by_field), load_default=dict)
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
            refuse_key("type", "bad-value", f"{{key}} cannot be {word!r}", cure(word, MARKETING_EMAIL, "valid values"))

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _keys_of_stream(self, _data: object, original: Mapping[str, object], **_: object) -> None:
        _refuse_keys(original, _OF_STREAM)


class MarketoEvent(Event):
    """An event made of activities of one type."""

    stream = OneOf("activities", required=True)
    type = Whole(required=True)


_OF_GA4_STREAM: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "export": (("type",), ("audience", "contact", "back")),
    "audience": (("audience",), ("type", "where", "contact", "back")),
    "report": (("contact",), ("type", "where", "audience")),
}
"""Which keys a GA4 stream needs, and which it cannot use."""

OWN_PLACE = frozenset({"audience", "report"})
"""Streams that read each of their events by a place of its own."""


MEMBER, ADS = AUDIENCE_FIELDS = ("member", "isAdsPersonalizationAllowed")
"""What an event of an audience can be mapped from: whether the person is in it now, and what they allow."""


class Ga4Event(Event):
    """An event made of exported events of one name, of who joins and leaves an audience, or of a report by day."""

    stream = OneOf(*_OF_GA4_STREAM, required=True)
    type = Text()
    where = Names(TextOrList(), free=True)
    audience = Number()
    contact = Names(Text())
    back = Length(zero=False, load_default=REPORTS_BACK)

    @validates_schema(skip_on_field_errors=False)
    def _one_identity(self, data: Mapping[str, Any], **_: object) -> None:
        _refuse_several(data)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _keys_of_stream(self, _data: object, original: Mapping[str, object], **_: object) -> None:
        _refuse_keys(original, _OF_GA4_STREAM)

    @validates_schema
    def _fields_of_an_audience(self, data: Mapping[str, Any], **_: object) -> None:
        problems = {
            name: [
                Problem(
                    "bad-value",
                    f"an audience tells nothing of {field}",
                    cure(str(field), AUDIENCE_FIELDS, "fields"),
                    True,
                )
            ]
            for name, declared in data["properties"].items()
            if (field := declared.get("source", name)) not in AUDIENCE_FIELDS
        }
        if data.get("stream") == "audience" and problems:
            raise ValidationError({"properties": problems})


class FileEvent(Event):
    """An event made of rows."""

    path = Relative(*DATA_FILES, required=True)
    key = Text()
    contact = Names(Text(), required=True)
    at = Text(required=True)

    @validates_schema(skip_on_field_errors=False)
    def _one_identity(self, data: Mapping[str, Any], **_: object) -> None:
        _refuse_several(data)


def _refuse_several(data: Mapping[str, Any]) -> None:
    if len(data.get("contact", {})) > 1:
        refuse_key("contact", "bad-value", "an event names its contact by one identity", "keep the surest one")


def _refuse_keys(
    written: Mapping[str, object], of_stream: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
) -> None:
    """Refuse an event that lacks what its stream needs, or has what it cannot use."""
    stream = str(written.get("stream"))
    needed, useless = of_stream.get(stream, ((), ()))
    problems = {
        key: [Problem("missing-key", f"the stream {stream} needs {key}:", f"add {key}: ...", True)]
        for key in needed
        if key not in written
    }
    problems |= {
        key: [Problem("unknown-key", f"the stream {stream} has no {key}:", "remove this key", True)]
        for key in useless
        if key in written
    }
    if problems:
        raise ValidationError(problems)
