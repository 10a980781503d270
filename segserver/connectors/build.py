"""A declared connection becomes something that can be read and written.

Where a platform is: `endpoint:` in the connection's file (an address or `env:NAME`), else the environment variable
`HUBSPOT_ENDPOINT`, `MARKETO_ENDPOINT` or `GA4_ENDPOINT`, else the vendor's own address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from segserver.clock import Clock
from segserver.connectors import (
    ga4,
    ga4_account,
    ga4_answers,
    ga4_bigquery,
    hubspot_answers,
    hubspot_api,
    hubspot_journal,
    marketo_api,
    marketo_callbacks,
    marketo_codes,
)
from segserver.connectors.auth import Bearer, ClientCredentials, fingerprint
from segserver.connectors.base import Destination, Source
from segserver.connectors.declarations import reveal, setting
from segserver.connectors.files import FilesConnector
from segserver.connectors.http import HttpClient, Session
from segserver.connectors.hubspot import HubSpot
from segserver.connectors.hubspot_paths import Paths
from segserver.connectors.kinds import LOOPBACK, Make, Sides, Surroundings, kind
from segserver.connectors.limits import Budgets
from segserver.connectors.mapping import Problem, Reader, refuse_own_fields
from segserver.connectors.marketo import Marketo, fetch_grant
from segserver.errors import SettingsError
from segserver.specs.connections import ConnectionSpec


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


def build(
    spec: ConnectionSpec,
    *,
    clock: Clock,
    sleep: Callable[[float], None],
    environ: Mapping[str, str],
    workspace_dir: Path,
    session: Session | None = None,
    limits: bool | None = None,
    budgets: Budgets | None = None,
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
        budgets: of the accounts, shared by all connections of the process; None for budgets of its own.

    Raises:
        MissingSecret: a named variable is not set.
        SettingsError: the endpoint is missing or unsafe, or a field is read that we write.
    """
    refuse_own_fields(spec)
    reader = Reader()
    around = Surroundings(clock, sleep, environ, workspace_dir, session, limits, budgets or Budgets(clock, sleep))
    source, destination = kind(spec.kind).make(spec, around, reader)
    return Connector(
        spec,
        source if spec.contacts or spec.events else None,
        destination if spec.audiences else None,
        reader.problems,
    )


def _hubspot(spec: ConnectionSpec, around: Surroundings, reader: Reader) -> HubSpot:
    endpoint = _endpoint(spec, around.environ, hubspot_api.DEFAULT_ENDPOINT)
    token = spec.secrets["token"]
    revealed = reveal(token, spec.name, around.environ)
    key = fingerprint(endpoint, revealed)
    # Until the account has told who it is, it is known by its key.
    budget = around.budget(spec, hubspot_answers.LIMITS, endpoint, f"hubspot key {key}", credential=key)
    client = partial(
        HttpClient,
        endpoint,
        account=spec.name,
        clock=around.clock,
        sleep=around.sleep,
        auth=Bearer(revealed),
        budget=budget,
        judge=lambda call, answer: hubspot_answers.judge(call, answer, budget, around.clock.now()),
        cure=f"check the key in {token.variable} and its permissions in HubSpot, then run again",
        session=around.session,
    )
    asking = client()
    http = client(
        before_first=None if budget is None else lambda: hubspot_answers.identify(asking, around.budgets, budget)
    )
    paths = Paths(cast("Mapping[str, str]", spec.options.get("versions", {})))
    journal = _hubspot_journal(spec, around, endpoint, paths) if spec.options.get("journal") else None
    return HubSpot(spec, hubspot_api.HubSpotApi(http, around.clock, paths), reader, journal)


def _hubspot_journal(
    spec: ConnectionSpec, around: Surroundings, endpoint: str, paths: Paths
) -> hubspot_journal.Journal:
    """The journal of an app, which has a token of its own and limits of its own."""
    client_secret = spec.secrets["client_secret"]
    client_id = setting(spec, "client_id", around.environ) or ""
    revealed = reveal(client_secret, spec.name, around.environ)
    cure = f"check client_id, {client_secret.variable} and the permissions of the app in HubSpot, then run again"
    client = partial(
        HttpClient, account=spec.name, clock=around.clock, sleep=around.sleep, cure=cure, session=around.session
    )
    identity = client(endpoint)
    grant = ClientCredentials(
        lambda: hubspot_journal.fetch_grant(identity, paths.token, client_id, revealed, cure), around.clock
    )
    http = client(
        endpoint, auth=grant, judge=lambda call, answer: hubspot_answers.judge(call, answer, None, around.clock.now())
    )
    files = partial(client, judge=lambda call, answer: hubspot_journal.judge_file(call, answer, around.clock.now()))
    return hubspot_journal.Journal(http, paths.base("journal"), paths.base("journal_subscriptions"), files)


def _marketo(spec: ConnectionSpec, around: Surroundings, reader: Reader) -> Marketo:
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
        budget=around.budget(spec, marketo_api.LIMITS, endpoint, f"marketo {urlsplit(endpoint).netloc}"),
        judge=lambda call, answer: marketo_codes.judge(call, answer, around.clock.now()),
        cure=cure,
        session=around.session,
    )
    caller = partial(
        HttpClient,
        account=spec.name,
        clock=around.clock,
        sleep=around.sleep,
        judge=marketo_callbacks.judge,
        session=around.session,
    )
    return Marketo(spec, marketo_api.MarketoApi(http, around.clock), reader, around.sleep, caller)


def _ga4(spec: ConnectionSpec, around: Surroundings, reader: Reader) -> ga4.GoogleAnalytics:
    http = HttpClient(
        _endpoint(spec, around.environ, ga4.DEFAULT_ENDPOINT),
        account=spec.name,
        clock=around.clock,
        sleep=around.sleep,
        cure="check the measurement id and the secret of the Measurement Protocol",
        session=around.session,
    )
    measurement_id = setting(spec, "measurement_id", around.environ) or ""
    api_secret = setting(spec, "api_secret", around.environ) or ""
    bigquery = _bigquery(spec, around) if spec.events else None
    return ga4.GoogleAnalytics(http, measurement_id, api_secret, ga4.exports(spec, bigquery, reader))


def _bigquery(spec: ConnectionSpec, around: Surroundings) -> ga4_bigquery.BigQuery:
    """BigQuery by a service account, whose tokens come from another address."""
    secret = spec.secrets["service_account"]
    place = f"{secret.place}: {secret.variable}"
    account = ga4_account.read_account(reveal(secret, spec.name, around.environ), around.workspace_dir, place)
    cure = f"check the key in {secret.variable} and give {account.email} the roles BigQuery Job User and Data Viewer"
    elsewhere = setting(spec, "google_endpoint", around.environ) or around.environ.get("GA4_GOOGLE_ENDPOINT")
    client = partial(
        HttpClient,
        account=spec.name,
        clock=around.clock,
        sleep=around.sleep,
        judge=lambda call, answer: ga4_answers.judge(call, answer, around.clock.now()),
        cure=cure,
        session=around.session,
    )
    tokens = client(_safe(spec, elsewhere or ga4_account.ENDPOINT))
    auth = ClientCredentials(lambda: ga4_account.fetch_grant(tokens, account, around.clock.now, cure), around.clock)
    return ga4_bigquery.BigQuery(
        client(_safe(spec, elsewhere or ga4_bigquery.ENDPOINT), auth=auth), ga4_bigquery.place_of(spec)
    )


def _endpoint(spec: ConnectionSpec, environ: Mapping[str, str], default: str | None) -> str:
    variable = f"{spec.kind.upper()}_ENDPOINT"
    endpoint = setting(spec, "endpoint", environ) or environ.get(variable) or default
    if endpoint is None:
        raise SettingsError(f"{spec.place}: connection {spec.name} needs endpoint:, or the variable {variable}")
    # Marketo shows its address with the path of the REST API, which our paths hold already.
    return _safe(spec, endpoint).removesuffix("/rest").removesuffix("/identity")


def _safe(spec: ConnectionSpec, endpoint: str) -> str:
    """An address to which a key may be sent, without the slash at its end."""
    parts, place = urlsplit(endpoint), f"{spec.place}: the endpoint of connection {spec.name}"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"{place} is no address; write https://...")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise SettingsError(
            f"{spec.place}: the endpoint of connection {spec.name} would carry the key in clear; use https"
        )
    return endpoint.rstrip("/")


def _hubspot_sides(spec: ConnectionSpec, around: Surroundings, reader: Reader) -> Sides:
    made = _hubspot(spec, around, reader)
    return made, made


def _marketo_sides(spec: ConnectionSpec, around: Surroundings, reader: Reader) -> Sides:
    made = _marketo(spec, around, reader)
    return made, made


def _ga4_sides(spec: ConnectionSpec, around: Surroundings, reader: Reader) -> Sides:
    made = _ga4(spec, around, reader)
    return made, made


def _files_sides(spec: ConnectionSpec, around: Surroundings, _: Reader) -> Sides:
    made = FilesConnector(spec, around.workspace_dir)
    return made, made


SIDES: Mapping[str, Make] = {
    "hubspot": _hubspot_sides,
    "marketo": _marketo_sides,
    "ga4": _ga4_sides,
    "files": _files_sides,
}
"""How our own kinds are made."""
