"""HubSpot's front door: keys, limits, faults, errors."""

from __future__ import annotations

from flask import Blueprint, Response, request

from segserver.sandbox.faults import ENVIRON_KEY, Fault
from segserver.sandbox.hubspot import associations, batches, email_events, lists, objects, properties, search
from segserver.sandbox.hubspot.account import PORTAL_ID, HubSpotAccount
from segserver.sandbox.hubspot.errors import HubSpotError
from segserver.sandbox.routing import Route, json_response, mount

VERSIONS = ("2026-03", "2026-09")
_STATUS = {Fault.SERVER_ERROR: 500, Fault.BAD_GATEWAY: 502, Fault.UNAVAILABLE: 503}


def blueprint(account: HubSpotAccount) -> Blueprint:
    """All HubSpot endpoints over one account."""
    made = Blueprint("hubspot", __name__, url_prefix="/hubspot")
    for module in (search, batches, objects, properties, lists, associations, email_events):
        mount(made, account, module.ROUTES, VERSIONS)
    mount(made, account, (Route("GET", "/account-info/VERSION/details", _details),), VERSIONS)

    @made.before_request
    def admit() -> None:
        account.calls += 1
        _fail_on_demand()
        _check_key(account)
        _count(account)

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
    return json_response(
        {
            "portalId": PORTAL_ID,
            "accountType": "STANDARD",
            "timeZone": "UTC",
            "companyCurrency": account.currency,
            "additionalCurrencies": [],
            "utcOffset": "+00:00",
            "utcOffsetMilliseconds": 0,
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        }
    )


def _fail_on_demand() -> None:
    fault = request.environ.get(ENVIRON_KEY)
    if fault in (Fault.RATE_LIMITED, Fault.RATE_LIMITED_WITH_DELAY):
        waits = {"Retry-After": "1"} if fault is Fault.RATE_LIMITED_WITH_DELAY else {}
        raise _too_many("TEN_SECONDLY_ROLLING", waits)
    if fault in _STATUS:
        raise HubSpotError(_STATUS[fault], "INTERNAL_ERROR", "internal error")


def _check_key(account: HubSpotAccount) -> None:
    sent = request.headers.get("Authorization", "")
    if not sent.startswith("Bearer "):
        message = "Authentication credentials not found. This API supports OAuth 2.0 authentication."
        raise HubSpotError(401, "INVALID_AUTHENTICATION", message)
    if sent.removeprefix("Bearer ") != account.token:
        message = "The key used to make this call is expired or invalid."
        raise HubSpotError(401, "INVALID_AUTHENTICATION", message)


def _count(account: HubSpotAccount) -> None:
    now = account.clock.now()
    if request.path.endswith("/search") and "/objects/" in request.path:
        fits, policy = account.searches.take(now), "SECONDLY"
    else:
        fits, policy = account.burst.take(now), "TEN_SECONDLY_ROLLING"
    if not account.daily.take(now):
        fits, policy = False, "DAILY"
    if not fits:
        raise _too_many(policy, {})


def _too_many(policy: str, headers: dict[str, str]) -> HubSpotError:
    message = f"You have reached your {policy.lower()} limit."
    extra = {"errorType": "RATE_LIMIT", "policyName": policy}
    return HubSpotError(429, "RATE_LIMITS", message, extra=extra, headers=headers)


def _limit_headers(account: HubSpotAccount) -> dict[str, str]:
    now = account.clock.now()
    return {
        "X-HubSpot-RateLimit-Max": str(account.burst.limit),
        "X-HubSpot-RateLimit-Remaining": str(account.burst.remaining(now)),
        "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
        "X-HubSpot-RateLimit-Daily": str(account.daily.limit),
        "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, account.daily.remaining(now))),
    }
