"""Random rule files: every construct of the language, in blocks of any order.

What the checker refuses (a reversed `between`, say) is simply not used; the caller draws again.
"""

from __future__ import annotations

from segserver.specs import Kind, Type
from tests.oracle.catalog import EVENTS
from tests.oracle.phrases import Phrases


class Writer(Phrases):
    """Writes rule files."""

    def program(self) -> str:
        """One rule file, its blocks in any order."""
        draw = self._draw
        blocks = []
        for index in range(draw.randint(0, 2)):
            self._past = True
            blocks.append(self._trait(f"past_{index}"))
            self._past = False
        if draw.random() < 0.5:
            blocks.append(self._segment("past_segment", past=True))
        blocks += [self._model(f"m{index}") for index in range(draw.choice((0, 0, 0, 1, 1, 2)))]
        blocks += [self._trait(f"trait_{index}") for index in range(draw.randint(1, 3))]
        blocks += [self._segment(f"s{index}") for index in range(draw.randint(3, 6))]
        draw.shuffle(blocks)
        return "\n".join(blocks)

    def _trait(self, name: str) -> str:
        kind, text = self._draw.choice(
            (
                lambda: self._number(2),
                lambda: (Type(Kind.BOOLEAN), self.condition(1)),
                lambda: (Type(Kind.DURATION), self._duration(1)),
                self._event_value,
            )
        )()
        self._computed[name] = (kind, self._past)
        return f"trait {name} = {text}"

    def _segment(self, name: str, *, past: bool = False) -> str:
        self._past = past
        where = self.condition(self._draw.choice((0, 0, 0, 1, 1, 2)))
        self._segments.append((name, self._past))
        self._past = False
        return f"segment {name}\n  where {where}"

    def _model(self, name: str) -> str:
        self._past = True
        draw = self._draw
        event = draw.choice(tuple(EVENTS))
        label = f"{draw.choice(('did', 'did', 'did not'))} {event}{self._where(event)}"
        times = draw.choice(("", " at least 2 times", " at most 1 times"))
        population = f"\n  for contacts where {self.condition(1)}" if draw.random() < 0.6 else ""
        features = [f"f{index} = {self._feature()}" for index in range(draw.randint(1, 3))]
        self._past = False
        self._models.append(name)
        predicts = f"predicts {label}{times} in next {draw.choice((1, 7, 30))} days"
        return "\n  ".join(
            (f"model {name}", predicts + population, "features", *(f"  {feature}" for feature in features))
        )

    def _feature(self) -> str:
        return self._draw.choice((lambda: self._number(1)[1], lambda: self._duration(1), lambda: self.condition(1)))()
