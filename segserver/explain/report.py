"""Explanations as text: one line for each condition, indented as the rule is nested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from segserver.explain.evidence import READ
from segserver.explain.showing import figure, instant, turning
from segserver.explain.verdicts import Contribution, Explanation, ModelReason, Observed, Verdict, Witness
from segserver.explain.words import words
from segserver.explain.written import counted, money
from segserver.rules.expressions.conditions import All, AnyOf, AtLeast, Comparison, InSegment, Not
from segserver.rules.expressions.history import Did, FirstDid, Regular
from segserver.rules.expressions.values import Points
from segserver.wrapping import wrapped

SHOWN = 5
"""Events and changes of a condition that are shown."""

_CONTRIBUTIONS = 8
_LONGEST = 160
_TAIL = 40
_REPEATED = 30
_MARKS = {True: "yes", False: "no ", None: "?  "}
_CLAUSES = {"where": "where: who may enter", "stay": "stay while: who may stay"}


def render(explanation: Explanation, width: int | None = None) -> str:
    """An explanation for people, in lines no longer than `width`; None: however long they are."""
    return "\n".join(_lines(explanation) if width is None else wrapped(_lines(explanation), width))


def _lines(explanation: Explanation) -> Iterator[str]:
    at = f"{instant(explanation.as_of, explanation.zone)} {explanation.zone}"
    subject = explanation.asked or f"contact {explanation.contact_id}"
    if explanation.verdict is None:
        yield f"{subject} does not exist at {at}: not created yet, deleted or merged into another"
        return
    said = {True: "is in", False: "is not in", None: "cannot be placed in"}[explanation.member]
    beside = [word for word, holds in (("held out", explanation.held_out), ("a draft", explanation.draft)) if holds]
    if explanation.since is not None:
        beside.insert(0, f"a member since {instant(explanation.since, explanation.zone)}")
    yield f"{subject} {said} {explanation.segment} at {at}" + (f" ({'; '.join(beside)})" if beside else "")
    for line in Tree(explanation.zone, explanation.names).lines(explanation.verdict):
        yield f"  {line}"
    for reason in explanation.scores:
        yield from reason_lines(reason)
    yield from _change_lines(explanation)
    if explanation.current_only:
        yield f"today's value was taken for {', '.join(explanation.current_only)}: no history is kept"


def _change_lines(explanation: Explanation) -> Iterator[str]:
    ends = "leave" if explanation.member else "enter"
    for place, turn in enumerate(explanation.turns):
        begins = f"to {ends}" if place == 0 else "or"
        yield f"{begins}: {', and '.join(turn.changes)}"
    expiry = explanation.expiry
    if expiry is None and not explanation.turns and _is_settled(explanation.verdict):
        yield f"to {ends}: nothing that may still happen is enough"
    if expiry is not None:
        turned = "holds" if expiry.holds else "no longer holds"
        condition = expiry.text if "`" in expiry.text else f"`{expiry.text}`"
        at = turning(expiry.at, explanation.zone, explanation.as_of)
        yield f"{ends}s {at} if nothing happens: {condition} {turned} from then on"


def _is_settled(verdict: Verdict | None) -> bool:
    """Whether the rule was evaluated, all of it: what is not known or kept may change with a model."""
    if verdict is None or verdict.holds is None or verdict.role == "kept":
        return False
    return all(_is_settled(part) for part in verdict.parts)


def reason_lines(reason: ModelReason) -> Iterator[str]:
    """A score and the features that say so, the strongest first."""
    if reason.score is None:
        yield f"score({reason.model}) is unknown: the contact is outside the model's population"
        return
    yield f"score({reason.model}) is {figure(reason.score)}; log-odds against an average contact, + raises it:"
    for item in reason.contributions[:_CONTRIBUTIONS]:
        yield f"  {item.log_odds:+8.3f}  {item.feature} is {_feature(item)}"
    rest = reason.contributions[_CONTRIBUTIONS:]
    if rest:
        yield f"  {sum(item.log_odds for item in rest):+8.3f}  {len(rest)} more"


def _feature(item: Contribution) -> str:
    if item.value is None:
        return "unknown"
    if item.unit is None or item.unit == "days":
        return f"{figure(item.value)} {item.unit}" if item.unit else figure(item.value)
    return money(figure(item.value), item.unit)


# ---- the rule ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tree:
    """Verdicts as lines.

    Attributes:
        zone: in which instants are shown.
        names: what to call contacts, by id; the id itself where nothing is known.
    """

    zone: str
    names: Mapping[str, str]

    def lines(self, verdict: Verdict, depth: int = 0, called: str | None = None) -> Iterator[str]:
        """A verdict, what is behind it, and all below it; `called` stands for its text."""
        seen = _flat(verdict)
        facts = _facts(seen)
        line = f"{_MARKS[seen.holds]} {'  ' * depth}{called or _cut(seen.called)}"
        yield f"{line}    ({'; '.join(facts)})" if facts else line
        yield from (f"    {'  ' * (depth + 1)}{text}" for text in self._happened(seen.witnesses))
        for one in seen.colleagues:
            name = self.names.get(one.contact_id, one.contact_id)
            if one.verdict is None:
                yield f"    {'  ' * (depth + 1)}{name}"
            else:
                yield from self.lines(one.verdict, depth + 1, name)
        for part in seen.parts:
            yield from self.lines(part, depth + 1)

    def _happened(self, witnesses: Sequence[Witness]) -> Iterator[str]:
        """The last events, to the second where two of them fall into one minute."""
        last = witnesses[-SHOWN:]
        minutes = Counter(instant(item.at, self.zone) for item in last)
        if len(witnesses) > len(last):
            more = " or more" if len(witnesses) >= READ else ""
            yield f"{len(witnesses) - len(last)}{more} earlier, and"
        for item in last:
            exact = minutes[instant(item.at, self.zone)] > 1
            yield f"{instant(item.at, self.zone, seconds=exact)} {item.text}"


def _flat(verdict: Verdict) -> Verdict:
    """A verdict as it is shown: in words, and its opposite on the same line where only one condition is negated."""
    inner = verdict.parts[0] if isinstance(verdict.node, Not) else None
    match verdict.node, inner:
        case All() | AnyOf() | AtLeast(), _:
            return replace(verdict, text=f"{verdict.text}:")
        case Not(), Verdict(node=AnyOf()):
            return replace(verdict, text="none of:", written=None, note=_joined(inner, verdict), parts=inner.parts)
        case Not(), Verdict(node=All() | AtLeast()):
            return replace(
                verdict, text=f"not {inner.text}:", written=None, note=_joined(inner, verdict), parts=inner.parts
            )
        case Not() as node, Verdict():
            told = words(node) if verdict.written is None else verdict.written
            return replace(inner, text=words(node), written=told, holds=verdict.holds, note=_joined(inner, verdict))
        case InSegment(), _ if not verdict.parts:
            return replace(verdict, note=verdict.note or "its rule is shown above")
        case _:
            return replace(verdict, text=_CLAUSES.get(verdict.role or "", verdict.text))


def _joined(*verdicts: Verdict) -> str | None:
    """The notes of verdicts that share a line."""
    return "; ".join(verdict.note for verdict in verdicts if verdict.note) or None


def _facts(verdict: Verdict) -> list[str]:
    facts = [_fact(verdict, item) for item in verdict.observed]
    return facts + ([verdict.note] if verdict.note else [])


def _fact(verdict: Verdict, item: Observed) -> str:
    """What was observed; a long text that stands in the condition already is not said again."""
    first = item is verdict.observed[0]
    match verdict.node:
        case Did() if first:
            return counted(int(Decimal(item.shown)), "times")
        case FirstDid() if first:
            return "never" if item.value is None else f"the first was {item.shown} ago"
        case Regular(unit=unit) if first:
            return f"{item.shown} {unit}"
        case Comparison(left=Points()) if first:
            return f"{item.shown} points"
        case _ if first and item.text in verdict.text and len(item.text) > _REPEATED:
            return f"it is {item.shown}"
        case _:
            return f"{item.text} is {item.shown}"


def _cut(text: str) -> str:
    """A text without its middle where it is very long: the end has the bound and the window."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - _TAIL - 1]}…{text[-_TAIL:]}"


# ---- which branch decides ------------------------------------------------------------------------------------------


def deciding(verdict: Verdict) -> tuple[Verdict, ...]:
    """Of the verdict on a segment, the conditions without which it would be another, with all that decides them."""
    return tuple(replace(part, parts=deciding(part)) for part in _decisive(verdict))


def _decisive(verdict: Verdict) -> tuple[Verdict, ...]:
    """The parts that agree with the whole; of a member's segment `stay while` speaks, of others `where`."""
    parts = verdict.parts
    if isinstance(verdict.node, Not) or len(parts) == 1:
        return parts
    if any(part.role == "stay" for part in parts):
        stays = any(part.role == "before" and part.holds for part in parts)
        parts = tuple(part for part in parts if part.role not in (("where", "wait") if stays else ("stay",)))
    return tuple(part for part in parts if part.holds is verdict.holds or part.role == "before")
