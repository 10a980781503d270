"""The workspace: `segserver.yml` and the three directories as one frozen, checked, hashed value."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from segserver.errors import Diagnostic, FindingsError, Span
from segserver.manual_lists import ListedContact
from segserver.rule_files import RuleFiles
from segserver.rules.check import check_files
from segserver.rules.program import CapsBlock, ModelBlock, Program, ScenarioBlock
from segserver.specs.cadence import ChannelCaps, ScenarioSpec
from segserver.specs.catalog import Catalog
from segserver.specs.connections import ConnectionSpec
from segserver.specs.matching import MatchSpec
from segserver.specs.models import ModelSpec
from segserver.surroundings import Lists, Surroundings, has_errors, manual_lists, showable, surroundings
from segserver.workspace_files import read_files, rules_of

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
        lists: manual members by file.
        matching: how contacts that may be one person are found; None where it is not declared.
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
    lists: Mapping[str, tuple[ListedContact, ...]] = field(default_factory=dict)
    matching: MatchSpec | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a workspace gave.

    Attributes:
        workspace: None where there is any error.
        diagnostics: all findings of all files, by file and place.
        sources: text of every file read, for showing findings.
        lists: files of manual members that rules name, whether they can be read or not.
    """

    workspace: Workspace | None
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, str]
    lists: tuple[str, ...] = ()


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
    files = read_files(directory, replacing)
    around = surroundings(files)
    findings = list(around.findings)
    program, lists = None, Lists()
    named: tuple[tuple[str, Span], ...] = ()
    if around.usable:
        parsed = RuleFiles(directory).read(rules_of(files))
        program, problems = check_files(parsed, around.catalog, zone=around.settings.zone)
        findings += problems
    if program is not None:
        program = replace(program, sources=showable(rules_of(files)))
        blocks = program.segments.values()
        named = tuple((block.manual, block.span) for block in blocks if block.manual is not None)
        lists = manual_lists(directory, named, around.connections)
        files |= lists.contents
        findings += lists.findings
    names = tuple(dict.fromkeys(name for name, _ in named))
    ordered = tuple(sorted(findings, key=lambda finding: finding.span))
    if program is None or has_errors(ordered):
        return Reading(None, ordered, showable(files), names)
    return Reading(_join(directory, around, program, files, lists.found), ordered, showable(files), names)


def _join(
    directory: Path,
    around: Surroundings,
    program: Program,
    files: Mapping[str, bytes],
    lists: Mapping[str, tuple[ListedContact, ...]],
) -> Workspace:
    slowest = max((spec.latency for spec in around.connections.values()), default=timedelta(0))
    return Workspace(
        directory=directory,
        zone=around.settings.zone,
        run_every=around.settings.run_every,
        connections=around.connections,
        catalog=around.catalog,
        program=program,
        models={name: model_spec(block, slowest) for name, block in program.models.items()},
        scenarios={name: scenario_spec(block) for name, block in program.scenarios.items()},
        caps=caps_by_channel(program.caps),
        hash=_hash(files),
        lists=lists,
        matching=around.settings.matching,
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
        preparation=block.preparation,
        promotion=block.promotion,
        selection=block.selection,
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
