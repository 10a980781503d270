"""`plugin`: the files and values with which segserver is installed inside a platform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from segserver.cli.invocation import Invocation
from segserver.errors import SettingsError

if TYPE_CHECKING:
    from segserver.specs.connections import ConnectionSpec


@click.group()
def plugin() -> None:
    """Install segserver inside a platform: its services as steps of workflows and campaigns."""


@plugin.command()
@click.argument("connection", required=False)
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("hubspot-plugin"),
    show_default=True,
    help="Directory to write into.",
)
@click.pass_obj
def hubspot(invocation: Invocation, connection: str | None, output: Path) -> None:
    """Write the project files of HubSpot's workflow actions and webhooks, and the same for its API.

    CONNECTION is needed where several connections are HubSpot's. See `segserver help plugin-hubspot`.
    """
    from segserver.plugin import hubspot as made
    from segserver.workspace import load

    connections = load(invocation.settings.workspace).connections.values()
    spec = chosen([one for one in connections if one.kind == "hubspot"], connection, "hubspot")
    if "client_secret" not in spec.secrets:
        raise SettingsError(f"{spec.place}: add `client_secret: env:NAME`, by which HubSpot's calls are verified")
    addresses = made.Addresses(public_address(invocation), spec.name)
    written = made.write(output, made.files(spec, addresses.public_url))
    for path in written:
        invocation.say(f"wrote {path}")
    invocation.say(f"webhooks go to {addresses.webhook}")
    for action in made.ACTIONS.values():
        invocation.say(f"{action.title} is executed at {addresses.action(action)}")
    invocation.say("next: segserver help plugin-hubspot")


@plugin.command()
@click.argument("connection", required=False)
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory to write the install documents and service definitions into, for a look or an archive.",
)
@click.pass_obj
def marketo(invocation: Invocation, connection: str | None, output: Path | None) -> None:
    """Show what to paste into Marketo to install the flow steps.

    CONNECTION is needed where several connections are Marketo's. See `segserver help plugin-marketo`.
    """
    from segserver.plugin import marketo as made
    from segserver.plugin.hubspot import write
    from segserver.plugin.marketo_document import files
    from segserver.workspace import load

    connections = load(invocation.settings.workspace).connections.values()
    spec = chosen([one for one in connections if one.kind == "marketo"], connection, "marketo")
    key = spec.secrets.get(made.KEY_SETTING)
    if key is None:
        raise SettingsError(
            f"{spec.place}: add `{made.KEY_SETTING}: env:NAME`, which Marketo is to send with each call"
        )
    address = public_address(invocation)
    for service in made.SERVICES.values():
        url = made.install_url(address, spec.name, service)
        invocation.say(f"{service.title}\n  document  {url}\n  install   {made.installer(url)}")
        invocation.say(f"  API key   the value of {key.variable}\n  fields    {made.mapping(service)}\n")
    if output is not None:
        for path in write(output, files(spec, address)):
            invocation.say(f"wrote {path}")
    invocation.say("next: segserver help plugin-marketo")


def chosen(connections: list[ConnectionSpec], name: str | None, kind: str) -> ConnectionSpec:
    """The connection a plug-in is for: the one that is named, or the only one of its kind.

    Raises:
        SettingsError: there is none, or a name is needed.
    """
    names = ", ".join(one.name for one in connections)
    if not connections:
        raise SettingsError(f"no connection has `kind: {kind}`; declare one in connectors/")
    if name is None and len(connections) > 1:
        raise SettingsError(f"several connections have `kind: {kind}`; name one of {names}")
    found = next((one for one in connections if name in (None, one.name)), None)
    if found is None:
        raise SettingsError(f"no connection {name!r} has `kind: {kind}`; name one of {names}")
    return found


def public_address(invocation: Invocation) -> str:
    """How platforms reach the server.

    Raises:
        SettingsError: it is not set, or platforms would not call it.
    """
    address = (invocation.settings.public_url or "").rstrip("/")
    parts = urlsplit(address)
    if parts.scheme != "https" or not parts.hostname:
        raise SettingsError(
            "platforms call this server by a public https address; set SEGSERVER_PUBLIC_URL=https://segments.example.com"
        )
    return address


COMMANDS = (plugin,)
