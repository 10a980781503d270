"""Writes in batches: a refused batch is halved until the faulty records are alone, and every record has one outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil, log2

from hypothesis import example, given
from hypothesis import strategies as st

from segserver.connectors.base import Outcome, Status, Write
from segserver.connectors.batches import batches, deliver, edit_batches, itself, outcomes
from segserver.connectors.calls import ApiError
from segserver.errors import RetryLater
from segserver.specs.targets import Target

LIST = Target("crm", "list", "French")
BATCH = 100


def writes(number: int) -> list[Write]:
    return [Write(LIST, f"c{one}", str(one), "member") for one in range(number)]


class Platform:
    """Refuses a whole call for the sake of one faulty record in it, and answers no call after the last one allowed."""

    def __init__(self, faulty: frozenset[int], answers: int = 1_000_000) -> None:
        self.faulty = {str(one) for one in faulty}
        self.answers = answers
        self.calls = 0
        self.held: set[str] = set()

    def send(self, batch: Sequence[Write]) -> list[Outcome]:
        self.calls += 1
        if self.calls > self.answers:
            raise RetryLater("it does not answer now")
        if self.faulty & {write.address for write in batch}:
            raise ApiError("refused", status=400, code="VALIDATION_ERROR", reason="one is faulty", body=None)
        self.held |= {write.address for write in batch}
        return outcomes(batch, Status.CONFIRMED)


def delivered(platform: Platform, todo: Sequence[Write]) -> list[Outcome]:
    work = batches(todo, BATCH)
    return [one for part in deliver(list(work), platform.send, itself, splits=lambda _: True) for one in part]


@given(number=st.integers(0, 350), faulty=st.frozensets(st.integers(0, 349), max_size=6))
@example(number=100, faulty=frozenset({99}))
@example(number=3, faulty=frozenset({0, 1, 2}))
def test_only_the_faulty_records_of_a_refused_batch_are_rejected(number: int, faulty: frozenset[int]) -> None:
    platform, todo = Platform(faulty), writes(number)
    told = delivered(platform, todo)
    assert Counter(one.item for one in told) == Counter(todo)
    rejected = {write.address for write in todo} & platform.faulty
    assert {one.item.address for one in told if one.status is Status.REJECTED} == rejected
    assert {one.item.address for one in told if one.status is Status.CONFIRMED} == platform.held
    assert all(one.reason == "one is faulty" for one in told if one.status is Status.REJECTED)
    assert platform.calls <= ceil(number / BATCH) + 2 * len(rejected) * ceil(log2(BATCH))


@given(number=st.integers(1, 350), faulty=st.frozensets(st.integers(0, 349), max_size=3), answers=st.integers(0, 12))
def test_where_the_platform_stops_to_answer_the_rest_is_failed_and_not_tried(
    number: int, faulty: frozenset[int], answers: int
) -> None:
    platform, todo = Platform(faulty, answers), writes(number)
    told = delivered(platform, todo)
    assert Counter(one.item for one in told) == Counter(todo)
    assert platform.calls <= answers + 1
    confirmed = {one.item.address for one in told if one.status is Status.CONFIRMED}
    assert confirmed == platform.held
    assert {one.status for one in told} <= {Status.CONFIRMED, Status.REJECTED, Status.FAILED}


@given(
    pairs=st.lists(st.tuples(st.integers(0, 40), st.sampled_from("abc"), st.none() | st.sampled_from("xy"))),
    size=st.integers(1, 7),
)
def test_properties_are_joined_by_record_and_the_last_value_comes_last(
    pairs: list[tuple[int, str, str | None]], size: int
) -> None:
    todo = [Write(Target("crm", "property", name), f"c{one}", str(one), value) for one, name, value in pairs]
    made = edit_batches(todo, size)
    held: dict[tuple[str, str], str | None] = {}
    for batch in made:
        assert len(batch) <= size
        assert len({edit.address for edit in batch}) == len(batch), "nobody is twice in a call"
        for edit in batch:
            assert len({write.target.name for write in edit.writes}) == len(edit.writes)
            held |= {(edit.address, write.target.name): write.value for write in edit.writes}
    assert held == {(write.address, write.target.name): write.value for write in todo}
    assert Counter(write for batch in made for edit in batch for write in edit.writes) == Counter(todo)
