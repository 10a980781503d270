"""Judging with a memory of earlier checks: the same findings, and no second look at what did not change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from segserver.errors import Diagnostic
from segserver.rules.check import check, judge
from segserver.rules.checking import checker
from segserver.rules.checking.verdicts import Verdict, Verdicts, from_data, to_data
from segserver.rules.reading.parsed import from_lines, read, to_lines
from segserver.specs.catalog import Catalog
from segserver.specs.targets import Target
from segserver.specs.types import NUMBER, Kind, Type

FILES = {
    "traits.seg": "trait spend = sum(purchase.amount)\ntrait big = spend > 100 USD\n",
    "a.seg": 'segment vip\n  where spend > 100 USD\n  push to hubspot list "VIP"\n',
    "b.seg": "segment loyal\n  where in segment vip or entered segment lost in last 7 days\n",
    "c.seg": "segment lost\n  where did not purchase in last 90 days\n",
    "group.seg": "exclusive tiers: loyal, lost\n",
    "model.seg": "model m\n  predicts did purchase in next 30 days\n  features spend\n    a = in segment free\n",
    "free.seg": "segment free\n  where did page_view in last 3 days\n",
    "scenario.seg": 'scenario s\n  for free\n  channels email\n  send email by marketo campaign "C"\n'
    '  steps day 0 "hello_{big}", day 1 "again"\n  stop when in segment vip\n',
    "caps.seg": "caps\n  email at most 3 per 7 days\n",
    "test.seg": 'test "t"\n  at 2026-03-01\n  given a contact with score(m) 0.5\n    who was in lost since 2 days\n'
    "  expect in vip, not in loyal\n",
}

EDITS = [
    ("trait spend", "trait spent"),
    ("sum(purchase.amount)", "count(purchase)"),
    ("sum(purchase.amount)", "last(purchase.amount)"),
    ("spend > 100 USD", 'country is "FR"'),
    ("trait big", "\ntrait large"),
    ("segment vip\n", "segment very_important\n"),
    ("where spend", "where in segment loyal and spend"),
    ('"VIP"', '"Loyal"'),
    ("segment loyal\n", "\n\nsegment loyal\n"),
    ("in segment vip or", 'push to hubspot list "VIP"\n  where'),
    ("segment lost\n", "segment gone\n"),
    ("in last 90 days", "in last 90 days\n  limit 5 by big"),
    ("in last 90 days", "in last 90 days\n  draft"),
    ("loyal, lost", "lost, loyal"),
    ("loyal, lost", "loyal, free"),
    ("loyal, lost", "vip, loyal, lost"),
    ("did page_view", "in segment lost and did page_view"),
    ("in last 3 days", "in last 3 days\n  enter after 1 day"),
    ("in segment free", "in segment nobody"),
    ("model m\n", "model n\n"),
    ("at most 3", "at most 1"),
    ("caps\n", "caps\n  sms at most 1 per day\n"),
    ("for free", "for vip"),
    ("not in loyal", "not in loyl"),
    ("test ", "tst "),
    ("where", "whre"),
]


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often each kind of block was checked."""
    counted: Counter[str] = Counter()
    for name in ("trait", "segment", "model", "scenario", "given_test"):

        def counting(*args: object, name: str = name, check: object = getattr(checker, name)) -> object:
            counted[name] += 1
            return check(*args)

        monkeypatch.setattr(checker, name, counting)
    return counted


def judged(
    sources: dict[str, str], catalog: Catalog, known: dict[str, Verdict]
) -> tuple[tuple[Diagnostic, ...], dict[str, Verdict]]:
    verdicts = Verdicts(known)
    files = [from_lines(to_lines(read(file, text)), file) for file, text in sorted(sources.items())]
    judgement = judge(files, catalog, zone="UTC", verdicts=verdicts)
    return judgement.findings, from_data(to_data(verdicts.held))


def test_what_did_not_change_is_not_looked_at_again(catalog: Catalog, looked_at: Counter[str]) -> None:
    _, known = judged(FILES, catalog, {})
    assert looked_at == {"trait": 2, "segment": 4, "model": 1, "scenario": 1, "given_test": 1}
    looked_at.clear()
    assert judged(FILES, catalog, known) == ((), known)
    assert not looked_at


@pytest.mark.parametrize(
    ("file", "edit", "again"),
    [
        ("c.seg", ("segment", "# a comment\nsegment"), {"segment": 1}),
        ("free.seg", ("3 days", "4 days"), {"segment": 1, "model": 1, "scenario": 1, "given_test": 1}),
        ("caps.seg", ("at most 3", "at most 2"), {"scenario": 1}),
        ("traits.seg", ("100 USD", "200 USD"), {"trait": 1, "segment": 0, "scenario": 0}),
        ("test.seg", ("0.5", "0.6"), {"given_test": 1}),
    ],
)
def test_a_change_is_followed_to_all_that_depends_on_it_and_no_further(
    file: str, edit: tuple[str, str], again: dict[str, int], catalog: Catalog, looked_at: Counter[str]
) -> None:
    _, known = judged(FILES, catalog, {})
    looked_at.clear()
    changed = {**FILES, file: FILES[file].replace(*edit)}
    assert changed != FILES
    findings, _ = judged(changed, catalog, known)
    assert not findings
    assert {kind: looked_at[kind] for kind in again} == again


def test_a_block_with_a_finding_is_looked_at_every_time(catalog: Catalog, looked_at: Counter[str]) -> None:
    broken = {**FILES, "c.seg": FILES["c.seg"].replace("purchase", "purchse")}
    findings, known = judged(broken, catalog, {})
    looked_at.clear()
    assert judged(broken, catalog, known)[0] == findings
    assert [finding.code for finding in findings] == ["unknown-event"]
    assert looked_at["segment"] >= 1


@pytest.mark.parametrize("seed", range(12))
def test_after_any_edits_the_findings_are_those_of_a_check_from_scratch(seed: int, catalog: Catalog) -> None:
    draw = Random(seed)
    sources, known = dict(FILES), dict[str, Verdict]()
    texts = [FILES, FILES]
    for _ in range(12):
        if draw.random() < 0.3:
            sources = dict(draw.choice(texts))
        before, after = draw.choice(EDITS)
        file = draw.choice([name for name, text in sources.items() if before in text] or list(sources))
        sources[file] = sources[file].replace(before, after, 1)
        if draw.random() < 0.1:
            del sources[draw.choice(list(sources))]
        texts.append(dict(sources))
        findings, known = judged(sources, catalog, known)
        assert findings == check(sources, catalog, zone="UTC")[1]


def test_every_edit_applies_to_files_that_are_fine(catalog: Catalog) -> None:
    for before, after in EDITS:
        assert any(before in text for text in FILES.values()), before
        assert before != after
    assert check(FILES, catalog, zone="UTC")[1] == ()


def test_files_of_manual_members_are_told_with_their_place(catalog: Catalog) -> None:
    sources = {"a.seg": 'segment s\n  where country is known\n  manual "rules/friends.csv"\n'}
    verdicts = Verdicts()
    for _ in range(2):
        files = [read(file, text) for file, text in sources.items()]
        judgement = judge(files, catalog, zone="UTC", verdicts=verdicts)
        assert [(path, str(span)) for path, span in judgement.manual] == [("rules/friends.csv", "a.seg:1:9")]
        verdicts = Verdicts(verdicts.held)


def test_verdicts_come_back_from_their_data() -> None:
    verdicts = {
        "a": Verdict("seen", "hash", Type(Kind.NUMBER, "EUR")),
        "b": Verdict("seen", "hash", NUMBER, (Target("crm", "list", "VIP"),), "a.csv"),
        "c": Verdict("seen"),
    }
    assert from_data(to_data(verdicts)) == verdicts


@pytest.mark.parametrize("data", [None, [], {"a": []}, {"a": ["s", "d", ["colour", None], [], None]}, {"a": 5}])
def test_what_is_no_verdict_is_refused(data: object) -> None:
    with pytest.raises(ValueError):
        from_data(data)
