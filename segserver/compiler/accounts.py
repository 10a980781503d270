"""Account level: the traits of a contact's account, and what holds of the contacts of the same account.

A condition over colleagues is a window function over the frame, grouped by the account. So in a run over some contacts
the frame has to hold all contacts of their accounts; the result is cut down to the chosen ones at the end.
"""

from __future__ import annotations

from collections.abc import Iterable

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from segserver import relations
from segserver.compiler.plan import Materialise
from segserver.compiler.tables import EXACT, narrowed, unbound
from segserver.compiler.walk import Node
from segserver.rules.expressions.conditions import AccountAny
from segserver.rules.expressions.values import AccountCount, AccountTrait
from segserver.specs.catalog import Catalog
from segserver.specs.types import TEXT

ACCOUNT = AccountTrait("", TEXT)
"""The account itself, as a node that is read from the store; no trait has an empty name."""

OVER_ACCOUNT: tuple[type, ...] = (AccountAny, AccountCount)
"""Nodes computed from all contacts of an account, by a window function."""


def account_column(leaf: AccountTrait) -> str:
    """The column of the first table that holds a trait of the account, or the account itself."""
    return "account_id" if leaf == ACCOUNT else f"account_{relations.trait_column(leaf.name)}"


def account_traits(catalog: Catalog, columns: Iterable[str], *, among: str | None = None) -> ir.Table:
    """Traits of accounts by contact.

    Args:
        catalog: what `contacts` and `accounts` hold.
        columns: of `accounts`.
        among: table of the contacts concerned; None: all.

    Returns:
        `contact_id`, unique, and the columns; contacts without an account, or with one no source gives, are missing.
    """
    contacts = narrowed(unbound(relations.contacts(catalog)), among)
    accounts = unbound(relations.accounts(catalog))
    joined = contacts.inner_join(accounts, contacts.account_id == accounts.account_id)
    return joined.select(contacts.contact_id, *(accounts[column] for column in columns))


def holds_for_any(condition: ir.BooleanValue, account: ir.StringValue) -> ir.BooleanValue:
    """Whether a condition, never null, holds for some contact of the account; false without an account."""
    return (account.notnull() & condition).any().over(group_by=account)


def counted(condition: ir.BooleanValue | None, account: ir.StringValue) -> ir.DecimalValue:
    """How many contacts of the account meet a condition, never null, or are there at all; 0 without an account."""
    held = account.notnull() if condition is None else account.notnull() & condition
    return ibis.ifelse(held, 1, 0).sum().over(group_by=account).cast(EXACT)


def with_colleagues(
    catalog: Catalog, leaves: Iterable[Node], among: str | None, prefix: str
) -> tuple[str | None, tuple[Materialise, ...]]:
    """The contacts that a run over some has to look at: with them, where a rule asks for it, all of their accounts.

    Args:
        catalog: what `contacts` holds.
        leaves: what is read from the store.
        among: table of the contacts chosen; None: all.
        prefix: begins the name of the table made.

    Returns:
        The table of the contacts to look at (`among` itself where no rule asks about colleagues), and how it is made.
    """
    if among is None or ACCOUNT not in leaves:
        return among, ()
    chosen = ibis.table({"contact_id": dt.string}, name=among)
    contacts = unbound(relations.contacts(catalog))
    theirs = narrowed(contacts, among).select("account_id").view()
    colleagues = contacts.semi_join(theirs, contacts.account_id == theirs.account_id).select("contact_id")
    name = f"{prefix}colleagues"
    return name, (Materialise(name, chosen.select("contact_id").union(colleagues, distinct=True)),)


def as_today(leaves: Iterable[Node]) -> list[str]:
    """What is read of accounts, as rules call it: it keeps no history, so at a past instant it is today's."""
    return sorted(f"account.{leaf.name}".rstrip(".") for leaf in leaves if isinstance(leaf, AccountTrait))
