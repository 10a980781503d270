"""Rule files: every construct of the language, in blocks of any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from segserver.specs.types import BOOLEAN, DURATION, Type
from tests.oracle.catalog import EVENTS
from tests.oracle.draw import Draw, Recorder
from tests.oracle.others import Others
from tests.oracle.people import MODELS, Scene
from tests.oracle.productions import CLAUSES

_FILES = 200
_CONDITIONS = 80
"""Tries to write a file, and a condition of it, that uses what is sought."""


@dataclass(frozen=True)
class Text:
    """A rule file.

    Attributes:
        uses: how often it uses each production.
        segments: their names.
        prefix, small, choices: what it was made from.
    """

    text: str
    uses: Counter[str] = field(default_factory=Counter)
    segments: tuple[str, ...] = ()
    prefix: str = ""
    small: bool = False
    choices: tuple[int, ...] = ()


def program(draw: Draw, place: Scene, prefix: str, *, small: bool = False, sought: str = "") -> Text:
    """A rule file for a scene, its blocks' names beginning with `prefix`.

    Args:
        draw: where chance comes from.
        place: whose dates, words and numbers it names.
        prefix: what the names of its blocks begin with.
        small: whether it has but a short segment or two.
        sought: a production that it uses; empty: any will do.
    """
    for _ in range(_FILES):
        kept = Recorder(draw)
        writer = Writer(kept.draw, place.dates(kept.draw), place.words, place.numbers)
        writer.seek(sought, kept)
        text = writer.program(prefix, small=small)
        if not sought or writer.uses[sought]:
            break
    return Text(text, writer.uses, writer.segments, prefix, small, tuple(kept.choices))


class Writer(Others):
    """Writes rule files."""

    _sought: str = ""
    _kept: Recorder

    def seek(self, sought: str, kept: Recorder) -> None:
        """Write conditions again until one uses a production; `kept` forgets the choices of those thrown away."""
        self._sought = sought
        self._kept = kept

    @property
    def segments(self) -> tuple[str, ...]:
        """The names of those written."""
        return tuple(name for name, _ in self._segments)

    def program(self, prefix: str, *, small: bool = False) -> str:
        """One rule file, its blocks in any order."""
        draw = self._draw
        self._start()
        self._frozen: set[str] = set()
        self._depths: tuple[int, ...] = (0,)
        blocks = []
        if draw.chance(8 if small else 25):
            self._past = True
            blocks.append(self._trait(f"{prefix}_past"))
            self._past = False
        modelled = draw.chance(10 if small else 28)
        if draw.chance(75 if modelled else 8):
            blocks.append(self._segment(f"{prefix}_before", past=True))
        if modelled:
            blocks.append(self._model(f"{prefix}_{draw.choice(MODELS)}"))
        if draw.chance(10 if small else 30):
            blocks.append(self._trait(f"{prefix}_trait"))
        many = (1, 1, 1, 1, 1, 1, 1, 2) if small else (1, 1, 1, 1, 1, 2, 3)
        self._depths = (0, 0, 1) if small else (0, 0, 1, 1)
        names = [f"{prefix}_s{index}" for index in range(draw.choice(many))]
        blocks += [self._segment(name) for name in names]
        if len(names) > 1 and not self._frozen & set(names[1:]) and draw.chance(50):
            blocks.append(self._exclusive(names, prefix))
        return "\n".join(draw.mixed(blocks)) + "\n"

    def _exclusive(self, names: list[str], prefix: str) -> str:
        self._use("exclusive")
        return f"exclusive {prefix}_group: {', '.join(names)}"

    def _trait(self, name: str) -> str:
        self._own = ""
        ways: tuple[Callable[[], tuple[Type, str]], ...] = (
            lambda: self._number(2),
            lambda: (BOOLEAN, self._condition(1)),
            lambda: (DURATION, self._duration(1)),
            self._event_value,
        )
        kind, text = self._draw.choice(ways)()
        self._computed[name] = (kind, self._past)
        return f"trait {name} = {text}"

    def _segment(self, name: str, *, past: bool = False) -> str:
        draw = self._draw
        self._own = name
        self._past = past
        depth = draw.choice(self._depths)
        where = self._condition(depth) if past else self._sought_condition(depth)
        lines = [f"segment {name}", f"where {where}"]
        if not past:
            lines += self._clauses()
        self._past = False
        self._segments.append((name, past))
        return "\n  ".join(lines)

    def _sought_condition(self, depth: int) -> str:
        for _ in range(_CONDITIONS if self._sought and self._sought not in CLAUSES else 0):
            start, uses = len(self._kept.choices), self.uses.copy()
            text = self._condition(depth)
            if self.uses[self._sought]:
                return text
            del self._kept.choices[start:]
            self.uses = uses
        return self._condition(depth)

    def _clauses(self) -> list[str]:
        draw = self._draw
        clauses = {
            "stay while": lambda: f"stay while {self._condition(1)}",
            "enter after": lambda: f"enter after {draw.choice(('1 days', '12 hours', '3 days'))}",
            "limit n": lambda: f"limit {draw.number(1, 5)} by {self._varying()}",
            "limit p%": lambda: f"limit {draw.choice((20, 50, 90))}% by {self._varying()}",
            "hold out": lambda: f"hold out {draw.choice((10, 50))}%",
            "manual": lambda: 'manual "rules/members.csv"',
            "draft": lambda: "draft",
            "frozen at": lambda: f"frozen at {draw.choice(self._dates)}",
        }
        wanted = [name for name in clauses if draw.chance(14)]
        if "frozen at" in wanted:
            wanted = [name for name in wanted if name not in ("stay while", "enter after")]
            self._frozen.add(self._own)
        if "limit n" in wanted and "limit p%" in wanted:
            wanted.remove("limit p%")
        for name in wanted:
            self._use(name)
        return [clauses[name]() for name in wanted]

    def _model(self, name: str) -> str:
        self._past = True
        draw = self._draw
        self._own = ""
        self._use("model")
        event = draw.choice(tuple(EVENTS))
        did = draw.choice(("did", "did", "did not"))
        times = draw.choice(("", " at least 2 times", " at most 1 times"))
        label = f"{did} {event}{self._where(event)}{times}"
        population = ""
        if draw.chance(60):
            self._use("for contacts where")
            agreeing = f"{self._consents()} and " if draw.chance(20) else ""
            population = f"\n  for contacts where {agreeing}{self._condition(1)}"
        features = [f"f{index} = {self._feature()}" for index in range(draw.number(1, 3))]
        self._past = False
        self._models.append(name)
        predicts = f"predicts {label} in next {draw.choice((1, 7, 30))} days"
        return "\n  ".join(
            (f"model {name}", predicts + population, "features", *(f"  {feature}" for feature in features))
        )

    def _feature(self) -> str:
        return self._draw.choice((lambda: self._number(1)[1], lambda: self._duration(1), lambda: self._condition(1)))()
