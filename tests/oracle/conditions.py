"""Conditions on events over the oracle's catalog, right by construction."""

from __future__ import annotations

from tests.oracle.attributes import Attributes
from tests.oracle.catalog import EVENTS
from tests.oracle.written import COMPARISONS, EXACT, IN_ZONE


class Conditions(Attributes):
    """Writes conditions on a contact: what it is and was, and what it did."""

    def _did(self) -> str:
        draw = self._draw
        event = draw.choice(("purchase", "page_view", "unsubscribed"))
        low = draw.number(0, 3)
        way = draw.choice(("", "", " at least", " at most", " exactly", " between"))
        bounds = f"{low} and {low + draw.number(0, 3)}" if way == " between" else str(low or int(way == " at least"))
        times = f"{way} {bounds} times" if way else ""
        if way:
            self._use(f"did{way}")
        did = "did not" if draw.chance(30) else "did"
        self._use(did)
        return f"{did} {event}{self._where(event)}{times}{self._window()}"

    def _first_did(self) -> str:
        self._use("first did")
        event = self._draw.choice(("purchase", "page_view", "unsubscribed"))
        return f"first did {event}{self._where(event)}{self._filled_window()}"

    def _regular(self) -> str:
        draw = self._draw
        event = draw.choice(("purchase", "page_view", "unsubscribed"))
        unit = draw.choice(("weeks", "days", "months", "years", "hours"))
        periods = draw.number(1, 5)
        zoned = unit in ("months", "years") and draw.chance(50) and not self._past
        self._use("in at least n of last m" + (", contact's time zone" if zoned else ""))
        did = draw.choice(("did", "did not"))
        counted = f"in at least {draw.number(1, min(periods, 3))} of last {periods} {unit}"
        return f"{did} {event}{self._where(event)} {counted}{IN_ZONE if zoned else ''}"

    def _sequence(self) -> str:
        draw = self._draw
        events = [draw.choice(("page_view", "purchase", "unsubscribed")) for _ in range(draw.number(2, 3))]
        steps = [self._step(event, before) for before, event in zip([None, *events], events, strict=False)]
        if draw.chance(45):
            self._use("then not")
            absent = draw.choice(("purchase", "page_view"))
            if len(steps) == 3 or draw.chance(60):
                steps.pop()
                events.pop()
            steps.append(f"not {self._step(absent, events[-1], within=True)}")
        else:
            self._use(f"sequence of {len(steps)}")
        return f"did {' then '.join(steps)}{self._window()}"

    def _step(self, event: str, before: str | None, *, within: bool = False) -> str:
        draw = self._draw
        linked = before is not None and "sku" in EVENTS[event] and "sku" in EVENTS[before] and draw.chance(45)
        where = self._linked_where(event) if linked else self._where(event)
        if within or (before is not None and draw.chance(40)):
            self._use("step within")
            where += f" within {draw.choice((1, 2, 7, 30, 60))} {draw.choice(EXACT)}"
        return event + where

    def _linked_where(self, event: str) -> str:
        self._use("previous")
        link = self._draw.choice(("sku = previous.sku", "sku is previous.sku", "previous.sku = sku"))
        if self._draw.chance(30):
            return f" where ({self._of_event(event)} and {link})"
        return f" where {link}"

    # ---- inside `where`

    def _where(self, event: str) -> str:
        draw = self._draw
        if not EVENTS[event] or not draw.chance(40):
            return ""
        if not draw.chance(45):
            self._use("where, one comparison")
            one = self._of_event(event)
            return f" where ({one if ' ' in one else f'{one} is true'})"
        several = [self._of_event(event) for _ in range(draw.number(2, 3))]
        way = draw.choice(("and", "or"))
        self._use(f"where, several with {way}")
        return f" where ({f' {way} '.join(several)})"

    def _of_event(self, event: str) -> str:
        draw = self._draw
        if event == "purchase" and draw.chance(20):
            return f"(amount {draw.choice('*/')} items) {self._draw.choice(COMPARISONS)} {draw.choice(self._numbers)}"
        name, kind = draw.choice(list(EVENTS[event].items()))
        return self._tested(name, kind, draw.choice(("deliver_on", "promised")) if event == "purchase" else None)
