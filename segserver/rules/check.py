"""Rule files to a checked program, or to all that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from segserver.errors import Diagnostic, Span
from segserver.rules.checking.checker import Checker
from segserver.rules.checking.declared import declared
from segserver.rules.checking.verdicts import Verdicts
from segserver.rules.findings import MOST_FINDINGS, Findings
from segserver.rules.program import Program
from segserver.rules.reading.parsed import ParsedBlock, ParsedFile, read
from segserver.specs.catalog import Catalog


def check(
    sources: Mapping[str, str | bytes], catalog: Catalog, *, zone: str
) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """Check all rule files of a workspace together.

    Args:
        sources: file name to text, or to raw bytes in UTF-8; broken bytes are a finding.
        catalog: what the connections provide.
        zone: the workspace's time zone, an IANA name; dates in `test` blocks are read in it.

    Returns:
        The program, or None if there is any error, and every finding of every file by (file, line, column).
    """
    return check_files([read(file, raw) for file, raw in sorted(sources.items())], catalog, zone=zone)


def check_files(
    files: Iterable[ParsedFile], catalog: Catalog, *, zone: str
) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """As `check`, of files that were read already, in the order of their names."""
    findings, checker = _checker(files, catalog, zone, None)
    program = None if findings.has_errors() else checker.program()
    return program, findings.sorted()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What there is to say about rule files, without the program.

    Attributes:
        findings: exactly those of `check`.
        manual: files of manual members, with the place that names each.
    """

    findings: tuple[Diagnostic, ...]
    manual: tuple[tuple[str, Span], ...]


def judge(files: Iterable[ParsedFile], catalog: Catalog, *, zone: str, verdicts: Verdicts) -> Judgement:
    """Find what is wrong, looking only at blocks that no remembered verdict speaks of.

    Args:
        files: read already, in the order of their names.
        catalog: what the connections provide.
        zone: the workspace's time zone.
        verdicts: made with the same catalog, zone and version of this package; takes those of this check.
    """
    findings, checker = _checker(files, catalog, zone, verdicts)
    return Judgement(findings.sorted(), tuple(checker.manual))


def _checker(
    files: Iterable[ParsedFile], catalog: Catalog, zone: str, verdicts: Verdicts | None
) -> tuple[Findings, Checker]:
    findings = Findings(MOST_FINDINGS)
    blocks: list[ParsedBlock] = []
    for file in files:
        findings.extend(file.findings)
        blocks += file.blocks
    checker = Checker(declared(blocks, catalog, findings), catalog, zone, findings, verdicts)
    checker.run()
    return findings, checker
