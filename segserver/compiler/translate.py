"""Nodes of a checked program as expressions over one table.

A value may be unknown (null); a condition never is. What already has a column is read from it; the rest is built from
its parts.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.types as ir

from segserver.compiler import accounts, comparisons, distances, durations, hashes, numbers, occasions, texts
from segserver.compiler.derived import Midnight
from segserver.compiler.numbers import balanced, number
from segserver.compiler.walk import Node
from segserver.compiler.windows import edge
from segserver.rules.expressions.conditions import (
    AccountAny,
    All,
    Anniversary,
    AnyOf,
    AtLeast,
    Between,
    Comparison,
    Condition,
    Consents,
    InBucket,
    InSegment,
    Known,
    Likely,
    ListTest,
    Near,
    Not,
    OnDay,
    OneOf,
    TextTest,
)
from segserver.rules.expressions.history import Changed, Did, FirstDid, HasBeen, Regular, SegmentChange, Sequence, WasIn
from segserver.rules.expressions.values import AccountCount, Arithmetic, Instant, Literal, Points, Score, Value
from segserver.specs.types import Kind


@dataclass(frozen=True, slots=True)
class Moment:
    """When a rule is looked at.

    Attributes:
        as_of: naive UTC.
        zone: IANA name of the workspace's time zone.
    """

    as_of: datetime
    zone: str


class Translator:
    """Builds expressions from nodes.

    Args:
        moment: what `as_of` and calendar words mean.
        read: the column that holds a node, or None if it has to be built.
        thresholds: model to the score from which `likely` holds.
        contact_id: whom a row is about; None where rows are events.
    """

    def __init__(
        self,
        moment: Moment,
        read: Callable[[Node], ir.Value | None],
        thresholds: Mapping[str, float],
        contact_id: ir.StringValue | None = None,
    ) -> None:
        self._moment = moment
        self._read = read
        self._thresholds = thresholds
        self._contact_id = contact_id

    def translate(self, node: Node) -> ir.Value:
        """A value, or a condition that is never unknown."""
        if isinstance(node, Condition):
            return self.condition(node)
        return self.value(node) if isinstance(node, Value) else self.column(node)

    def column(self, node: Node) -> ir.Value:
        """What already has a column."""
        found = self._read(node)
        if found is None:
            raise LookupError(f"no column holds {node!r}")
        return found

    def feature(self, node: Value | Condition) -> ir.FloatingValue:
        """A value as an input of a model: float64, conditions and booleans 0 or 1, durations in days."""
        found = self.translate(node)
        if isinstance(node, Condition):
            return numbers.inexact(ibis.ifelse(found, 1, 0))
        if node.type.kind is Kind.DURATION:
            return durations.days(found)
        return numbers.inexact(found)

    # ---- values ----------------------------------------------------------------------------------------------------

    def value(self, node: Value) -> ir.Value:
        """A value; null is unknown."""
        found = self._read(node)
        if found is not None:
            return found
        match node:
            case Literal():
                return self._literal(node)
            case Instant(edge=written):
                return ibis.literal(edge(written, self._moment.as_of, self._moment.zone))
            case Arithmetic():
                return self._arithmetic(node)
            case Points(criteria=criteria):
                nought = number(Decimal(0))
                return numbers.total([ibis.ifelse(self.condition(item), number(n), nought) for n, item in criteria])
            case AccountCount(where=where):
                met = None if where is None else self.condition(where)
                return accounts.counted(met, self.value(accounts.ACCOUNT))
            case _:
                raise LookupError(f"no column holds {node!r}, and it has no parts to build it from")

    def _literal(self, node: Literal) -> ir.Value:
        match node.value:
            case bool() | str() | date():
                return ibis.literal(node.value)
            case timedelta():
                return durations.duration(node.value)
            case Decimal():
                return number(node.value)

    def _arithmetic(self, node: Arithmetic) -> ir.Value:
        left, right = self.value(node.left), self.value(node.right)
        if node.type.kind is Kind.DURATION:
            return durations.arithmetic(node.op, left, right)
        return numbers.arithmetic(node.op, left, right)

    # ---- conditions ------------------------------------------------------------------------------------------------

    def condition(self, node: Condition) -> ir.BooleanValue:
        """A condition; never null."""
        found = self._read(node)
        return found if found is not None else _BUILDERS[type(node)](self, node)

    def _comparison(self, node: Comparison) -> ir.BooleanValue:
        if node.op == "!=":
            return ~self._holds("=", node.left, node.right, node.ignoring_case)
        return self._holds(node.op, node.left, node.right, node.ignoring_case)

    def _holds(self, op: str, left: Value, right: Value, ignoring_case: bool = False) -> ir.BooleanValue:
        if op == "=" and isinstance(right, Literal) and right.value is True:
            return self.value(left).fill_null(False)
        return self._compare(op, left, right, ignoring_case).fill_null(False)

    def _compare(self, op: str, left: Value, right: Value, ignoring_case: bool = False) -> ir.BooleanValue:
        if {left.type.kind, right.type.kind} == {Kind.DATE, Kind.INSTANT}:
            return self._compare_day(op, left, right)
        sides = numbers.alike(self.value(left), self.value(right))
        if ignoring_case:
            return comparisons.compare(op, sides[0].lower(), sides[1].lower())
        return comparisons.compare(op, *sides)

    def _compare_day(self, op: str, left: Value, right: Value) -> ir.BooleanValue:
        if right.type.kind is Kind.DATE:
            op, left, right = comparisons.mirrored(op), right, left
        zone = self._moment.zone
        day = self.value(left)
        if isinstance(right, Instant):
            return comparisons.compare_day(op, day, edge(right.edge, self._moment.as_of, zone), zone)
        return comparisons.compare(op, self.column(Midnight(left)), self.value(right))

    def _one_of(self, node: OneOf) -> ir.BooleanValue:
        value = self.value(node.value)
        options = [numbers.alike(value, self.value(option))[1] for option in node.options]
        if node.ignoring_case:
            value, options = value.lower(), [option.lower() for option in options]
        found = value.isin(options).fill_null(False)
        return ~found if node.negated else found

    def _between(self, node: Between) -> ir.BooleanValue:
        return self._holds(">=", node.value, node.low) & self._holds("<=", node.value, node.high)

    def _on_day(self, node: OnDay) -> ir.BooleanValue:
        value, moment = self.value(node.value), self._moment
        return occasions.on_day(node, value, moment.as_of, moment.zone, self.column).fill_null(False)

    def _anniversary(self, node: Anniversary) -> ir.BooleanValue:
        value, moment = self.value(node.value), self._moment
        return occasions.anniversary(node, value, moment.as_of, moment.zone, self.column).fill_null(False)

    def _first_did(self, node: FirstDid) -> ir.BooleanValue:
        since, moment = self.value(node.since), self._moment
        return occasions.first_did(node, since, moment.as_of, moment.zone, self.column).fill_null(False)

    def _near(self, node: Near) -> ir.BooleanValue:
        distance = distances.kilometres(self.value(node.value), node.latitude, node.longitude)
        return (distance <= numbers.float_literal(float(node.kilometres))).fill_null(False)

    def _in_bucket(self, node: InBucket) -> ir.BooleanValue:
        if self._contact_id is None:
            raise LookupError(f"{node!r} speaks of a contact, and there is none here")
        return hashes.in_bucket(self._contact_id, node.name, node.low, node.high)

    def _text_test(self, node: TextTest) -> ir.BooleanValue:
        value = self.value(node.value)
        found = texts.test_text(node.test, value, node.pattern, ignoring_case=node.ignoring_case)
        return found.fill_null(False)

    def _list_test(self, node: ListTest) -> ir.BooleanValue:
        value = self.value(node.value)
        if node.quantifier == "none of":
            return ~texts.test_list("any of", value, node.options, ignoring_case=node.ignoring_case)
        return texts.test_list(node.quantifier, value, node.options, ignoring_case=node.ignoring_case)

    def _known(self, node: Known) -> ir.BooleanValue:
        value = self.value(node.value)
        return value.isnull() if node.negated else value.notnull()

    def _did(self, node: Did) -> ir.BooleanValue:
        count = self.value(node.count)
        if node.low == node.high:
            return count == number(Decimal(node.low))
        ends = []
        if node.low > 0 or node.high is None:
            ends.append(count >= number(Decimal(node.low)))
        if node.high is not None:
            ends.append(count <= number(Decimal(node.high)))
        return balanced(ends, operator.and_)

    def _all(self, node: All) -> ir.BooleanValue:
        return balanced([self.condition(item) for item in node.items], operator.and_)

    def _any_of(self, node: AnyOf) -> ir.BooleanValue:
        return balanced([self.condition(item) for item in node.items], operator.or_)

    def _not(self, node: Not) -> ir.BooleanValue:
        return ~self.condition(node.item)

    def _at_least(self, node: AtLeast) -> ir.BooleanValue:
        held = [ibis.ifelse(self.condition(item), 1, 0) for item in node.items]
        return balanced(held, operator.add) >= node.n

    def _likely(self, node: Likely) -> ir.BooleanValue:
        reached = self.value(Score(node.model)) >= numbers.float_literal(self._thresholds[node.model])
        return reached.fill_null(False)

    def _account_any(self, node: AccountAny) -> ir.BooleanValue:
        return accounts.holds_for_any(self.condition(node.item), self.value(accounts.ACCOUNT))

    def _column_only(self, node: Condition) -> ir.BooleanValue:
        return self.column(node)


_BUILDERS: Mapping[type, Callable[[Translator, Any], ir.BooleanValue]] = {
    Comparison: Translator._comparison,
    OneOf: Translator._one_of,
    Between: Translator._between,
    OnDay: Translator._on_day,
    TextTest: Translator._text_test,
    ListTest: Translator._list_test,
    Known: Translator._known,
    Did: Translator._did,
    All: Translator._all,
    AnyOf: Translator._any_of,
    Not: Translator._not,
    AtLeast: Translator._at_least,
    Likely: Translator._likely,
    AccountAny: Translator._account_any,
    Anniversary: Translator._anniversary,
    FirstDid: Translator._first_did,
    Near: Translator._near,
    InBucket: Translator._in_bucket,
    InSegment: Translator._column_only,
    Consents: Translator._column_only,
    Regular: Translator._column_only,
    Sequence: Translator._column_only,
    Changed: Translator._column_only,
    HasBeen: Translator._column_only,
    SegmentChange: Translator._column_only,
    WasIn: Translator._column_only,
}
