"""Survivors that were looked at, each with why no program can tell it from what it stands for."""

from __future__ import annotations

_REPORTED = "The fault is reported before this, so there is no program, whatever comes back."
_NO_COLUMNS = "What has no columns is joined to the contacts and brings nothing."
_ALIKE = (
    "DuckDB compares and computes with numbers of two kinds as with the wider of them anyway; other engines may not."
)

EQUIVALENT: dict[tuple[str, str, str], str] = {
    (
        "compiler/numbers.py",
        "if left.type().is_floating() or right.type().is_floating():",
        "if left.type().is_floating() and right.type().is_floating():",
    ): _ALIKE,
    (
        "compiler/numbers.py",
        "return _OPERATORS[op](left.cast(WIDE), right.cast(WIDE)).try_cast(EXACT)",
        "return _OPERATORS[op](left, right.cast(WIDE)).try_cast(EXACT)",
    ): _ALIKE,
    (
        "compiler/numbers.py",
        "return _OPERATORS[op](left.cast(WIDE), right.cast(WIDE)).try_cast(EXACT)",
        "return _OPERATORS[op](left.cast(WIDE), right).try_cast(EXACT)",
    ): _ALIKE,
    (
        "compiler/windows.py",
        "_LAST_DAY = date(2100, 1, 1)",
        "_LAST_DAY = date(2100, 2, 1)",
    ): "No zone's clocks are known to be changed in January 2100.",
    (
        "compiler/accounts.py",
        "return ibis.ifelse(held, 1, 0).sum().over(group_by=account).cast(EXACT)",
        "return ibis.ifelse(held, 1, 0).sum().over(group_by=account)",
    ): _ALIKE,
    (
        "compiler/frames.py",
        "name += '_'",
        "pass",
    ): "Names that differ in letter case only are refused, and columns of different kinds begin differently.",
    (
        "compiler/frames.py",
        "if score in live:",
        "if True:",
    ): "A score that nothing reads later is not asked for in the first place.",
    ("compiler/calendars.py", "if first < behind:", "if True:"): "A time that ends as it begins holds no instant.",
    ("compiler/lookups.py", "if step.where is not None:", "if True:"): "Nothing is read in no condition.",
    ("compiler/cadence.py", "if not wanted:", "if False:"): _NO_COLUMNS,
    ("compiler/sources.py", "if items:", "if True:"): _NO_COLUMNS,
    (
        "compiler/cadence.py",
        "instants = {item.entered: rows.entered_at.max(where=rows.scenario == name) for name, item in asked.items()}",
        "instants = {item.entered: rows.entered_at.min(where=rows.scenario == name) for name, item in asked.items()}",
    ): "There is one entry of a contact in a scenario.",
    (
        "compiler/sequences.py",
        "reached = places.select('contact_id', 't', **handed_on, **nothing, role=ibis.literal(_PLACE, type=role))",
        "reached = places.select('t', 'contact_id', **handed_on, **nothing, role=ibis.literal(_PLACE, type=role))",
    ): "Columns are found by their names.",
    (
        "compiler/sequences.py",
        "return reached.union(events.mutate(role=ibis.literal(_NEXT, type=role)), distinct=False).view()",
        "return reached.union(events.mutate(role=ibis.literal(_NEXT, type=role)), distinct=True).view()",
    ): "Rows that are alike in all columns follow, and are followed by, the same; nothing counts them.",
    (
        "rules/checking/comparisons.py",
        "hint = f'write {bound.value / 100:f} or {bound.value:f}%' if 1 < bound.value <= 100 else None",
        "hint = f'write {bound.value / 100:f} or {bound.value:f}%' if 1 <= bound.value <= 100 else None",
    ): "1 is a score, and was taken before.",
    (
        "compiler/measures.py",
        "middle = len(starts) // 2",
        "middle = len(starts) // 3",
    ): "Wherever the starts are parted, the place among them is the same.",
    ("rules/checking/choices.py", "if bad:", "if False:"): _REPORTED,
    (
        "rules/checking/values.py",
        "return Points(criteria, span=node.span) if len(criteria) == len(checked) else None",
        "return Points(criteria, span=node.span)",
    ): _REPORTED,
    ("rules/checking/choices.py", "if any((literal is None for literal in literals)):", "if False:"): _REPORTED,
    (
        "rules/checking/values.py",
        "if not scope.has_accounts(node.span) or (where is None and node.where is not None):",
        "if not scope.has_accounts(node.span) and (where is None and node.where is not None):",
    ): _REPORTED,
    (
        "rules/checking/membership.py",
        "if by is None or (part is None and count is None):",
        "if by is None and (part is None and count is None):",
    ): _REPORTED,
    (
        "rules/checking/membership.py",
        "if by is None or (part is None and count is None):",
        "if False:",
    ): _REPORTED,
    (
        "rules/checking/history.py",
        "if (node.before is not None and before is None) or (node.after is not None and after is None)"
        " or frame is None:",
        "if (node.before is not None and before is None) and (node.after is not None and after is None)"
        " and (frame is None):",
    ): _REPORTED,
    (
        "compiler/segments.py",
        "steps.append(Materialise(name, balanced(parts, lambda left, right: left.union(right, distinct=False))))",
        "steps.append(Materialise(name, balanced(parts, lambda left, right: left.union(right, distinct=True))))",
    ): "The parts are of different segments or rankings, and each row names its own.",
    (
        "rules/checking/history.py",
        "if (node.before is not None and before is None) or (node.after is not None and after is None)"
        " or frame is None:",
        "if False:",
    ): _REPORTED,
    (
        "compiler/occasions.py",
        "days = [as_of.date() + ahead * _DAY for ahead in (-1, 0, 1)]",
        "days = [as_of.date() - ahead * _DAY for ahead in (-1, 0, 1)]",
    ): "The days are the same, the other way round.",
    (
        "compiler/windows.py",
        "if not runs or runs[-1][1] != offset:",
        "if True:",
    ): "A run of midnights at one distance from those of UTC is then told day by day.",
    (
        "rules/checking/sequences.py",
        "if any((link is None for link in links)) or (where is None and len(linked) < len(written)):",
        "if any((link is None for link in links)) and (where is None and len(linked) < len(written)):",
    ): _REPORTED,
    (
        "rules/checking/sequences.py",
        "if any((link is None for link in links)) or (where is None and len(linked) < len(written)):",
        "if False:",
    ): _REPORTED,
    (
        "rules/checking/sequences.py",
        "if frame is None or not all(fits) or len(known) < len(steps):",
        "if False:",
    ): _REPORTED,
    (
        "rules/checking/conditions.py",
        "if n is None or len(items) < len(checked):",
        "if False:",
    ): _REPORTED,
    (
        "compiler/translate.py",
        "if node.low > 0 or node.high is None:",
        "if node.low > 0 or node.high is not None:",
    ): "At least 0 times is refused, and a count is never below 0.",
    ("compiler/translate.py", "if self._contact_id is None:", "if False:"): (
        "No rule asks for a share of anything but contacts; this says so, and mypy reads it."
    ),
    (
        "compiler/requirements.py",
        "stage = max((stages[item] for item in self.uses(node)), default=Stage(0, 0))",
        "stage = max((stages[item] for item in self.uses(node)), default=Stage(1, 0))",
    ): "Stages are put in order; with which number they begin is the same.",
    ("compiler/lookups.py", "if not added:", "if False:"): "Rows with nothing beside them, under another name.",
    **{
        (
            "compiler/events.py",
            "epoch = ibis.literal(datetime(1970, 1, 1))",
            f"epoch = ibis.literal(datetime({other}))",
        ): ("Instants are put in order by their distance from any one instant.")
        for other in ("1971, 1, 1", "1970, 2, 1", "1970, 1, 2")
    },
}
"""By file, by the line as it should be, and as the mistake makes it."""
