"""Values that no contact had when the store was last synced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from segserver.errors import Span
from segserver.rules.expressions.conditions import Comparison, OneOf
from segserver.rules.expressions.values import Literal, TraitValue, Value
from segserver.rules.lint.advice import Advice
from segserver.rules.program import Program
from segserver.rules.suggest import listed, nearest
from segserver.rules.walk import walk
from segserver.specs.types import Kind

FREQUENT = 20
"""Values of a trait that a profile lists at most; fewer are all there are."""


def look(program: Program, profile: Mapping[str, object] | None, advice: Advice) -> None:
    """Report texts that a trait is compared with and never had.

    Args:
        program: the checked workspace.
        profile: what the data looked like after the last sync; None before the first.
        advice: takes what is found.
    """
    if profile is None:
        return
    for trait, text, span, ignoring_case in _compared(program.blocks):
        values = _all_values(profile, trait)
        if values and not _is_among(text, values, ignoring_case):
            _report(trait, text, span, values, str(profile.get("as_of", "")), advice)


def _compared(tree: object) -> Iterator[tuple[str, str, Span, bool]]:
    """The texts that synced traits are said to equal."""
    for node in walk(tree):
        match node:
            case Comparison(op="=" | "!=", left=left, right=right, ignoring_case=ignoring):
                for one, other in ((left, right), (right, left)):
                    yield from _pair(one, other, ignoring)
            case OneOf(value=value, options=options, ignoring_case=ignoring):
                for option in options:
                    yield from _pair(value, option, ignoring)


def _pair(value: Value, written: Value, ignoring_case: bool) -> Iterator[tuple[str, str, Span, bool]]:
    if isinstance(value, TraitValue) and value.type.kind is Kind.TEXT and isinstance(written, Literal):
        yield value.name, str(written.value), written.span, ignoring_case


def _all_values(profile: Mapping[str, object], trait: str) -> Sequence[str]:
    """Every value of a trait; nothing where the profile lists only the most frequent ones."""
    traits = profile.get("traits")
    described = traits.get(trait) if isinstance(traits, Mapping) else None
    values = described.get("values") if isinstance(described, Mapping) else None
    return values if isinstance(values, list) and len(values) < FREQUENT else ()


def _is_among(text: str, values: Sequence[str], ignoring_case: bool) -> bool:
    return text in values or (ignoring_case and text.casefold() in [value.casefold() for value in values])


def _report(trait: str, text: str, span: Span, values: Sequence[str], as_of: str, advice: Advice) -> None:
    message = f'no contact had "{text}" as its `{trait}` when profiled at {as_of}'
    near = nearest(text, values)
    hint = f'did you mean "{near}"?' if near else f"it had {listed(values).replace('`', chr(34))}"
    advice.give("never-seen", span, message, hint)
