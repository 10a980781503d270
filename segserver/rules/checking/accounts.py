"""Conditions over the contacts of an account: from the syntax tree to the checked program."""

from __future__ import annotations

from collections.abc import Mapping

from segserver.rules.checking.scope import Scope
from segserver.rules.expressions.conditions import AccountAny, Condition, Percentile, Top
from segserver.rules.expressions.values import AccountCount
from segserver.rules.findings import Findings
from segserver.rules.program import TraitBlock
from segserver.rules.reading import condition_nodes
from segserver.rules.walk import walk, walk_with_traits


def any_contact(node: condition_nodes.AccountAnyNode, scope: Scope) -> Condition | None:
    """`any contact of account` before a condition."""
    item = scope.condition(node.item, scope)
    if not scope.has_accounts(node.span) or item is None:
        return None
    found = AccountAny(item, span=node.span)
    scope.over_accounts.append(found)
    return found


_WRITTEN = {
    AccountAny: "any contact of account",
    AccountCount: "contacts of account",
    Top: "top ... by",
    Percentile: "percentile of",
}


def refuse_nested(
    over_accounts: list[AccountAny | AccountCount], traits: Mapping[str, TraitBlock], findings: Findings
) -> None:
    """Report what looks at many contacts within what looks at the contacts of an account.

    Args:
        over_accounts: what looks at the contacts of an account; empty afterwards.
        traits: the checked traits, which it may read.
        findings: takes what is wrong.
    """
    while over_accounts:
        outer = over_accounts.pop()
        held = outer.item if isinstance(outer, AccountAny) else outer.where
        own = [part for part in walk(held) if isinstance(part, _MANY)]
        for inner in walk_with_traits(held, traits):
            if isinstance(inner, _MANY):
                message = f"`{_WRITTEN[type(inner)]}` cannot stand inside `{_WRITTEN[type(outer)]}`"
                hint = "ask for it in a condition of its own, joined with `and`"
                is_own = any(part is inner for part in own)
                place, other, note = (inner, outer, "inside this") if is_own else (outer, inner, "read from here")
                findings.error("bad-nesting", place.span, message, hint, ((other.span, note),))


_MANY = AccountAny | AccountCount | Top | Percentile
