"""Whatever is wrong with the input is said with its place, its cause and its cure, and nothing is changed by it."""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

import duckdb
import pytest

RULES, CONNECTION = "rules/bad.seg", "connectors/crm.yml"

HUBSPOT = """\
kind: hubspot
token: env:CRM_TOKEN
contacts:
  identities: {email: email}
"""

AS_OF, LATER = "2026-03-01", "2026-03-02"


@pytest.fixture
def ran(shop: Any) -> Any:
    """The small workspace after a first run, so that there is something to spoil."""
    assert shop("run", "--as-of", AS_OF).code == 0
    return shop


def _unchanged(shop: Any, spoil: Callable[[], None], but: Container[str] = ()) -> Any:
    """Spoil something, run, and see that neither the store nor the audiences changed; returns the answer."""
    stored, pushed = shop.known(), shop.audiences()
    spoil()
    answer = shop("run", "--as-of", LATER)
    left = shop.known()
    assert left.keys() == stored.keys()
    assert {name: left[name] for name in left if name not in but} == {
        name: stored[name] for name in stored if name not in but
    }
    assert shop.audiences() == pushed
    return answer


# ---- rules ---------------------------------------------------------------------------------------------------------

BAD_RULES = {
    "unknown field": (
        'segment new\n  where contry is "FR"\n',
        [("unknown-name", 2, 9)],
        "there is no trait `contry`",
        "did you mean `country`?",
    ),
    "wrong type": (
        'segment new where age > "5"\n',
        [("type-mismatch", 1, 19)],
        "number cannot be compared with text",
        "numbers stand without quotes: 5",
    ),
    "unknown event": (
        "segment new\n\twhere did purchas in last 30 days\n",
        [("unknown-event", 2, 12)],
        "there is no event `purchas`",
        "did you mean `purchase`?",
    ),
    "cycle": (
        "segment one where in segment two\nsegment two where in segment three\nsegment three where in segment one\n",
        [("cycle", 1, 9)],
        "segment one -> segment two -> segment three -> segment one",
        "leave one of these steps out",
    ),
    "duplicate name": (
        "segment new where age > 3\nsegment new where age > 4\n",
        [("duplicate-name", 2, 9)],
        "two segments are called `new`",
        "rename one of them",
    ),
    "broken encoding": (
        b'segment new "caf\xe9" where age > 3\n',
        [("broken-encoding", 1, 17)],
        "byte 0xe9 is not valid UTF-8",
        "save the file as UTF-8",
    ),
    "two mistakes at once": (
        'segment new where contry is "FR"\nsegment old where did purchas\n',
        [("unknown-name", 1, 19), ("unknown-event", 2, 23)],
        "there is no event `purchas`",
        "did you mean `country`?",
    ),
}


@pytest.mark.parametrize("case", BAD_RULES)
def test_a_bad_rule_stops_the_run_before_anything(ran: Any, case: str) -> None:
    text, places, message, hint = BAD_RULES[case]
    answer = _unchanged(ran, lambda: ran.write({RULES: text}))
    assert answer.code == 1
    assert message in answer.text
    assert f"hint: {hint}" in answer.text
    for _, line, column in places:
        assert f"{RULES}:{line}:{column}: error: " in answer.text
    found = ran("check", "--format", "json").json()
    assert [(one["code"], one["line"], one["column"]) for one in found] == places
    assert {one["file"] for one in found} == {RULES}
    assert ran("check").code == 1


def test_a_cycle_names_every_step_at_its_place(ran: Any) -> None:
    ran.write({RULES: BAD_RULES["cycle"][0]})
    (found,) = ran("check", "--format", "json").json()
    assert [(one["line"], one["column"]) for one in found["related"]] == [(1, 30), (2, 30), (3, 32)]


def test_every_command_that_needs_rules_refuses_bad_ones(ran: Any) -> None:
    ran.write({RULES: BAD_RULES["unknown field"][0]})
    for command in (["plan"], ["run"], ["members", "recent"], ["train"], ["test"]):
        answer = ran(*command)
        assert answer.code == 1, command
        assert f"{RULES}:2:9: error: there is no trait `contry`" in answer.text


# ---- connections ---------------------------------------------------------------------------------------------------


def test_an_unknown_key_of_a_connection_is_named_with_the_valid_ones(ran: Any) -> None:
    answer = _unchanged(ran, lambda: ran.edit("connectors/shop.yml", "audiences: true", "audience: true"))
    assert answer.code == 1
    assert "connectors/shop.yml:20:1: error: there is no key 'audience' here [unknown-key]" in answer.text
    assert "hint: did you mean audiences? valid keys: kind, audiences" in answer.text


def test_a_missing_secret_names_its_variable_and_place(ran: Any) -> None:
    stored = {name: rows for name, rows in ran.known().items() if name in ("memberships", "contacts", "event_purchase")}
    ran.write({CONNECTION: HUBSPOT})
    answer = ran("run", "--as-of", LATER)
    assert answer.code == 2
    assert answer.text.startswith(f"{CONNECTION}:2:8: connection crm needs the environment variable CRM_TOKEN")
    assert "export CRM_TOKEN=..." in answer.text
    assert {name: ran.known()[name] for name in stored} == stored
    assert ran("check").code == 0, "a check needs no secret"


def test_a_secret_in_a_connection_file_is_refused_and_not_shown(ran: Any) -> None:
    secret = "pat-na1-0123456789abcdef"
    answer = _unchanged(ran, lambda: ran.write({CONNECTION: HUBSPOT.replace("env:CRM_TOKEN", secret)}))
    assert answer.code == 1
    assert f"{CONNECTION}:2:8: error: token must name an environment variable" in answer.text
    assert "hint: write env:NAME" in answer.text
    for shown in (answer.text, ran("check").text, ran("check", "--format", "json").text):
        assert secret not in shown
        assert secret[:12] not in shown


def test_secrets_of_the_environment_are_never_printed(ran: Any) -> None:
    secret = "pat-eu1-fedcba9876543210"
    ran.environ = {"CRM_TOKEN": secret, "SEGSERVER_API_TOKEN": secret}
    ran.write({CONNECTION: HUBSPOT.replace("kind: hubspot", "kind: hubspot\nendpoint: env:CRM_ENDPOINT")})
    for command in (["check"], ["run"], ["members", "nobody"], ["plan", "--format", "json"]):
        answer = ran(*command)
        assert secret not in answer.text
    assert secret not in b"".join(path.read_bytes() for path in ran.store.parent.glob("*.json")).decode()
    assert secret.encode() not in ran.store.read_bytes()


def test_a_broken_settings_file_is_shown_at_its_place(ran: Any) -> None:
    answer = _unchanged(ran, lambda: ran.write({"segserver.yml": "time zone: Europe/Pariss\nrun evry: 1 hour\n"}))
    assert answer.code == 1
    assert "segserver.yml:1:12: error: there is no time zone 'Europe/Pariss' [unknown-zone]" in answer.text
    assert "segserver.yml:2:1: error: there is no key 'run evry' here [unknown-key]" in answer.text


# ---- data ----------------------------------------------------------------------------------------------------------

PLACES = ("cursors", "watermarks")
"""How far each file was read: those beside the bad one are read as usual."""

BAD_DATA = {
    "short row": (
        ("orders.csv", "10:00:00Z,99.99,TEA", "10:00:00Z"),
        "orders.csv:5:1: error: the row has 3 cells, the header has 5 [short-row]",
        "add the missing cells",
    ),
    "bad number": (
        ("orders.csv", "99.99", "lots"),
        "orders.csv:5:41: error: amount: 'lots' is not a number [bad-cell]",
        "write it in digits",
    ),
    "number with a comma": (
        ("orders.csv", "99.99", '"99,99"'),
        "orders.csv:5:41: error: amount: '99,99' is not a number [bad-cell]",
        "write 99.99",
    ),
    "duplicated key": (
        ("orders.csv", "\n4,", "\n3,"),
        "orders.csv:5:1: error: order_id: '3' is given twice [duplicated-key]",
        "keep one of the rows",
    ),
    "customer twice": (
        ("customers.csv", "dan@", "ada@"),
        "customers.csv:5:1: error: email: 'ada@example.com' is given twice [duplicated-key]",
        "keep one of the rows",
    ),
    "bad date": (
        ("customers.csv", "2025-11-05", "2025-13-05"),
        "customers.csv:5:23: error: signup_date: '2025-13-05' is not an instant [bad-cell]",
        "write it as 2026-03-01T09:30:00Z",
    ),
    "missing column": (
        ("orders.csv", "ordered_at", "when"),
        "orders.csv:1:1: error: there is no column 'ordered_at' [missing-column]",
        "columns: order_id, email, when, amount, categories",
    ),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_a_bad_file_changes_nothing_and_says_where(ran: Any, case: str) -> None:
    edit, message, hint = BAD_DATA[case]
    answer = _unchanged(ran, lambda: ran.edit(*edit), but=PLACES)
    assert answer.code == 1
    assert message in answer.text
    assert f"hint: {hint}" in answer.text


def test_one_good_file_does_not_hide_a_bad_one_and_nobody_moves(ran: Any) -> None:
    ran.edit("customers.csv", "bo@example.com,BE", "bo@example.com,FR")
    members = ran.known()["memberships"]
    ran.edit("orders.csv", "99.99", "lots")
    assert ran("run", "--as-of", LATER).code == 1
    assert ran.known()["memberships"] == members
    ran.edit("orders.csv", "lots", "99.99")
    assert ran("run", "--as-of", LATER).code == 0
    assert ran.members("french_spenders") == ["ada@example.com", "bo@example.com"]


def test_a_mended_file_is_read_by_the_next_run_even_at_an_earlier_instant(ran: Any) -> None:
    ran.edit("orders.csv", "99.99", "lots")
    assert ran("run", "--as-of", LATER).code == 1
    ran.edit("orders.csv", "lots", "100")
    answer = ran("run", "--as-of", AS_OF)
    assert answer.code == 0, answer.text
    assert ran.members("french_spenders") == ["ada@example.com", "cleo@example.com"]


def test_a_run_ended_by_bad_data_is_noted_as_failed_with_the_reason(ran: Any) -> None:
    ran.edit("orders.csv", "99.99", "lots")
    ran("run", "--as-of", LATER)
    with duckdb.connect(ran.store, read_only=True) as store:
        status, report = store.execute("SELECT status, report FROM runs ORDER BY as_of DESC LIMIT 1").fetchall()[0]
    assert status == "failed"
    assert "'lots' is not a number" in report


def test_a_file_that_is_not_there_is_asked_for_at_the_line_that_names_it(ran: Any) -> None:
    answer = _unchanged(ran, lambda: (ran.directory / "orders.csv").unlink(), but=PLACES)
    assert answer.code == 2
    assert re.match(r"connectors/shop\.yml:\d+:\d+: there is no file orders\.csv; put the file there", answer.text)


# ---- the database --------------------------------------------------------------------------------------------------


def _text(path: Path) -> None:
    path.write_bytes(b"customers,2026\nnot a database\n" * 400)


def _foreign(path: Path) -> None:
    with duckdb.connect(path) as database:
        database.execute("CREATE TABLE invoices AS SELECT 42 AS number")


def _newer(path: Path) -> None:
    with duckdb.connect(path) as database:
        database.execute("CREATE TABLE meta (key VARCHAR, value VARCHAR)")
        database.execute("INSERT INTO meta VALUES ('application', 'segserver'), ('version', '9999')")


BAD_STORES = {
    "text": (_text, "is not a database of segserver; name another file, or move this one away"),
    "foreign": (_foreign, "is a database of another program, not a segserver store; name another file"),
    "newer": (_newer, "was written by a newer segserver"),
}


@pytest.mark.parametrize("case", BAD_STORES)
def test_a_database_that_is_not_ours_is_left_as_it_is(shop: Any, case: str) -> None:
    make, message = BAD_STORES[case]
    shop.store.parent.mkdir()
    make(shop.store)
    before = shop.store.read_bytes()
    answer = shop("run", "--as-of", AS_OF)
    assert answer.code == 1
    assert f"{shop.store} {message}" in answer.text
    assert "Nothing was changed" in answer.text
    assert shop.store.read_bytes() == before
    assert shop.audiences() == {}


@pytest.mark.parametrize("damage", ["zeros in the middle", "cut short"])
def test_a_damaged_database_is_left_as_it_is_with_the_way_out(ran: Any, damage: str) -> None:
    content = ran.store.read_bytes()
    broken = content[:5000] if damage == "cut short" else content[:4096] + bytes(40_000) + content[44_096:]
    ran.store.write_bytes(broken)
    pushed = ran.audiences()
    answer = ran("run", "--as-of", LATER)
    assert answer.code == 1
    assert f"{ran.store} is damaged" in answer.text
    assert "move the file away and sync again" in answer.text
    assert ran.store.read_bytes() == broken
    assert ran.audiences() == pushed


def test_a_store_that_was_moved_away_is_filled_again_from_the_sources(ran: Any) -> None:
    members = ran.members("recent")
    ran.store.rename(ran.store.with_name("moved.duckdb"))
    answer = ran("run", "--as-of", LATER)
    assert answer.code == 0, answer.text
    assert ran.members("recent") == members
