"""`segserver serve`: one process that owns the store, joined from its parts.

The writer's thread syncs, evaluates, plans and trains (`working`); pushes go on beside it in threads of their own; HTTP
threads (`web`) read, append to the inbox and ask the writer for work; the desk (`plugin`) answers what plug-ins asked.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from importlib.metadata import version
from io import StringIO
from threading import Event
from types import FrameType
from urllib.parse import urlsplit

from rich.console import Console

from segserver.cli import answering
from segserver.cli.invocation import Invocation
from segserver.cli.working import Worker
from segserver.clock import Clock
from segserver.connectors.base import WebhookEvent
from segserver.connectors.declarations import reveal
from segserver.connectors.google_keys import google_keys
from segserver.connectors.notifications import STREAM
from segserver.engine import Engine, open_engine
from segserver.errors import SettingsError, StoreError
from segserver.plugin import hubspot_actions, marketo_flow_steps
from segserver.plugin.desk import Desk, Surface
from segserver.plugin.hubspot import Action
from segserver.plugin.hubspot_actions import STATE, WAIT, Execution, HubSpotActions
from segserver.plugin.marketo import Service
from segserver.plugin.marketo_flow_steps import MarketoFlowSteps
from segserver.services import Question
from segserver.settings import Settings
from segserver.specs.connections import ConnectionSpec
from segserver.store import state
from segserver.store.owner import Owner, acquire, living_owner
from segserver.store.state import Notification
from segserver.web.app import create_app
from segserver.web.flowstep import LARGEST_INVOCATION
from segserver.web.listening import Listener, is_loopback

Execute = Callable[[Sequence[str], Invocation], int]
"""Runs a command line."""

SURFACES: tuple[Surface, ...] = (HubSpotActions(), MarketoFlowSteps())
"""Plug-ins whose questions are answered later."""

WRITING = frozenset({"run", "plan", "train"})
"""Commands that write to the store, so that they have to wait for the writer."""


class Server:
    """A running server, as the web doors see it.

    Attributes:
        engine: workspace, store and connectors.
        address: where it listens: "127.0.0.1:8700".
    """

    def __init__(self, engine: Engine, owner: Owner, execute: Execute, address: str) -> None:
        self.engine = engine
        self.address = address
        self.desk = Desk(engine, SURFACES)
        self.worker = Worker(engine, evaluated=self.desk.wake)
        self._owner = owner
        self._execute = execute
        self._google_keys = google_keys(engine.environ, engine.clock)

    def settle(self, timeout: float) -> None:
        """Wait until all that was asked for, and what follows from it, is done and pushed.

        Raises:
            TimeoutError: one of the steps takes longer than so many seconds.
        """
        self.worker.settle(timeout)
        self.desk.wait(timeout)

    @property
    def api_token(self) -> str | None:
        """What callers of the JSON API must send."""
        return self.engine.settings.api_token

    @property
    def owner_token(self) -> str:
        """What a local command must send."""
        return self._owner.token

    @property
    def public_url(self) -> str | None:
        """How platforms reach this server."""
        return self.engine.settings.public_url

    @property
    def trusted_hosts(self) -> frozenset[str] | None:
        """This machine's own names and the public one; None where the API's token guards an open address."""
        host = self.engine.settings.host
        if not is_loopback(host):
            return None
        public = urlsplit(self.public_url or "").hostname
        return frozenset({"127.0.0.1", "::1", "localhost", host} | ({public} if public else set()))

    def health(self) -> Mapping[str, object]:
        """Whether the server works, and what it does."""
        now = answering.plain(self.engine.clock.now())
        return {"status": "ok", "version": version("segserver"), "now": now, **self.worker.health()}

    def segments(self) -> Sequence[Mapping[str, object]]:
        """Every segment with its size."""
        return answering.segments(self.engine)

    def members(self, segment: str, *, after: str | None, limit: int) -> Sequence[Mapping[str, object]] | None:
        """Members by contact id after a given one; None: there is no such segment."""
        return answering.members(self.engine, segment, after=after, limit=limit)

    def contact(self, key: str) -> Mapping[str, object] | None:
        """One contact, by its id or by any of its identities."""
        return answering.contact(self.engine, key)

    def ask(self, key: str, question: Question) -> Mapping[str, object] | str | None:
        """The answer to a question about a contact; a text says why there is none, None that nobody has this key."""
        return answering.ask(self.engine, key, question)

    def refresh(self, key: str) -> bool:
        """Ask for one contact to be read at every connection and evaluated again; False: nobody has this key."""
        if not answering.request_refresh(self.engine, key):
            return False
        self.worker.request_notified()
        return True

    def runs(self, limit: int) -> Sequence[Mapping[str, object]]:
        """The latest runs, newest first."""
        return answering.runs(self.engine, limit)

    def request_run(self) -> None:
        """Ask for a full run as soon as the writer is free."""
        self.worker.request_run()

    def connection(self, name: str) -> ConnectionSpec | None:
        """A connection of the workspace."""
        return self.engine.workspace.connections.get(name)

    def secret(self, spec: ConnectionSpec, key: str) -> str:
        """A secret of a connection.

        Raises:
            SettingsError: the connection does not name it, or its variable is not set.
        """
        if key not in spec.secrets:
            raise SettingsError(f"{spec.place}: connection {spec.name} needs `{key}: env:NAME` to receive webhooks")
        return reveal(spec.secrets[key], spec.name, self.engine.environ)

    def google_key(self, kid: str) -> Mapping[str, object] | None:
        """Google's public key of an id."""
        return self._google_keys.find(kid)

    def accept(self, connection: str, events: Sequence[WebhookEvent]) -> int:
        """Keep notifications durably, ask for a run of their contacts, and say how many were new."""
        if not events:
            return 0
        told = [Notification(connection, event.key, event.kind, event.source_id, event.payload) for event in events]
        with self.engine.store.session() as session:
            new = state.append_inbox(session, told, self.engine.clock.now())
        if any(event.kind == STREAM for event in events):
            self.worker.request_run()
        self.worker.request_notified()
        return new

    def execute_action(self, spec: ConnectionSpec, action: Action, execution: Execution) -> Mapping[str, str]:
        """The output fields of a workflow action, or that its answer comes later, which is then kept durably."""
        found = hubspot_actions.execute(self.engine, spec, action, execution)
        if found.get(STATE) == WAIT[STATE]:
            self.worker.request_notified()
            self.desk.wake()
        return found

    def action_choices(self, body: bytes) -> Mapping[str, object]:
        """A page of the choices of a workflow action's setting."""
        return hubspot_actions.choices(self.engine, body)

    def submit_flow_step(self, spec: ConnectionSpec, service: Service, body: bytes) -> None:
        """Keep an invocation of a flow step durably; its answers go out by callback."""
        if marketo_flow_steps.accept(self.engine, spec, service, body):
            self.worker.request_notified()
        self.desk.wake()

    def flow_step_choices(self, service: Service, body: bytes) -> Mapping[str, object]:
        """The choices of a flow step's setting."""
        return marketo_flow_steps.choices(self.engine, service, body)

    def flow_step_status(self, service: Service) -> Mapping[str, object]:
        """What Marketo's service log says of a flow step every night."""
        return marketo_flow_steps.status(self.engine, service, broken=self.worker.problem is not None)

    def command(self, arguments: Sequence[str], write: Callable[[str], object], *, columns: int) -> int:
        """Run a command line; one that writes to the store waits for its turn on the writer's thread."""
        console = Console(file=_Written(write), width=columns, color_system=None, highlight=False)
        invocation = Invocation(self.engine.environ, console, arguments, engine=self.engine)
        # A segment may be called like a command; waiting for a turn without need does no harm.
        if WRITING.isdisjoint(arguments):
            return self._execute(arguments, invocation)
        turn = self.worker.in_turn(lambda problem: self._command(arguments, invocation, problem))
        try:
            return int(str(turn.result()))
        except CancelledError:
            invocation.complain("the server is stopping; run the command again when it has ended")
            return 1

    def _command(self, arguments: Sequence[str], invocation: Invocation, problem: str | None) -> int:
        if problem is None:
            return self._execute(arguments, invocation)
        invocation.complain(f"{problem}\n\nnothing was done; the server goes on with the last good workspace")
        return 1


class _Written(StringIO):
    """A text stream that hands on what is written to it, and keeps nothing."""

    def __init__(self, write: Callable[[str], object]) -> None:
        super().__init__()
        self._write = write

    def write(self, text: str) -> int:
        self._write(text)
        return len(text)


# ---- from start to stop --------------------------------------------------------------------------------------------


@contextmanager
def running(
    settings: Settings,
    environ: Mapping[str, str],
    execute: Execute,
    *,
    clock: Clock | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Server]:
    """A server that works inside the `with` block, and then ends in good order.

    Raises:
        StoreError: another server owns the store, or the file cannot be used.
        FindingsError: the workspace has errors.
        SettingsError: the address cannot be listened on, or a connection's secret is missing.
    """
    folder = settings.store_path.parent
    owner = living_owner(folder)
    if owner is not None:
        raise StoreError(
            f"the server with process id {owner.pid} at {owner.address} owns {folder} already; stop it first, or use it"
        )
    with ExitStack() as stack:
        listener = stack.enter_context(closing(Listener(settings.host, settings.port)))
        owned = stack.enter_context(acquire(folder, listener.local_address))
        engine = stack.enter_context(open_engine(settings, environ, clock=clock, sleep=sleep))
        engine.connectors()  # a missing secret is told now, and not by every job
        stack.callback(listener.close)
        server = Server(engine, owned.owner, execute, listener.address)
        stack.callback(server.desk.close)
        stack.callback(server.worker.close)
        server.worker.start()
        server.desk.start()
        listener.serve(create_app(server, engine.clock), largest_body=LARGEST_INVOCATION)
        yield server


def serve(settings: Settings, environ: Mapping[str, str], execute: Execute, say: Callable[[str], object]) -> None:
    """Serve until SIGTERM or SIGINT; a second one ends at once.

    Args:
        settings: the process's.
        environ: where secrets are.
        execute: runs a command line that was sent by another process.
        say: tells the user.
    """
    logging.getLogger("segserver").setLevel(logging.INFO)
    stop = Event()

    def ask_to_stop(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    before = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with running(settings, environ, execute) as server:
            minutes = server.engine.workspace.run_every / timedelta(minutes=1)
            say(f"segserver at http://{server.address}, a run every {minutes:g} minutes; Ctrl-C stops it")
            stop.wait()
            say("stopping after what is under way; a second signal ends at once, and nothing is lost")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
