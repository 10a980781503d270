"""What the command line shows of held-out, listed and frozen members."""

from __future__ import annotations

from tests.conftest import Shop

AS_OF = "2026-03-01"


def test_plan_and_members_show_who_is_held_out(shop: Shop) -> None:
    shop.edit("rules/shop.seg", "in last 30 days\n", "in last 30 days\n  hold out 99.9999%\n")
    plan = shop("plan", "--as-of", AS_OF)
    assert "2 held out" in plan.text
    assert plan.text.count("held out") == 1, "the other segment holds out nobody"
    assert "nothing to push" not in plan.text
    shop("run", "--as-of", AS_OF)
    assert shop.audiences().get("recent.csv", "email\n").count("@") == 0
    assert shop("members", "recent").text.count("held out") == 2
    assert "held out" not in shop("members", "french_spenders").text
    assert [one["held_out"] for one in shop("members", "recent", "--format", "json").json()] == [True, True]


def test_a_run_shows_what_did_not_move_and_which_rows_name_nobody(shop: Shop) -> None:
    rows = "".join(f"nobody{number}@example.com\n" for number in range(7))
    shop.write({"friends.csv": f"email\ndan@example.com\n{rows}"})
    shop.append(
        "rules/shop.seg",
        '\nsegment friends\n  where age > 150\n  manual "friends.csv"\n'
        "\nsegment cohort\n  where age > 30\n  frozen at 2100-01-01\n",
    )
    text = shop("run", "--as-of", AS_OF).text
    assert "segment cohort keeps its members: segment cohort is frozen at 2099-12-31 23:00 UTC" in text
    assert "7 rows of manual lists name no contact, or several:" in text
    assert "friends.csv:3: nobody0@example.com" in text
    assert text.count("friends.csv:") == 5, "a sample"
    assert shop.members("friends") == ["dan@example.com"]


def test_an_edited_frozen_segment_is_named(shop: Shop) -> None:
    shop.append("rules/shop.seg", "\nsegment cohort\n  where age > 30\n  frozen at 2026-01-01\n")
    text = shop("run", "--as-of", AS_OF).text
    assert "read as it is today, since no history is kept: age" in text
    assert "frozen" not in text
    shop.edit("rules/shop.seg", "age > 30", "age > 20")
    text = shop("run", "--as-of", AS_OF).text
    assert "segment cohort is frozen and keeps its members although its rule was changed" in text


def test_a_segment_that_cannot_be_looked_at_is_no_empty_one(shop: Shop) -> None:
    shop.append("rules/shop.seg", "\nsegment cohort\n  where age > 30\n  frozen at 2100-01-01\n")
    shop("run", "--as-of", AS_OF)
    answer = shop("members", "cohort", "--as-of", "2026-02-01")
    assert answer.code == 2
    assert "segment cohort cannot be evaluated at 2026-02-01T00:00:00Z" in answer.text
