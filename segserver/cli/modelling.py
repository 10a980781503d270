"""Commands of models: train them, show their versions and cards, say which version serves, score one contact."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from segserver.cli import tables
from segserver.cli.invocation import Invocation
from segserver.cli.running import AS_OF, LOOK_BACK
from segserver.cli.writing import FORMAT
from segserver.errors import SettingsError
from segserver.rules.suggest import did_you_mean, listed

if TYPE_CHECKING:
    from segserver.championship import Standing
    from segserver.engine import Engine

SHOWN = 3
"""Versions of a model that are listed besides the one that serves, unless all are asked for."""


@click.command()
@click.argument("model", required=False)
@AS_OF
@FORMAT
@click.pass_obj
def train(invocation: Invocation, model: str | None, as_of: datetime | None, form: str) -> int:
    """Train MODEL, or every model, on what is known, and show its card."""
    from segserver import pipeline
    from segserver.models import card

    with invocation.open(as_of) as engine:
        names = list(engine.workspace.models)
        if model is not None:
            _require_model(engine, model)
            names = [model]
        reports = pipeline.train(engine, names)
    if form == "json":
        invocation.print_json([report.to_dict() for report in reports])
    else:
        if not reports:
            invocation.say(_NO_MODEL)
        for report in reports:
            invocation.say(card.render(report.version.card))
            verdict = "serves from now on" if report.promotion.yes else "does not serve"
            invocation.say(f"version {report.version.version} {verdict}: {report.promotion.reason}\n")
    return 0 if all(report.version.manifest["failures"] == [] for report in reports) else 1


_NO_MODEL = "there is no model to train: no rule file has a `model` block"


@click.group(name="models", invoke_without_command=True)
@click.option(
    "--all", "everything", is_flag=True, help=f"Every version, not the one that serves and the newest {SHOWN}."
)
@FORMAT
@click.pass_obj
def models(invocation: Invocation, everything: bool, form: str) -> None:
    """List the versions of models: which one serves, and why the others do not."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    from segserver.championship import standings

    with invocation.open() as engine, engine.store.session() as session:
        declared, zone = list(engine.workspace.models), engine.workspace.program.zone
        found = standings(session, engine.workspace, engine.clock.now())
    shown = found if everything else _latest(found)
    if form == "json":
        invocation.print_json([_data(one) for one in shown])
        return
    untrained = [name for name in declared if name not in {one.stored.model for one in found}]
    if shown:
        _show(invocation, shown, zone)
    for name in untrained:
        invocation.say(f"{name} was never trained; `segserver train {name}` does")
    if not declared and not shown:
        invocation.say(_NO_MODEL)
    if len(shown) < len(found):
        invocation.say(f"and {len(found) - len(shown)} older; `segserver models --all` lists them")


def _latest(found: list[Standing]) -> list[Standing]:
    chosen, seen = [], dict[str, int]()
    for one in found:
        seen[one.stored.model] = seen.get(one.stored.model, 0) + 1
        if one.stored.status == "champion" or seen[one.stored.model] <= SHOWN:
            chosen.append(one)
    return chosen


def _show(invocation: Invocation, found: list[Standing], zone: str) -> None:
    from segserver.compiler.windows import to_local

    table = tables.plain_table("model", "version", f"trained ({zone})", "auc", "", right=("version", "auc"))
    for one in found:
        figures: Any = one.stored.manifest["metrics"]
        trained = f"{to_local(one.stored.created_at, zone):%Y-%m-%d %H:%M}"
        table.add_row(one.stored.model, str(one.stored.version), trained, f"{figures['auc']:.3f}", _standing(one))
    invocation.console.print(table)


def _standing(one: Standing) -> str:
    """What a version is now, in words."""
    said = f", since {one.promotion.reason}" if one.promotion is not None and one.promotion.by_hand else ""
    if one.serves:
        return f"serves{said}"
    if one.stored.status == "champion":
        return f"does not serve: {one.serves.reason}"
    if one.stored.status == "retired":
        return f"served before{said}"
    return f"does not serve: {'; '.join(one.failures)}" if one.failures else "passed; it was not promoted"


def _data(one: Standing) -> dict[str, object]:
    from segserver.cli.answering import plain

    stored, promotion = one.stored, one.promotion
    return {
        "model": stored.model,
        "version": stored.version,
        "trained_at": plain(stored.created_at),
        "status": stored.status,
        "serves": one.serves.yes,
        "reason": one.serves.reason,
        "failures": list(one.failures),
        "metrics": stored.manifest["metrics"],
        "promotion": None if promotion is None else plain(asdict(promotion)),
    }


VERSION = click.argument("version", type=click.IntRange(min=1))


@models.command()
@click.argument("model")
@click.option("--version", type=click.IntRange(min=1), help="Which one [default: the one that serves, or the newest].")
@click.option("--format", "form", type=click.Choice(["text", "json", "html"]), default="text", show_default=True)
@click.pass_obj
def card(invocation: Invocation, model: str, version: int | None, form: str) -> None:
    """Show the card of MODEL: figures, gates, leak checks, weights; with `--format html` as a page with charts."""
    from segserver.championship import since_training, version_of
    from segserver.models.card import render
    from segserver.models.page import page

    with invocation.open() as engine, engine.store.session() as session:
        stored = version_of(session, model, version)
        since = since_training(session, stored) if form == "html" else ""
    if form == "html":
        invocation.say(page(stored.card, since))
    elif form == "json":
        invocation.print_json(dict(stored.card))
    else:
        invocation.say(render(stored.card))


@models.command()
@click.argument("model")
@VERSION
@click.option("--although", metavar="REASON", help="Why it serves although it missed a gate or a check.")
@click.pass_obj
def promote(invocation: Invocation, model: str, version: int, although: str | None) -> None:
    """Let VERSION of MODEL serve from now on."""
    from segserver import championship

    with invocation.open() as engine, engine.store.session() as session:
        _require_model(engine, model)
        now = engine.clock.now()
        championship.promote(session, engine.workspace, model, version, now, engine.key, because=although)
    invocation.say(f"version {version} of model {model} serves from now on; the next run scores with it")


@models.command()
@click.argument("model")
@click.pass_obj
def rollback(invocation: Invocation, model: str) -> None:
    """Let the version of MODEL serve again that served before the present one."""
    from segserver import championship

    with invocation.open() as engine, engine.store.session() as session:
        _require_model(engine, model)
        stored = championship.roll_back(session, engine.workspace, model, engine.clock.now(), engine.key)
    invocation.say(f"version {stored.version} of model {model} serves again; the next run scores with it")


@click.command()
@click.argument("model")
@click.option("--contact", required=True, help="An e-mail address, another identity, or our id.")
@LOOK_BACK
@FORMAT
@click.pass_obj
def score(invocation: Invocation, model: str, contact: str, as_of: datetime | None, form: str) -> None:
    """Say what MODEL foretells of a contact, and which features say so."""
    from segserver.cli.explaining import score_contact
    from segserver.explain import reason_data, reason_lines

    with invocation.open() as engine:
        _require_model(engine, model)
        reason, champion = score_contact(engine, contact, model, as_of)
    likely = reason.score is not None and reason.score >= champion.threshold
    if form == "json":
        figures = {"version": champion.version, "threshold": champion.threshold, "likely": likely}
        invocation.print_json(reason_data(reason) | figures)
        return
    for line in reason_lines(reason):
        invocation.say(line)
    if reason.score is not None:
        compared = "likely: at least" if likely else "not likely: below"
        invocation.say(f"{compared} {champion.threshold:.4f}, the threshold of version {champion.version}")


def _require_model(engine: Engine, model: str) -> None:
    known = list(engine.workspace.models)
    if model not in known:
        hint = did_you_mean(model, known, otherwise=f"models: {listed(known) or 'none yet'}")
        raise SettingsError(f"there is no model {model!r}; {hint}")


COMMANDS = (train, models, score)
