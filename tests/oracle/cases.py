"""What is compared: programs, the scene they are evaluated in, and how."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from segserver.errors import render
from segserver.rules.check import check
from segserver.rules.program import Program
from tests.oracle.catalog import CATALOG
from tests.oracle.contacts import Past
from tests.oracle.draw import Draw
from tests.oracle.notes import Notes
from tests.oracle.people import MODELS, Scene, past, scene
from tests.oracle.productions import rarest
from tests.oracle.texts import Text, program
from tests.oracle.world import World

CONTACTS = 8


class Disagreement(AssertionError):
    """The compiler and the evaluator do not mean the same.

    Attributes:
        case: where, with one program; None until that is known.
    """

    case: Case | None = None


class NotGood(Exception):
    """The checker does not take what the generator wrote."""


@dataclass(frozen=True)
class Case:
    """Programs, the scene they are evaluated in, and how.

    Attributes:
        thresholds: of `likely`, by model; others do not serve.
        historical: evaluate as one does at an instant in the past.
        chosen: contacts of a run over some of them; nobody: there is none.
        cutoffs: of training rows; none: there are none.
        gap: of training rows.
        stored: the run over some contacts uses the stored cut-offs of rankings.
    """

    scene: Scene
    texts: tuple[Text, ...]
    past: Past
    thresholds: Mapping[str, float]
    historical: bool
    chosen: tuple[str, ...]
    cutoffs: tuple[datetime, ...]
    gap: timedelta
    stored: bool

    def checked(self) -> Program:
        """All programs as one."""
        sources = {f"p{index}.seg": text.text for index, text in enumerate(self.texts)}
        found, findings = check(sources, CATALOG, zone=self.scene.zone)
        if found is None:
            raise NotGood(f"these are good programs\n{render(findings, sources)}")
        return found

    def world(self, notes: Notes) -> World:
        """The programs at the scene's instant, as the evaluator sees them."""
        program, place = self.checked(), self.scene
        return World(
            program,
            place.contacts,
            place.as_of,
            {name: bound for name, bound in self.thresholds.items() if name in program.models},
            self.historical,
            place.accounts or {},
            past_of(self.past, program),
            notes,
        )


def case(
    draw: Draw,
    programs: int,
    *,
    contacts: int = CONTACTS,
    small: bool = False,
    written: Mapping[str, int] | None = None,
) -> Case:
    """Some programs in a scene.

    Args:
        draw: where chance comes from.
        programs: how many.
        contacts: how many.
        small: whether the programs are short.
        written: how often each production has been written; every second program uses the one written least.
    """
    place = scene(draw, contacts)
    uses = Counter(written)
    texts: tuple[Text, ...] = ()
    for index in range(programs):
        sought = "" if written is None or index % 2 else rarest(uses)
        texts += (program(draw, place, f"p{index}", small=small, sought=sought),)
        uses += texts[-1].uses
    names = [f"p{index}_{model}" for index in range(programs) for model in MODELS]
    historical = draw.chance(25)
    return Case(
        place,
        texts,
        past(draw, place, segments_of(texts), historical=historical),
        {name: draw.choice((0.3, 0.6, 0.97)) for name in names if not draw.chance(12)},
        historical,
        tuple(draw.some([contact.contact_id for contact in place.contacts], 3)) if draw.chance(40) else (),
        tuple(sorted({draw.choice(place.edges) for _ in range(2)})) if draw.chance(20) else (),
        draw.choice((timedelta(0), timedelta(days=2))),
        draw.chance(70),
    )


def segments_of(texts: Iterable[Text]) -> list[str]:
    """Names of all segments of some programs."""
    return [name for text in texts for name in text.segments]


def shown(case: Case) -> str:
    """A case of one program as a person reads it."""
    place = case.scene
    return f"{place.zone}, as of {place.as_of}, historical {case.historical}\n" + "\n".join(
        text.text for text in case.texts
    )


def past_of(past: Past, program: Program) -> Past:
    """What of a past concerns a program: some waits and lists come to nothing without their clauses."""
    blocks = program.segments
    return Past(
        {name: members for name, members in past.members.items() if name in blocks},
        tuple(turn for turn in past.turns if turn.segment in blocks),
        {name: since for name, since in past.waiting.items() if name in blocks and blocks[name].enter_after},
        {name: listed for name, listed in past.manual.items() if name in blocks and blocks[name].manual},
        frozenset(name for name in past.frozen if name in blocks and blocks[name].frozen_at),
    )
