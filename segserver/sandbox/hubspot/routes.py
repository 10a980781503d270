"""HubSpot's front door: keys, limits, faults, errors."""

from __future__ import annotations

import re
from datetime import UTC, timedelta

from flask import Blueprint, Response, g, request

from segserver.sandbox.faults import ENVIRON_KEY, Fault
from segserver.sandbox.hubspot import (
    associations,
    batches,
    custom_events,
    email_events,
    journal,
    lists,
    oauth,
    objects,
    occurrences,
    preferences,
    properties,
    search,
    workflows,
)
from segserver.sandbox.hubspot.account import HubSpotAccount
from segserver.sandbox.hubspot.errors import HubSpotError
from segserver.sandbox.routing import Route, json_response, mount

VERSIONS = ("2026-03", "2026-09")
LONGEST_ADDRESS = 8_000
MODULES = (
    search,
    batches,
    objects,
    properties,
    lists,
    associations,
    email_events,
    occurrences,
    custom_events,
    preferences,
    journal,
    oauth,
    workflows,
)
_STATUS = {Fault.SERVER_ERROR: 500, Fault.BAD_GATEWAY: 502, Fault.UNAVAILABLE: 503}


def blueprint(account: HubSpotAccount) -> Blueprint:
    """All HubSpot endpoints over one account."""
    made = Blueprint("hubspot", __name__, url_prefix="/hubspot")
    for module in MODULES:
        mount(made, account, module.ROUTES, VERSIONS)
    mount(made, account, (Route("GET", "/account-info/VERSION/details", _details),), VERSIONS)

    @made.before_request
    def admit() -> None:
        account.calls += 1
        _fail_on_demand()
        if len(request.full_path) > LONGEST_ADDRESS:
            raise HubSpotError(414, "URI_TOO_LONG", "the address is too long")
        if _belongs_to_the_app():
            if "/webhooks-journal/" in request.path:
                journal.check_token(account)
            return
        _check_state(account)
        g.install = _admitted(account)
        oauth.permit(account, g.install)
        _count(account, g.install)

    @made.after_request
    def add_limits(response: Response) -> Response:
        if not request.path.endswith("/search"):
            response.headers.extend(_limit_headers(account))
        return response

    @made.errorhandler(HubSpotError)
    def refuse(error: HubSpotError) -> Response:
        response = json_response(error.body(f"00000000-0000-4000-8000-{account.calls:012d}"), error.status)
        response.headers.extend(error.headers)
        return response

    return made


def _details(account: HubSpotAccount) -> Response:
    now = account.clock.now().replace(tzinfo=UTC).astimezone(account.zone)
    return json_response(
        {
            "portalId": oauth.PORTAL_ID,
            "accountType": "STANDARD",
            "timeZone": account.zone.key,
            "companyCurrency": account.currency,
            "additionalCurrencies": [],
            "utcOffset": now.isoformat()[-6:],
            "utcOffsetMilliseconds": (now.utcoffset() or timedelta(0)) // timedelta(milliseconds=1),
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        }
    )


def _belongs_to_the_app() -> bool:
    """Whether a call is made as the app: for a token, or for the journal, which has limits of its own."""
    return any(part in request.path for part in ("/oauth/", "/webhooks-journal/", journal.FILES))


def _fail_on_demand() -> None:
    fault = request.environ.get(ENVIRON_KEY)
    if fault in (Fault.RATE_LIMITED, Fault.RATE_LIMITED_WITH_DELAY):
        waits = {"Retry-After": "1"} if fault is Fault.RATE_LIMITED_WITH_DELAY else {}
        raise _too_many("TEN_SECONDLY_ROLLING", waits)
    if fault in _STATUS:
        raise HubSpotError(_STATUS[fault], "INTERNAL_ERROR", "internal error")


def _check_state(account: HubSpotAccount) -> None:
    now, until = account.clock.now(), account.moving_until
    if until is not None and now < until:
        waits = {"Retry-After": str(int((until - now).total_seconds()) or 1)}
        raise HubSpotError(477, "MIGRATION_IN_PROGRESS", "This account is being migrated.", headers=waits)
    if account.locked and oauth.scope_asked_for() == oauth.WRITE and account.locked & _ids_named():
        raise HubSpotError(423, "LOCKED", "This resource is locked by another request.")


def _ids_named() -> set[str]:
    return set(re.findall(r"\d+", f"{request.path} {request.get_data(as_text=True)}"))


def _admitted(account: HubSpotAccount) -> oauth.Install | None:
    """The login whose token this is; None for the key."""
    sent = request.headers.get("Authorization", "")
    if not sent.startswith("Bearer "):
        message = "Authentication credentials not found. This API supports OAuth 2.0 authentication."
        raise HubSpotError(401, "INVALID_AUTHENTICATION", message)
    token = sent.removeprefix("Bearer ")
    install = account.installs.admitted(token, account.clock.now())
    if install is None and token != account.token:
        message = "The key used to make this call is expired or invalid."
        raise HubSpotError(401, "INVALID_AUTHENTICATION", message)
    return install


def _count(account: HubSpotAccount, install: oauth.Install | None) -> None:
    now = account.clock.now()
    if request.path.endswith("/search") and "/objects/" in request.path:
        fits, policy = account.searches.take(now), "SECONDLY"
    else:
        burst = account.burst if install is None else account.installs.burst
        fits, policy = burst.take(now), "TEN_SECONDLY_ROLLING"
    if install is None and not account.daily.take(now):
        fits, policy = False, "DAILY"
    if not fits:
        raise _too_many(policy, {})


def _too_many(policy: str, headers: dict[str, str]) -> HubSpotError:
    message = f"You have reached your {policy.lower()} limit."
    extra = {"errorType": "RATE_LIMIT", "policyName": policy}
    return HubSpotError(429, "RATE_LIMITS", message, extra=extra, headers=headers)


def _limit_headers(account: HubSpotAccount) -> dict[str, str]:
    now, by_app = account.clock.now(), g.get("install") is not None
    burst = account.installs.burst if by_app else account.burst
    told = {
        "X-HubSpot-RateLimit-Max": str(burst.limit),
        "X-HubSpot-RateLimit-Remaining": str(burst.remaining(now)),
        "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
    }
    if by_app:
        return told
    return told | {
        "X-HubSpot-RateLimit-Daily": str(account.daily.limit),
        "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, account.daily.remaining(now))),
    }
