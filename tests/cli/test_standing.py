"""`segserver status`, and what `run` and `plan` say of hand edits at a destination."""

from __future__ import annotations

from typing import Any

DAYS = ("2026-03-01", "2026-03-02", "2026-03-03")


def test_before_the_first_push_there_is_nothing_to_show(shop: Any) -> None:
    assert shop("status").text == "nothing was pushed yet\n"
    assert shop("status", "--format", "json").json() == []


def test_status_shows_what_each_destination_holds_and_when_it_was_read(shop: Any) -> None:
    shop("run", "--as-of", DAYS[0])
    found = {one["name"]: one for one in shop("status", "--format", "json").json()}
    assert found["recent.csv"] == {
        "connection": "shop",
        "kind": "file",
        "name": "recent.csv",
        "confirmed": 2,
        "sent": 0,
        "found": 0,
        "refused": 0,
        "unsure": 0,
        "read_at": "2026-03-01T00:00:00Z",
    }
    lines = shop("status").text.splitlines()
    (line,) = [line for line in lines if "recent.csv" in line]
    assert line.split() == ["shop", "file", '"recent.csv"', "2", "2026-03-01", "01:00"]


def test_a_member_removed_by_hand_is_told_and_put_back(shop: Any) -> None:
    shop("run", "--as-of", DAYS[0])
    before = shop.audiences()["recent.csv"]
    kept = [line for line in before.splitlines(keepends=True) if "ada@" not in line]
    shop.write({"audiences/recent.csv": "".join(kept)})
    text = shop("run", "--as-of", DAYS[1], "--read-back").text
    assert (
        'shop file "recent.csv" was read back: 1 there; 1 removed by hand there, which the next run puts right' in text
    )
    assert "1 removed by hand there" in shop("plan", "--as-of", DAYS[2]).text
    shop("run", "--as-of", DAYS[2])
    assert shop.audiences()["recent.csv"] == before
    assert "by hand" not in shop("plan", "--as-of", DAYS[2]).text


def test_an_audience_that_cannot_be_read_is_named_with_the_reason(shop: Any) -> None:
    shop("run", "--as-of", DAYS[0])
    shop.write({"audiences/recent.csv": "somebody else's\n"})
    answer = shop("run", "--as-of", DAYS[1], "--read-back")
    assert 'shop file "recent.csv" could not be read back: recent.csv has no column contact_id' in answer.text
    assert (answer.code, shop.audiences()["recent.csv"]) == (0, "somebody else's\n")
