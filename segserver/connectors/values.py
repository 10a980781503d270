"""Raw values as the vendors write them, made into values of the language, and back.

Every connector reads through `parse`, so "true" from HubSpot, True from Parquet and "yes" from a spreadsheet are the
same boolean everywhere. `parse(render(value, type), type) == value` for every value `parse` can return.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import cast

from segserver.clock import format_instant, from_epoch_ms, parse_instant
from segserver.specs.types import Kind, Type

OPTED_OUT = "opted out"
GRANTED = "granted"

_TRUE = frozenset({"true", "yes", "1"})
_FALSE = frozenset({"false", "no", "0"})
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d{1,2}", re.ASCII)
_EPOCH_MS = re.compile(r"-?\d{11,14}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_AMOUNT = re.compile(r"(-?\d{1,12}(?:\.\d{1,9})?) ?(second|minute|hour|day|week)s?", re.ASCII)
_ISO_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,9})W)?(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9}(?:\.\d{1,9})?)S)?)?",
    re.ASCII,
)
_LONGEST = timedelta(days=1_000_000)
_LENGTHS = {
    unit: timedelta(**{unit: 1}) // timedelta(microseconds=1)
    for unit in ("weeks", "days", "hours", "minutes", "seconds")
}
_MICRO = Decimal("0.000001")
_LIMIT = Decimal(10) ** 12
_SHOWN = 40


def parse(raw: object, type: Type) -> object:
    """A raw value as a value of the language.

    Args:
        raw: text as in CSV and most APIs, or a typed value as in JSON and Parquet.
        type: what the connection declares.

    Returns:
        None for None and "" (unknown); else number: Decimal with six places, within decimal(18,6), rounded half to
        even; boolean: bool; text: str in NFC; date: date; instant: naive UTC datetime; list of text: tuple of str,
        each in NFC (a JSON array, or `;`-separated with blanks around items dropped); place: latitude and longitude
        in degrees, from both in this order, written with a comma or given as a pair of raw values; duration: timedelta.

    Raises:
        ValueError: it is not of that type; the message is a plain reason with the cure where there is one.
    """
    if raw is None or raw == "":
        return None
    return _PARSERS[type.kind](raw)


def render(value: object, type: Type) -> str:
    """A value as text to write back to a vendor; None is "" (which clears a field on every platform)."""
    if value is None:
        return ""
    return _RENDERERS[type.kind](value)


def allowed(raw: object, means: str) -> bool:
    """Whether a consent field allows its channel.

    Args:
        raw: the field's raw value.
        means: "opted out" (true forbids, unknown allows) or "granted" (true allows, unknown forbids).

    Raises:
        ValueError: the field is neither true, false nor empty; treat the channel as not allowed.
    """
    spoken = _boolean(raw) if raw is not None and raw != "" else None
    return spoken is True if means == GRANTED else spoken is not True


def shown(raw: object) -> str:
    """A raw value in quotes for a message, cut where it is long."""
    text = str(raw)
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def _number(raw: object) -> Decimal:
    if isinstance(raw, bool) or not isinstance(raw, (str, int, float, Decimal)):
        raise ValueError(f"{shown(raw)} is not a number")
    if isinstance(raw, str):
        number = _number_of_text(raw.strip())
    elif isinstance(raw, float):
        number = Decimal(repr(raw)) if math.isfinite(raw) else Decimal("NaN")
    else:
        number = Decimal(raw)
    if not number.is_finite():
        raise ValueError(f"{shown(raw)} is not a finite number")
    if abs(number) >= _LIMIT or abs(number := number.quantize(_MICRO, ROUND_HALF_EVEN)) >= _LIMIT:
        raise ValueError(f"{shown(raw)} is too large; a number has at most 12 digits before the point")
    return number


def _number_of_text(text: str) -> Decimal:
    if _NUMBER.fullmatch(text):
        return Decimal(text)
    if _DECIMAL_COMMA.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a number; write {text.replace(',', '.')}")
    if _NUMBER.fullmatch(re.sub(r"[\s,'_]", "", text)):
        plain = re.sub(r"[\s,'_]", "", text)
        raise ValueError(f"{shown(text)} is not a number; write {plain}, without separators of thousands")
    raise ValueError(f"{shown(text)} is not a number; write it in digits, such as 1234.5")


def _boolean(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower() if isinstance(raw, (str, int)) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"{shown(raw)} is neither true nor false; write true, false, yes, no, 1 or 0")


def _text(raw: object) -> str:
    if isinstance(raw, str):
        text = raw
    elif isinstance(raw, bool):
        text = "true" if raw else "false"
    elif isinstance(raw, (int, float, Decimal)):
        text = _plain(raw)
    elif isinstance(raw, datetime):
        text = format_instant(_utc(raw))
    elif isinstance(raw, date):
        text = raw.isoformat()
    else:
        raise ValueError(f"{shown(raw)} is not text")
    if "\0" in text:
        raise ValueError(f"{shown(text)} holds a NUL character")
    if not text.isascii():
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise ValueError(f"{shown(text)} holds half a character (a lone surrogate)")
        text = unicodedata.normalize("NFC", text)
    return text


def _plain(number: int | float | Decimal) -> str:
    """A number without exponent and without zeros that say nothing."""
    text = f"{number if isinstance(number, Decimal) else Decimal(repr(number)):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _instant(raw: object) -> datetime:
    if isinstance(raw, datetime):
        return _utc(raw)
    if isinstance(raw, date):
        return datetime.combine(raw, time.min)
    if isinstance(raw, bool) or not isinstance(raw, (str, int)):
        raise ValueError(f"{shown(raw)} is not an instant")
    text = str(raw).strip()
    try:
        return from_epoch_ms(int(text)) if _EPOCH_MS.fullmatch(text) else parse_instant(text)
    except (ValueError, OverflowError):
        cure = "write it as 2026-03-01T09:30:00Z, 2026-03-01 or milliseconds since 1970"
        raise ValueError(f"{shown(raw)} is not an instant; {cure}") from None


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at


def _date(raw: object) -> date:
    if isinstance(raw, date) and not isinstance(raw, datetime):
        return raw
    if isinstance(raw, str) and _DATE.fullmatch(raw.strip()):
        try:
            return date.fromisoformat(raw.strip())
        except ValueError:
            raise ValueError(f"{shown(raw)} is not a day of the calendar") from None
    try:
        at = _instant(raw)
    except ValueError:
        raise ValueError(f"{shown(raw)} is not a date; write it as 2026-03-01") from None
    if at.time() != time.min:
        raise ValueError(f"{shown(raw)} has a time of day; declare the field as type: instant")
    return at.date()


def _texts(raw: object) -> tuple[str, ...]:
    if isinstance(raw, str):
        return _texts_of_text(raw)
    if isinstance(raw, (list, tuple)):
        return tuple(_text(item) for item in raw if item is not None)
    raise ValueError(f"{shown(raw)} is not a list of text")


def _texts_of_text(text: str) -> tuple[str, ...]:
    if not text.lstrip().startswith("["):
        return tuple(_text(item.strip()) for item in text.split(";") if item.strip())
    try:
        items = json.loads(text)
    except ValueError:
        raise ValueError(f"{shown(text)} starts like a JSON array but is not one") from None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"{shown(text)} is not a JSON array of text")
    return tuple(_text(item) for item in items)


def _place(raw: object) -> tuple[float, float] | None:
    parts = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(parts, (tuple, list)) or len(parts) != 2:
        raise ValueError(f"{shown(raw)} is not a place; write latitude, then longitude: 48.85, 2.35")
    known = [part for part in parts if part is not None and part != ""]
    if not known:
        return None
    if len(known) == 1:
        raise ValueError(f"{shown(known[0])} alone is not a place; give latitude and longitude, or neither")
    latitude, longitude = (float(_number(part)) for part in parts)
    for name, degrees, most in (("latitude", latitude, 90), ("longitude", longitude, 180)):
        if abs(degrees) > most:
            raise ValueError(
                f"{_plain(degrees)} is no {name}; it lies between -{most} and {most}, and latitude comes first"
            )
    return latitude, longitude


def _duration(raw: object) -> timedelta:
    if isinstance(raw, timedelta):
        return _bounded(raw // timedelta(microseconds=1), raw)
    text = raw.strip() if isinstance(raw, str) else ""
    amount, iso = _AMOUNT.fullmatch(text), _ISO_DURATION.fullmatch(text)
    if amount:
        parts = {f"{amount[2]}s": amount[1]}
    elif iso and any(iso.groups()):
        parts = {unit: number for unit, number in iso.groupdict().items() if number}
    else:
        raise ValueError(f"{shown(raw)} is not a duration; write a number and its unit, 90 minutes, or PT1H30M")
    microseconds = sum((Decimal(number) * _LENGTHS[unit] for unit, number in parts.items()), Decimal(0))
    return _bounded(int(microseconds.quantize(Decimal(1), ROUND_HALF_EVEN)), raw)


def _bounded(microseconds: int, raw: object) -> timedelta:
    if abs(microseconds) > _LONGEST.total_seconds() * 1_000_000:
        raise ValueError(f"{shown(raw)} is too long; a duration has at most {_LONGEST.days:,} days")
    return timedelta(microseconds=microseconds)


def _render_duration(value: object) -> str:
    microseconds = _duration(value) // timedelta(microseconds=1)
    return f"{_plain(Decimal(microseconds).scaleb(-6))} seconds"


def _render_place(value: object) -> str:
    latitude, longitude = cast("tuple[float, float]", value)
    return f"{_plain(latitude)}, {_plain(longitude)}"


def _render_texts(value: object) -> str:
    items = [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)]
    joined = ";".join(items)
    return joined if items and _texts_of(joined) == items else json.dumps(items, ensure_ascii=False)


def _texts_of(joined: str) -> list[str] | None:
    try:
        return list(_texts_of_text(joined))
    except ValueError:
        return None


_PARSERS: Mapping[Kind, Callable[[object], object]] = {
    Kind.NUMBER: _number,
    Kind.TEXT: _text,
    Kind.BOOLEAN: _boolean,
    Kind.INSTANT: _instant,
    Kind.DATE: _date,
    Kind.TEXTS: _texts,
    Kind.DURATION: _duration,
    Kind.PLACE: _place,
}

_RENDERERS: Mapping[Kind, Callable[[object], str]] = {
    Kind.NUMBER: lambda value: _plain(_number(value)),
    Kind.TEXT: _text,
    Kind.BOOLEAN: lambda value: "true" if value else "false",
    Kind.INSTANT: lambda value: format_instant(_instant(value)),
    Kind.DATE: lambda value: _date(value).isoformat(),
    Kind.TEXTS: _render_texts,
    Kind.DURATION: _render_duration,
    Kind.PLACE: _render_place,
}
