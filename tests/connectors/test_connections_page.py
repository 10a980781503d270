"""The manual's page on connections says what the schemas say, and its examples are read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import segserver.connectors
from segserver.connectors.declarations import load
from segserver.connectors.schema import EVERY, KINDS, LATENCY, QUOTA, sections
from segserver.connectors.schema_events import MARKETING_EMAIL
from segserver.connectors.schema_fields import TypeName
from segserver.connectors.schema_people import DATA_FILES
from segserver.errors import render

PACKAGE = Path(segserver.connectors.__file__).parent
PAGE = (PACKAGE.parent / "help" / "connections.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n# connectors/(\w+)\.yml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
MINE = (
    "declarations",
    "schema",
    "schema_base",
    "schema_fields",
    "yaml_positions",
    *(f.stem for f in PACKAGE.glob("files*.py")),
)

TITLES = {"hubspot": "HubSpot", "marketo": "Marketo", "ga4": "Google Analytics 4", "files": "Files"}


def _rows(title: str) -> set[str]:
    """First cells of the tables between a heading of second level and the next."""
    part = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert part is not None, title
    return set(re.findall(r"^\| `([^`]+)` \|", part[1], re.MULTILINE))


def test_every_block_of_the_page_is_an_example() -> None:
    assert PAGE.count("```yaml") == len(EXAMPLES)
    assert {source.split("\n")[0].removeprefix("kind: ") for _, source in EXAMPLES} == set(KINDS)


@pytest.mark.parametrize(("name", "source"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_every_example_is_read_without_findings(name: str, source: str) -> None:
    spec, findings = load(name, source, f"{name}.yml")
    assert spec is not None, render(findings, {f"{name}.yml": source})


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_has_its_row_and_no_row_is_without_a_key(kind: str) -> None:
    found = sections(kind)
    common, own = _rows("Common to all kinds"), _rows(TITLES[kind])
    shared = _rows("Contacts") | _rows("Accounts") | _rows("Events")
    keys = set(found.pop(""))
    for block in ("activities", "event", "folder", "versions"):
        keys |= {f"{block}.{key}" for key in found.pop(block, ())}
    keys |= set(found.get("contacts", ())) | set(found.get("events", ()))
    keys |= {f"accounts.{key}" for key in found.pop("accounts", ())}
    nested = {"contacts.traits", "contacts.consent", "accounts.traits", "events.properties"}
    assert found.keys() <= {"contacts", "events"} | nested
    assert keys <= common | shared | own
    assert own <= keys
    for section in nested & found.keys():
        prefix = "properties." if section == "events.properties" else ""
        assert {prefix + key for key in found[section]} <= shared


def test_no_row_of_the_shared_tables_is_without_a_key() -> None:
    all_sections = [sections(kind) for kind in KINDS]
    top = {key for found in all_sections for key in found[""]}
    assert _rows("Common to all kinds") <= top
    known = {key for found in all_sections for name in found if name.startswith("contacts") for key in found[name]}
    assert _rows("Contacts") <= known
    events = {key for found in all_sections for key in found.get("events", ())}
    events |= {f"properties.{key}" for found in all_sections for key in found.get("events.properties", ())}
    assert _rows("Events") <= events


def test_the_page_names_every_type_and_word() -> None:
    assert _rows("Types") == set(TypeName.words)
    assert all(f"`{word}`" in PAGE for word in (*MARKETING_EMAIL, *DATA_FILES))


def test_the_page_gives_the_defaults_of_the_schemas() -> None:
    assert f"| `every` | `{EVERY.seconds // 3600} hour` |" in PAGE
    assert f"| `latency` | `{LATENCY.seconds // 60} minutes`" in PAGE
    assert f"| `quota` | `{QUOTA:.0%}` |" in PAGE


def test_every_code_has_its_section_and_every_section_its_code() -> None:
    source = "\n".join((PACKAGE / f"{name}.py").read_text(encoding="utf-8") for name in MINE)
    call = r'(?:refuse|_refuse|Problem|Diagnostic|_report|\.add)\(\s*(?:\w+, )?"([a-z]+(?:-[a-z]+)+)"'
    codes = set(re.findall(call, source)) | set(re.findall(r'"((?:short|long)-row)"', source))
    assert set(re.findall(r"^#### `([a-z-]+)`$", PAGE, re.MULTILINE)) == codes
