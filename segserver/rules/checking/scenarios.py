"""Scenarios: from the syntax tree to the checked program."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from segserver.errors import Span
from segserver.rules.checking import targets
from segserver.rules.checking.clauses import Clauses
from segserver.rules.checking.conditions import condition
from segserver.rules.checking.quantities import exact, share, whole
from segserver.rules.checking.scope import CREATED_AT, Scope
from segserver.rules.checking.values import value
from segserver.rules.expressions.conditions import AccountAny, Percentile, Top
from segserver.rules.expressions.values import AccountCount, Value
from segserver.rules.findings import Findings
from segserver.rules.program import ScenarioBlock, TraitBlock
from segserver.rules.reading import block_nodes, nodes
from segserver.rules.suggest import did_you_mean
from segserver.rules.walk import walk_with_traits
from segserver.specs.cadence import ChannelCaps, Hours, Sender, Step
from segserver.specs.targets import Target
from segserver.specs.types import Kind

_OVER_CONTACTS = (Top, Percentile, AccountAny, AccountCount)
_PRIORITIES = {"high": 3, "normal": 2, "low": 1}
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}|[{}]")


def scenario(node: block_nodes.BlockNode, scope: Scope, caps: Mapping[str, ChannelCaps]) -> ScenarioBlock | None:
    """A scenario; None if what it needs to be planned is at fault.

    Args:
        node: as written.
        scope: what names mean.
        caps: the caps of each channel.
    """
    findings = scope.findings
    clauses = Clauses(node, findings, repeatable=frozenset({"send", "inform"}))
    clauses.require("for", "for lapsed_customers")
    clauses.require("channels", "channels email")
    clauses.require("send", 'send email by marketo campaign "Win back"')
    segment = clauses.content("for", nodes.Name)
    known = segment is not None and scope.has_segment(segment)
    channels = _channels(clauses, scope)
    senders = _senders(clauses, channels, scope)
    steps = _steps(clauses, scope)
    _check_caps(clauses, steps, channels, caps, scope)
    stop = clauses.condition("stop when")
    checked_stop = condition(stop, scope) if stop is not None else None
    priority = clauses.content("priority", nodes.Name)
    held = clauses.content("hold out", nodes.Quantity)
    content = clauses.content("content", nodes.Quoted)
    block = ScenarioBlock(
        name=node.name.text,
        title=node.title,
        segment=segment.text if segment else "",
        channels=tuple(channels),
        senders=senders,
        inform=_inform(clauses, scope),
        content=content.text if content else None,
        steps=steps,
        every=_length(clauses, "every", scope),
        value=_value(clauses, scope),
        priority=_PRIORITIES[priority.text] if priority else _PRIORITIES["normal"],
        hours=_hours(clauses, scope),
        stop=checked_stop,
        valid_for=_length(clauses, "valid for", scope),
        again_after=_length(clauses, "again after", scope),
        hold_out=(share(held, findings) if held else None) or Decimal(0),
        span=node.name.span,
    )
    return block if known else None


def refuse_rankings(block: ScenarioBlock, traits: Mapping[str, TraitBlock], findings: Findings) -> None:
    """Report what looks at other contacts in `value` and `stop when`, which look at one contact at a time.

    Args:
        block: the checked scenario.
        traits: the checked traits it may read.
        findings: takes what is wrong.
    """
    for written in (block.value, block.stop):
        if written is None:
            continue
        found = next((item for item in walk_with_traits(written, traits) if isinstance(item, _OVER_CONTACTS)), None)
        if found is not None:
            message = "this looks at other contacts, and a scenario looks at one contact at a time"
            hint = "put it into a segment and write `in segment x`"
            findings.error("only-in-segments", written.span, message, hint)


def _length(clauses: Clauses, key: str, scope: Scope) -> timedelta | None:
    written = clauses.content(key, nodes.Quantity)
    return exact(written, scope.findings) if written else None


# ---- channels, senders, copies -------------------------------------------------------------------------------------


def _channels(clauses: Clauses, scope: Scope) -> dict[str, nodes.Name]:
    found: dict[str, nodes.Name] = {}
    for name in clauses.content("channels", tuple) or ():
        scope.has_channel(name)
        if name.text in found:
            related = ((found[name.text].span, "the first one"),)
            message = f"the channel `{name.text}` stands twice"
            scope.findings.error("duplicate-clause", name.span, message, "keep one of them", related)
        found.setdefault(name.text, name)
    return found


def _senders(clauses: Clauses, channels: Mapping[str, nodes.Name], scope: Scope) -> tuple[Sender, ...]:
    first: dict[str, block_nodes.SenderNode] = {}
    senders: dict[str, Sender] = {}
    broken = any(not isinstance(clause.content, tuple) for clause in clauses.all("send"))
    for node in (
        node for clause in clauses.all("send") if isinstance(clause.content, tuple) for node in clause.content
    ):
        channel = node.channel.text
        made = targets.sender(node, scope.catalog, scope.findings)
        if channel in first:
            related = ((first[channel].span, "the first one"),)
            message = f"the channel `{channel}` has two senders"
            scope.findings.error("two-senders", node.span, message, "a channel has exactly one sender", related)
        elif channel not in channels and channels:
            hint = did_you_mean(
                channel, channels, otherwise=f"add it: `channels {', then '.join([*channels, channel])}`"
            )
            message = f"`{channel}` is not a channel of this scenario"
            scope.findings.error("unknown-channel", node.channel.span, message, hint)
        elif made is not None:
            senders[channel] = made
        first.setdefault(channel, node)
    for channel, name in channels.items():
        if channel not in first and clauses.has("send") and not broken:
            message = f"the channel `{channel}` has no sender"
            hint = f'for example `send {channel} by marketo campaign "..."`'
            scope.findings.error("missing-clause", name.span, message, hint)
    return tuple(senders[channel] for channel in channels if channel in senders)


def _inform(clauses: Clauses, scope: Scope) -> tuple[Target, ...]:
    found: dict[Target, None] = {}
    for clause in clauses.all("inform"):
        for node in clause.content if isinstance(clause.content, tuple) else ():
            place = targets.target(node, targets.INFORM, scope.catalog, scope.findings)
            if place in found:
                message = f"{place} is informed twice"
                scope.findings.error("duplicate-clause", node.span, message, "keep one of them")
            elif place is not None:
                found[place] = None
    return tuple(found)


# ---- steps and content ---------------------------------------------------------------------------------------------


def _steps(clauses: Clauses, scope: Scope) -> tuple[Step, ...]:
    findings = scope.findings
    if clauses.has("steps") and clauses.has("every"):
        related = ((clauses.span("steps"), "the other"),)
        message = "a scenario has either dated `steps` or a rate (`every`)"
        findings.error("conflicting-clauses", clauses.span("every"), message, "keep one of them", related)
    elif not clauses.has("steps") and not clauses.has("every"):
        clauses.require("steps", 'steps day 0 "hello", day 4 "reminder"')
    content = clauses.content("content", nodes.Quoted)
    if content is not None:
        _check_placeholders(content, scope)
    steps: list[Step] = []
    for node in clauses.content("steps", tuple) or ():
        step = _step(node, steps, clauses, scope)
        steps += [step] if step else []
    if clauses.has("every") and not clauses.has("steps"):
        clauses.require("content", 'content "offer"')
    return tuple(steps)


def _step(node: block_nodes.StepNode, before: list[Step], clauses: Clauses, scope: Scope) -> Step | None:
    findings = scope.findings
    if node.content is not None:
        _check_placeholders(node.content, scope)
    elif not clauses.has("content"):
        message = "this step has no template key, and the scenario has no `content`"
        findings.error("missing-clause", node.span, message, 'write it behind the day: `day 4 "reminder"`')
    day = whole(node.day, findings)
    after = (
        None
        if day is None
        else exact(replace(node.day, unit=nodes.Name("days", span=node.day.span)), findings, zero=True)
    )
    if after is None:
        return None
    if before and after <= before[-1].after:
        message = "steps stand in the order of their days, each later than the one before"
        findings.error("bad-number", node.day.span, message, "put the earlier day first")
    return Step(after, node.content.text if node.content else None)


def _check_placeholders(content: nodes.Quoted, scope: Scope) -> None:
    known = {*scope.catalog.traits, *scope.traits, CREATED_AT}
    for match in _PLACEHOLDER.finditer(content.text):
        place = _inside(content.span, match.start(), match.end())
        name = match[1]
        if name is None:
            message = f"this `{match[0]}` has no partner"
            scope.findings.error("bad-placeholder", place, message, "a placeholder is `{trait}`")
        elif name not in known:
            hint = did_you_mean(name, known, otherwise="a placeholder is the name of a trait")
            scope.findings.error("unknown-name", place, f"there is no trait `{name}` for this placeholder", hint)


def _inside(quoted: Span, start: int, end: int) -> Span:
    """The place of characters of a text literal, which never spans lines."""
    return replace(quoted, column=quoted.column + 1 + start, end_column=quoted.column + 1 + end)


def _check_caps(
    clauses: Clauses,
    steps: tuple[Step, ...],
    channels: Mapping[str, nodes.Name],
    caps: Mapping[str, ChannelCaps],
    scope: Scope,
) -> None:
    """Report windows with more steps than all channels together may send in them: such a step can never be sent."""
    own = [caps[channel].caps if channel in caps else () for channel in channels]
    for window in sorted({cap.window for channel in own for cap in channel}):
        bounds = [min((cap.count for cap in channel if cap.window >= window), default=None) for channel in own]
        if any(bound is None for bound in bounds):
            continue
        allowed = sum(bound for bound in bounds if bound is not None)
        most = max((_steps_within(window, last, steps) for last in steps), default=0)
        if most > allowed:
            message = f"{most} steps lie within {window / timedelta(days=1):g} days, and the caps allow {allowed}"
            scope.findings.error("steps-over-cap", clauses.span("steps"), message, "spread the steps or raise the cap")
            return


def _steps_within(window: timedelta, last: Step, steps: tuple[Step, ...]) -> int:
    return sum(timedelta(0) <= last.after - step.after < window for step in steps)


# ---- the other clauses ---------------------------------------------------------------------------------------------


def _value(clauses: Clauses, scope: Scope) -> Value | None:
    node = clauses.value("value")
    checked = value(node, scope) if node is not None else None
    if checked is not None and checked.type.kind is not Kind.NUMBER:
        message = f"what a touch is worth is a number, and this is {checked.type}"
        scope.findings.error("type-mismatch", checked.span, message)
        return None
    return checked


def _hours(clauses: Clauses, scope: Scope) -> Hours | None:
    node = clauses.content("between", block_nodes.HoursNode)
    if node is None:
        return None
    if node.start_minute >= node.end_minute:
        message = "these hours end before they start"
        hint = "hours lie within one day, for example `between 09:00 and 19:00`"
        scope.findings.error("reversed-between", node.span, message, hint)
    if len(node.not_on) == 7:
        scope.findings.error("empty-window", node.span, "no day of the week is left")
    return Hours(node.start_minute, node.end_minute, node.not_on, node.zone)
