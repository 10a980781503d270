"""Commands that start something: serve, sandbox, demo."""

from __future__ import annotations

from datetime import datetime

import click

from segserver.cli.invocation import Invocation
from segserver.cli.running import InstantType
from segserver.errors import SettingsError

DATA = click.option(
    "--data",
    type=click.Choice(["people", "completejourney"]),
    default="people",
    help="Invented people, or real baskets.",
)


@click.command()
@click.option("--host", help="Address to listen on [default: 127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on [default: 8700].")
@click.pass_obj
def serve(invocation: Invocation, host: str | None, port: int | None) -> None:
    """Run the server: scheduled runs, webhooks and the JSON API."""
    from segserver.cli import execute
    from segserver.cli.serving import serve as run_server

    _not_inside(invocation, "serve")
    invocation.flags |= {"host": host, "port": port}
    run_server(invocation.settings, invocation.environ, execute, invocation.complain)


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="Port to listen on.")
@DATA
@click.option("--seed", type=int, default=0, show_default=True, help="Of the invented people.")
@click.option("--clock-start", type=InstantType(), help="Where the sandbox's clock begins.")
@click.option("--enforce-limits", is_flag=True, help="Keep the platforms' call limits.")
@click.pass_obj
def sandbox(
    invocation: Invocation, port: int, data: str, seed: int, clock_start: datetime | None, enforce_limits: bool
) -> None:
    """Serve local stand-ins of HubSpot, Marketo and GA4 that keep what is pushed to them."""
    from segserver.sandbox.run import run

    _not_inside(invocation, "sandbox")
    run(port, data, seed, clock_start, enforce_limits=enforce_limits, say=invocation.say)


@click.command()
@DATA
@click.pass_obj
def demo(invocation: Invocation, data: str) -> None:
    """Show the whole job on a sandbox: sync, train, plan, push, a second run, and a webhook.

    It needs a workspace with connections to HubSpot, Marketo and GA4: run it in segserver's own repository.
    """
    from segserver.cli import execute
    from segserver.cli.demo import show

    _not_inside(invocation, "demo")
    with invocation.progress() as progress:
        show(invocation.console, invocation.environ, invocation.settings.workspace, data, execute, progress)


def _not_inside(invocation: Invocation, command: str) -> None:
    if invocation.engine is not None:
        raise SettingsError(f"`segserver {command}` cannot be sent to a running server")


COMMANDS = (serve, sandbox, demo)
