"""`segserver sandbox`: fill the stand-ins, say where they are, and go on until interrupted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from shlex import quote

from segserver.clock import Clock, ShiftedClock, SystemClock
from segserver.errors import SettingsError
from segserver.sandbox import completejourney, people
from segserver.sandbox.population import Population
from segserver.sandbox.server import Sandbox

DATA = ("people", "completejourney")


def populate(data: str, seed: int, clock_start: datetime | None) -> tuple[Clock, Population]:
    """The clock and the people of a data set.

    Args:
        data: "people" (invented) or "completejourney" (real, from 2018-01-01 on).
        seed: of the invented people.
        clock_start: where the clock begins; None: 2018-01-01 00:00 UTC for completejourney, else the present.

    Raises:
        SettingsError: an unknown data set, or one whose package is missing.
    """
    if data not in DATA:
        raise SettingsError(f"there is no data set {data!r}; choose one of {', '.join(DATA)}")
    start = clock_start or (completejourney.START if data == "completejourney" else None)
    clock: Clock = ShiftedClock(start) if start else SystemClock()
    found = completejourney.load() if data == "completejourney" else people.generate(clock.now(), seed=seed)
    return clock, found


def run(
    port: int = 8765,
    data: str = "people",
    seed: int = 0,
    clock_start: datetime | None = None,
    *,
    enforce_limits: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Serve a sandbox until interrupted, after printing what it holds and how to point connections at it.

    Raises:
        SettingsError: an unknown data set, a missing package, or a port that is taken.
    """
    clock, population = populate(data, seed, clock_start)
    sandbox = Sandbox(clock, population, enforce_limits=enforce_limits, seed=seed)
    try:
        server = sandbox.serve(port)
    except (OSError, SystemExit):
        raise SettingsError(f"port {port} is taken; choose another one with --port") from None
    with server:
        say(describe(sandbox, server.url))
        try:
            server.wait()
        except KeyboardInterrupt:
            say("sandbox stopped; what was pushed to it is gone")


def describe(sandbox: Sandbox, url: str) -> str:
    """What a sandbox holds, and the variables that point connections at it."""
    contacts, purchases = len(sandbox.hubspot.contacts), len(sandbox.hubspot.deals)
    variables = sandbox.environ(url)
    if isinstance(sandbox.clock, ShiftedClock):
        variables["SEGSERVER_CLOCK_SHIFT"] = str(sandbox.clock.shift.total_seconds())
    exports = "\n".join(f"export {name}={quote(value)}" for name, value in variables.items())
    return (
        f"sandbox at {url}, its clock at {sandbox.clock.now():%Y-%m-%d %H:%M} UTC\n"
        f"  hubspot: {contacts:,} contacts, {purchases:,} deals\n"
        f"  marketo: {len(sandbox.marketo.leads):,} leads, {len(sandbox.marketo.log):,} activities\n"
        f"  ga4:     {sandbox.ga4.measurement_id}\n"
        f"{exports}\n"
        f"what was pushed: {url}/_sandbox/state"
    )
