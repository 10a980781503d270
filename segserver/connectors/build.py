"""A declared connection becomes something that can be read and written.

Where a platform is: `endpoint:` in the connection's file (an address or `env:NAME`), else the environment variable
`HUBSPOT_ENDPOINT`, `MARKETO_ENDPOINT` or `GA4_ENDPOINT`, else the vendor's own address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from segserver.clock import Clock
from segserver.connectors import ga4, hubspot_api, marketo_api
from segserver.connectors.auth import Bearer, ClientCredentials
from segserver.connectors.base import Destination, Source
from segserver.connectors.declarations import reveal, setting
from segserver.connectors.files import FilesConnector
from segserver.connectors.http import HttpClient, Session
from segserver.connectors.hubspot import HubSpot
from segserver.connectors.limits import AccountLimits, Budget
from segserver.connectors.mapping import Problem, Reader, refuse_own_fields
from segserver.connectors.marketo import Marketo, fetch_grant
from segserver.errors import SettingsError
from segserver.specs.connections import ConnectionSpec

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Connector:
    """What a connection can do.

    Attributes:
        source: None where nothing is read from it.
        destination: None without `audiences: true`.
        problems: values that could not be read as declared; grows while pages are read. Empty it after reporting.
    """

    spec: ConnectionSpec
    source: Source | None
    destination: Destination | None
    problems: list[Problem]


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What all connectors need from outside."""

    clock: Clock
    sleep: Callable[[float], None]
    environ: Mapping[str, str]
    session: Session | None
    limits: bool | None

    def budget(self, spec: ConnectionSpec, limits: AccountLimits, endpoint: str) -> Budget | None:
        """Our share of the limits; None on this machine unless asked for, where nobody else's share is at stake."""
        held = urlsplit(endpoint).hostname not in _LOOPBACK if self.limits is None else self.limits
        return Budget(spec.name, limits, spec.quota, self.clock, self.sleep) if held else None


def build(
    spec: ConnectionSpec,
    *,
    clock: Clock,
    sleep: Callable[[float], None],
    environ: Mapping[str, str],
    workspace_dir: Path,
    session: Session | None = None,
    limits: bool | None = None,
) -> Connector:
    """Make the connector of a connection. Nothing is sent yet.

    Keep it as long as the process lives: it holds the account's budget and token.

    Args:
        spec: the connection.
        clock: the time; it has to run, so not the run's `as_of`.
        sleep: waits so many seconds.
        environ: where secrets and endpoints are.
        workspace_dir: for paths of files.
        session: of requests; None for a new one.
        limits: whether to keep the platform's limits; None: unless its endpoint is on this machine.

    Raises:
        MissingSecret: a named variable is not set.
        SettingsError: the endpoint is missing or unsafe, or a field is read that we write.
    """
    refuse_own_fields(spec)
    reader = Reader()
    around = _Surroundings(clock, sleep, environ, session, limits)
    source, destination = _sides(spec, around, reader, workspace_dir)
    return Connector(
        spec,
        source if spec.contacts or spec.events else None,
        destination if spec.audiences else None,
        reader.problems,
    )


def _sides(
    spec: ConnectionSpec, around: _Surroundings, reader: Reader, workspace_dir: Path
) -> tuple[Source | None, Destination]:
    if spec.kind == "files":
        files = FilesConnector(spec, workspace_dir)
        return files, files
    if spec.kind == "hubspot":
        hubspot = _hubspot(spec, around, reader)
        return hubspot, hubspot
    if spec.kind == "marketo":
        marketo = _marketo(spec, around, reader)
        return marketo, marketo
    if spec.kind == "ga4":
        return None, _ga4(spec, around)
    raise SettingsError(f"{spec.place}: unknown kind {spec.kind}; use hubspot, marketo, ga4 or files")


def _hubspot(spec: ConnectionSpec, around: _Surroundings, reader: Reader) -> HubSpot:
    endpoint = _endpoint(spec, around.environ, hubspot_api.DEFAULT_ENDPOINT)
    budget = around.budget(spec, hubspot_api.LIMITS, endpoint)
    token = spec.secrets["token"]
    http = HttpClient(
        endpoint,
        account=spec.name,
        clock=around.clock,
        sleep=around.sleep,
        auth=Bearer(reveal(token, spec.name, around.environ)),
        budget=budget,
        judge=lambda call, answer: hubspot_api.judge(call, answer, budget, around.clock.now()),
        cure=f"check the key in {token.variable} and its permissions in HubSpot, then run again",
        session=around.session,
    )
    return HubSpot(spec, hubspot_api.HubSpotApi(http, around.clock), reader)


def _marketo(spec: ConnectionSpec, around: _Surroundings, reader: Reader) -> Marketo:
    endpoint = _endpoint(spec, around.environ, None)
    client_id, client_secret = spec.secrets["client_id"], spec.secrets["client_secret"]
    cure = f"check {client_id.variable} and {client_secret.variable} and the role of the API user, then run again"
    identity = HttpClient(
        endpoint,
        account=spec.name,
        clock=around.clock,
        sleep=around.sleep,
        cure=cure,
        session=around.session,
    )
    revealed = [reveal(secret, spec.name, around.environ) for secret in (client_id, client_secret)]
    http = HttpClient(
        endpoint,
        account=spec.name,
        clock=around.clock,
        sleep=around.sleep,
        auth=ClientCredentials(lambda: fetch_grant(identity, *revealed), around.clock),
        budget=around.budget(spec, marketo_api.LIMITS, endpoint),
        judge=lambda call, answer: marketo_api.judge(call, answer, around.clock.now()),
        cure=cure,
        session=around.session,
    )
    return Marketo(spec, marketo_api.MarketoApi(http, around.clock), reader, around.sleep)


def _ga4(spec: ConnectionSpec, around: _Surroundings) -> ga4.GoogleAnalytics:
    measurement_id = setting(spec, "measurement_id", around.environ)
    if measurement_id is None:
        raise SettingsError(f"{spec.place}: connection {spec.name} needs measurement_id:")
    http = HttpClient(
        _endpoint(spec, around.environ, ga4.DEFAULT_ENDPOINT),
        account=spec.name,
        clock=around.clock,
        sleep=around.sleep,
        cure="check the measurement id and the secret of the Measurement Protocol",
        session=around.session,
    )
    return ga4.GoogleAnalytics(http, measurement_id, reveal(spec.secrets["api_secret"], spec.name, around.environ))


def _endpoint(spec: ConnectionSpec, environ: Mapping[str, str], default: str | None) -> str:
    variable = f"{spec.kind.upper()}_ENDPOINT"
    endpoint = setting(spec, "endpoint", environ) or environ.get(variable) or default
    if endpoint is None:
        raise SettingsError(f"{spec.place}: connection {spec.name} needs endpoint:, or the variable {variable}")
    parts, place = urlsplit(endpoint), f"{spec.place}: the endpoint of connection {spec.name}"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"{place} is no address; write https://...")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise SettingsError(
            f"{spec.place}: the endpoint of connection {spec.name} would carry the key in clear; use https"
        )
    # Marketo shows its address with the path of the REST API, which our paths hold already.
    return endpoint.rstrip("/").removesuffix("/rest").removesuffix("/identity")
