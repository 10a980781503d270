"""What a block means as a hash: of what decides it and of all it reads, and of nothing else.

Places, titles and owners do not count: a comment, a line break or another file is no change of a rule, a changed trait
that a segment uses is one. Of a segment only what decides its members counts: where it is pushed, its guards, who is
held out and whether it is a draft change nobody's membership.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any

from segserver.rules.expressions.conditions import InSegment, Likely, Percentile, Top
from segserver.rules.expressions.values import ComputedTrait, Score
from segserver.rules.program import SegmentBlock

Key = tuple[str, str]

_SILENT = frozenset({"span", "title", "owner", "declaration"})
_SILENT_IN_SEGMENTS = frozenset({"targets", "minimum_size", "guards", "hold_out", "draft"})


def declaration(block: object, known: Mapping[Key, str], before: Sequence[str] = ()) -> str:
    """The hash of a checked block, hex.

    Args:
        block: a trait, segment, model or scenario.
        known: the hashes of all blocks it may read, by kind and name.
        before: of a segment in an exclusive group, the segments that claim their members first.
    """
    found: set[Key] = {("segment", name) for name in before}
    content = [_plain(block, found), list(before)]
    reads = [[kind, name, known.get((kind, name), "")] for kind, name in sorted(found)]
    text = json.dumps([content, reads], ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _plain(item: object, found: set[Key]) -> object:
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
    match item:
        case ComputedTrait():
            found.add(("trait", item.name))
        case InSegment():
            found.add(("segment", item.segment))
        case Score() | Likely():
            found.add(("model", item.model))
        case Top(among=str(name)) | Percentile(among=str(name)):
            found.add(("segment", name))
    if not is_dataclass(item):
        raise TypeError(f"no canonical form for {type(item).__name__}")
    kind: Any = type(item)
    return [kind.__name__, [[name, _plain(getattr(item, name), found)] for name in _counting(kind)]]


@cache
def _counting(kind: Any) -> tuple[str, ...]:
    """Names of the fields of a class that count."""
    silent = _SILENT | _SILENT_IN_SEGMENTS if kind is SegmentBlock else _SILENT
    return tuple(field.name for field in fields(kind) if field.name not in silent)
