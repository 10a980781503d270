"""How long `segserver check` takes of a large workspace: from nothing, and after one file was edited.

Process start and all imports included, since a person waits for them too.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.workload import Segment, text

REPEATS = 5
CONNECTION = """kind: files
contacts:
  path: contacts.csv
  identities: {email: email}
  traits: {country: country, age_band: age_band}
events:
  purchase:
    path: purchase.csv
    at: at
    contact: {email: email}
    properties:
      amount: {from: amount, type: number, unit: USD}
      categories: {from: categories, type: list of text}
  page_view: {path: page_view.csv, at: at, contact: {email: email}, properties: {path: path}}
  email_open: {path: email_open.csv, at: at, contact: {email: email}, properties: {mailing: mailing}}
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of a whole `segserver check`.

    Attributes:
        cold: nothing is remembered.
        again: nothing was edited.
        edited: one file was edited; the best of some, as `again`.
    """

    cold: float
    again: float
    edited: float


def check(folder: Path, segments: list[Segment], files: int) -> Taken:
    """Write the segments as a workspace of that many rule files, and check it."""
    (folder / "connectors").mkdir()
    (folder / "rules").mkdir()
    (folder / "segserver.yml").write_text("", encoding="utf-8")
    (folder / "connectors" / "shop.yml").write_text(CONNECTION, encoding="utf-8")
    size = -(-len(segments) // files)
    for number in range(files):
        part = text(segments[number * size : (number + 1) * size])
        (folder / "rules" / f"{number:03}.seg").write_text(part, encoding="utf-8")
    cold = _timed(folder)
    again = min(_timed(folder) for _ in range(REPEATS))
    return Taken(cold, again, min(_edited(folder, number) for number in range(min(REPEATS, files))))


def _edited(folder: Path, number: int) -> float:
    path = folder / "rules" / f"{number:03}.seg"
    path.write_text(
        f"{path.read_text(encoding='utf-8')}segment edited_{number} where country is known\n", encoding="utf-8"
    )
    return _timed(folder)


def _timed(folder: Path) -> float:
    program = Path(sys.executable).with_name("segserver")
    start = time.perf_counter()
    done = subprocess.run([program, "--workspace", folder, "check"], capture_output=True, text=True, check=False)
    taken = time.perf_counter() - start
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return taken
