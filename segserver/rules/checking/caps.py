"""Caps: from the syntax tree to the checked program."""

from __future__ import annotations

from segserver.rules.checking.clauses import Clauses
from segserver.rules.checking.quantities import exact, share, whole
from segserver.rules.checking.scope import Scope
from segserver.rules.program import CapsBlock
from segserver.rules.reading import block_nodes, nodes
from segserver.rules.reading.unsupported import refuse
from segserver.specs.cadence import CapSpec, ChannelCaps


def caps(node: block_nodes.BlockNode, scope: Scope) -> CapsBlock:
    """The caps of the workspace."""
    clauses = Clauses(node, scope.findings, repeatable=frozenset({"at most"}))
    if not node.clauses:
        clauses.require("at most", "email at most 3 per 7 days at risk 5%")
    first: dict[str, nodes.Name] = {}
    channels: list[ChannelCaps] = []
    for clause in clauses.all("at most"):
        if not isinstance(clause.content, block_nodes.ChannelCapsNode):
            continue
        channel = clause.content.channel
        if channel.text in first:
            related = ((first[channel.text].span, "the first line"),)
            message = f"`{channel.text}` has two lines of caps"
            scope.findings.error("duplicate-clause", channel.span, message, "join them with commas", related)
        first.setdefault(channel.text, channel)
        scope.has_channel(channel)
        channels.append(_channel(clause.content, scope))
    counted = clauses.content("count", nodes.Truth)
    if counted is not None and counted.value:
        refuse(scope.findings, counted.span, "`count transactional true`")
    return CapsBlock(tuple(channels), span=node.name.span)


def _channel(node: block_nodes.ChannelCapsNode, scope: Scope) -> ChannelCaps:
    specs: list[CapSpec] = []
    for cap in node.caps:
        number = whole(cap.count, scope.findings, least=1)
        window = exact(cap.window, scope.findings)
        if number is None or window is None:
            continue
        if any(spec.window == window for spec in specs):
            message = "this window has a cap already"
            scope.findings.error("duplicate-clause", cap.span, message, "keep the tighter one")
        specs.append(CapSpec(number, window))
    risk = share(node.risk, scope.findings) if node.risk else None
    if node.risk and risk == 1:
        scope.findings.error("bad-number", node.risk.span, "a risk must be below 100%")
    return ChannelCaps(node.channel.text, tuple(specs), None if risk is None else float(risk))
