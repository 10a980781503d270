"""The icons that a platform shows beside our steps, drawn here: PNG, square, with a transparent background."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import cache

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BLUE, _TEAL, _CLEAR = (31, 78, 140, 255), (20, 140, 130, 255), (0, 0, 0, 0)
_DEPTH, _RGBA = 8, 6

BRAND_SIZE, SERVICE_SIZE = 128, 64
"""Pixels on each side; smaller ones are scaled down by who shows them."""

Colour = tuple[int, int, int, int]


@cache
def brand() -> bytes:
    """A ring of three segments."""
    return _png(BRAND_SIZE, _ring)


@cache
def service() -> bytes:
    """A disc with one segment taken out."""
    return _png(SERVICE_SIZE, _disc)


def _ring(x: float, y: float) -> Colour:
    distance = x * x + y * y
    if not 0.25 <= distance <= 0.9 or abs(y) < 0.06 or (y < 0 and abs(x) < 0.06):
        return _CLEAR
    return _TEAL if x > 0 > y else _BLUE


def _disc(x: float, y: float) -> Colour:
    if x * x + y * y > 0.9 or min(abs(x), abs(y)) < 0.06:
        return _CLEAR
    return _TEAL if x > 0 > y else _BLUE


def _png(size: int, colour: Callable[[float, float], Colour]) -> bytes:
    """An image of a function over the square from -1 to 1, y downwards."""
    middle = (size - 1) / 2
    rows = bytearray()
    for row in range(size):
        rows.append(0)
        for column in range(size):
            rows += bytes(colour((column - middle) / middle, (row - middle) / middle))
    header = struct.pack(">IIBBBBB", size, size, _DEPTH, _RGBA, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
