"""The golden cases of `tests/cases`: a case is one rule file, a folder of them, or a whole workspace.

`python -m tests.rules.cases` writes what the bad ones show, to be read before it is kept.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from segserver.errors import Diagnostic, render
from segserver.rules.check import check
from segserver.rules.program import Program
from segserver.specs.catalog import Catalog, Event, Trait
from segserver.specs.types import BOOLEAN, DATE, NUMBER, TEXT, Kind, Type
from segserver.workspace import read
from segserver.workspace_files import SETTINGS_FILE
from tests.rules.conftest import USD, wide_catalog

CASES = Path(__file__).parents[1] / "cases"
ZONE = "Europe/Paris"


def case_catalog() -> Catalog:
    """A shop with every type of trait, and companies."""
    base = wide_catalog()
    traits = {
        "home": Trait("home", Type(Kind.PLACE), False, ("crm",)),
        "birthday": Trait("birthday", DATE, False, ("crm",)),
        "plan": Trait("plan", TEXT, True, ("crm",)),
        "opted_in": Trait("opted_in", BOOLEAN, True, ("crm",)),
    }
    events = {
        "cart_add": Event("cart_add", {"sku": TEXT, "price": USD}, ("engage",)),
        "checkout": Event("checkout", {"sku": TEXT, "total": USD}, ("engage",)),
        "login": Event("login", {}, ("engage",)),
    }
    account = {"industry": TEXT, "employees": NUMBER, "partner": BOOLEAN}
    return replace(
        base,
        traits={**base.traits, **traits},
        events={**base.events, **events},
        account_traits={name: Trait(name, kind, False, ("crm",)) for name, kind in account.items()},
        account_sources=("crm",),
    )


def cases(kind: str) -> list[Path]:
    """All cases in `good` or `bad`, by name; where a folder is a case, the folder."""
    return sorted(path for path in (CASES / kind).iterdir() if path.is_dir() or path.suffix == ".seg")


def sources(case: Path) -> dict[str, bytes]:
    """The rule files of a case by name."""
    if case.suffix == ".seg":
        return {case.name: case.read_bytes()}
    return {path.relative_to(case).as_posix(): path.read_bytes() for path in sorted(case.rglob("*.seg"))}


def checked(case: Path, catalog: Catalog) -> tuple[Program | None, tuple[Diagnostic, ...], dict[str, str]]:
    """What a case gives: the program, the findings, and the text of every file.

    A workspace is read from a copy, since reading leaves its cache there.
    """
    if (case / SETTINGS_FILE).is_file():
        with TemporaryDirectory() as copy:
            reading = read(Path(shutil.copytree(case, copy, dirs_exist_ok=True)))
        program = reading.workspace.program if reading.workspace else None
        return program, reading.diagnostics, dict(reading.sources)
    files = sources(case)
    program, findings = check(files, catalog, zone=ZONE)
    return program, findings, {name: raw.decode("utf-8", "replace") for name, raw in files.items()}


def shown(case: Path, catalog: Catalog) -> str:
    """The findings of a case as a person sees them."""
    _, findings, texts = checked(case, catalog)
    return render(findings, texts) + "\n"


def expected(case: Path) -> Path:
    """Where the findings of a bad case are kept."""
    return case.with_suffix(".txt") if case.suffix == ".seg" else case / "expected.txt"


if __name__ == "__main__":
    for bad in cases("bad"):
        expected(bad).write_text(shown(bad, case_catalog()), encoding="utf-8")
