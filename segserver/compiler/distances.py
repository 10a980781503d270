"""Distances on the ground."""

from __future__ import annotations

import math
from decimal import Decimal

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from segserver.compiler.numbers import float_literal

EARTH_RADIUS = 6371.0088
"""Mean radius of the Earth in kilometres (IUGG)."""


def kilometres(place: ir.StructValue, latitude: Decimal, longitude: Decimal) -> ir.FloatingValue:
    """Great-circle distance to a place written in degrees, by the haversine formula, float64; unknown if a side is."""
    here_latitude, here_longitude = place["latitude"].radians(), place["longitude"].radians()
    there_latitude, there_longitude = math.radians(latitude), math.radians(longitude)
    north = ((here_latitude - float_literal(there_latitude)) / 2.0).sin()
    east = ((here_longitude - float_literal(there_longitude)) / 2.0).sin()
    chord = north * north + here_latitude.cos() * float_literal(math.cos(there_latitude)) * east * east
    # At the antipodes rounding may push the chord above 1, where the arc sine is an error.
    bounded = ibis.ifelse(chord > 1.0, ibis.literal(1.0, type=dt.float64), chord)
    return bounded.sqrt().asin() * (2.0 * EARTH_RADIUS)
