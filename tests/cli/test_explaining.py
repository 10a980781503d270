"""`segserver explain`: what besides the rule decides on a membership."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import segserver
from segserver.cli import execute
from segserver.cli.invocation import Invocation

ADA, BO, CLEO, DAN = (f"{name}@example.com" for name in ("ada", "bo", "cleo", "dan"))

STATE = """
segment loyal
  where did purchase at least 2 times in last 60 days
  stay while did purchase in last 90 days

segment patient
  where did purchase in last 60 days
  enter after 2 days

segment best
  where did purchase
  limit 1 by sum(purchase.amount)

segment rest
  where did purchase in last 60 days

exclusive tiers: best, rest

segment ranked
  where top 2 by sum(purchase.amount)

segment upper
  where percentile of sum(purchase.amount) >= 50

segment listed
  where country is "DE"
  manual "members.csv"

segment tried
  where did purchase
  draft

segment old
  where did purchase
  frozen at 2026-01-08

segment halved
  where did purchase
  hold out 50%
"""


@pytest.fixture
def run(shop: Any) -> Any:
    """The small workspace with segments of every kind, after a run."""
    shop.append("rules/shop.seg", STATE)
    shop.write({"members.csv": f"email\n{DAN}\n", "segserver.yml": "time zone: UTC\n"})
    assert shop("run", "--as-of", "2026-03-01").code == 0
    return shop


def said(shop: Any, contact: str, segment: str, *arguments: str) -> str:
    """What is said, one line for each condition, without indents and ids."""
    answer = shop("explain", contact, segment, *arguments)
    assert answer.code == 0, answer.text
    lines = (" ".join(line.split()) for line in answer.text.splitlines())
    return "\n".join(lines).replace(contact, "contact", 1)


def test_a_member_stays_by_stay_while(run: Any) -> None:
    assert run("run", "--as-of", "2026-04-01").code == 0
    text = said(run, ADA, "loyal")
    assert text.startswith("contact is in loyal at 2026-04-01 00:00 UTC")
    where = "\nno where: who may enter (does not decide: a member stays by `stay while`)\n"
    assert f"{where}no did purchase at least 2 times in last 60 days" in text
    assert "\nyes already a member\nyes stay while: who may stay\nyes did purchase in last 90 days" in text
    outside = said(run, BO, "loyal")
    assert "\nno already a member\nyes stay while: who may stay (does not decide: only a member stays by it)" in outside
    assert "\nto leave: no `purchase in last 90 days` (now 2)\n" in text
    assert (
        "\nleaves right after 2026-05-11 10:00 if nothing happens: `did purchase in last 90 days` no longer holds"
        in text
    )


def test_who_waits_to_enter_is_told_since_when(run: Any) -> None:
    text = said(run, BO, "patient")
    assert text.startswith("contact is not in patient")
    assert "no `where` true for 2 days (true at every run since 2026-03-01 00:00)" in text
    assert "enters at 2026-03-03 00:00 if nothing happens: `where` true for 2 days holds from then on" in text
    assert run("run", "--as-of", "2026-03-03").code == 0
    assert said(run, BO, "patient").startswith("contact is in patient")


def test_limits_and_exclusive_groups_say_who_has_the_place(run: Any) -> None:
    assert (
        "yes among the first 1 by sum(purchase.amount) (sum(purchase.amount) is 500 EUR; the last one in has 500 EUR)"
        in said(run, BO, "best")
    )
    text = said(run, ADA, "best")
    assert "is 100 EUR; the last one in has 500 EUR; members keep their places)" in text
    assert (
        "to enter: a free place among the first 1: members keep theirs, "
        "the next one goes to the highest sum(purchase.amount) (sum(purchase.amount) is 100 EUR)" in text
    )
    seen = "sum(purchase.amount) is 100 EUR"
    ranked, upper = said(run, ADA, "ranked"), said(run, ADA, "upper")
    assert f"yes top 2 by sum(purchase.amount) ({seen}; the place is 2 of 4; the last one in has 100 EUR)" in ranked
    assert f"to leave: sum(purchase.amount) below 99.99 EUR, which the next one has (now {seen};" in ranked
    assert f"percentile of sum(purchase.amount) >= 50 ({seen}; the percentile is 75; 99.99 EUR reaches it)" in upper
    rest = said(run, BO, "rest")
    assert rest.startswith("contact is not in rest")
    assert "no not claimed by best" in rest
    assert "to enter: no longer in best" in rest
    assert "yes not claimed by best" in said(run, ADA, "rest")


def test_who_is_on_a_manual_list_is_a_member_whatever_the_rule_says(run: Any) -> None:
    text = said(run, DAN, "listed")
    assert text.startswith("contact is in listed")
    assert 'yes listed in "members.csv"' in text
    assert 'to leave: removed from "members.csv"' in text
    assert 'or: listed in "members.csv"' in said(run, ADA, "listed")


def test_drafts_and_hold_outs_are_named(run: Any) -> None:
    assert said(run, ADA, "tried").splitlines()[0].endswith("(a member since 2026-03-01 00:00; a draft)")
    held = {
        one["identities"]["email"][0]: one["held_out"] for one in run("members", "halved", "--format", "json").json()
    }
    assert held
    for contact, is_held in held.items():
        assert ("; held out)" in said(run, contact, "halved").splitlines()[0]) is is_held
        assert run("explain", contact, "halved", "--format", "json").json()["held_out"] is is_held


def test_members_of_a_frozen_segment_are_kept_and_nothing_lets_others_in(run: Any) -> None:
    text = said(run, CLEO, "old")
    assert text.startswith("contact is in old")
    assert "yes already a member (evaluated once, as of 2026-01-08 00:00)" in text
    assert "to enter" not in said(run, BO, "old")


def test_a_member_is_told_since_when_as_the_last_run_left_it(run: Any) -> None:
    assert run("run", "--as-of", "2026-03-02").code == 0
    assert "in recent at 2026-03-02 00:00 UTC (a member since 2026-03-01 00:00)\n" in said(run, ADA, "recent")
    assert "a member since" not in said(run, ADA, "recent", "--as-of", "2026-01-20")
    assert run("explain", ADA, "recent", "--format", "json").json()["since"] == "2026-03-01T00:00:00Z"
    assert run("explain", CLEO, "recent", "--format", "json").json()["since"] is None


def test_looking_back_sees_what_held_then(run: Any) -> None:
    text = said(run, ADA, "recent", "--as-of", "2026-01-20")
    assert "2026-01-10 10:00 purchase" in text
    assert "2026-02-10" not in text
    assert "leaves right after 2026-02-09 10:00 if nothing happens" in text


def test_instants_have_no_seconds(shop: Any) -> None:
    shop("run", "--as-of", "2026-03-01T10:11:12.345678Z")
    assert " at 2026-03-01 11:11 Europe/Paris (" in shop("explain", ADA, "recent").text


def test_a_member_does_not_leave_by_waiting_nor_by_being_outranked(run: Any) -> None:
    assert run("run", "--as-of", "2026-03-03").code == 0
    text = said(run, BO, "patient")
    assert "to leave: no `purchase in last 60 days`" in text
    assert "not yet" not in text
    assert "no longer among" not in said(run, BO, "best")


def test_a_phone_number_is_found_in_any_spelling_and_several_contacts_are_not_taken_for_none(shop: Any) -> None:
    kinds = "{email: email, phone: phone, card: card, badge: badge}"
    shop.edit("connectors/shop.yml", "identities: {email: email}", f"identities: {kinds}")
    people = f"{ADA},FR,+33 6 00 00 00 05,c1,b1\n{BO},BE,0032 2 555 12 12,c2,c1\n"
    shop.write({"customers.csv": f"email,country,phone,card,badge\n{people}"})
    shop.edit("connectors/shop.yml", "  created: signup_date\n", "")
    shop.edit("connectors/shop.yml", "    age: {type: number}\n", "")
    shop.edit("connectors/shop.yml", "  consent:\n    email: {from: newsletter, means: granted}\n", "")
    assert shop("run", "--as-of", "2026-03-01").code == 0
    for spelling in ("+33600000005", "33600000005", "0033 6 00 00 00 05"):
        assert shop("explain", spelling, "recent").text.startswith(
            f"{spelling} is in recent at 2026-03-01 01:00 Europe"
        )
    several, none = shop("explain", "c1", "recent"), shop("explain", "c9", "recent")
    assert (several.code, none.code) == (2, 2)
    assert several.text.startswith("2 contacts are known as 'c1'; give one of their ids: ")
    assert none.text.startswith("no contact is known as 'c9'; give an e-mail address")


MANUAL = """
segment generous
  where sum(purchase.amount) >= 1000 EUR

segment active
  where did purchase at least 2 times in last 60 days and not in segment generous
"""


def test_the_manual_shows_what_is_printed(shop: Any) -> None:
    shop.append("rules/shop.seg", MANUAL)
    shop("run", "--as-of", "2026-03-01")
    page = (Path(segserver.__file__).parent / "help" / "commands.md").read_text(encoding="utf-8")
    section = page.split("\n## explain\n")[1].split("\n## ")[0]
    (printed,) = re.findall(r"^```text\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert shop("explain", ADA, "active").text == printed


def test_lines_fit_the_console_in_explanations_and_failing_tests(shop: Any) -> None:
    shop.append(
        "rules/shop.seg",
        "segment often\n  where did purchase where amount > 5 at least 30 times in last 60 days\n"
        'test "a bold claim"\n  at 2026-03-01 09:00\n  given a contact with country "FR"\n  expect in often\n',
    )
    shop("run", "--as-of", "2026-03-01")
    for arguments in (("explain", ADA, "often"), ("test", "--match", "bold")):
        out = StringIO()
        line = ("--workspace", str(shop.directory), *arguments)
        execute(line, Invocation(shop.environ, Console(file=out, width=60, highlight=False), line))
        lines = out.getvalue().splitlines()
        (first,) = (place for place, text in enumerate(lines) if "did purchase where" in text and "no  " in text)
        assert lines[first + 1].startswith(" " * lines[first].index("did "))
        assert max(map(len, lines)) <= 60 < len(lines[first]) + len(lines[first + 1].strip())


CLIENTS = """\
kind: files
contacts:
  path: people.csv
  identities: {email: email}
  account: client_no
events:
  demo:
    path: demos.csv
    key: id
    contact: {email: email}
    at: asked_at
"""


def test_colleagues_are_called_by_their_addresses(shop: Any) -> None:
    for name in ("connectors/shop.yml", "rules/shop.seg", "customers.csv", "orders.csv"):
        (shop.directory / name).unlink()
    shop.write(
        {
            "connectors/clients.yml": CLIENTS,
            "rules/clients.seg": "segment curious\n  where any contact of account did demo in last 30 days\n",
            "people.csv": "email,client_no\nann@x.org,7\nbob@x.org,7\ncat@x.org,8\n",
            "demos.csv": "id,email,asked_at\n1,bob@x.org,2026-02-20T10:00:00Z\n",
        }
    )
    answer = shop("run", "--as-of", "2026-03-01")
    assert answer.code == 0, answer.text
    text = said(shop, "ann@x.org", "curious")
    assert '(1 of the 2 contacts of account "' in text
    assert "\nyes bob@x.org (1 time)\n2026-02-20" in text
    found = shop("explain", "ann@x.org", "curious", "--format", "json").json()["rule"]["parts"][0]["contacts"]
    assert [one["name"] for one in found] == ["bob@x.org"]
