"""Accounts as their sources give them: one row each; contacts name theirs, and colleagues are found through it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from segserver.records import AccountGone, AccountRecord, SourceItem
from segserver.relations import ACCOUNTS, account_id, trait_column
from segserver.store import values
from segserver.store.layout import Layout
from segserver.store.session import Session, compose


def write_accounts(session: Session, layout: Layout, connection: str, items: Sequence[SourceItem]) -> int:
    """Store a group's accounts; the contacts of those that differ join the changed ones.

    A record older than the stored one changes nothing. Safe to call again.

    Returns:
        How many accounts were new, differed or were deleted.
    """
    records, gone = _told(items)
    if not records and not gone:
        return 0
    rows = _rows(layout, connection, records)
    session.load("told_accounts", values.table(layout.accounts_relation(), rows))
    session.load("gone_accounts", values.texts({"account_id": [account_id(connection, key) for key in sorted(gone)]}))
    session.execute(
        "DELETE FROM told_accounts t USING accounts a WHERE a.account_id = t.account_id "
        "AND a.updated_at > t.updated_at AND a.account_id NOT IN (SELECT account_id FROM gone_accounts)"
    )
    session.execute("DELETE FROM gone_accounts WHERE account_id IN (SELECT account_id FROM told_accounts)")
    _note_changed(session, layout)
    _merge(session, layout)
    session.execute("DELETE FROM accounts WHERE account_id IN (SELECT account_id FROM gone_accounts)")
    session.execute(
        "INSERT INTO changed_contacts SELECT contact_id FROM contacts SEMI JOIN changed_accounts USING (account_id)"
    )
    changed = session.count("SELECT count(*) FROM changed_accounts")
    session.drop_temp("told_accounts", "gone_accounts", "changed_accounts")
    return changed


def note_present(session: Session) -> None:
    """Note which accounts the touched contacts belong to, before they are computed anew; see `note_left_behind`."""
    session.create_temp(
        "accounts_before",
        "SELECT contact_id, account_id FROM contacts SEMI JOIN touched_contacts USING (contact_id) "
        "WHERE account_id IS NOT NULL",
    )


def note_left_behind(session: Session) -> None:
    """The contacts of an account that a touched contact has left join the changed ones, as rules may ask about it."""
    session.execute(
        """INSERT INTO changed_contacts SELECT contact_id FROM contacts WHERE account_id IN (
            SELECT b.account_id FROM accounts_before b
            ANTI JOIN contacts c ON c.contact_id = b.contact_id AND c.account_id = b.account_id
        )"""
    )
    session.drop_temp("accounts_before")


def _told(items: Iterable[SourceItem]) -> tuple[dict[str, AccountRecord], set[str]]:
    """The last record of each account in a group, since it was last gone; and those that were gone at any time."""
    records: dict[str, AccountRecord] = {}
    gone: set[str] = set()
    for item in items:
        if isinstance(item, AccountGone):
            key = values.composed(item.key)
            records.pop(key, None)
            gone.add(key)
        elif isinstance(item, AccountRecord):
            key = values.composed(item.key)
            if not _is_older(item, records.get(key)):
                records[key] = item
    return records, gone


def _is_older(record: AccountRecord, other: AccountRecord | None) -> bool:
    if other is None or record.updated_at is None or other.updated_at is None:
        return False
    return record.updated_at < other.updated_at


def _rows(layout: Layout, connection: str, records: dict[str, AccountRecord]) -> list[dict[str, object]]:
    traits = [trait for trait in layout.catalog.account_traits.values() if connection in trait.sources]
    return [
        {
            "account_id": account_id(connection, key),
            "connection": connection,
            "updated_at": record.updated_at,
            **{trait_column(trait.name): values.stored(record.traits.get(trait.name), trait.type) for trait in traits},
        }
        for key, record in records.items()
    ]


def _note_changed(session: Session, layout: Layout) -> None:
    """The accounts whose traits will differ from what is stored."""
    compared = ["connection", *(trait_column(name) for name in layout.catalog.account_traits)]
    session.create_temp(
        "changed_accounts",
        compose(
            "SELECT t.account_id FROM told_accounts t LEFT JOIN {accounts} a USING (account_id) "
            "WHERE ({old}) IS DISTINCT FROM ({new}) UNION ALL SELECT account_id FROM {accounts} "
            "SEMI JOIN gone_accounts USING (account_id)",
            accounts=ACCOUNTS,
            old=[compose("a.{name}", name=name) for name in compared],
            new=[compose("t.{name}", name=name) for name in compared],
        ),
    )


def _merge(session: Session, layout: Layout) -> None:
    names = list(layout.accounts_relation().columns)
    session.execute(
        compose(
            "MERGE INTO {accounts} AS a USING told_accounts AS t ON a.account_id = t.account_id "
            "WHEN MATCHED AND ({old}) IS DISTINCT FROM ({new}) THEN UPDATE SET {assignments} "
            "WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({new})",
            accounts=ACCOUNTS,
            old=[compose("a.{name}", name=name) for name in names],
            new=[compose("t.{name}", name=name) for name in names],
            assignments=[compose("{name} = t.{name}", name=name) for name in names],
            names=names,
        )
    )
