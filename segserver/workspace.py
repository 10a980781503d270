"""The workspace: `segserver.yml` and the three directories as one frozen, checked, hashed value."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from segserver.connectors import declarations
from segserver.errors import Diagnostic, FindingsError, SettingsError, Severity
from segserver.rules import catalog as catalogs
from segserver.rules.check import check
from segserver.rules.program import CapsBlock, ModelBlock, Program, ScenarioBlock
from segserver.specs import Catalog, ChannelCaps, ConnectionSpec, ModelSpec, ScenarioSpec
from segserver.workspace_file import WorkspaceFile, load_workspace_file

SETTINGS_FILE = "segserver.yml"
STANDARD_INPUT = "-"
"""Name of rules that come from standard input, in `read` and in findings."""

RULE_DIRECTORIES = ("rules", "scenarios")
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Workspace:
    """Everything a marketer wrote, checked.

    Attributes:
        directory: where it lies.
        zone: IANA name of the workspace's time zone.
        run_every: time between two scheduled runs.
        connections: by name.
        program: the checked rule files.
        models, scenarios: plain values for the engines, by name.
        caps: by channel; empty without a `caps` block.
        hash: of all the files' content, hex.
    """

    directory: Path
    zone: str
    run_every: timedelta
    connections: Mapping[str, ConnectionSpec]
    catalog: Catalog
    program: Program
    models: Mapping[str, ModelSpec]
    scenarios: Mapping[str, ScenarioSpec]
    caps: Mapping[str, ChannelCaps]
    hash: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a workspace gave.

    Attributes:
        workspace: None where there is any error.
        diagnostics: all findings of all files, by file and place.
        sources: text of every file read, for showing findings.
    """

    workspace: Workspace | None
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, str]


def load(directory: Path) -> Workspace:
    """Read a workspace that must be free of errors.

    Raises:
        FindingsError: with every finding.
        SettingsError: there is no workspace at that place.
    """
    reading = read(directory)
    if reading.workspace is None:
        raise FindingsError(reading.diagnostics, reading.sources)
    return reading.workspace


def read(directory: Path, replacing: Mapping[str, bytes] | None = None) -> Reading:
    """Read and check every file of a workspace.

    Args:
        directory: the workspace.
        replacing: file name to content that stands in for what is on disk (standard input, an editor's buffer).

    Raises:
        SettingsError: there is no workspace at that place.
    """
    files = _files(directory) | dict(replacing or {})
    sources = {name: _showable(name, content) for name, content in files.items()}
    settings, findings = load_workspace_file(files[SETTINGS_FILE], SETTINGS_FILE)
    connections: dict[str, ConnectionSpec] = {}
    for name, content in files.items():
        if name.startswith("connectors/"):
            spec, problems = declarations.load(Path(name).stem, content, name)
            findings += problems
            if spec is not None:
                connections[spec.name] = spec
    broken_connections = any(finding.severity is Severity.ERROR for finding in findings)
    catalog, problems = catalogs.build(tuple(connections.values()), settings.sources)
    findings += problems
    program = None
    if not broken_connections:
        rules = {name: content for name, content in files.items() if name.endswith(".seg") or name == STANDARD_INPUT}
        program, problems = check(rules, catalog, zone=settings.zone)
        findings += problems
    ordered = tuple(sorted(findings, key=lambda finding: finding.span))
    if program is None or any(finding.severity is Severity.ERROR for finding in ordered):
        return Reading(None, ordered, sources)
    return Reading(_join(directory, settings, connections, catalog, program, files), ordered, sources)


def _showable(name: str, content: bytes) -> str:
    """A file's text as it may appear under a finding: without what might be a secret."""
    text = content.decode("utf-8", "replace")
    return declarations.redacted(text) if name.startswith("connectors/") else text


def _files(directory: Path) -> dict[str, bytes]:
    if not (directory / SETTINGS_FILE).is_file():
        raise SettingsError(
            f"{directory.resolve()} is not a workspace: it has no {SETTINGS_FILE}; "
            f"start one with `segserver init DIR`, or name one with --workspace"
        )
    paths = [directory / SETTINGS_FILE, *sorted((directory / "connectors").glob("*.yml"))]
    for name in RULE_DIRECTORIES:
        paths += sorted((directory / name).rglob("*.seg"))
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths if _is_written_by_hand(path)}


def _is_written_by_hand(path: Path) -> bool:
    """Editors and file systems leave hidden files beside the visible ones (`.#first.seg`, `._first.seg`)."""
    return not path.name.startswith(".") and not path.is_dir()


def _join(
    directory: Path,
    settings: WorkspaceFile,
    connections: Mapping[str, ConnectionSpec],
    catalog: Catalog,
    program: Program,
    files: Mapping[str, bytes],
) -> Workspace:
    slowest = max((spec.latency for spec in connections.values()), default=timedelta(0))
    return Workspace(
        directory=directory,
        zone=settings.zone,
        run_every=settings.run_every,
        connections=connections,
        catalog=catalog,
        program=program,
        models={name: model_spec(block, slowest) for name, block in program.models.items()},
        scenarios={name: scenario_spec(block) for name, block in program.scenarios.items()},
        caps=caps_by_channel(program.caps),
        hash=_hash(files),
    )


def model_spec(block: ModelBlock, slowest: timedelta) -> ModelSpec:
    """A model block without its expressions; the default gap is the slowest source's latency, at least a day."""
    gap = block.gap if block.gap is not None else max(slowest, ONE_DAY)
    return ModelSpec(
        name=block.name,
        title=block.title,
        features=tuple(feature.name for feature in block.features),
        gap=gap,
        horizon=block.horizon,
        step=block.every if block.every is not None else gap + block.horizon,
        cutoffs=block.cutoffs,
        algorithm=block.algorithm,
        calibrate=block.calibrate,
        threshold=block.threshold,
        gates=block.gates,
        retrain_every=block.retrain_every,
        expires_after=block.expires_after,
        declaration=block.declaration,
    )


def scenario_spec(block: ScenarioBlock) -> ScenarioSpec:
    """A scenario block without its expressions."""
    return ScenarioSpec(
        name=block.name,
        title=block.title,
        segment=block.segment,
        channels=block.channels,
        senders=block.senders,
        inform=block.inform,
        content=block.content,
        steps=block.steps,
        every=block.every,
        priority=block.priority,
        hours=block.hours,
        valid_for=block.valid_for,
        again_after=block.again_after,
        hold_out=block.hold_out,
        declaration=block.declaration,
    )


def caps_by_channel(block: CapsBlock | None) -> dict[str, ChannelCaps]:
    """The caps of each channel that has some."""
    return {caps.channel: caps for caps in block.channels} if block else {}


def _hash(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\x1f{len(files[name])}\x1f".encode())
        digest.update(files[name])
    return digest.hexdigest()
