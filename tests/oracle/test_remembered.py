"""A remembered connection gives what the database gives, whatever of it was asked before."""

from __future__ import annotations

import pyarrow as pa

from tests.oracle.remembered import Answers, RememberedConnection


def asked(answers: Answers, *added: int) -> list[tuple[object, ...]]:
    """The sum of some numbers that a table gets one after the other."""
    connection = RememberedConnection(answers)
    connection.execute("create temp table numbers (n integer)")
    for number in added:
        connection.register("given", pa.table({"n": [number]}))
        connection.execute("insert into numbers select n from given")
        connection.unregister("given")
    found = connection.execute("select sum(n) as total from numbers")
    assert [column[0] for column in found.description] == ["total"]
    rows = found.fetchall()
    connection.close()
    return rows


def test_what_was_asked_before_is_remembered() -> None:
    answers: Answers = {}
    assert asked(answers, 1, 2) == [(3,)]
    remembered = len(answers)
    assert asked(answers, 1, 2) == [(3,)]
    assert len(answers) == remembered


def test_what_differs_is_asked_of_a_database_in_which_all_before_it_was_done() -> None:
    answers: Answers = {}
    asked(answers, 1, 2)
    assert asked(answers, 1, 5) == [(6,)]
    assert asked(answers, 4, 2) == [(6,)]
    assert asked(answers, 1, 2, 3) == [(6,)]
