"""Shares and orders that are the same at every run: read off a SHA-256, of which the first digits are compared as text.

SHA-256 is the only function here that engines name differently. It is compared as text with bounds of 13 hexadecimal
digits, never as a number, so that no engine rounds it.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal

import ibis
import ibis.expr.types as ir

BUCKETS = 10_000
_DIGITS = 13
_ALL = 16**_DIGITS
_APART = "\x1f"


def digest(value: ir.StringValue) -> ir.StringValue:
    """SHA-256 of a text in lower-case hexadecimal digits."""
    return value.hexdigest("sha256")


def in_bucket(contact_id: ir.StringValue, name: str, low: int, high: int) -> ir.BooleanValue:
    """Whether a contact's bucket of that name, of 10,000, lies between two, both included."""
    return _between(_hashed(contact_id, "bucket", name), Decimal(low) / BUCKETS, Decimal(high + 1) / BUCKETS)


def bucket(contact_id: str, name: str) -> int:
    """A contact's bucket of that name, 0 to 9,999: what `in_bucket` compares."""
    hashed = hashlib.sha256(f"bucket{_APART}{name}{_APART}{contact_id}".encode()).hexdigest()
    share: int = int(hashed[:_DIGITS], 16)
    return share * BUCKETS // int(_ALL)


def held_out(contact_id: ir.StringValue, segment: str, share: Decimal) -> ir.BooleanValue:
    """Whether a contact belongs to the share (0 to 1) of a segment that is held out."""
    return _between(_hashed(contact_id, "hold out", segment), Decimal(0), share)


def _hashed(contact_id: ir.StringValue, purpose: str, name: str) -> ir.StringValue:
    text: ir.StringValue = ibis.literal(f"{purpose}{_APART}{name}{_APART}")
    return digest(text + contact_id)


def _between(hashed: ir.StringValue, low: Decimal, high: Decimal) -> ir.BooleanValue:
    """Whether a hash, read as a share of all, lies in [low, high)."""
    above = hashed >= _edge(low)
    return above if high == 1 else above & (hashed < _edge(high))


def _edge(share: Decimal) -> str:
    """The least digits that are not below a share; a whole hash is before them exactly if its own first digits are."""
    numerator, denominator = share.as_integer_ratio()
    return f"{-(-numerator * _ALL // denominator):0{_DIGITS}x}"
