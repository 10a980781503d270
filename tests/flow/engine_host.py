"""Runs `segserver run` in processes of their own and kills them where it is told: a program, not a test.

It imports the engine once and forks for every order, so that a run costs what the run costs. An order is a line of
JSON on standard input; the answer is the process's exit code, or minus the signal that ended it.

Every commit (of a transaction, or of a statement outside one) and every outgoing call is a point, before and after it.
Points are numbered within their thread, because pushes to several platforms go on at the same time. A commit is named
after the last table it writes.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
from collections import Counter
from pathlib import Path

from rich.console import Console

from segserver import cli, pipeline
from segserver.cli.invocation import Invocation
from segserver.connectors.http import HttpClient
from segserver.store.session import Session

_WRITES = re.compile(
    r"\s*(?:INSERT INTO|DELETE FROM|UPDATE|MERGE INTO|(?:CREATE|ALTER) TABLE|DROP TABLE(?! IF EXISTS temp\.))"
    r'\s+("[^"]+"|\w+)'
)
_TEMPORARY = re.compile(r'\s*CREATE OR REPLACE TEMP TABLE\s+("[^"]+"|\w+)')
_VARIABLE = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+")


class Points:
    """Counts the points that are passed, keeps their list, and ends the process at one of them."""

    def __init__(self, target):
        self.passed = []
        self._target = target
        self._numbers = Counter()
        self._lock = threading.Lock()

    def reach(self, when, kind):
        """Pass a point, or die there."""
        thread = threading.current_thread().name
        with self._lock:
            self._numbers[thread] += 1
            self.passed.append([thread, self._numbers[thread], when, kind])
            if self._target == [thread, self._numbers[thread]]:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, kind, act):
        """Do something between its two points."""
        self.reach("before", kind)
        result = act()
        self.reach("after", kind)
        return result


def watch(points):
    """Make every commit and every outgoing call pass its points."""
    commit, run, exchange = Session._commit, Session._run, HttpClient.exchange
    temporary, written = set(), threading.local()

    def watched_run(session, sql, params):
        if found := _TEMPORARY.match(sql):
            temporary.add(found[1].strip('"'))
        found = _WRITES.match(sql)
        table = found[1].strip('"') if found else None
        if table is None or table in temporary:
            return run(session, sql, params)
        if session._open:
            written.tables = [*getattr(written, "tables", []), table]
            return run(session, sql, params)
        return points.around(f"commit {table}", lambda: run(session, sql, params))

    def watched_commit(session):
        tables, written.tables = getattr(written, "tables", []), []
        points.around(f"commit {tables[-1] if tables else 'nothing'}", lambda: commit(session))

    def watched_exchange(client, call, headers):
        return points.around(f"call {_VARIABLE.sub('#', str(call))}", lambda: exchange(client, call, headers))

    Session._run, Session._commit, HttpClient.exchange = watched_run, watched_commit, watched_exchange


def carry_out(order):
    """One run, as the command line does it."""
    points = Points(order["kill_at"])
    watch(points)
    arguments = ["--workspace", order["workspace"], "--store", order["store"]]
    arguments += ["run", "--all", "--format", "json", "--as-of", order["at"]]
    with Path(order["output"]).open("w", encoding="utf-8") as output:
        code = cli.execute(arguments, Invocation(order["environ"], Console(file=output)))
    Path(order["points"]).write_text(json.dumps(points.passed), encoding="utf-8")
    return code


def main():
    """Fork for every order and say how it ended."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 70
            try:
                code = carry_out(json.loads(line))
            finally:
                sys.stderr.flush()
                os._exit(code)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    assert pipeline.run  # imported before the first fork, not by every one
    main()
