"""Template keys and their placeholders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Filled:
    """A template key with its placeholders filled.

    Attributes:
        text: the key; None where there is no template, or while a placeholder is unknown.
        unknown: placeholders without a value, in their order.
    """

    text: str | None
    unknown: tuple[str, ...] = ()


def fill(template: str | None, values: Mapping[str, str | None]) -> Filled:
    """Replace every `{trait}` of a template key by the contact's value.

    Args:
        template: None where a scenario names no template.
        values: trait to text; None or missing is unknown.
    """
    if template is None or "{" not in template:
        return Filled(template)
    unknown = tuple(name for name in PLACEHOLDER.findall(template) if values.get(name) is None)
    if unknown:
        return Filled(None, unknown)
    return Filled(PLACEHOLDER.sub(lambda match: values[match[1]] or "", template))
