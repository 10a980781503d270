"""A declared connection becomes something that can be read and written.

Where a platform is: `endpoint:` in the connection's file (an address or `env:NAME`), else the environment variable
`HUBSPOT_ENDPOINT`, `MARKETO_ENDPOINT` or `GA4_ENDPOINT`, else the vendor's own address.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from segserver.clock import Clock
from segserver.connectors import (
    ga4,
    ga4_bigquery,
    ga4_data,
    ga4_dimensions,
    ga4_entry,
    hubspot_answers,
    hubspot_api,
    hubspot_entry,
    hubspot_journal,
    marketo_api,
    marketo_callbacks,
    marketo_codes,
)
from segserver.connectors.auth import ClientCredentials
from segserver.connectors.base import Destination, Source, Tidying
from segserver.connectors.declarations import reveal, setting
from segserver.connectors.files import FilesConnector
from segserver.connectors.http import HttpClient, Session
from segserver.connectors.hubspot import HubSpot
from segserver.connectors.hubspot_paths import Paths
from segserver.connectors.kinds import LOOPBACK, Make, Sides, Surroundings, kind
from segserver.connectors.limits import Budgets
from segserver.connectors.mapping import LeftOut, Problem, Reader, events_of, refuse_own_fields
from segserver.connectors.marketo import Marketo, fetch_grant
from segserver.errors import SettingsError
from segserver.specs.connections import ConnectionSpec

_REMEMBERED, _REMEMBERING = ".segserver", ("files", "ga4")
"""Where kinds of connections remember people in files, a folder for each connection, and which kinds do."""


@dataclass(frozen=True, slots=True)
class Connector:
    """What a connection can do.

    Attributes:
        source: None where nothing is read from it.
        destination: None without `audiences: true`.
        problems: values that could not be read as declared; grows while pages are read. Empty it after reporting.
        left_out: who must not be remembered.
        tidying: what remembers people in files; None where nothing does.
    """

    spec: ConnectionSpec
    source: Source | None
    destination: Destination | None
    problems: list[Problem]
    left_out: LeftOut = field(default_factory=LeftOut)
    tidying: Tidying | None = None

    def leave_out(self, since: datetime | None, names: Callable[[str, str], bool]) -> None:
        """Let nobody be remembered who was forgotten, the last of them at an instant."""
        self.left_out.since, self.left_out.names = since, names
        if self.tidying is not None:
            self.tidying.tidy()


def remove_leftovers(workspace_dir: Path, connections: Container[str]) -> None:
    """Remove what is remembered in files of the people of connections that are no more."""
    for folder in (workspace_dir / _REMEMBERED).glob("*/*/"):
        if folder.parent.name in _REMEMBERING and folder.name not in connections:
            shutil.rmtree(folder)


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
    state_directory: Path | None = None,
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
        state_directory: beside the store, where grants are kept; None where it is in memory.

    Raises:
        MissingSecret: a named variable is not set.
        SettingsError: the endpoint is missing or unsafe, or a field is read that we write.
    """
    refuse_own_fields(spec)
    reader = Reader()
    around = Surroundings(
        clock, sleep, environ, workspace_dir, session, limits, budgets or Budgets(clock, sleep), state_directory
    )
    source, destination = kind(spec.kind).make(spec, around, reader)
    return Connector(
        spec,
        source if spec.contacts or spec.events else None,
        destination if spec.audiences else None,
        reader.problems,
        reader.left_out,
        source if isinstance(source, Tidying) else None,
    )


def _hubspot(spec: ConnectionSpec, around: Surroundings, reader: Reader) -> HubSpot:
    endpoint = _endpoint(spec, around.environ, hubspot_api.DEFAULT_ENDPOINT)
    paths = _paths(spec)
    entry = hubspot_entry.entry(spec, around, endpoint, paths)
    # Until the account has told who it is, it is known by its key.
    budget = around.budget(
        spec, entry.limits, endpoint, f"hubspot {entry.name}", credential=entry.burst, daily=entry.daily
    )
    client = partial(
        HttpClient,
        endpoint,
        account=spec.name,
        clock=around.clock,
        sleep=around.sleep,
        auth=entry.auth,
        budget=budget,
        judge=lambda call, answer: hubspot_answers.judge(call, answer, budget, around.clock.now()),
        cure=entry.cure,
        session=around.session,
    )
    asking = client()
    http = client(
        before_first=None if budget is None else lambda: hubspot_answers.identify(asking, around.budgets, budget)
    )
    journal = _hubspot_journal(spec, around, endpoint, paths) if spec.options.get("journal") else None
    return HubSpot(spec, hubspot_api.HubSpotApi(http, around.clock, paths), reader, journal)


def hubspot_install(spec: ConnectionSpec, around: Surroundings) -> hubspot_entry.Install:
    """What it takes to let the app of a HubSpot connection into an account.

    Raises:
        MissingSecret: a named variable is not set.
        SettingsError: the connection is not let in as an app, or an address is unsafe.
    """
    endpoint = _endpoint(spec, around.environ, hubspot_api.DEFAULT_ENDPOINT)
    return hubspot_entry.install(spec, around, endpoint, _paths(spec))


def _paths(spec: ConnectionSpec) -> Paths:
    return Paths(cast("Mapping[str, str]", spec.options.get("versions", {})))


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
    google = partial(ga4_entry.client, spec=spec, around=around, safe=partial(_safe, spec))
    bigquery = dimensions = data = None
    prop = str(spec.options.get("property", ""))
    if events_of(spec, ga4.EXPORT_STREAM):
        place = ga4_bigquery.place_of(spec)
        asked, _ = google(ga4_entry.BIGQUERY, of=place.project)
        bigquery = ga4_bigquery.BigQuery(asked, place)
    if events_of(spec, ga4.AUDIENCE_STREAM) or events_of(spec, ga4.REPORT_STREAM):
        asked, tokens = google(ga4_entry.DATA, of=prop)
        data = ga4_data.DataApi(asked, prop, tokens)
    if spec.audiences and spec.options.get("custom_dimensions"):
        asked, _ = google(ga4_entry.ADMIN, of=prop)
        dimensions = ga4_dimensions.Dimensions(asked, prop)
    kept = ga4.kept_members(spec, reader, around.workspace_dir / _REMEMBERED / "ga4" / spec.name)
    return ga4.GoogleAnalytics(
        http,
        measurement_id,
        api_secret,
        around.clock,
        agreement=ga4.agreement_of(spec),
        kept=kept,
        dimensions=dimensions,
        export=ga4.exports(spec, bigquery, reader),
        audiences=ga4.audiences(spec, data, reader, kept),
        reports=ga4.reports(spec, data, reader),
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
