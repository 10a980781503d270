"""A small workspace of spreadsheets, and the command line as a person uses it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.console import Console

from segserver.cli import execute
from segserver.cli.invocation import Invocation

SHOP = {
    "segserver.yml": "time zone: Europe/Paris\n",
    "connectors/shop.yml": """\
kind: files
contacts:
  path: customers.csv
  created: signup_date
  identities: {email: email}
  traits:
    country: country
    age: {type: number}
  consent:
    email: {from: newsletter, means: granted}
events:
  purchase:
    path: orders.csv
    key: order_id
    contact: {email: email}
    at: ordered_at
    properties:
      amount: {type: number, unit: EUR}
      categories: {type: list of text}
audiences: true
""",
    "rules/shop.seg": """\
segment recent "Bought lately"
  where did purchase in last 30 days
  push to shop file "recent.csv"

segment french_spenders
  where country is "FR" and sum(purchase.amount) >= 100 EUR
  push to shop file "french_spenders.csv"
""",
    "customers.csv": """\
email,country,age,signup_date,newsletter
ada@example.com,FR,41,2025-04-02,yes
bo@example.com,BE,,2025-06-11,yes
cleo@example.com,FR,29,2025-09-30,no
dan@example.com,FR,35,2025-11-05,
""",
    "orders.csv": """\
order_id,email,ordered_at,amount,categories
1,ada@example.com,2026-02-10T10:00:00Z,60.00,COFFEE;MILK
2,ada@example.com,2026-01-10T10:00:00Z,40.00,COFFEE
3,bo@example.com,2026-02-20T10:00:00Z,500.00,TEA
4,cleo@example.com,2026-01-05T10:00:00Z,99.99,TEA
""",
}
"""On 1 March 2026 Ada and Bo are `recent`, and Ada alone is in `french_spenders`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command did: its exit code and what it printed."""

    code: int
    text: str

    def json(self) -> Any:
        """The output as data."""
        return json.loads(self.text)


class Shop:
    """A workspace in a directory, and commands for it.

    Attributes:
        directory: the workspace.
        environ: variables of the commands.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environ: dict[str, str] = {}

    def __call__(self, *arguments: str) -> Answer:
        """Run `segserver -w WORKSPACE ARGUMENTS`."""
        out = io.StringIO()
        line = ["-w", str(self.directory), *arguments]
        code = execute(line, Invocation(self.environ, Console(file=out, width=160, highlight=False), line))
        return Answer(code, out.getvalue())

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Write files of the workspace."""
        for name, content in files.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that stands once in a file."""
        text = (self.directory / name).read_text(encoding="utf-8")
        assert text.count(old) == 1
        self.write({name: text.replace(old, new)})

    def append(self, name: str, text: str) -> None:
        """Add to the end of a file."""
        self.write({name: (self.directory / name).read_text(encoding="utf-8") + text})

    def members(self, segment: str) -> list[str]:
        """E-mail addresses of a segment's members since the last run, in order."""
        return sorted(one["identities"]["email"][0] for one in self("members", segment, "--format", "json").json())

    @property
    def store(self) -> Path:
        """The database file."""
        return self.directory / ".segserver" / "store.duckdb"

    def audiences(self) -> dict[str, str]:
        """Audience files by name."""
        folder = self.directory / "audiences"
        return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*"))}

    def known(self) -> dict[str, list[str]]:
        """Everything in the store, by table, but the list of runs."""
        with duckdb.connect(self.store, read_only=True) as store:
            names = [name for (name,) in store.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
            return {
                name: sorted(map(repr, store.execute(f'FROM "{name}"').fetchall())) for name in names if name != "runs"
            }


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Four customers and four orders, two segments, nothing run yet."""
    made = Shop(tmp_path / "shop")
    made.write(SHOP)
    return made
