"""Keys by which source records are recognised, and the ids that contacts get from them."""

from __future__ import annotations

import base64
import hashlib

Key = tuple[str, str]
"""A kind of identity and its normalised value; of a source record its connection and its id there."""

ID_LENGTH = 12
"""Length of a contact's id: the longest text the engine keeps inside a row."""

LONG_ID_LENGTH = 24
"""Length where all shorter ids of a record are taken by other contacts."""


def contact_id(key: Key, length: int = ID_LENGTH) -> str:
    """The id a contact gets from a key: the same on every machine and in every run."""
    digest = hashlib.sha256("\x1f".join(key).encode("utf-8", "replace")).digest()
    groups = -(-length // 8)  # eight characters stand for five bytes
    return base64.b32encode(digest[: 5 * groups]).decode("ascii").lower()[:length]
