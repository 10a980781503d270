"""Account level from two spreadsheets: the manual's own connection and rule, run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import segserver

PAGE = (Path(segserver.__file__).parent / "help" / "connections.md").read_text(encoding="utf-8")
AS_OF = ("--as-of", "2026-03-01")
LATER = ("--as-of", "2026-03-02")

PEOPLE = """\
email,title,client_no
ann@x.org,VP Sales,7
bob@x.org,Buyer,7
cat@x.org,VP Finance,7
dan@x.org,VP Sales,8
eve@x.org,VP Sales,
fay@x.org,VP Sales,9
gil@x.org,VP Sales,9
"""

CLIENTS = """\
client_no,sector,employees
7,Retail,120
8,Retail,3
9,Trade,50
"""

DEMOS = """\
id,email,asked_at
1,bob@x.org,2026-02-20T10:00:00Z
2,dan@x.org,2026-02-20T10:00:00Z
3,eve@x.org,2026-02-20T10:00:00Z
4,fay@x.org,2026-02-20T10:00:00Z
"""


@pytest.fixture
def clients(shop: Any) -> Any:
    """The workspace that the manual's section on accounts describes, with a handful of people."""
    section = re.search(r"^## Accounts\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None
    (connection,) = re.findall(r"^```yaml\n# connectors/clients\.yml\n(.*?)^```", section[1], re.MULTILINE | re.DOTALL)
    (rule,) = re.findall(r"^```\n(segment .*?)^```", section[1], re.MULTILINE | re.DOTALL)
    for name in ("connectors/shop.yml", "rules/shop.seg", "customers.csv", "orders.csv"):
        (shop.directory / name).unlink()
    shop.write(
        {
            "connectors/clients.yml": connection,
            "rules/clients.seg": rule,
            "people.csv": PEOPLE,
            "clients.csv": CLIENTS,
            "demos.csv": DEMOS,
        }
    )
    return shop


def members(clients: Any) -> str:
    found = clients.members("colleagues_of_the_curious")
    return " ".join(name.partition("@")[0] for name in found)


def test_colleagues_are_found_through_the_account_they_share(clients: Any) -> None:
    answer = clients("run", *AS_OF)
    assert answer.code == 0, answer.text
    assert members(clients) == "ann bob cat"


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("clients.csv", "7,Retail", "7,Trade", ""),
        ("clients.csv", "9,Trade", "9,Retail", "ann bob cat fay gil"),
        ("clients.csv", "7,Retail,120\n", "", ""),
        ("people.csv", "cat@x.org,VP Finance", "cat@x.org,Finance", ""),
        ("people.csv", "dan@x.org,VP Sales,8", "dan@x.org,VP Sales,7", "ann bob cat dan"),
        ("demos.csv", "1,bob", "1,dan", ""),
    ],
)
def test_a_changed_row_changes_who_is_a_colleague_of_whom(
    clients: Any, file: str, old: str, new: str, expected: str
) -> None:
    clients("run", *AS_OF)
    clients.edit(file, old, new)
    answer = clients("run", *LATER)
    assert answer.code == 0, answer.text
    assert members(clients) == expected


def test_a_broken_row_of_accounts_is_found_at_its_place(clients: Any) -> None:
    clients.edit("clients.csv", "8,Retail,3", "8,Retail,three")
    answer = clients("run", *AS_OF)
    assert answer.code == 1
    assert "clients.csv:3:10" in answer.text


def test_the_past_takes_todays_accounts_and_says_so(clients: Any) -> None:
    clients("run", *AS_OF)
    answer = clients("explain", "bob@x.org", "colleagues_of_the_curious", "--as-of", "2026-02-25")
    assert answer.code == 0, answer.text
    assert "account.industry" in answer.text
    assert re.search(r"today's value was taken for .*account", answer.text)
