"""`connect`: a person lets segserver's app into an account, once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from segserver.cli.invocation import Invocation
from segserver.errors import SettingsError

if TYPE_CHECKING:
    from segserver.connectors.hubspot_entry import Install
    from segserver.specs.connections import ConnectionSpec

WAIT = 300
PORT = 8701


@click.group()
def connect() -> None:
    """Let segserver into an account at a platform, where no key is copied by hand."""


@connect.command()
@click.argument("connection", required=False)
@click.option("--port", default=PORT, show_default=True, help="Port of this machine that the login comes back to.")
@click.option("--wait", default=WAIT, show_default=True, help="Seconds to wait for the login.")
@click.option("--browser", is_flag=True, help="Open the address in this machine's browser.")
@click.option("--revoke", is_flag=True, help="Give the access back instead, and forget the tokens.")
@click.pass_obj
def hubspot(invocation: Invocation, connection: str | None, port: int, wait: int, browser: bool, revoke: bool) -> None:
    """Log in at HubSpot and let the app of a connection with `auth: oauth` into an account.

    CONNECTION is needed where several connections are HubSpot's. See `segserver help connections`.
    """
    from segserver.cli.plugging import chosen
    from segserver.workspace import load

    connections = load(invocation.settings.workspace).connections.values()
    spec = chosen([one for one in connections if one.kind == "hubspot"], connection, "hubspot")
    install = _install(invocation, spec)
    if revoke:
        _revoke(invocation, install)
        return
    _log_in(invocation, spec, install, port=port, wait=wait, browser=browser)


def _install(invocation: Invocation, spec: ConnectionSpec) -> Install:
    from segserver.connectors.build import hubspot_install
    from segserver.connectors.kinds import Surroundings
    from segserver.connectors.limits import Budgets

    settings = invocation.settings
    clock = settings.clock()
    around = Surroundings(
        clock,
        time.sleep,
        invocation.environ,
        settings.workspace,
        None,
        None,
        Budgets(clock, time.sleep),
        settings.state_directory,
    )
    return hubspot_install(spec, around)


def _log_in(
    invocation: Invocation, spec: ConnectionSpec, install: Install, *, port: int, wait: int, browser: bool
) -> None:
    from segserver.cli.loopback import Loopback
    from segserver.connectors import hubspot_oauth

    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    with Loopback(port, state, wait) as loopback:
        redirect = loopback.address
        address = hubspot_oauth.address(install.login, install.app.client_id, spec, redirect, state, verifier)
        invocation.say(f"the app's redirect URLs must hold {redirect}; log in and choose the account at\n{address}")
        if browser:
            click.launch(address)
        came = loopback.receive()
    if "code" not in came:
        raise SettingsError(f"connection {spec.name}: the app was not let in ({_said(came)}); run the command again")
    grant = install.app.exchange(came["code"], redirect, verifier)
    if missing := hubspot_oauth.lacking(spec, grant):
        raise SettingsError(
            f"connection {spec.name}: the app was let in without the permission {', '.join(missing)}; "
            f"add it to the app in HubSpot, then run {install.app.reconnect} again"
        )
    with install.file.alone():
        install.file.save(grant)
    invocation.say(f"{spec.name} is connected to HubSpot account {grant.account or '(not told)'}")


def _said(came: Mapping[str, str]) -> str:
    """HubSpot's word for it, if it is one: what a browser brings is not to be trusted with a terminal."""
    word = came.get("error", "")
    return word if word.isidentifier() else "no reason given"


def _revoke(invocation: Invocation, install: Install) -> None:
    with install.file.alone():
        grant = install.file.load()
        if grant is None:
            raise SettingsError(f"connection {install.file.connection} is not connected to an account")
        install.app.revoke(grant)
        install.file.remove()
    invocation.say(f"{install.file.connection} is not connected any more")


COMMANDS = (connect,)
