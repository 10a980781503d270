"""The files of a workspace as they lie on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from segserver.errors import SettingsError

SETTINGS_FILE = "segserver.yml"
STANDARD_INPUT = "-"
"""Name of rules that come from standard input, in `read` and in findings."""

RULE_DIRECTORIES = ("rules", "scenarios")


def read_files(directory: Path, replacing: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """Content of every file that was written by hand, by its name in the workspace.

    Args:
        directory: the workspace.
        replacing: file name to content that stands in for what is on disk (standard input, an editor's buffer).

    Raises:
        SettingsError: there is no workspace at that place.
    """
    if not (directory / SETTINGS_FILE).is_file():
        raise SettingsError(
            f"{directory.resolve()} is not a workspace: it has no {SETTINGS_FILE}; "
            f"start one with `segserver init DIR`, or name one with --workspace"
        )
    paths = [directory / SETTINGS_FILE, *sorted((directory / "connectors").glob("*.yml"))]
    for name in RULE_DIRECTORIES:
        paths += sorted((directory / name).rglob("*.seg"))
    found = {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths if _is_written_by_hand(path)}
    return found | dict(replacing or {})


def _is_written_by_hand(path: Path) -> bool:
    """Editors and file systems leave hidden files beside the visible ones (`.#first.seg`, `._first.seg`)."""
    return not path.name.startswith(".") and not path.is_dir()


def rules_of(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those that hold rules."""
    return {name: content for name, content in files.items() if name.endswith(".seg") or name == STANDARD_INPUT}
