"""What the web doors need from the server behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from segserver.connectors.base import WebhookEvent
from segserver.specs.connections import ConnectionSpec


class Backend(Protocol):
    """The running server, as far as HTTP threads may use it: reading, appending to the inbox, asking for work."""

    @property
    def api_token(self) -> str | None:
        """What callers of the JSON API must send; None: nothing (the server listens on loopback only)."""
        ...

    @property
    def owner_token(self) -> str:
        """What a local command must send."""
        ...

    @property
    def public_url(self) -> str | None:
        """How platforms reach this server."""
        ...

    @property
    def trusted_hosts(self) -> frozenset[str] | None:
        """Names and addresses by which a request may call this server; None: any, because a token guards it."""
        ...

    def health(self) -> Mapping[str, object]:
        """Whether the server works (`status` is "ok"), with the last runs and the workspace's findings."""
        ...

    def segments(self) -> Sequence[Mapping[str, object]]:
        """Every segment with its size."""
        ...

    def members(self, segment: str, *, after: str | None, limit: int) -> Sequence[Mapping[str, object]] | None:
        """Members by contact id after a given one; None: there is no such segment."""
        ...

    def contact(self, key: str) -> Mapping[str, object] | None:
        """One contact, by its id or by any of its identities."""
        ...

    def runs(self, limit: int) -> Sequence[Mapping[str, object]]:
        """The latest runs, newest first."""
        ...

    def request_run(self) -> None:
        """Ask for a full run as soon as the writer is free; one that waits already is enough."""
        ...

    def connection(self, name: str) -> ConnectionSpec | None:
        """A connection of the workspace."""
        ...

    def secret(self, spec: ConnectionSpec, key: str) -> str:
        """A secret of a connection.

        Raises:
            SettingsError: the connection does not name it, or its variable is not set.
        """
        ...

    def accept(self, connection: str, events: Sequence[WebhookEvent]) -> int:
        """Keep notifications durably, ask for a run of their contacts, and say how many were new."""
        ...

    def command(self, arguments: Sequence[str], write: Callable[[str], object], *, columns: int) -> int:
        """Run a command line in the process that owns the store; returns its exit code.

        Args:
            arguments: without the program's name.
            write: takes each piece of output.
            columns: width of the terminal that shows it.
        """
        ...
