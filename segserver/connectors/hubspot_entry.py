"""How a connection is let in at HubSpot: with a key that somebody copied, or as an app that somebody let in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from segserver.connectors import hubspot_answers
from segserver.connectors.auth import Auth, Bearer, fingerprint
from segserver.connectors.declarations import reveal, setting
from segserver.connectors.grants import GrantFile
from segserver.connectors.http import HttpClient
from segserver.connectors.hubspot_oauth import APP_ENDPOINT, App, OAuth
from segserver.connectors.hubspot_paths import Paths
from segserver.connectors.kinds import LOOPBACK, Surroundings
from segserver.connectors.limits import AccountLimits, Allowance
from segserver.connectors.schema import OAUTH
from segserver.errors import SettingsError
from segserver.specs.connections import ConnectionSpec

INSTALL_LIMITS = replace(hubspot_answers.LIMITS, burst=Allowance(110, 10))
"""Of an app in one account; its calls do not count towards the account's day."""


@dataclass(frozen=True, slots=True)
class Entry:
    """How calls are let in.

    Attributes:
        name: of whose burst they count against; until the account is known, of the account too.
        burst: tells apart the bursts of one account.
        limits: until HubSpot tells its own.
        daily: whether they count towards the account's day.
        cure: what to do when a call is refused.
    """

    auth: Auth
    name: str
    burst: str
    limits: AccountLimits
    daily: bool
    cure: str


def entry(spec: ConnectionSpec, around: Surroundings, endpoint: str, paths: Paths) -> Entry:
    """As the connection says.

    Raises:
        MissingSecret: a named variable is not set.
        SettingsError: grants cannot be kept.
    """
    if spec.options.get("auth") != OAUTH:
        token = spec.secrets["token"]
        revealed = reveal(token, spec.name, around.environ)
        key = fingerprint(endpoint, revealed)
        cure = f"check the key in {token.variable} and its permissions in HubSpot, then run again"
        return Entry(Bearer(revealed), f"key {key}", key, hubspot_answers.LIMITS, daily=True, cure=cure)
    made = _app(spec, around, endpoint, paths)
    burst = fingerprint(endpoint, made.client_id)
    return Entry(
        OAuth(made, _grants(spec, around), around.clock),
        # One app may be in several accounts, each by a connection of its own.
        f"app {burst} {spec.name}",
        burst,
        INSTALL_LIMITS,
        daily=False,
        cure=f"see to it that the app has this permission in HubSpot, then reconnect: {made.reconnect}",
    )


@dataclass(frozen=True, slots=True)
class Install:
    """What it takes to let an app into an account.

    Attributes:
        file: where the grant is kept.
        login: where people log in.
    """

    app: App
    file: GrantFile
    login: str


def install(spec: ConnectionSpec, around: Surroundings, endpoint: str, paths: Paths) -> Install:
    """As the connection says.

    Raises:
        MissingSecret: a named variable is not set.
        SettingsError: the connection has a key, its address is unsafe, or there is no place for the grant.
    """
    if spec.options.get("auth") != OAUTH:
        raise SettingsError(f"{spec.place}: connection {spec.name} has a key; write auth: oauth in place of token:")
    return Install(_app(spec, around, endpoint, paths), _grants(spec, around), _login(spec, around))


def _grants(spec: ConnectionSpec, around: Surroundings) -> GrantFile:
    if around.state_directory is None:
        raise SettingsError(f"{spec.place}: auth: oauth keeps its tokens beside the store, which must be a file")
    return GrantFile(around.state_directory, spec.name)


def _app(spec: ConnectionSpec, around: Surroundings, endpoint: str, paths: Paths) -> App:
    client_secret = spec.secrets["client_secret"]
    http = HttpClient(
        endpoint,
        account=spec.name,
        clock=around.clock,
        sleep=around.sleep,
        judge=lambda call, answer: hubspot_answers.judge(call, answer, None, around.clock.now()),
        cure=f"check client_id and {client_secret.variable}, and the app in HubSpot, then run again",
        session=around.session,
    )
    return App(
        http,
        paths.token,
        setting(spec, "client_id", around.environ) or "",
        reveal(client_secret, spec.name, around.environ),
        client_secret.variable,
        around.clock,
        f"segserver connect hubspot {spec.name}",
    )


def _login(spec: ConnectionSpec, around: Surroundings) -> str:
    found = setting(spec, "app_endpoint", around.environ) or around.environ.get("HUBSPOT_APP_ENDPOINT") or APP_ENDPOINT
    parts = urlsplit(found)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise SettingsError(f"{spec.place}: the app_endpoint of connection {spec.name} must start with https://")
    return found.rstrip("/")
