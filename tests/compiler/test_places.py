"""Distances, and buckets by the hash of a contact."""

from __future__ import annotations

import hashlib
import math
from decimal import Decimal

import ibis
import pytest

from segserver.compiler import hashes
from segserver.compiler.sql import to_sql
from segserver.rules.expressions.conditions import InBucket, Near, Not

from .conftest import World, program, trait


def near(kilometres: str, latitude: str = "48.85", longitude: str = "2.35") -> Near:
    return Near(trait("home"), Decimal(kilometres), Decimal(latitude), Decimal(longitude))


def place(latitude: float | None, longitude: float | None) -> dict[str, float | None]:
    return {"latitude": latitude, "longitude": longitude}


def haversine(a: tuple[float, float], b: tuple[float, float]) -> float:
    """By the sphere's law, from the mean radius of the Earth."""
    (north, east), (to_north, to_east) = ((math.radians(x), math.radians(y)) for x, y in (a, b))
    chord = math.sin((to_north - north) / 2) ** 2
    chord += math.cos(north) * math.cos(to_north) * math.sin((to_east - east) / 2) ** 2
    return 2 * 6371.0088 * math.asin(math.sqrt(min(1.0, chord)))


def test_known_distances() -> None:
    assert haversine((48.85, 2.35), (51.5074, -0.1278)) == pytest.approx(344.11, abs=0.01)
    assert haversine((0, 0), (0, 180)) == pytest.approx(math.pi * 6371.0088)


@pytest.mark.parametrize("at", [(48.86, 2.36), (51.5074, -0.1278), (-48.85, -177.65), (90.0, 0.0), (48.85, 2.35)])
def test_a_place_is_near_up_to_its_distance(world: World, at: tuple[float, float]) -> None:
    world.contact("a", home=place(*at))
    distance = haversine((48.85, 2.35), at)
    assert world.where(near(f"{distance + 1e-6:.9f}")) == "a"
    if distance:
        assert world.where(near(f"{distance - 1e-6:.9f}")) == ""


def test_an_unknown_place_is_not_near(world: World) -> None:
    world.contact("a")
    world.contact("b", home=place(48.85, None))
    assert world.where(near("20100")) == ""
    assert world.where(Not(near("20100"))) == "a b"


def test_places_on_either_side_of_the_date_line_are_near(world: World) -> None:
    world.contact("a", home=place(0.0, -179.99))
    assert world.where(near("3", "0", "179.99")) == "a"


# ---- buckets -------------------------------------------------------------------------------------------------------


def bucket(name: str, contact_id: str) -> int:
    digits = hashlib.sha256(f"bucket\x1f{name}\x1f{contact_id}".encode()).hexdigest()[:13]
    return int(digits, 16) * 10_000 // 16**13


CONTACTS = [f"contact {place} é" for place in range(60)]


@pytest.fixture
def crowd(world: World) -> World:
    for name in CONTACTS:
        world.contact(name)
    return world


@pytest.mark.parametrize(("low", "high"), [(0, 4999), (5000, 9999), (0, 9999), (1234, 1234), (9999, 9999)])
def test_a_bucket_is_read_off_the_hash_of_its_name_and_the_contact(crowd: World, low: int, high: int) -> None:
    expected = {name for name in CONTACTS if low <= bucket("spring test", name) <= high}
    assert crowd.members(program({"s": InBucket("spring test", low, high)})) == {"s": expected}


def test_every_single_bucket_is_told_from_its_neighbours(crowd: World) -> None:
    name = CONTACTS[7]
    at = bucket("x", name)
    for low, high, held in ((at, at, True), (at + 1, at + 1, False), (at - 1, at - 1, False)):
        assert (name in crowd.where(InBucket("x", low, high))) is held


def test_tests_of_other_names_draw_other_contacts(crowd: World) -> None:
    assert crowd.where(InBucket("one", 0, 4999)) != crowd.where(InBucket("two", 0, 4999))


def test_a_share_is_held_out_by_segment_and_contact(crowd: World) -> None:
    rows = ibis.table({"contact_id": "string"}, name="contacts")
    query = rows.filter(hashes.held_out(rows.contact_id, "vip", Decimal("0.25"))).select("contact_id")
    found = {str(row["contact_id"]) for row in crowd.rows(to_sql(query))}

    def share(name: str) -> float:
        return int(hashlib.sha256(f"hold out\x1fvip\x1f{name}".encode()).hexdigest()[:13], 16) / 16**13

    assert found == {name for name in CONTACTS if share(name) < 0.25}
    assert 0 < len(found) < 30
