"""Google's interfaces as a service account is let into them, each with our share of what it allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from segserver.connectors import ga4_account, ga4_answers
from segserver.connectors.account import AccountLimits
from segserver.connectors.auth import ClientCredentials
from segserver.connectors.declarations import reveal, setting
from segserver.connectors.http import HttpClient
from segserver.connectors.kinds import Surroundings
from segserver.connectors.tokens import TokenBudget
from segserver.connectors.windows import Allowance
from segserver.specs.connections import ConnectionSpec

_ZONE = "America/Los_Angeles"
_READ = "https://www.googleapis.com/auth/analytics.readonly"
_EDIT = "https://www.googleapis.com/auth/analytics.edit"
_BIGQUERY = "https://www.googleapis.com/auth/bigquery.readonly"


@dataclass(frozen=True, slots=True)
class Interface:
    """One of Google's interfaces.

    Attributes:
        name: tells its limits from those of others.
        endpoint: its own address.
        scope: what a token must allow.
        roles: what the service account needs, for messages.
        limits: of one property or project.
        counted: whether Google counts tokens and the failures of its servers.
    """

    name: str
    endpoint: str
    scope: str
    roles: str
    limits: AccountLimits
    counted: bool = False


BIGQUERY = Interface(
    "bigquery",
    "https://bigquery.googleapis.com",
    _BIGQUERY,
    "the roles BigQuery Job User and Data Viewer",
    AccountLimits(Allowance(100, 1), {}, None, _ZONE),
)
ADMIN = Interface(
    "ga4 admin",
    "https://analyticsadmin.googleapis.com",
    _EDIT,
    "the role Editor of the property, with the Analytics Admin API turned on in its project",
    AccountLimits(Allowance(180, 60), {}, None, _ZONE),
)
"""600 reads a minute and user, 180 of them writes; it is called so rarely that the lower number serves for both."""
DATA = Interface(
    "ga4",
    "https://analyticsdata.googleapis.com",
    _READ,
    "the role Viewer of the property, with the Analytics Data API turned on in its project",
    AccountLimits(Allowance(600, 60), {}, None, _ZONE, concurrent=10),
    counted=True,
)
"""Google counts tokens and ten calls at once; the pace is ours, so that nothing comes in bursts."""


def client(
    interface: Interface, spec: ConnectionSpec, around: Surroundings, of: str, safe: Callable[[str], str]
) -> tuple[HttpClient, TokenBudget | None]:
    """What calls an interface, and our share of its tokens where they are counted.

    Args:
        interface: which.
        spec: the connection.
        around: the connection's surroundings.
        of: the property or project that has the limits.
        safe: checks an address.

    Raises:
        MissingSecret: the variable of the service account is not set.
        SettingsError: it holds no key, or an address is unsafe.
    """
    secret = spec.secrets["service_account"]
    place = f"{secret.place}: {secret.variable}"
    account = ga4_account.read_account(reveal(secret, spec.name, around.environ), around.workspace_dir, place)
    cure = f"check the key in {secret.variable} and give {account.email} {interface.roles}"
    elsewhere = setting(spec, "google_endpoint", around.environ) or around.environ.get("GA4_GOOGLE_ENDPOINT")
    endpoint, limited = safe(elsewhere or interface.endpoint), f"{interface.name} {of}"
    budget = around.budget(spec, interface.limits, endpoint, limited)
    counted = interface.counted and budget is not None
    left = around.budgets.tokens(spec.name, limited, spec.quota) if counted else None
    made = partial(
        HttpClient, account=spec.name, clock=around.clock, sleep=around.sleep, cure=cure, session=around.session
    )
    grants = made(
        safe(elsewhere or ga4_account.ENDPOINT),
        judge=lambda call, answer: ga4_answers.judge(call, answer, around.clock.now()),
    )
    auth = ClientCredentials(
        lambda: ga4_account.fetch_grant(grants, account, interface.scope, around.clock.now, cure), around.clock
    )
    http = made(
        endpoint,
        auth=auth,
        budget=budget,
        judge=lambda call, answer: ga4_answers.judge_counted(call, answer, around.clock.now(), left),
    )
    return http, left
