"""One process's workspace, store and connectors: what every run works with."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from segserver.clock import Clock
from segserver.connectors.build import Connector, build, remove_leftovers
from segserver.connectors.limits import Budgets
from segserver.connectors.usage import UsageFile
from segserver.push import PushReport
from segserver.settings import Settings
from segserver.store import state
from segserver.store.db import Store
from segserver.workspace import Workspace, load

log = logging.getLogger(__name__)


class Engine:
    """One process's workspace, store and connectors.

    The workspace may be replaced while the process runs; connectors are made when they are first needed, since not
    every command needs their secrets.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        workspace: Workspace,
        store: Store,
        clock: Clock,
        sleep: Callable[[float], None],
    ) -> None:
        self.settings = settings
        self.environ = environ
        self.workspace = workspace
        self.store = store
        self.clock = clock
        self._sleep = sleep
        # Budgets outlive the workspace: what an account has used does not depend on what is declared.
        self._budgets = Budgets(clock, sleep, UsageFile(store.path.parent / "calls.json") if store.path else None)
        self._connectors: dict[str, Connector] = {}
        self._pushers: dict[str, ThreadPoolExecutor] = {}
        self._latest: dict[str, Future[PushReport]] = {}

    @cached_property
    def key(self) -> bytes:
        """The secret that signs this server's models; made once, readable by this user only."""
        return _read_or_make_key(self.store.path.parent / "key") if self.store.path else secrets.token_bytes(32)

    def replace_workspace(self, workspace: Workspace) -> None:
        """Go by another version of the workspace from now on."""
        self.store.prepare(workspace.catalog, workspace.connections.values())
        self.workspace = workspace
        self._connectors.clear()

    def connectors(self) -> dict[str, Connector]:
        """All connectors, kept as long as the workspace: they hold tokens.

        Raises:
            MissingSecret: a connection's variable is not set.
        """
        for name, spec in self.workspace.connections.items():
            if name not in self._connectors:
                self._connectors[name] = build(
                    spec,
                    clock=self.clock,
                    sleep=self._sleep,
                    environ=self.environ,
                    workspace_dir=self.settings.workspace,
                    budgets=self._budgets,
                    state_directory=self.store.path.parent if self.store.path else None,
                )
        remove_leftovers(self.settings.workspace, self.workspace.connections)
        return {name: self._connectors[name] for name in self.workspace.connections}

    def submit(self, connection: str, work: Callable[[], PushReport]) -> Future[PushReport]:
        """Have work done by the one thread that writes to a connection."""
        if connection not in self._pushers:
            self._pushers[connection] = ThreadPoolExecutor(1, thread_name_prefix=f"push {connection}")
        self._latest[connection] = self._pushers[connection].submit(work)
        return self._latest[connection]

    def is_pushing(self, connection: str) -> bool:
        """Whether that thread has work."""
        return connection in self._latest and not self._latest[connection].done()

    def close(self) -> None:
        """Let pushes end, then close the store."""
        for pusher in self._pushers.values():
            pusher.shutdown()
        self.store.close()


@contextmanager
def open_engine(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    clock: Clock | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Engine]:
    """Load the workspace and open its store.

    Raises:
        FindingsError: the workspace has errors.
        StoreError: the store cannot be opened.
    """
    workspace = load(settings.workspace)
    clock = clock or settings.clock()
    store = Store.open(settings.store_path, clock=clock)
    engine = Engine(settings, environ, workspace, store, clock, sleep)
    try:
        store.prepare(workspace.catalog, workspace.connections.values())
        with store.session() as session:
            interrupted = state.interrupt_runs(session)
        if interrupted:
            log.warning(
                "%d runs were interrupted when the last process ended; the next run does what they left", interrupted
            )
        yield engine
    finally:
        engine.close()


def _read_or_make_key(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return bytes.fromhex(path.read_text(encoding="ascii"))
    key = secrets.token_bytes(32)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key.hex())
    return key
