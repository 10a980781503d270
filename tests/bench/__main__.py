"""How fast the work is, as ratios measured side by side in one run: `make bench`, or `python -m tests.bench --help`.

Figures of one machine say little about another; that one way takes a tenth of another does.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import duckdb

from tests.bench import checking, evaluating, ingesting, language, notifying, ruletests, workload


def main(arguments: argparse.Namespace) -> None:
    """Measure everything and print the tables."""
    command = " ".join(["python -m tests.bench", *sys.argv[1:]])
    say(f"{command}   (DuckDB {duckdb.__version__}, {os.cpu_count()} processors)")
    segments = workload.segments(arguments.segments)
    rules(segments)
    command_line(workload.segments(arguments.checked))
    rule_tests()
    evaluation(segments, arguments)
    ingestion(arguments)
    notifications()
    say(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2:.1f} GiB")


def rules(segments: list[workload.Segment]) -> None:
    """From text to SQL."""
    few = segments[: max(1, len(segments) // 10)]
    steps = {"check": language.checking, "compile to SQL": language.compiling}
    rows = []
    for name, measure in steps.items():
        whole, part = measure(segments), measure(few)
        rows.append([name, f"{whole:.2f} s", per(whole, segments), per(part, few)])
    table(["rules", f"{len(segments)} segments", "for each", f"for each of {len(few)} alone"], rows)


def command_line(segments: list[workload.Segment]) -> None:
    """What a person waits for a check of a large workspace."""
    files = max(1, len(segments) // 10)
    with tempfile.TemporaryDirectory() as folder:
        taken = checking.check(Path(folder), segments, files)
    rows = {"nothing remembered": taken.cold, "nothing edited": taken.again, "one file edited": taken.edited}
    header = [f"`segserver check` of {len(segments)} segments in {files} files", "with process start"]
    table(header, [[name, f"{seconds:.2f} s"] for name, seconds in rows.items()])


def rule_tests() -> None:
    """What a person waits for `segserver test`."""
    number = 500
    with tempfile.TemporaryDirectory() as passing, tempfile.TemporaryDirectory() as failing:
        rows = {
            f"{number} with the same instant": ruletests.together(Path(passing), number),
            f"{number} that fail and are explained": ruletests.together(Path(failing), number, failing=True),
            "one, with process start": ruletests.alone(),
        }
    table(["`test` blocks", "seconds"], [[name, f"{seconds:.2f} s"] for name, seconds in rows.items()])


def notifications() -> None:
    """What a platform waits for its webhook to be answered while a run is going on."""
    contacts, calls = 5_000, 200
    with tempfile.TemporaryDirectory() as folder:
        waits = notifying.answering(Path(folder), contacts, calls)
    during = "during a run" if waits.run_went_on else "partly during a run"
    rows = {"median": waits.median, "99 of 100 within": waits.percentile, "longest": waits.longest}
    header = [f"answer to a webhook of 100 events, {calls} calls by {notifying.SENDERS} senders", during]
    table(header, [[name, f"{seconds * 1000:.0f} ms"] for name, seconds in rows.items()])


def evaluation(segments: list[workload.Segment], arguments: argparse.Namespace) -> None:
    """The three ways, and whether they agree."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(Path(folder) / "bench.duckdb") as con:
        con.execute(f"SET memory_limit = '{arguments.memory}'")
        con.execute("SET preserve_insertion_order = false")
        start = time.perf_counter()
        workload.fill(con, arguments.contacts, arguments.events)
        made = time.perf_counter() - start
        say(f"\n{arguments.contacts:,} contacts and {arguments.events:,} events made in {made:.0f} s")
        program = workload.program(segments)
        ways = [
            evaluating.together(con, program),
            evaluating.one_by_one(con, program),
            evaluating.over_wide_table(con, segments),
        ]
    first = ways[0]
    table(
        ["evaluation", "before", "in the engine", "processors", "ratio"],
        [
            [
                way.way,
                *(f"{seconds:.1f} s" for seconds in (way.prepared, way.ran, way.worked)),
                f"{way.worked / first.worked:.1f}",
            ]
            for way in ways
        ],
    )
    if any(way.members != first.members for way in ways):
        raise SystemExit("the ways of evaluating do not agree on the members")
    say(f"{sum(first.members.values()):,} memberships, the same by each way")


def ingestion(arguments: argparse.Namespace) -> None:
    """Records a second."""
    found = ingesting.rates(arguments.ingest // 5, arguments.ingest)
    table(["sync into a store on disk", "records a second"], [[name, f"{rate:,.0f}"] for name, rate in found.items()])


def per(seconds: float, segments: list[workload.Segment]) -> str:
    """Milliseconds for each segment."""
    return f"{seconds * 1000 / len(segments):.1f} ms"


def table(header: list[str], rows: Iterable[list[str]]) -> None:
    """Print aligned columns, the first to the left."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    say("")
    for line in lines:
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
        ]
        say("  ".join(cells))


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def options() -> argparse.ArgumentParser:
    """What can be chosen."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--contacts", type=int, default=100_000, help="contacts to evaluate (default %(default)s)")
    parser.add_argument("--events", type=int, default=2_000_000, help="their events (default %(default)s)")
    parser.add_argument("--segments", type=int, default=100, help="segments (default %(default)s)")
    parser.add_argument("--checked", type=int, default=1000, help="segments to check (default %(default)s)")
    parser.add_argument("--ingest", type=int, default=100_000, help="events to sync (default %(default)s)")
    parser.add_argument("--memory", default="12GB", help="the engine's memory (default %(default)s)")
    return parser


if __name__ == "__main__":
    main(options().parse_args())
