"""A model as a relational expression, so that the engine that holds the contacts scores them.

Only +, *, ln, exp, least, greatest, comparisons and CASE appear, so any engine that Ibis writes for can run it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import ibis
from ibis.expr.types import Table, Value

from segserver.models.calibration import LIMIT, Isotonic, Platt
from segserver.models.estimator import LARGEST
from segserver.models.portable import LOG1P, Portable, Term


def log_odds(model: Portable, columns: Mapping[str, Value]) -> Value:
    """The log-odds before calibration, float64, never null.

    Args:
        model: the model.
        columns: a number or boolean per feature; null, NaN and infinities are unknown.
    """
    total = _literal(model.intercept)
    for term in model.terms:
        total = total + _part(term, columns[term.name].cast("float64"), model.transform)
    return total


def calibrated(model: Portable, log_odds: Value) -> Value:
    """The calibrated probability, float64 between 0 and 1, of log-odds that are a column already.

    An isotonic curve names the log-odds many times over; written out in place they would be computed as often.
    """
    if isinstance(model.calibrator, Platt):
        return _sigmoid(log_odds, model.calibrator)
    return _ladder(log_odds, _pieces(model.calibrator))


def scoring_query(model: Portable, inputs: str) -> Table:
    """The scores of a table's rows as a query.

    Args:
        model: the model.
        inputs: name of a table with `contact_id` and one float64 column per feature.

    Returns:
        An expression over the unbound table: `contact_id`, `score`.
    """
    table = ibis.table({"contact_id": "string"} | dict.fromkeys(model.features, "float64"), name=inputs)
    columns = {name: table[name] for name in model.features}
    summed = table.select(contact_id=table.contact_id, log_odds=log_odds(model, columns))
    return summed.select(contact_id=summed.contact_id, score=calibrated(model, summed.log_odds))


def _part(term: Term, value: Value, transform: str) -> Value:
    inside = ibis.least(ibis.greatest(value, _literal(term.low)), _literal(term.high))
    tamed = _tamed(inside, term) if transform == LOG1P else inside
    known = _literal(term.factor) * tamed + _literal(term.constant)
    # True for known values, and false or null for null, NaN and infinities.
    return ibis.ifelse(value.abs() <= _literal(LARGEST), known, _literal(term.when_unknown))


def _tamed(inside: Value, term: Term) -> Value:
    """sign(x) * ln(1 + |x|), without the sign where the bounds rule it out."""
    one = _literal(1.0)
    if term.low >= 0:
        return (inside + one).ln()
    return ibis.ifelse(inside < _literal(0.0), _literal(-1.0) * (one - inside).ln(), (inside + one).ln())


def _sigmoid(log_odds: Value, platt: Platt) -> Value:
    shifted = _literal(-platt.slope) * log_odds + _literal(-platt.offset)
    inside = ibis.least(ibis.greatest(shifted, _literal(-LIMIT)), _literal(LIMIT))
    return _literal(1.0) / (inside.exp() + _literal(1.0))


Piece = tuple[float, float, float]
"""(start, level there, slope) of a straight piece of an isotonic curve."""


def _pieces(curve: Isotonic) -> list[Piece]:
    """The pieces by rising start; before the first and after the last knot the curve is level."""
    x, y = curve.log_odds, curve.probability
    rising = [(x[i], y[i], (y[i + 1] - y[i]) / (x[i + 1] - x[i])) for i in range(len(x) - 1)]
    return [(-math.inf, y[0], 0.0), *rising, (x[-1], y[-1], 0.0)]


def _ladder(log_odds: Value, pieces: Sequence[Piece]) -> Value:
    """The piece that holds, found by halving: as deep as the logarithm of their number."""
    if len(pieces) == 1:
        start, level, slope = pieces[0]
        return _literal(level) if slope == 0.0 else _literal(slope) * (log_odds - _literal(start)) + _literal(level)
    middle = len(pieces) // 2
    below, above = pieces[:middle], pieces[middle:]
    return ibis.ifelse(log_odds < _literal(above[0][0]), _ladder(log_odds, below), _ladder(log_odds, above))


def _literal(number: float) -> Value:
    # Ibis writes a float as a bare decimal, which an engine reads as an exact number of few digits; read from text it
    # is the nearest float64.
    return ibis.literal(repr(number)).cast("float64")
