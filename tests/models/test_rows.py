"""The training frame as it is read: one order, one fingerprint, nothing unsound."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from segserver.models.rows import TrainingRefused, fingerprint, read_rows

CUTOFF = datetime(2025, 1, 1)


def small(**columns: object) -> pa.Table:
    """Two contacts with one feature; keywords replace columns."""
    table = {"contact_id": ["a", "b"], "cutoff": [CUTOFF, CUTOFF], "x": [1.0, 2.0], "label": [0, 1]}
    return pa.table({**table, **columns})


def test_rows_are_sorted_by_cutoff_then_contact(frame, make_spec) -> None:
    rows = read_rows(frame, make_spec())
    keys = list(zip(rows.cutoffs.tolist(), rows.contacts.tolist(), strict=True))
    assert keys == sorted(keys)
    assert len(rows) == frame.num_rows


def test_the_fingerprint_does_not_depend_on_the_order_of_rows_and_columns(frame, make_spec) -> None:
    shuffled = frame.take(np.random.default_rng(0).permutation(frame.num_rows)).select(frame.column_names[::-1])
    spec = make_spec()
    turned = make_spec(features=spec.features[::-1])
    assert fingerprint(read_rows(shuffled, turned)) == fingerprint(read_rows(frame, spec))


@pytest.mark.parametrize("column", ["contact_id", "orders", "noise", "label"])
def test_the_fingerprint_depends_on_every_cell(frame, make_spec, column: str) -> None:
    values = frame[column].to_pylist()
    values[17] = "somebody" if column == "contact_id" else (1 - values[17] if column == "label" else values[17] + 1)
    place = frame.column_names.index(column)
    changed = frame.set_column(place, column, pa.array(values, frame[column].type))
    assert fingerprint(read_rows(changed, make_spec())) != fingerprint(read_rows(frame, make_spec()))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, None], pa.int64()), [1.0, np.nan]),
        (pa.array([True, False]), [1.0, 0.0]),
        (pa.array([Decimal("1.250000"), None], pa.decimal128(18, 6)), [1.25, np.nan]),
        (pa.array([float("inf"), float("nan")]), [np.nan, np.nan]),
        (pa.array([float("-inf"), -0.5]), [np.nan, -0.5]),
    ],
)
def test_features_become_floats_and_what_is_not_finite_is_unknown(make_spec, values, expected) -> None:
    rows = read_rows(small(x=values), make_spec(features=("x",)))
    np.testing.assert_array_equal(rows.x[:, 0], expected)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"x": ["one", "two"]}, "feature x is string; a feature is a number or a condition"),
        ({"x": [CUTOFF, CUTOFF]}, "feature x is timestamp"),
        ({"label": [0, 2]}, "values other than 0 and 1"),
        ({"label": [0, None]}, "1 rows of the training frame have no label"),
        ({"contact_id": ["a", None]}, "1 rows of the training frame have no contact_id"),
        ({"contact_id": ["a", "a"]}, "a contact twice at one cutoff (a at 2025-01-01T00:00:00Z)"),
    ],
)
def test_an_unsound_frame_is_refused_with_the_reason(make_spec, columns, says: str) -> None:
    with pytest.raises(TrainingRefused) as caught:
        read_rows(small(**columns), make_spec(features=("x",)))
    assert str(caught.value).startswith("model buy was not trained: ")
    assert says in str(caught.value)


def test_a_missing_column_is_named(make_spec) -> None:
    with pytest.raises(TrainingRefused, match="no column y, z"):
        read_rows(small(), make_spec(features=("x", "y", "z")))


def test_a_model_without_features_is_refused(make_spec) -> None:
    with pytest.raises(TrainingRefused, match="declares no features"):
        read_rows(small(), make_spec(features=()))


@pytest.mark.parametrize("name", ["contact_id", "cutoff", "label"])
def test_a_feature_cannot_take_the_name_of_a_key_or_of_the_label(make_spec, name: str) -> None:
    with pytest.raises(TrainingRefused, match=f"feature {name} has the name of a column of its own"):
        read_rows(small(), make_spec(features=("x", name)))


def test_cutoffs_of_any_resolution_are_the_same_instants(make_spec) -> None:
    spec = make_spec(features=("x",))
    coarse = small(cutoff=pc.cast(pa.array([CUTOFF, CUTOFF]), pa.timestamp("s")))
    assert read_rows(coarse, spec).instants() == read_rows(small(), spec).instants() == [CUTOFF]
