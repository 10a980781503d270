"""Which instants are learned from, and what each is for."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from segserver.models.cutoffs import FOLDS, Part, cutoffs, fold, split

WATERMARK = datetime(2018, 1, 1)
DAY = timedelta(days=1)


def test_cutoffs_are_newest_first_and_their_labels_end_by_the_watermark(make_spec) -> None:
    spec = make_spec(gap=DAY, horizon=30 * DAY, step=30 * DAY, cutoffs=3)
    assert cutoffs(spec, WATERMARK, datetime(2017, 1, 1)) == (
        datetime(2017, 12, 1),
        datetime(2017, 11, 1),
        datetime(2017, 10, 2),
    )


def test_a_cutoff_at_or_before_the_first_data_is_left_out(make_spec) -> None:
    spec = make_spec(gap=DAY, horizon=30 * DAY, step=30 * DAY, cutoffs=3)
    assert cutoffs(spec, WATERMARK, datetime(2017, 11, 1)) == (datetime(2017, 12, 1),)
    assert len(cutoffs(spec, WATERMARK, datetime(2017, 10, 31, 23, 59))) == 2
    assert cutoffs(spec, WATERMARK, WATERMARK) == ()


def test_without_data_there_is_no_cutoff(make_spec) -> None:
    assert cutoffs(make_spec(), WATERMARK, None) == ()


@pytest.mark.parametrize(
    ("step_days", "parts"),
    [
        (31, [Part.TRAIN, Part.TRAIN, Part.TEST]),
        (30, [Part.TRAIN, Part.PURGED, Part.TEST]),
        (15, [Part.PURGED, Part.PURGED, Part.TEST]),
    ],
)
def test_a_cutoff_whose_label_ends_after_the_test_cutoff_is_purged(step_days: int, parts: list[Part]) -> None:
    present = [WATERMARK - i * step_days * DAY for i in range(3)]
    assert list(split(present, 31 * DAY).values()) == parts


def test_parts_do_not_depend_on_the_order_of_cutoffs() -> None:
    present = [WATERMARK - i * 31 * DAY for i in range(3)]
    assert split(present, 31 * DAY) == split(present[::-1], 31 * DAY)


def test_folds_are_stable_even_and_differ_by_seed() -> None:
    # The first 16 hex digits of SHA-256 of "42|fold|<contact>", modulo 5, by another program.
    digests = ("003a88247749e867", "b99234f17ec94a40", "d1e7052f8711873e")
    assert [fold(contact, 42) for contact in ("a", "b", "élodie")] == [int(digest, 16) % 5 for digest in digests]
    sizes = [sum(fold(str(i), 0) == number for i in range(5000)) for number in range(FOLDS)]
    assert min(sizes) > 900
    assert any(fold(str(i), 0) != fold(str(i), 1) for i in range(20))
