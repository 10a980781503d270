"""What a block means as a hash: of the block and of all it reads, and of nothing else.

Places, titles and owners do not count: a comment, a line break or another file is no change of a rule, a changed trait
that a segment uses is one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum

from segserver.rules.expressions import ComputedTrait, InSegment, Likely, Score

Key = tuple[str, str]

_SILENT = frozenset({"span", "title", "owner", "declaration"})


def declaration(block: object, known: Mapping[Key, str]) -> str:
    """The hash of a checked block, hex.

    Args:
        block: a trait, segment, model or scenario.
        known: the hashes of all blocks it may read, by kind and name.
    """
    found: set[Key] = set()
    content = _plain(block, found)
    reads = [[kind, name, known.get((kind, name), "")] for kind, name in sorted(found)]
    text = json.dumps([content, reads], ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _plain(item: object, found: set[Key]) -> object:
    match item:
        case ComputedTrait():
            found.add(("trait", item.name))
        case InSegment():
            found.add(("segment", item.segment))
        case Score() | Likely():
            found.add(("model", item.model))
    match item:
        case Enum():
            return str(item.value)
        case None | bool() | int() | str():
            return item
        case Decimal():
            return f"{item.normalize():f}"
        case float():
            return repr(item)
        case timedelta():
            return ["us", item // timedelta(microseconds=1)]
        case date():
            return item.isoformat()
        case tuple() | list():
            return [_plain(part, found) for part in item]
        case Mapping():
            return {str(key): _plain(part, found) for key, part in item.items()}
    if not is_dataclass(item):
        raise TypeError(f"no canonical form for {type(item).__name__}")
    named = [
        [field.name, _plain(getattr(item, field.name), found)] for field in fields(item) if field.name not in _SILENT
    ]
    return [type(item).__name__, named]
