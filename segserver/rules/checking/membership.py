"""What makes a segment's members besides `where`: waiting, places, hold-outs, members by hand, and freezing."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import PurePosixPath

from segserver.rules.checking.clauses import Clauses
from segserver.rules.checking.instants import instant
from segserver.rules.checking.population import ranked
from segserver.rules.checking.quantities import exact, share, whole
from segserver.rules.checking.scope import Scope
from segserver.rules.program import Limit
from segserver.rules.reading import block_nodes, nodes


def enter_after(clauses: Clauses, scope: Scope) -> timedelta | None:
    """How long `where` must be true before a contact enters."""
    written = clauses.content("enter after", nodes.Quantity)
    return exact(written, scope.findings) if written else None


def limit(clauses: Clauses, scope: Scope) -> Limit | None:
    """How many members at most, and by what the best are chosen."""
    written = clauses.content("limit", block_nodes.LimitNode)
    if written is None:
        return None
    places = written.places
    part = share(places, scope.findings) if places.percent else None
    count = None if places.percent else whole(places, scope.findings, least=1)
    by = ranked(written.by, scope, example="limit 5000 by score(buy_soon)")
    if by is None or (part is None and count is None):
        return None
    return Limit(count, part, by, span=written.span)


def hold_out(clauses: Clauses, scope: Scope) -> Decimal:
    """The share of members that is never pushed nor scheduled; 0 without the clause."""
    written = clauses.content("hold out", nodes.Quantity)
    part = share(written, scope.findings) if written else None
    if written is not None and part == 1:
        message = "holding out everybody leaves nobody to push"
        scope.findings.error("bad-number", written.span, message, "write less than 100%, or `draft`")
    return part or Decimal(0)


def manual(clauses: Clauses, scope: Scope) -> str | None:
    """The file of members by identity, relative to the workspace, with single slashes."""
    written = clauses.content("manual", nodes.Quoted)
    if written is None:
        return None
    path = PurePosixPath(written.text)
    if path.suffix.lower() != ".csv" or "\\" in written.text or "\0" in written.text:
        message = "manual members stand in a CSV file"
        scope.findings.error("bad-path", written.span, message, 'for example `manual "rules/members.csv"`')
    elif path.is_absolute() or ".." in path.parts:
        message = "this file lies outside the workspace"
        hint = "put it beside the rules and write its path from the workspace's folder"
        scope.findings.error("bad-path", written.span, message, hint)
    else:
        return path.as_posix()
    return None


def frozen_at(clauses: Clauses, scope: Scope, zone: str) -> datetime | None:
    """The instant of the only evaluation, naive UTC."""
    written = clauses.content("frozen at", nodes.Day)
    return instant(written, zone, scope.findings) if written else None


def conflicts(clauses: Clauses, scope: Scope) -> None:
    """Report clauses that contradict each other."""
    for key in ("stay while", "enter after"):
        if clauses.has("frozen at") and clauses.has(key):
            related = ((clauses.span("frozen at"), "the other"),)
            message = f"a frozen segment is evaluated once, so `{key}` has nothing to say"
            scope.findings.error("conflicting-clauses", clauses.span(key), message, "keep one of them", related)
    least, most = clauses.content("minimum size", nodes.Quantity), clauses.content("limit", block_nodes.LimitNode)
    if least and most and not most.places.percent and least.number > most.places.number >= 1:
        related = ((clauses.span("limit"), "the limit"),)
        message = (
            f"with at most {most.places.number:f} members, {least.number:f} are never reached, so nobody is pushed"
        )
        hint = "lower the minimum size or raise the limit"
        scope.findings.error("conflicting-clauses", clauses.span("minimum size"), message, hint, related)
