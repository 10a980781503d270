"""Plans and reports as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.table import Table

if TYPE_CHECKING:
    from segserver.evaluate import EvaluationReport
    from segserver.likeness import MatchReport
    from segserver.pipeline import RunReport
    from segserver.plans import AudiencePlan, Plan
    from segserver.pushing.report import ReadBack
    from segserver.scenarios.types import Decision
    from segserver.specs.targets import Target
    from segserver.sync import ConnectionReport

SAMPLE = 5
"""Contacts named for each audience, unless all are asked for."""

MOST_JOINED = 10
"""Pairs named that a match joined."""

Labels = Callable[[Iterable[str]], Mapping[str, str]]
"""What to call contacts."""


class PlainTable(Table):
    """A table whose lines end with their last word, so that they can be copied and compared."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines of the table, without the spaces at their ends."""
        rendered = super().__rich_console__(console, options)
        for line in Segment.split_lines(part for part in rendered if isinstance(part, Segment)):
            yield from _without_end(line)
            yield Segment.line()


def _without_end(line: list[Segment]) -> list[Segment]:
    while line and not line[-1].text.strip(" "):
        line.pop()
    return [*line[:-1], *(Segment(last.text.rstrip(" "), last.style) for last in line[-1:])]


def plain_table(*columns: str, right: Sequence[str] = ()) -> Table:
    """A table without lines, numbers to the right."""
    table = PlainTable(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name in right, overflow="fold")
    return table


def show_sync(console: Console, reports: Mapping[str, ConnectionReport]) -> None:
    """What was read."""
    if not reports:
        return
    table = plain_table("synced", "read", "changed", "", right=("read", "changed"))
    for name, report in reports.items():
        read = ", ".join(f"{count:,} {stream}" for stream, count in report.items.items() if count) or "nothing new"
        notes = [f"{len(report.problems)} values could not be read"] if report.problems else []
        notes += [f"{report.merged} contacts merged"] if report.merged else []
        notes += [f"stopped early: {report.failure}"] if report.failure else []
        table.add_row(name, read, f"{report.changed:,}", "; ".join(notes))
    console.print(table)
    for name, report in reports.items():
        for problem in report.problems[:SAMPLE]:
            place = " ".join(filter(None, (name, problem.source_id, problem.field)))
            console.print(f"  {place}: {problem.reason}", markup=False)
        for one in (one for told in report.drift.values() for one in told):
            console.print(f"  {name}: {one.text}", markup=False)


def show_plan(console: Console, plan: Plan, labels: Labels, *, everything: bool = False) -> None:
    """Who enters and leaves where, what is due, why others are held, and what waits for approval."""
    console.print(f"[bold]Plan {plan.plan_id}[/] as of {plan.as_of:%Y-%m-%d %H:%M} UTC")
    segments = [audience for audience in plan.audiences if audience.size is not None]
    informed = [audience for audience in plan.audiences if audience.size is None]
    if segments:
        console.print()
        console.print(_audience_table(segments))
        for origin in dict.fromkeys(audience.origin for audience in segments):
            targets = [audience.target for audience in segments if audience.origin == origin]
            _show_members(console, plan, origin, targets, labels, everything=everything)
    _show_informed(console, informed)
    _show_touches(console, plan, labels, everything=everything)
    _show_stops(console, plan)
    for target, number in plan.abandoned.items():
        console.print(f"\n{target}: nothing is pushed there any more; its {number:,} contacts stay", markup=False)
    if plan.empty:
        console.print("\nnothing to push")


def show_pushes(console: Console, report: RunReport) -> None:
    """What became of the plan."""
    table = plain_table("pushed", "values", "touches", "")
    for name, push in report.pushes.items():
        if push.written or push.touched or push.resolved or push.left or push.failure:
            notes = [f"stopped: {push.failure}"] if push.failure else []
            notes += [f"{push.dropped} overtaken"] if push.dropped else []
            notes += [f"{len(push.held)} touches held at the last look"] if push.held else []
            table.add_row(name, _counted(push.written), _counted(push.touched), "; ".join(notes))
    if table.row_count:
        console.print()
        console.print(table)
    for push in report.pushes.values():
        for read in push.read_back:
            console.print(_read_back(read), markup=False)
    left = [(name, item) for name, push in report.pushes.items() for item in push.left]
    if left:
        console.print(f"\n{len(left)} left for the next run:")
        for name, item in left[:20]:
            console.print(f"  {name} {item.what} {item.contact_id}: {item.status}: {item.reason}", markup=False)
        if len(left) > 20:
            console.print(f"  and {len(left) - 20} more (--format json shows all)")


def _read_back(read: ReadBack) -> str:
    """What an audience was found to hold, in a line."""
    found = read.found
    if found is None:
        return f"{read.target} could not be read back: {read.failure}; the next run tries again"
    notes = [f"{read.by_hand}, which the next run puts right"] if str(read.by_hand) else []
    notes += [f"{found.stood:,} stood there before the first push"] if found.stood else []
    notes += [f"{found.strangers:,} nobody knows, left alone"] if found.strangers else []
    return f"{read.target} was read back: {found.held:,} there{''.join(f'; {note}' for note in notes)}"


def show_run(console: Console, report: RunReport, labels: Labels, *, everything: bool = False) -> None:
    """A whole run."""
    show_sync(console, report.sync)
    for stream in report.waiting:
        console.print(f"{stream} was not read to its end yet, so nothing was evaluated; run again", markup=False)
    if report.matching is not None:
        _show_matching(console, report.matching, labels)
    for model, reason in report.absent.items():
        console.print(f"model {model} does not serve: {reason}", markup=False)
    if report.evaluation is not None:
        for segment, model in report.evaluation.skipped.items():
            console.print(f"segment {segment} keeps its members: it needs model {model}", markup=False)
        _show_kept(console, report.evaluation)
    if report.overtaken:
        console.print(f"{report.overtaken} approved changes are not wanted any more and were dropped")
    if report.plan is not None:
        console.print()
        show_plan(console, report.plan, labels, everything=everything)
    show_pushes(console, report)


def _show_matching(console: Console, report: MatchReport, labels: Labels) -> None:
    """Whom the match joined, the most certain first."""
    if report.joined:
        console.print(f"\n{len(report.joined):,} pairs of contacts are one person by their likeness:")
    shown = report.joined[:MOST_JOINED]
    names = labels([contact for one in shown for contact in (one.first, one.second)])
    for one in shown:
        console.print(f"  {names[one.first]} and {names[one.second]}, {one.cause}", markup=False)
    if len(report.joined) > MOST_JOINED:
        console.print(f"  and {len(report.joined) - MOST_JOINED:,} more (--format json shows all)")
    if report.to_review:
        console.print(f"{report.to_review:,} more may be; `segserver identity review` shows them")


def _show_kept(console: Console, evaluation: EvaluationReport) -> None:
    """Segments that did not move, and rows of manual lists that name nobody."""
    for segment, reason in evaluation.kept.items():
        console.print(f"segment {segment} keeps its members: {reason}", markup=False)
    for segment in evaluation.edited:
        console.print(
            f"segment {segment} is frozen and keeps its members although its rule was changed; "
            "give it another name, or take `frozen at` out",
            markup=False,
        )
    if evaluation.current_only:
        names = ", ".join(evaluation.current_only)
        console.print(f"read as it is today, since no history is kept: {names}", markup=False)
    if evaluation.strangers:
        count = len(evaluation.strangers)
        rows = "1 row of a manual list names" if count == 1 else f"{count:,} rows of manual lists name"
        console.print(f"{rows} no contact, or several:")
    for row in evaluation.strangers[:SAMPLE]:
        console.print(f"  {row}", markup=False)


def _audience_table(audiences: Sequence[AudiencePlan]) -> Table:
    numbers = ("size", "enter", "leave")
    table = plain_table("segment", "destination", *numbers, "", right=numbers)
    for audience in audiences:
        notes = [f"{audience.unaddressed} not known there"] if audience.unaddressed else []
        notes += [f"{audience.refused} refused there lately"] if audience.refused else []
        notes += [f"{audience.held_out:,} held out"] if audience.held_out else []
        notes += [str(audience.by_hand)] if str(audience.by_hand) else []
        notes += ["held back"] if audience.stopped or audience.stood else []
        notes += [f"alert: {text}" for text in audience.alerts]
        table.add_row(
            audience.origin,
            str(audience.target),
            f"{audience.size or 0:,}",
            f"+{audience.entering:,}" if audience.entering else "",
            f"-{audience.leaving:,}" if audience.leaving else "",
            "; ".join(notes),
        )
    return table


def _show_members(
    console: Console, plan: Plan, origin: str, targets: Sequence[Target], labels: Labels, *, everything: bool
) -> None:
    """Who enters and leaves a segment's audiences, each named once."""
    rows = [row for target in targets for row in plan.of(target).to_pylist()]
    for word, adds in (("enter", True), ("leave", False)):
        contacts = sorted({row["contact_id"] for row in rows if (row["value"] is not None) == adds})
        shown = contacts if everything else contacts[:SAMPLE]
        if shown:
            names = labels(shown)
            text = ", ".join(sorted(names.get(contact, contact) for contact in shown))
            more = f" and {len(contacts) - len(shown):,} more" if len(contacts) > len(shown) else ""
            console.print(f"  {origin} {word}: {text}{more}", markup=False)


def _show_informed(console: Console, informed: Sequence[AudiencePlan]) -> None:
    changed = [one for one in informed if one.entering or one.leaving or one.changing]
    if changed:
        console.print("\n[bold]Properties that tell of touches to come[/]")
    for one in changed:
        set_now = one.entering + one.changing
        console.print(f"  {one.target}: {set_now:,} set, {one.leaving:,} cleared", markup=False)


def _show_touches(console: Console, plan: Plan, labels: Labels, *, everything: bool) -> None:
    if plan.touches:
        console.print(f"\n[bold]{len(plan.touches):,} touches are due now[/]")
        counts: dict[tuple[str, str, str], int] = {}
        for due in plan.touches:
            sender = f"{due.sender.connection} {due.sender.kind} {due.sender.name!r}"
            place = (due.scenario, f"{due.channel} by {sender}", due.content or "")
            counts[place] = counts.get(place, 0) + 1
        table = plain_table("scenario", "through", "template", "contacts", right=("contacts",))
        for (scenario, through, content), number in sorted(counts.items()):
            table.add_row(scenario, through, content, f"{number:,}")
        console.print(table)
    held = plan.held()
    if held:
        console.print("\n[bold]Held[/]")
        for scenario, reasons in held.items():
            text = ", ".join(f"{number:,} {reason}" for reason, number in reasons.most_common())
            console.print(f"  {scenario}: {text}", markup=False)
        _show_reasons(console, plan, labels, everything=everything)


def _show_reasons(console: Console, plan: Plan, labels: Labels, *, everything: bool) -> None:
    """One example of each kind of reason, or all."""
    seen: set[tuple[str, str]] = set()
    shown: list[Decision] = []
    for decision in plan.decisions:
        if decision.held is not None and (everything or (decision.scenario, decision.held.why) not in seen):
            seen.add((decision.scenario, decision.held.why))
            shown.append(decision)
    names = labels([decision.contact_id for decision in shown])
    for decision in shown:
        if decision.held is not None:
            name = names.get(decision.contact_id, decision.contact_id)
            console.print(f"    {decision.scenario} {name}: {decision.held.reason}", markup=False)


def _show_stops(console: Console, plan: Plan) -> None:
    for audience in plan.audiences:
        if audience.stopped:
            console.print(f"\n{audience.target} is held back: {audience.stopped}", markup=False)
        if audience.stood:
            text = "1 contact was" if audience.stood == 1 else f"{audience.stood:,} contacts were"
            console.print(f"\n{audience.target}: {text} there before the first push, and no member", markup=False)
    if plan.blocked:
        console.print(
            f"\nwaiting for approval: {plan.stopped.num_rows:,}; to push them as shown: "
            f"segserver run --approve {plan.plan_id}"
        )


def _counted(counter: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {status}" for status, number in counter.items())
