"""Audiences read back from their destination, so that what somebody changed there by hand is found and put right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from segserver.clock import Clock
from segserver.connectors.base import Destination
from segserver.connectors.calls import ApiError
from segserver.contact_state import stage_addresses
from segserver.errors import RetryLater, SettingsError
from segserver.progress import Progress
from segserver.pushing.report import ReadBack
from segserver.specs.targets import Target
from segserver.store import held
from segserver.store.session import Session
from segserver.workspace import Workspace


def read_back(
    session: Session,
    workspace: Workspace,
    connection: str,
    destination: Destination,
    clock: Clock,
    progress: Progress,
    *,
    everything: bool = False,
) -> Iterator[ReadBack]:
    """Read the audiences whose turn it is and correct what is known of them; the next plan puts them right.

    Called by the connection's pusher when it has written, so that no write of ours is under way. One that cannot be
    read to its end changes nothing.

    Args:
        session: of the connection's pusher.
        workspace: what is declared.
        connection: which one.
        destination: its connector.
        clock: says whose turn it is.
        progress: told of the addresses read.
        everything: whether to read every audience that was ever written, whatever its turn.
    """
    every = workspace.connections[connection].read_back
    if every is None:
        return
    due = held.due(session, _targets(workspace, connection), clock.now(), timedelta(0) if everything else every)
    if due:
        stage_addresses(session, workspace)
    for target in due:
        try:
            found = _read(session, destination, target, clock, progress)
        except (RetryLater, ApiError, SettingsError) as error:
            yield ReadBack(target, None, str(error))
        else:
            if found is not None:
                yield ReadBack(target, found)


def _read(
    session: Session, destination: Destination, target: Target, clock: Clock, progress: Progress
) -> held.Found | None:
    began_at, done = clock.now(), 0
    holding = destination.holds(target)
    if holding is None:
        return None
    held.begin(session)
    for page in holding.pages:
        held.take(session, page)
        done += len(page)
        progress(f"{target} read back", done, None)
    return held.settle(session, target, began_at, holding.lag, clock.now())


def _targets(workspace: Workspace, connection: str) -> set[Target]:
    blocks = workspace.program.segments.values()
    return {
        target for block in blocks if not block.draft for target in block.targets if target.connection == connection
    }
