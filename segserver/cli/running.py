"""Commands that need the store: plan, run, members, explain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import click

from segserver.cli import tables
from segserver.cli.invocation import Invocation
from segserver.cli.writing import FORMAT
from segserver.clock import parse_instant
from segserver.errors import SettingsError
from segserver.rules.checking.instants import YEARS
from segserver.rules.suggest import did_you_mean, listed

if TYPE_CHECKING:
    from segserver.engine import Engine
    from segserver.pipeline import RunReport


class InstantType(click.ParamType[datetime]):
    """An ISO 8601 date or date-time; without an offset it is UTC."""

    name = "instant"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The instant, naive UTC."""
        if isinstance(value, datetime):
            return value
        try:
            instant = parse_instant(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a date or date-time such as 2026-03-01 or 2026-03-01T09:00Z", param, ctx)
        if instant.year < YEARS[0]:
            self.fail(f"{value!r} is too long ago; write the year {YEARS[0]} or a later one", param, ctx)
        return instant


AS_OF = click.option("--as-of", type=InstantType(), help="The run's instant, UTC [default: now].")
LOOK_BACK = click.option("--as-of", type=InstantType(), help="The instant looked at, UTC [default: the last run's].")


@click.command()
@AS_OF
@click.option("--all", "everything", is_flag=True, help="Name every contact, not a sample.")
@FORMAT
@click.pass_obj
def plan(invocation: Invocation, as_of: datetime | None, everything: bool, form: str) -> int:
    """Sync and evaluate, and show what a run would push, without pushing."""
    from segserver import pipeline

    with invocation.open(as_of) as engine:
        with invocation.progress() as progress:
            report = pipeline.run(engine, apply=False, progress=progress)
        return _show(invocation, engine, report, everything=everything, form=form)


@click.command()
@AS_OF
@click.option("--approve", metavar="PLAN", help="Push also what PLAN, shown before, was holding back.")
@click.option("--read-back", is_flag=True, help="Read every audience back afterwards, not only those whose turn it is.")
@click.option("--all", "everything", is_flag=True, help="Name every contact, not a sample.")
@FORMAT
@click.pass_obj
def run(
    invocation: Invocation, as_of: datetime | None, approve: str | None, read_back: bool, everything: bool, form: str
) -> int:
    """Sync, evaluate, plan and push, once."""
    from segserver import pipeline

    with invocation.open(as_of) as engine:
        with invocation.progress() as progress:
            report = pipeline.run(engine, approve=approve, read_back=read_back, progress=progress)
        return _show(invocation, engine, report, everything=everything, form=form)


def _show(invocation: Invocation, engine: Engine, report: RunReport, *, everything: bool, form: str) -> int:
    if form == "json":
        data = report.to_dict()
        if report.plan is not None:
            data["plan"] = report.plan.to_dict(members=everything)
        invocation.print_json(data)
    else:
        tables.show_run(invocation.console, report, labels(engine), everything=everything)
    return 0 if report.status == "done" else 1


def labels(engine: Engine) -> tables.Labels:
    """What to call the contacts of a store."""
    from segserver.store import people

    def named(contacts: Iterable[str]) -> Mapping[str, str]:
        with engine.store.session() as session:
            return people.labels(session, contacts)

    return named


@click.command()
@click.argument("segment")
@LOOK_BACK
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@FORMAT
@click.pass_obj
def members(invocation: Invocation, segment: str, as_of: datetime | None, limit: int | None, form: str) -> None:
    """List who is in SEGMENT since the last run, or who was at an earlier instant."""
    from segserver import pipeline
    from segserver.compiler.windows import to_local

    with invocation.open() as engine:
        _require_segment(engine, segment)
        zone = engine.workspace.program.zone
        found = pipeline.members(engine, segment, as_of=as_of, limit=limit)
    rows = [
        {
            "contact_id": one.contact_id,
            "entered_at": one.entered_at,
            "held_out": one.held_out,
            "identities": dict(one.identities),
        }
        for one in found
    ]
    if form == "json":
        invocation.print_json(rows)
        return
    table = tables.plain_table("contact", f"since ({zone})", "known as", "")
    for one in found:
        known_as = ", ".join(value for kind, values in one.identities.items() for value in values if kind == "email")
        since = f"{to_local(one.entered_at, zone):%Y-%m-%d %H:%M}" if one.entered_at else ""
        table.add_row(
            one.contact_id,
            since,
            known_as or next(iter(sum(one.identities.values(), ())), ""),
            "held out" if one.held_out else "",
        )
    invocation.console.print(table if rows else f"nobody is in {segment}")


def _require_segment(engine: Engine, segment: str) -> None:
    if segment not in engine.workspace.program.segments:
        known = engine.workspace.program.segments
        hint = did_you_mean(segment, known, otherwise=f"segments: {listed(known)}")
        raise SettingsError(f"there is no segment {segment!r}; {hint}")


@click.command()
@click.argument("contact")
@click.argument("segment")
@LOOK_BACK
@FORMAT
@click.pass_obj
def explain(invocation: Invocation, contact: str, segment: str, as_of: datetime | None, form: str) -> None:
    """Say why CONTACT (an e-mail address, another identity or our id) is or is not in SEGMENT."""
    from segserver import explain as explaining
    from segserver.cli.explaining import explain_contact

    with invocation.open() as engine:
        _require_segment(engine, segment)
        explanation = explain_contact(engine, contact, segment, as_of)
    if form == "json":
        invocation.print_json(explaining.to_dict(explanation))
    else:
        invocation.say(explaining.render(explanation, invocation.console.width))


COMMANDS = (plan, run, members, explain)
