"""However many contacts an account has, reading them takes the same memory: measured in a process of its own."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import datetime, timedelta
from textwrap import dedent

import pytest

from segserver.sandbox.population import Person, Population

MOST_MEGABYTES = 150
"""Which a reader may take beyond what it takes before the first page."""

_READER = """
import json, resource, sys
from pathlib import Path
from segserver.clock import FixedClock
from segserver.connectors import declarations, files_pull
from segserver.connectors.build import build
from datetime import datetime

given = json.loads(sys.stdin.read())
clock = FixedClock(datetime.fromisoformat(given["now"]))
spec, findings = declarations.load(given["name"], given["declaration"], "connectors/x.yml")
assert not findings, findings
source = build(
    spec, clock=clock, sleep=lambda seconds: None, environ=given["environ"], workspace_dir=Path(given["directory"])
).source
count, start = 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for page in source.read("contacts", None, clock.now()):
    count += len(page.items)
print(json.dumps([count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 1024]))
"""
"""Peak memory in megabytes that reading takes in a process of its own."""


def read_apart(subject):
    given = {
        "now": subject.now.isoformat(),
        "name": subject.name,
        "declaration": dedent(subject.declaration),
        "environ": subject.environ,
        "directory": str(subject.directory),
    }
    done = subprocess.run(
        [sys.executable, "-c", _READER], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def crowd_of(count):
    since = datetime(2026, 10, 1)
    people = (Person(f"person{number}@example.com", since + timedelta(seconds=number)) for number in range(count))
    return Population(tuple(people), (), ())


def make_many(subject, count):
    """Fill the folder with so many people in files of 50,000."""
    header = list(subject.people["0"])
    for old in (subject.directory / "data").glob("people-*.csv"):
        old.unlink()
    for part in range(0, count, 50_000):
        path = subject.directory / "data" / f"people-{part // 50_000}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, header)
            writer.writeheader()
            writer.writerows(subject._person(number) for number in range(part, min(part + 50_000, count)))


def opened_with(open_subject, kind, count):
    subject = open_subject(kind, crowd_of(0 if kind == "files" else count))
    if kind == "files":
        make_many(subject, count)
    return subject


@pytest.mark.parametrize("kind", ["hubspot", "marketo", "files"])
@pytest.mark.parametrize("count", [6_000, pytest.param(1_000_000, marks=pytest.mark.long)], ids=["some", "a-million"])
def test_however_many_contacts_there_are_they_are_streamed(open_subject, kind, count):
    subject = opened_with(open_subject, kind, count)
    if kind != "files":
        subject.sandbox.requests.watchers.clear()  # the check of each answer would take longer than all of the reading
    read, megabytes = read_apart(subject)
    assert read == count
    assert megabytes < MOST_MEGABYTES
