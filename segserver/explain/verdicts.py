"""What an explanation is made of, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from segserver.rules.expressions.conditions import Condition


@dataclass(frozen=True, slots=True)
class Observed:
    """A value a condition looks at.

    Attributes:
        text: the value in rule text.
        value: what it is for the contact; None is unknown. Durations are `timedelta`, instants naive UTC.
        shown: the same for people, instants in the workspace's zone.
    """

    text: str
    value: object
    shown: str


@dataclass(frozen=True, slots=True)
class Witness:
    """Something that happened and that a condition looks at.

    Attributes:
        what: the event, the trait that changed, or the segment that was entered or left.
        at: naive UTC.
        details: what of it the condition reads; None is unknown.
        text: what and details for people, with units, instants in the workspace's zone.
    """

    what: str
    at: datetime
    details: Mapping[str, object] = field(default_factory=dict)
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Colleague:
    """A contact of the same account, and what of a condition over colleagues holds for it; None: there is none."""

    contact_id: str
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A condition, or a clause of a segment, and whether it holds.

    Attributes:
        text: rule text; for a composed condition only its word ("all of", "any of", "not", "at least 2 of").
        holds: None if it was not evaluated, then `note` says why.
        observed: what a single condition looked at.
        parts: the conditions inside; for `in segment` those of that segment, where it first occurs.
        note: a bound that the text does not show, or why there is no verdict.
        node: the condition; None for a clause.
        needed: how many of the parts have to hold; None for a single condition.
        witnesses: what happened that it looks at, the last ones, in the order of time.
        coming: what happened that its window reaches only later.
        colleagues: contacts of the account, of those over whom it asks: the ones it counts, else some it does not.
        role: what a clause is to its segment: "where", "stay", "before", "wait", "rival", "limit", "manual" or "kept".
        turned: what it takes to hold, and not to hold, in words, empty where nothing does; None where the node tells.
        turns_at: naive UTC, when it turns by itself; None if the node tells, or it does not.
        written: a single condition, or a negated one, as its author wrote it; None where that is not known.
    """

    text: str
    holds: bool | None
    observed: tuple[Observed, ...] = ()
    parts: tuple[Verdict, ...] = ()
    note: str | None = None
    node: Condition | None = field(default=None, compare=False, repr=False)
    needed: int | None = None
    witnesses: tuple[Witness, ...] = ()
    coming: tuple[Witness, ...] = ()
    colleagues: tuple[Colleague, ...] = ()
    role: str | None = None
    turned: tuple[str, str] | None = None
    turns_at: datetime | None = None
    written: str | None = field(default=None, compare=False)

    @property
    def called(self) -> str:
        """What people recognise it by: their own words, else its rule text."""
        return self.written or self.text


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a feature adds to the log-odds of a score, compared with an average contact.

    Attributes:
        value: None is unknown.
        unit: of the value, "days" for lengths of time; None: none.
    """

    feature: str
    value: float | None
    log_odds: float
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class ModelReason:
    """A score and where it comes from, the strongest feature first; `score` None: outside the model's population."""

    model: str
    score: float | None
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """What would have to change for a contact to enter or leave: all of these, each in words."""

    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expiry:
    """When the verdict changes by itself if nothing happens before.

    Attributes:
        at: naive UTC.
        text: the condition that turns then.
        holds: whether it holds from then on.
    """

    at: datetime
    text: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a contact is or is not in a segment.

    Attributes:
        as_of: naive UTC.
        zone: IANA name of the workspace's zone, in which instants are shown.
        member: None if the segment cannot be evaluated: a model it needs does not serve.
        verdict: None if the contact does not exist at `as_of`.
        scores: of the models the segment reads.
        current_only: traits that took today's value at a past `as_of`.
        turns: the least that would have to change, each a way of its own.
        expiry: when it changes by itself; None if it does not, or cannot be told.
        since: when the contact entered, by the last run; None if it was no member then, or the instant is another.
        held_out: a member that is neither pushed nor scheduled.
        draft: the segment is evaluated and never pushed.
        asked: what the contact was called by whoever asks; None: the id.
        names: what to call colleagues, by id; the id itself where nothing is known.
    """

    segment: str
    contact_id: str
    as_of: datetime
    zone: str
    member: bool | None
    verdict: Verdict | None
    scores: tuple[ModelReason, ...] = ()
    current_only: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()
    expiry: Expiry | None = None
    since: datetime | None = None
    held_out: bool = False
    draft: bool = False
    asked: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
