"""Cases as files: the rule file that a person reads, and beside it the scene as JSON.

A disagreement that was found is reduced to what it takes, kept here, and replayed by a test ever after.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from tests.oracle.cases import Case, Disagreement, NotGood, past_of
from tests.oracle.compare import agree
from tests.oracle.contacts import Change, Contact, Happening, Past, Turn
from tests.oracle.draw import repeated
from tests.oracle.notes import Tally
from tests.oracle.people import Scene
from tests.oracle.texts import Text, program

FOLDER = Path(__file__).parent / "golden"

_RECORDS = {kind.__name__: kind for kind in (Case, Scene, Text, Contact, Happening, Change, Past, Turn)}


def write(name: str, case: Case, folder: Path = FOLDER) -> Path:
    """Keep a case of one program, without what it took only to draw it.

    Returns:
        The rule file; the scene is beside it.
    """
    folder.mkdir(exist_ok=True)
    (text,) = case.texts
    path = folder / f"{name}.seg"
    path.write_text(text.text, encoding="utf-8")
    checked = case.checked()
    bare = replace(
        case,
        scene=replace(case.scene, edges=(), instants=(), words=(), numbers=()),
        texts=(Text("", segments=text.segments),),
        past=past_of(case.past, checked),
        thresholds={name: bound for name, bound in case.thresholds.items() if name in checked.models},
    )
    told = json.dumps(_encoded(bare), ensure_ascii=False, indent=1)
    path.with_suffix(".json").write_text(told + "\n", encoding="utf-8")
    return path


def read(path: Path) -> Case:
    """A case that was kept, by its rule file."""
    found = _decoded(json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
    assert isinstance(found, Case)
    text = replace(found.texts[0], text=path.read_text(encoding="utf-8"))
    return replace(found, texts=(text,))


def _encoded(value: object) -> object:
    match value:
        case datetime():
            return {"": "datetime", "at": value.isoformat()}
        case date():
            return {"": "date", "at": value.isoformat()}
        case timedelta():
            return {"": "timedelta", "microseconds": value // timedelta(microseconds=1)}
        case Decimal():
            return {"": "Decimal", "number": str(value)}
        case Counter():
            return {"": "Counter"}
        case tuple() | frozenset():
            items = sorted(value) if isinstance(value, frozenset) else value
            return {"": type(value).__name__, "items": [_encoded(item) for item in items]}
        case list():
            return [_encoded(item) for item in value]
        case dict():
            return {name: _encoded(item) for name, item in value.items()}
        case _ if is_dataclass(value):
            parts = {part.name: _encoded(getattr(value, part.name)) for part in fields(value)}
            return {"": type(value).__name__, **parts}
        case _:
            return value


def _decoded(value: object) -> object:
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("")
    makers: dict[str, Callable[[], object]] = {
        "datetime": lambda: datetime.fromisoformat(value["at"]),
        "date": lambda: date.fromisoformat(value["at"]),
        "timedelta": lambda: timedelta(microseconds=value["microseconds"]),
        "Decimal": lambda: Decimal(value["number"]),
        "Counter": Counter,
        "tuple": lambda: tuple(_decoded(item) for item in value["items"]),
        "frozenset": lambda: frozenset(value["items"]),
    }
    if kind in makers:
        return makers[kind]()
    parts = {name: _decoded(item) for name, item in value.items() if name != ""}
    return _RECORDS[kind](**parts) if kind else parts


# ---- less of everything


def reduced(case: Case, attempts: int = 1_200) -> Case:
    """The case with less of what it does not take to disagree in the same way, as far as some attempts go."""
    kind = _disagreement(case)
    for fewer in (_lesser, _shorter):
        lesser = fewer(case)
        for _ in range(attempts):
            less = next(lesser, None)
            if less is None:
                break
            if _disagreement(less) is kind:
                case, lesser = less, fewer(less)
    return case


def _disagreement(case: Case) -> type[BaseException | None]:
    """What kind of error comes of a case."""
    try:
        agree(case, Tally())
    except Disagreement as found:
        return type(found.__cause__)
    return type(None)


def _lesser(case: Case) -> Iterator[Case]:
    """The case without one thing, the largest things first."""
    people = case.scene.contacts
    for size in (4, 2, 1):
        for start in range(0, len(people), size) if len(people) > size else ():
            yield _with(case, (*people[:start], *people[start + size :]))
    yield from _plainer(case)
    if case.chosen:
        yield replace(case, chosen=())
    if case.cutoffs:
        yield replace(case, cutoffs=())
    yield from (replace(case, cutoffs=(cutoff,)) for cutoff in case.cutoffs if len(case.cutoffs) > 1)
    if case.past.turns:
        yield replace(case, past=replace(case.past, turns=(), members={}))
    if case.past.waiting or case.past.manual:
        yield replace(case, past=replace(case.past, waiting={}, manual={}))
    for index, one in enumerate(people):
        for less in _less_of(one):
            yield _with(case, (*people[:index], less, *people[index + 1 :]))


def _plainer(case: Case) -> Iterator[Case]:
    """The case with a plainer program: made from fewer choices, or from plainer ones."""
    (text,) = case.texts
    choices = text.choices
    for size in (32, 8, 4, 2, 1):
        for start in range(0, len(choices), size):
            end = start + size
            plain = [] if any(choices[start:end]) is False else [(*choices[:start], *[0] * size, *choices[end:])]
            for fewer in ((*choices[:start], *choices[end:]), *plain):
                less = program(repeated(fewer), case.scene, text.prefix, small=text.small)
                if (len(less.text), less.choices) < (len(text.text), choices):
                    yield replace(case, texts=(less,))


def _shorter(case: Case) -> Iterator[Case]:
    """The case without one block, or one line, of its text; it is then made from no choices any more."""
    (text,) = case.texts
    lines = text.text.splitlines(keepends=True)
    heads = [place for place, line in enumerate(lines) if line.strip() and not line.startswith(" ")]
    for start, end in (*zip(heads, (*heads[1:], len(lines)), strict=True), *pairwise(range(len(lines) + 1))):
        rest = "".join((*lines[:start], *lines[end:]))
        segments = tuple(name for name in text.segments if f"segment {name}\n" in rest)
        less = replace(case, texts=(replace(text, text=rest, segments=segments, choices=()),))
        try:
            less.checked()
        except NotGood:
            continue
        yield less


def _with(case: Case, contacts: tuple[Contact, ...]) -> Case:
    there = {one.contact_id for one in contacts}
    past = case.past
    return replace(
        case,
        scene=replace(case.scene, contacts=contacts, before=()),
        past=replace(
            past,
            members={segment: names & there for segment, names in past.members.items()},
            turns=tuple(turn for turn in past.turns if turn.contact_id in there),
            waiting={
                segment: {name: at for name, at in since.items() if name in there}
                for segment, since in past.waiting.items()
            },
            manual={segment: names & there for segment, names in past.manual.items()},
        ),
        chosen=tuple(name for name in case.chosen if name in there),
    )


def _less_of(one: Contact) -> Iterator[Contact]:
    if any(one.events.values()):
        yield replace(one, events={name: [] for name in one.events})
    if any(any(told.values()) for told in one.changes.values()):
        yield replace(one, changes={name: {source: [] for source in told} for name, told in one.changes.items()})
    if any(value is not None for value in one.traits.values()):
        yield replace(one, traits=dict.fromkeys(one.traits))
    for name, events in one.events.items():
        if events:
            yield replace(one, events={**one.events, name: []})
        if len(events) > 1:
            yield from (
                replace(one, events={**one.events, name: [e for e in events if e is not out]}) for out in events
            )
    for name, told in one.changes.items():
        if any(told.values()):
            yield replace(one, changes={**one.changes, name: {connection: [] for connection in told}})
    yield from (_without(one, name) for name, value in one.traits.items() if value is not None)


def _without(one: Contact, trait: str) -> Contact:
    traits: Mapping[str, object] = {**one.traits, trait: None}
    return replace(one, traits=traits)
