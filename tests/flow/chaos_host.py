"""Serves a workspace in processes of their own until they are killed: a program, not a test.

It imports the engine once and forks for every order, a line of JSON on standard input. It answers with the child's
process id at once, and with how the child ended when it has. A child runs the server and asks it for one run after the
other, by a clock that is faster than the machine's.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime
from pathlib import Path

from segserver.cli import execute
from segserver.cli.serving import running
from segserver.settings import Settings
from tests.flow.fast_clock import FastClock

PATIENCE = 1800.0
PAUSE = 0.1


def serve(order):
    """Serve until the end; say where in a file, and count the rounds in another."""
    clock = FastClock(datetime.fromisoformat(order["start"]), order["origin"], order["rate"])
    settings = Settings(workspace=Path(order["workspace"]), store=Path(order["store"]), port=0)
    rounds = Path(order["rounds"])
    with running(
        settings, order["environ"], execute, clock=clock, sleep=lambda seconds: time.sleep(seconds / order["rate"])
    ) as server:
        Path(order["address"]).write_text(server.address, encoding="ascii")
        while True:
            server.request_run()
            server.settle(PATIENCE)
            with rounds.open("a", encoding="ascii") as file:
                file.write(".")
            time.sleep(PAUSE)


def say(number):
    """Answer with a number."""
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def main():
    """Fork for every order."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 70
            try:
                serve(json.loads(line))
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        say(child)
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    main()
