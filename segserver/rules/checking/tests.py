"""`test` blocks: from the syntax tree to the checked program."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from segserver.rules.checking.given import Given
from segserver.rules.checking.instants import instant
from segserver.rules.checking.quantities import exact
from segserver.rules.checking.scope import Scope
from segserver.rules.program import Expectation, GivenChange, GivenContact, GivenEvent, GivenMembership, TestBlock
from segserver.rules.reading import block_nodes, nodes

ACCOUNT = "account"
_ANY_DAY = datetime(2000, 1, 1)
"""Stands in for an instant that is at fault, so that the rest is checked all the same."""


def given_test(node: block_nodes.TestNode, scope: Scope, zone: str) -> TestBlock | None:
    """A test of segments; None if its instant is at fault.

    Args:
        node: as written.
        scope: what names mean.
        zone: the workspace's time zone, in which dates are read.
    """
    at = _at(node, scope)
    if not node.contacts and not node.unread:
        message, hint = "this test has no contact", 'write `given a contact with country "FR"`'
        scope.findings.error("missing-clause", node.title.span, message, hint)
    now = None if at is None else instant(at, zone, scope.findings)
    given = Given(scope, zone)
    contacts = [_Contact(contact, now or _ANY_DAY, given, scope).checked() for contact in node.contacts]
    return None if now is None else TestBlock(node.title.text, now, tuple(contacts), span=node.title.span)


def _at(node: block_nodes.TestNode, scope: Scope) -> nodes.Day | None:
    if not node.at:
        message, hint = "this test has no `at`", "write `at 2026-03-01 09:00`"
        scope.findings.error("missing-clause", node.title.span, message, hint)
        return None
    for other in node.at[1:]:
        message = "`at` stands twice in this test"
        first = ((node.at[0].span, "the first one"),)
        scope.findings.error("duplicate-clause", other.span, message, "keep one of them", first)
    return node.at[0] if isinstance(node.at[0], nodes.Day) else None


class _Contact:
    """Checks one contact of a test."""

    def __init__(self, node: block_nodes.GivenNode, now: datetime, given: Given, scope: Scope) -> None:
        self._node = node
        self._now = now
        self._given = given
        self._scope = scope
        self._findings = scope.findings

    def checked(self) -> tuple[GivenContact, tuple[Expectation, ...]]:
        node = self._node
        own = tuple(item for item in node.traits if not item.of_account and not self._is_account(item))
        traits, changes = self._given.traits(own), self._changes()
        self._agree(traits, changes)
        created = exact(node.created, self._findings, zero=True) if node.created else None
        contact = GivenContact(
            traits={**{change.trait: change.after for change in changes}, **traits},
            events=tuple(event for did in node.events for event in self._events(did)),
            scores=self._scores(),
            created_at=self._now - created if created is not None else None,
            memberships=self._memberships(),
            changes=changes,
            account=self._account(),
            account_traits=self._given.account_traits(tuple(item for item in node.traits if item.of_account)),
            span=node.span,
        )
        return contact, self._expected()

    def _expected(self) -> tuple[Expectation, ...]:
        if not self._node.expected and not self._node.unread:
            message, hint = "nothing is expected of this contact", "write `expect in a_segment`"
            self._findings.error("missing-clause", self._node.span, message, hint)
        return tuple(
            Expectation(member.segment.text, not member.negated, span=member.span)
            for member in self._node.expected
            if self._scope.has_segment(member.segment)
        )

    # ---- the account

    def _is_account(self, item: block_nodes.GivenValue) -> bool:
        """Whether this names the account itself; a synced trait may be called `account` where accounts have none."""
        return item.name.text == ACCOUNT and ACCOUNT not in self._scope.catalog.traits

    def _account(self) -> str | None:
        items = [item for item in self._node.traits if not item.of_account and self._is_account(item)]
        for second in items[1:]:
            message = "the account is given twice"
            self._findings.error("duplicate-name", second.name.span, message, "keep one of them")
        if not items:
            self._check_account_is_given()
            return None
        written = items[0].value
        if isinstance(written, nodes.Quoted):
            return written.text
        self._findings.error(
            "type-mismatch", items[0].span, "an account is named by its key, a text", 'write `account "acme"`'
        )
        return None

    def _check_account_is_given(self) -> None:
        of_account = [item for item in self._node.traits if item.of_account]
        if of_account:
            message = "this contact has no account that could have a trait"
            self._findings.error("missing-clause", of_account[0].span, message, 'write `account "acme"` before it')

    # ---- what it did, was and had

    def _events(self, node: block_nodes.GivenDid) -> list[GivenEvent]:
        lengths = [exact(before, self._findings, zero=True) for before in node.before]
        properties = self._given.properties(node.properties, node.event)
        if properties is None:
            return []
        return [GivenEvent(node.event.text, self._now - length, properties) for length in lengths if length is not None]

    def _memberships(self) -> tuple[GivenMembership, ...]:
        first: dict[str, block_nodes.GivenMember] = {}
        found: list[GivenMembership] = []
        for node in self._node.memberships:
            name = node.segment.text
            since = exact(node.since, self._findings)
            if first.setdefault(name, node) is not node:
                related = ((first[name].span, "the first one"),)
                message = f"`was in {name}` is given twice"
                self._findings.error("duplicate-name", node.segment.span, message, "keep one of them", related)
            elif self._scope.has_segment(node.segment) and since is not None:
                found.append(GivenMembership(name, self._now - since))
        return tuple(found)

    def _changes(self) -> tuple[GivenChange, ...]:
        """The changes of traits in time order; each begins with what the one before left."""
        found: dict[str, list[tuple[GivenChange, block_nodes.GivenChanged]]] = defaultdict(list)
        for node in self._node.changes:
            change = self._change(node)
            if change is not None:
                found[change.trait].append((change, node))
        for chain in found.values():
            chain.sort(key=lambda item: item[0].changed_at)
            for (earlier, _), (later, node) in pairwise(chain):
                if earlier.changed_at == later.changed_at or earlier.after != later.before:
                    message = f"the change of `{later.trait}` before this one does not lead here"
                    hint = "each change starts later than the one before, with the value that one ended with"
                    self._findings.error("conflicting-clauses", node.span, message, hint)
        return tuple(sorted((change for chain in found.values() for change, _ in chain), key=lambda c: c.changed_at))

    def _change(self, node: block_nodes.GivenChanged) -> GivenChange | None:
        trait = self._scope.catalog.traits.get(node.name.text)
        ago = exact(node.ago, self._findings, zero=True)
        if trait is None:
            self._given.unknown_trait(node.name)
            return None
        if not trait.history:
            message = f"`{trait.name}` keeps no history, so no rule can see it change"
            hint = "add `history: true` to the trait in its connection"
            self._findings.error("no-history", node.name.span, message, hint)
        written = (node.before, node.after)
        before, after = (
            None if side is None else self._given.typed(node.name, side, trait.type, node.span) for side in written
        )
        faulty = any(side is not None and value is None for side, value in zip(written, (before, after), strict=True))
        if ago is None or faulty:
            return None
        if before == after:
            message = f"`{trait.name}` changes to the value it has"
            self._findings.error("conflicting-clauses", node.span, message, "write two values that differ")
        return GivenChange(trait.name, before, after, self._now - ago)

    def _agree(self, traits: dict[str, object], changes: tuple[GivenChange, ...]) -> None:
        """Report a trait that is given another value than its last change left."""
        last = {change.trait: change.after for change in changes}
        for item in self._node.traits:
            name = item.name.text
            if not item.of_account and name in last and name in traits and traits[name] != last[name]:
                message = f"`{name}` is given another value than its last change"
                hint = "leave it out: the last change says what it is now"
                self._findings.error("conflicting-clauses", item.span, message, hint)

    def _scores(self) -> dict[str, Decimal]:
        scores: dict[str, Decimal] = {}
        for node in self._node.scores:
            number = node.score.number / 100 if node.score.percent else node.score.number
            if not 0 <= number <= 1:
                self._findings.error("score-range", node.score.span, "a score lies between 0 and 1")
            if node.model.text in scores:
                message = f"the score of `{node.model.text}` is given twice"
                self._findings.error("duplicate-name", node.model.span, message, "keep one of them")
            if self._scope.has_model(node.model):
                scores[node.model.text] = number
        return scores
