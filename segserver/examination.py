"""All that is wrong with a workspace, found without making the program: only what changed is looked at again.

A check waits for a person, so what is not needed is not even imported: with unchanged settings and connections the
catalog is remembered like the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from segserver.errors import Diagnostic, Severity
from segserver.rule_files import Memory, RuleFiles
from segserver.rules.check import judge
from segserver.rules.checking.verdicts import Verdicts
from segserver.workspace_files import read_files, rules_of

if TYPE_CHECKING:
    from segserver.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Examination:
    """What examining a workspace gave.

    Attributes:
        diagnostics: all findings of all files, by file and place: just those of `workspace.read`.
        files: how many were read, files of manual members aside.
        sources: text of every file, for showing findings; empty where there are none.
    """

    diagnostics: tuple[Diagnostic, ...]
    files: int
    sources: Mapping[str, str] = field(default_factory=dict)


def examine(directory: Path, replacing: Mapping[str, bytes] | None = None) -> Examination:
    """Find all that is wrong with a workspace.

    Args:
        directory: the workspace.
        replacing: file name to content that stands in for what is on disk (standard input, an editor's buffer).

    Raises:
        SettingsError: there is no workspace at that place.
    """
    files = read_files(directory, replacing)
    count = len(files)
    rules = rules_of(files)
    others = {name: content for name, content in files.items() if name not in rules}
    rule_files = RuleFiles(directory)
    memory = rule_files.memory(others)
    findings: list[Diagnostic] = []
    if memory is None:
        around = _surroundings(files)
        findings += around.findings
        if not around.usable:
            return _examination(files, findings, count)
        memory = Memory(around.catalog, around.settings.zone, Verdicts())
    judged = judge(rule_files.read(rules), memory.catalog, zone=memory.zone, verdicts=memory.verdicts)
    if not findings:
        rule_files.keep(others, memory)
    findings += judged.findings
    if judged.manual and not any(finding.severity is Severity.ERROR for finding in judged.findings):
        from segserver.surroundings import manual_lists

        lists = manual_lists(directory, judged.manual, _surroundings(files).connections)
        files |= lists.contents
        findings += lists.findings
    return _examination(files, findings, count)


def _surroundings(files: Mapping[str, bytes]) -> Surroundings:
    from segserver.surroundings import surroundings

    return surroundings(files)


def _examination(files: Mapping[str, bytes], findings: list[Diagnostic], count: int) -> Examination:
    if not findings:
        return Examination((), count)
    from segserver.surroundings import showable

    return Examination(tuple(sorted(findings, key=lambda finding: finding.span)), count, showable(files))
