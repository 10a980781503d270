"""The syntax tree of blocks and their clauses."""

from __future__ import annotations

from dataclasses import dataclass

from segserver.rules.reading.condition_nodes import Condition, Member
from segserver.rules.reading.nodes import Broken, Day, Name, Node, Quantity, Quoted, Value

# ---- clauses ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Push(Node):
    """A place at a destination: `hubspot list "Hot"`, `hubspot properties` (no name)."""

    connection: Name
    kind: Name
    name: Quoted | None


@dataclass(frozen=True, slots=True)
class LimitNode(Node):
    """`limit 5000 by v`, `limit 10% by v`."""

    places: Quantity
    by: Value


@dataclass(frozen=True, slots=True)
class FeatureNode(Node):
    """`name = ...`, or the bare name of a trait (no expression)."""

    name: Name
    expression: Condition | None


@dataclass(frozen=True, slots=True)
class GateNode(Node):
    """`auc >= 0.70`."""

    figure: str
    op: str
    bound: Quantity | None


@dataclass(frozen=True, slots=True)
class CapNode(Node):
    """`3 per 7 days`."""

    count: Quantity
    window: Quantity


@dataclass(frozen=True, slots=True)
class ChannelCapsNode(Node):
    """`email at most 1 per day, 3 per 7 days at risk 5%`."""

    channel: Name
    caps: tuple[CapNode, ...]
    risk: Quantity | None


@dataclass(frozen=True, slots=True)
class SenderNode(Node):
    """`email by marketo campaign "Win back"`."""

    channel: Name
    target: Push


@dataclass(frozen=True, slots=True)
class StepNode(Node):
    """`day 4 "winback_2"`."""

    day: Quantity
    content: Quoted | None


@dataclass(frozen=True, slots=True)
class HoursNode(Node):
    """`09:00 and 19:00 in contact's time zone, not on sunday`; minutes of the day, ISO weekdays."""

    start_minute: int
    end_minute: int
    zone: str
    not_on: tuple[int, ...]


# ---- blocks ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clause(Node):
    """One clause of a block.

    Attributes:
        key: its keyword.
        content: what follows, of a type that the key decides; a `Broken` if it could not be read.
    """

    key: str
    content: object


@dataclass(frozen=True, slots=True)
class TraitNode(Node):
    """`trait name = ...`; a value stands as `Bare`."""

    name: Name
    expression: Condition


@dataclass(frozen=True, slots=True)
class BlockNode(Node):
    """A segment, model, scenario or `caps` block: its clauses in the order written.

    Attributes:
        keyword: which of them.
        name: for `caps` the keyword itself.
        unread: whether something in it is no clause at all, so that none can be called missing.
    """

    keyword: str
    name: Name
    title: str | None
    clauses: tuple[Clause, ...]
    unread: bool


@dataclass(frozen=True, slots=True)
class ExclusiveNode(Node):
    """`exclusive name: a, b, c`."""

    name: Name
    segments: tuple[Name, ...]


# ---- tests -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GivenValue(Node):
    """`name value` in a test; a tuple is a list of text, or a place.

    Attributes:
        of_account: written `account.name`: a trait of the contact's account.
    """

    name: Name
    value: Value | tuple[Value, ...]
    of_account: bool = False


@dataclass(frozen=True, slots=True)
class GivenDid(Node):
    """`did event with ... 2 days and 5 days before`, once for each time."""

    event: Name
    properties: tuple[GivenValue, ...]
    before: tuple[Quantity, ...]


@dataclass(frozen=True, slots=True)
class GivenScore(Node):
    """`score(model) 0.8`."""

    model: Name
    score: Quantity


@dataclass(frozen=True, slots=True)
class GivenMember(Node):
    """`was in segment since 2 days` in a test; the segment's bare name."""

    segment: Name
    since: Quantity


@dataclass(frozen=True, slots=True)
class GivenChanged(Node):
    """`whose name changed from a to b 2 days before`.

    Attributes:
        before, after: None is `unknown`; a tuple is a list of text, or a place.
        ago: before the test's instant.
    """

    name: Name
    before: Value | tuple[Value, ...] | None
    after: Value | tuple[Value, ...] | None
    ago: Quantity


@dataclass(frozen=True, slots=True)
class GivenNode(Node):
    """A contact of a test, with what is expected of it.

    Attributes:
        unread: whether a clause of it could not be read, so that none can be called missing.
    """

    traits: tuple[GivenValue, ...]
    created: Quantity | None
    events: tuple[GivenDid, ...]
    memberships: tuple[GivenMember, ...]
    changes: tuple[GivenChanged, ...]
    scores: tuple[GivenScore, ...]
    expected: tuple[Member, ...]
    unread: bool = False


@dataclass(frozen=True, slots=True)
class TestNode(Node):
    """A `test` block.

    Attributes:
        unread: whether something in it belongs to no contact, so that none can be called missing.
    """

    title: Quoted
    at: tuple[Day | Broken, ...]
    contacts: tuple[GivenNode, ...]
    unread: bool = False


Block = TraitNode | BlockNode | ExclusiveNode | TestNode
