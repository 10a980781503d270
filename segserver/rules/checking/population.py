"""Where a contact stands among all contacts: from the syntax tree to the checked program."""

from __future__ import annotations

from decimal import Decimal

from segserver.rules.checking.quantities import share, whole
from segserver.rules.checking.scope import Scope
from segserver.rules.checking.types import is_constant
from segserver.rules.checking.values import value
from segserver.rules.expressions.conditions import All, Condition, InBucket, Percentile, Top
from segserver.rules.expressions.values import Value
from segserver.rules.reading import condition_nodes, nodes
from segserver.specs.types import Kind

BUCKETS = 10_000

_RANKED = frozenset({Kind.NUMBER, Kind.DURATION})


def ranked(node: nodes.Value, scope: Scope, *, example: str) -> Value | None:
    """A value that puts contacts in an order; None, with a finding, if this one does not."""
    checked = value(node, scope)
    if checked is None:
        return None
    if checked.type.kind not in _RANKED:
        message = f"contacts are ranked by a number or a length of time, and this is {checked.type}"
        scope.findings.error("type-mismatch", node.span, message, f"for example `{example}`")
        return None
    if is_constant(checked):
        message = "this is the same for every contact, so nobody is better than another"
        scope.findings.error("type-mismatch", node.span, message, f"for example `{example}`")
        return None
    return checked


def top(node: condition_nodes.TopNode, scope: Scope) -> Condition | None:
    """`top 10% by v`, `top 5000 by v among segment x`."""
    places = node.places
    part = share(places, scope.findings) if places.percent else None
    count = None if places.percent else whole(places, scope.findings, least=1)
    by = ranked(node.by, scope, example="top 10% by score(buy_soon)")
    if not _is_segment(node.among, scope) or by is None or (part is None and count is None):
        return None
    return Top(by, part, count, _name(node.among), span=node.span)


def _is_segment(among: condition_nodes.Member | None, scope: Scope) -> bool:
    return among is None or scope.has_segment(among.segment)


def _name(among: condition_nodes.Member | None) -> str | None:
    return None if among is None else among.segment.text


# ---- percentiles ---------------------------------------------------------------------------------------------------


def percentile(node: condition_nodes.PercentileNode, scope: Scope) -> Condition | None:
    """`percentile of v >= 90`, `percentile of v between 10 and 90`."""
    by = ranked(node.by, scope, example="percentile of spend >= 90")
    bounds = [_percent(bound, scope) for bound in node.bounds]
    known = [bound for bound in bounds if bound is not None]
    if node.op in ("=", "is", "is not"):
        message = "a percentile is a bound, seldom hit exactly"
        scope.findings.error("type-mismatch", node.op_span, message, "write `>=`, `>`, `<=`, `<` or `between`")
        return None
    if not _is_segment(node.among, scope) or by is None or len(known) < len(bounds):
        return None
    among = _name(node.among)
    if node.op != "between":
        return Percentile(node.op, by, known[0], among, span=node.span)
    low, high = known
    if low > high:
        message = "the lower bound is above the upper one"
        scope.findings.error("reversed-between", node.span, message, "swap the bounds")
        return None
    bounded = (Percentile(">=", by, low, among, span=node.span), Percentile("<=", by, high, among, span=node.span))
    return All(bounded, span=node.span)


def _percent(bound: nodes.Quantity, scope: Scope) -> Decimal | None:
    if not bound.percent and 0 <= bound.number <= 100:
        return bound.number
    hint = f"write {bound.number:f}" if bound.percent else "for example `percentile of spend >= 90`"
    scope.findings.error("bad-number", bound.span, "a percentile is a number from 0 to 100", hint)
    return None


# ---- buckets -------------------------------------------------------------------------------------------------------


def bucket(node: condition_nodes.BucketNode, scope: Scope) -> Condition | None:
    """`bucket("name") in 0 to 4999`."""
    low, high = _bucket(node.low, scope), _bucket(node.high, scope)
    if not node.name.text.strip():
        message = "buckets need a name, by which contacts are dealt out"
        scope.findings.error(
            "empty-pattern", node.name.span, message, 'for example `bucket("spring test") in 0 to 4999`'
        )
        return None
    if low is None or high is None:
        return None
    if low > high:
        message = f"no bucket is between {low} and {high}"
        scope.findings.error("reversed-between", node.span, message, f"write `in {high} to {low}`")
        return None
    return InBucket(node.name.text, low, high, span=node.span)


def _bucket(node: nodes.Quantity, scope: Scope) -> int | None:
    number = whole(node, scope.findings)
    if number is not None and number >= BUCKETS:
        message = f"buckets are numbered from 0 to {BUCKETS - 1}"
        scope.findings.error("bad-number", node.span, message, f"half of them are `in 0 to {BUCKETS // 2 - 1}`")
        return None
    return number
