"""Contacts, events and segments of any size, the segments both as rule text and as columns of one wide query."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from segserver import relations
from segserver.rules.check import check
from segserver.rules.program import Program
from segserver.specs.catalog import Catalog, Event, Trait
from segserver.specs.types import NUMBER, TEXT, TEXTS, Type

AS_OF = datetime(2026, 3, 1)
DAYS = 400
ZONE = "UTC"

CATALOG = Catalog(
    traits={name: Trait(name, TEXT, history=False, sources=("crm",)) for name in ("country", "age_band")},
    events={
        "purchase": Event("purchase", {"amount": Type(NUMBER.kind, "USD"), "categories": TEXTS}, ("crm",)),
        "page_view": Event("page_view", {"path": TEXT}, ("engage",)),
        "email_open": Event("email_open", {"mailing": TEXT}, ("engage",)),
    },
    channels=("email",),
    destinations={"crm": "hubspot"},
    connections={"crm": "hubspot", "engage": "marketo"},
)
SHARES = {"purchase": 0.1, "page_view": 0.7, "email_open": 0.2}
"""Of all events."""

_PROPERTIES = {
    "purchase": "(1 + hash(n, 'amount') % 20000 / 100)::DECIMAL(18,6) AS p_amount, "
    "[['COFFEE', 'TEA', 'MILK', 'BREAD', 'WINE', 'PETS'][1 + (hash(n, 'one') % 6)::INT], "
    "['CHEESE', 'FRUIT', 'PASTA'][1 + (hash(n, 'two') % 3)::INT]] AS p_categories",
    "page_view": "['/', '/coffee', '/tea', '/offers', '/basket', '/stores'][1 + (hash(n, 'path') % 6)::INT] AS p_path",
    "email_open": "'mailing ' || hash(n, 'mailing') % 40 AS p_mailing",
}
_WINDOWS = (7, 14, 30, 60, 90, 180, 365)


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: in rules, and as a test of an aggregate over all events together.

    Attributes:
        aggregate: SQL over the wide event table; None for a test of the contact alone.
        test: SQL that follows the aggregate, or is the test of the contact.
    """

    rule: str
    aggregate: str | None
    test: str


@dataclass(frozen=True, slots=True)
class Segment:
    """Conditions that all must hold."""

    name: str
    conditions: tuple[Condition, ...]

    @property
    def rule(self) -> str:
        """The block in a rule file."""
        return f'segment {self.name} "{self.name}"\n  where ' + "\n    and ".join(one.rule for one in self.conditions)


def fill(con: duckdb.DuckDBPyConnection, contacts: int, events: int) -> None:
    """Make `contacts` and one table for each event; activity is uneven, a few contacts have much of it."""
    con.execute(
        f"CREATE TABLE contacts AS SELECT 'c' || lpad(n::VARCHAR, 12, '0') AS contact_id, "
        f"TIMESTAMP '{AS_OF}' - INTERVAL {DAYS} DAY AS created_at, NULL::TIMESTAMP AS deleted_at, "
        "false AS suppressed, hash(n, 'mail') % 10 > 0 AS consent_email, "
        "['FR', 'BE', 'CH', 'DE', 'UK'][1 + (hash(n, 'country') % 5)::INT] AS t_country, "
        "['19-24', '25-34', '35-44', '45+'][1 + (hash(n, 'age') % 4)::INT] AS t_age_band "
        f"FROM range({contacts}) AS made(n)"
    )
    for name, share in SHARES.items():
        relation = relations.event_table(CATALOG.events[name])
        con.execute(
            f"CREATE TABLE {relation.name} AS SELECT "
            f"'c' || lpad(floor({contacts} * pow(hash(n, 'who') / 18446744073709551616, 2))::BIGINT::VARCHAR, 12, '0') "
            "AS contact_id, 'crm' AS connection, n::VARCHAR AS event_key, "
            f"TIMESTAMP '{AS_OF}' - to_seconds(1 + hash(n, 'at') % {DAYS * 86_400}) AS occurred_at, "
            "occurred_at + INTERVAL 10 MINUTE AS known_at, known_at AS recorded_at, "
            f"{_PROPERTIES[name]} FROM range({int(events * share)}) AS made(n)"
        )


def segments(count: int) -> list[Segment]:
    """As many segments of two to four conditions, as marketers write them."""
    draw = random.Random(7)
    kinds: tuple[Callable[[random.Random], Condition], ...] = (_often, _often, _spent, _quiet, _saw, _bought, _lives)
    return [
        Segment(f"s{number:03}", tuple(kind(draw) for kind in draw.sample(kinds, draw.randint(2, 4))))
        for number in range(count)
    ]


def program(listed: list[Segment]) -> Program:
    """The segments as the checker gives them to the compiler."""
    checked, findings = check({"rules/bench.seg": text(listed)}, CATALOG, zone=ZONE)
    if checked is None:
        raise SystemExit("\n".join(f"{finding.span}: {finding.message}" for finding in findings))
    return checked


def text(listed: list[Segment]) -> str:
    """The rule file."""
    return "\n\n".join(one.rule for one in listed) + "\n"


def since(days: int) -> str:
    """SQL for the start of a window."""
    return f"TIMESTAMP '{AS_OF - timedelta(days=days)}'"


def _often(draw: random.Random) -> Condition:
    event, days, times = draw.choice(list(SHARES)), draw.choice(_WINDOWS), draw.randint(2, 4)
    return Condition(f"did {event} at least {times} times in last {days} days", _count(event, days), f">= {times}")


def _quiet(draw: random.Random) -> Condition:
    event, days = draw.choice(list(SHARES)), draw.choice(_WINDOWS[:5])
    return Condition(f"did not {event} in last {days} days", _count(event, days), "= 0")


def _spent(draw: random.Random) -> Condition:
    days, amount = draw.choice(_WINDOWS), draw.randint(1, 8) * 25
    aggregate = f"coalesce(sum(p_amount) FILTER (WHERE event = 'purchase' AND occurred_at >= {since(days)}), 0)"
    return Condition(f"sum(purchase.amount in last {days} days) >= {amount} USD", aggregate, f">= {amount}")


def _saw(draw: random.Random) -> Condition:
    path, days = draw.choice(("/coffee", "/offers", "/basket")), draw.choice(_WINDOWS)
    rule = f'did page_view where path is "{path}" at least 2 times in last {days} days'
    return Condition(rule, _count("page_view", days, f"AND p_path = '{path}'"), ">= 2")


def _bought(draw: random.Random) -> Condition:
    category, days = draw.choice(("COFFEE", "TEA", "WINE")), draw.choice(_WINDOWS)
    rule = f'did purchase where categories contains "{category}" in last {days} days'
    return Condition(rule, _count("purchase", days, f"AND list_contains(p_categories, '{category}')"), ">= 1")


def _lives(draw: random.Random) -> Condition:
    country = draw.choice(("FR", "BE", "DE"))
    return Condition(f'country is "{country}"', None, f"t_country IS NOT DISTINCT FROM '{country}'")


def _count(event: str, days: int, more: str = "") -> str:
    return f"count(*) FILTER (WHERE event = '{event}' AND occurred_at >= {since(days)} {more})"
