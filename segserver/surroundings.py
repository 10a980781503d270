"""What a workspace says besides its rules: the settings, the connections with their catalog, the lists of members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from segserver import match_settings
from segserver.connectors import declarations
from segserver.errors import Diagnostic, Severity, Span
from segserver.manual_lists import CODE, ListedContact, kinds_of_identity, read_list
from segserver.rules import catalog as catalogs
from segserver.specs.catalog import Catalog
from segserver.specs.connections import ConnectionSpec
from segserver.workspace_file import WorkspaceFile, load_workspace_file
from segserver.workspace_files import SETTINGS_FILE


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the rules are checked against.

    Attributes:
        connections: by name.
        findings: what is wrong with settings and connections.
        usable: whether rules can be checked: no connection is at fault.
    """

    settings: WorkspaceFile
    connections: Mapping[str, ConnectionSpec]
    catalog: Catalog
    findings: tuple[Diagnostic, ...]
    usable: bool


def surroundings(files: Mapping[str, bytes]) -> Surroundings:
    """Read the settings and connections among the files of a workspace."""
    settings, findings = load_workspace_file(files[SETTINGS_FILE], SETTINGS_FILE)
    connections: dict[str, ConnectionSpec] = {}
    for name, content in files.items():
        if name.startswith("connectors/"):
            spec, problems = declarations.load(Path(name).stem, content, name)
            findings += problems
            if spec is not None:
                connections[spec.name] = spec
    usable = not has_errors(findings)
    catalog, problems = catalogs.build(tuple(connections.values()), settings.sources)
    if usable:
        problems += _matching_findings(files[SETTINGS_FILE], settings, connections, catalog)
    return Surroundings(settings, connections, catalog, findings + problems, usable)


def _matching_findings(
    content: bytes, settings: WorkspaceFile, connections: Mapping[str, ConnectionSpec], catalog: Catalog
) -> tuple[Diagnostic, ...]:
    if settings.matching is None:
        return ()
    kinds = frozenset(kind for spec in connections.values() if spec.contacts for kind in spec.contacts.identities)
    problems = tuple(match_settings.problems(settings.matching, catalog, kinds))
    return declarations.placed(content, SETTINGS_FILE, problems) if problems else ()


def has_errors(findings: Iterable[Diagnostic]) -> bool:
    """Whether any of them stops the workspace from being used."""
    return any(finding.severity is Severity.ERROR for finding in findings)


def showable(files: Mapping[str, bytes]) -> dict[str, str]:
    """The files' texts as they may appear under a finding: without what might be a secret."""
    texts = {name: content.decode("utf-8", "replace") for name, content in files.items()}
    return {
        name: declarations.redacted(text) if name.startswith("connectors/") else text for name, text in texts.items()
    }


@dataclass(frozen=True, slots=True)
class Lists:
    """Lists of manual members.

    Attributes:
        found: by file.
        contents: the bytes each stands in.
    """

    found: dict[str, tuple[ListedContact, ...]] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    findings: list[Diagnostic] = field(default_factory=list)


def manual_lists(
    directory: Path, named: Iterable[tuple[str, Span]], connections: Mapping[str, ConnectionSpec]
) -> Lists:
    """The lists that segments name, each at a place, and what is wrong with them."""
    lists = Lists()
    for name, place in named:
        if name in lists.contents:
            continue
        try:
            lists.contents[name] = (directory / name).read_bytes()
        except OSError as error:
            message = f"{name} cannot be read: {error.strerror or error}"
            hint = "write its path from the workspace's folder, or take the clause out"
            lists.findings.append(Diagnostic(CODE, Severity.ERROR, place, message, hint))
            continue
        kinds = kinds_of_identity(connections.values())
        lists.found[name], problems = read_list(name, lists.contents[name], kinds)
        lists.findings.extend(problems)
    return lists
