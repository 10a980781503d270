"""CSV, Parquet and JSON lines as a source, CSV and Parquet audiences as a destination.

files            the connector: which streams, which audience file
files_pull       one pull of a stream: what changed, what vanished, pages
files_keys       which rows each file held when it was last read
files_rows       rows to contacts, accounts and events
files_tables     files to rows (files_csv, files_lines for text)
files_findings   what is wrong, collected
files_audiences  audience files
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from segserver.connectors import files_audiences
from segserver.connectors.base import Holding, Outcome, Status, Trigger, Write
from segserver.connectors.files_audiences import ForeignFile, address
from segserver.connectors.files_findings import Findings
from segserver.connectors.files_pull import Pull, match, readable
from segserver.connectors.files_rows import AccountRows, ContactRows, EventRows, Rows
from segserver.connectors.files_tables import open_table
from segserver.errors import SettingsError
from segserver.records import Cursor, Deletion, Page, SourceItem
from segserver.specs.connections import ConnectionSpec
from segserver.specs.targets import Target

__all__ = ["CONTACTS", "MEMBER", "FilesConnector", "address"]

CONTACTS = "contacts"
ACCOUNTS = "accounts"
"""The streams of contacts and of accounts; each event is a stream of its own name."""

FILE = "file"
"""The kind of target there is."""

MEMBER = "member"
"""The value of everybody in an audience file."""


class FilesConnector:
    """A connection of kind `files` (Source and Destination)."""

    def __init__(self, spec: ConnectionSpec, directory: Path) -> None:
        """A connection over the files of one workspace; nothing is opened yet.

        Args:
            spec: its declaration.
            directory: the workspace; every path is relative to it. What the connection remembers of its files lies
                in `.segserver/files/` there.
        """
        self._directory = directory
        self._state = directory / ".segserver" / "files" / spec.name
        self._folder = directory / str(spec.options.get("folder", "audiences"))
        self._rows: dict[str, Rows] = {}
        if spec.contacts is not None:
            self._rows[CONTACTS] = ContactRows(spec.contacts)
        if spec.accounts is not None:
            self._rows[ACCOUNTS] = AccountRows(spec.accounts)
        self._rows |= {event.name: EventRows(event) for event in spec.events}

    # ---- reading ---------------------------------------------------------------------------------------------------

    def streams(self) -> Sequence[str]:
        """Contacts first, then accounts, then each event."""
        return tuple(self._rows)

    def read(self, stream: str, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """The rows of files that changed since the cursor, and what vanished from them.

        Raises:
            FindingsError: a file has bad rows; nothing was yielded.
            SettingsError: a declared file does not exist or cannot be read.
            RetryLater: a file changed while it was being read.
        """
        state = self._state / (stream if stream in (CONTACTS, ACCOUNTS) else f"event-{stream}")
        return Pull(self._rows[stream], self._directory, state, cursor, until).pages()

    def read_contacts(self, source_ids: Sequence[str]) -> Sequence[SourceItem]:
        """Some contacts as the files have them now, in the order asked for; Deletion for those in no file.

        Raises:
            FindingsError: a file has bad rows.
            SettingsError: a declared file does not exist or cannot be read.
        """
        rows = self._rows[CONTACTS]
        wanted = set(source_ids)
        found: dict[str, SourceItem] = {}
        findings = Findings()
        newest = datetime(1970, 1, 1)
        for name in match(self._directory, rows.pattern, rows.declared):
            with readable(name), (self._directory / name).open("rb") as file:
                newest = max(newest, _modified(self._directory / name))
                table = open_table(file, name, findings)
                for read in rows.read(table, findings) if table is not None else ():
                    if read.key in wanted:
                        found[read.key] = read.item
        if findings:
            raise findings.error()
        return [found.get(source_id) or Deletion(source_id, newest) for source_id in source_ids]

    # ---- writing ---------------------------------------------------------------------------------------------------

    def write(self, writes: Sequence[Write]) -> Iterator[Sequence[Outcome]]:
        """Bring audience files up to date, one file and one batch of outcomes for each target."""
        by_target: dict[Target, list[Write]] = defaultdict(list)
        unknown: list[Outcome] = []
        for item in writes:
            if item.target.kind == FILE:
                by_target[item.target].append(item)
            else:
                unknown.append(Outcome(item, Status.REJECTED, "a connection of kind files takes files"))
        if unknown:
            yield unknown
        for target, items in by_target.items():
            yield self._write_file(target, items)

    def _write_file(self, target: Target, writes: Sequence[Write]) -> list[Outcome]:
        try:
            path = files_audiences.locate(self._folder, target.name)
            members = files_audiences.read(path)
            outcomes = _merge(members, writes)
            files_audiences.write(path, members)
        except SettingsError as error:
            return [Outcome(item, Status.REJECTED, str(error)) for item in writes]
        except ForeignFile as error:
            reason = f"{error}; move that file away"
            return [Outcome(item, Status.FAILED, reason) for item in writes]
        except OSError as error:
            reason = f"{target.name} cannot be written: {error.strerror}"
            return [Outcome(item, Status.FAILED, reason) for item in writes]
        return outcomes

    def holds(self, target: Target) -> Holding:
        """Address to `MEMBER` for everybody in an audience file.

        Raises:
            SettingsError: the name leaves the folder, or another file is in its place.
        """
        try:
            members = files_audiences.read(files_audiences.locate(self._folder, target.name))
        except ForeignFile as error:
            raise SettingsError(f"{error}; move that file away") from None
        return Holding(iter([{address(identities): MEMBER for identities in members.values()}]))

    @property
    def trigger_batch(self) -> int:
        """Files trigger nothing."""
        return 0

    def trigger(self, triggers: Sequence[Trigger]) -> Sequence[Outcome]:
        """Rejected: a file cannot start a touch."""
        return [Outcome(item, Status.REJECTED, "a connection of kind files cannot send") for item in triggers]

    def read_back(self, triggers: Iterable[tuple[Trigger, datetime]]) -> Sequence[Outcome]:
        """Failed: no touch can have been started here."""
        return [Outcome(item, Status.FAILED, "a connection of kind files cannot send") for item, _ in triggers]


def _merge(members: files_audiences.Members, writes: Sequence[Write]) -> list[Outcome]:
    """Carry out writes on the members of a file.

    A row is cleared by its address, not by its contact: that of a contact whose identities have changed may have been
    written anew by then, and that of a merged one stands under an id that has ended.
    """
    contacts = {address(identities): contact for contact, identities in members.items()}
    outcomes = []
    for item in writes:
        try:
            identities = files_audiences.identities_of(item.address)
        except ValueError as error:
            outcomes.append(Outcome(item, Status.REJECTED, str(error)))
            continue
        if item.value is None:
            members.pop(contacts.pop(address(identities), ""), None)
        else:
            contacts.pop(address(members.get(item.contact_id, {})), None)
            members[item.contact_id] = identities
            contacts[address(identities)] = item.contact_id
        outcomes.append(Outcome(item, Status.CONFIRMED))
    return outcomes


def _modified(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
