"""What the web doors need from the server behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from segserver.connectors.base import WebhookEvent
from segserver.plugin.hubspot import Action
from segserver.plugin.hubspot_actions import Execution
from segserver.plugin.marketo import Service
from segserver.services import Question
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

    def ask(self, key: str, question: Question) -> Mapping[str, object] | str | None:
        """The answer to a question about a contact; a text says why there is none, None that nobody has this key."""
        ...

    def refresh(self, key: str) -> bool:
        """Ask for one contact to be read at every connection and evaluated again; False: nobody has this key."""
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

    def google_key(self, kid: str) -> Mapping[str, object] | None:
        """Google's public key of an id, as a JWK; None where Google has none.

        Raises:
            RetryLater: Google does not answer.
        """
        ...

    def accept(self, connection: str, events: Sequence[WebhookEvent]) -> int:
        """Keep notifications durably, ask for a run of their contacts, and say how many were new."""
        ...

    def execute_action(self, spec: ConnectionSpec, action: Action, execution: Execution) -> Mapping[str, str]:
        """The output fields of a workflow action, or that its answer comes later, which is then kept durably."""
        ...

    def action_choices(self, body: bytes) -> Mapping[str, object]:
        """A page of the choices of a workflow action's setting.

        Raises:
            BadPayload: the body does not ask for one.
        """
        ...

    def submit_flow_step(self, spec: ConnectionSpec, service: Service, body: bytes) -> None:
        """Keep an invocation of a flow step durably; its answers go out by callback.

        Raises:
            BadPayload: the body does not keep to the interface.
            WrongSubscription: it is about another instance's leads.
            TooMuchWaiting: too many wait already.
        """
        ...

    def flow_step_choices(self, service: Service, body: bytes) -> Mapping[str, object]:
        """The choices of a flow step's setting.

        Raises:
            BadPayload: the body does not ask for one.
        """
        ...

    def flow_step_status(self, service: Service) -> Mapping[str, object]:
        """What Marketo's service log says of a flow step every night."""
        ...

    def command(self, arguments: Sequence[str], write: Callable[[str], object], *, columns: int) -> int:
        """Run a command line in the process that owns the store; returns its exit code.

        Args:
            arguments: without the program's name.
            write: takes each piece of output.
            columns: width of the terminal that shows it.
        """
        ...
