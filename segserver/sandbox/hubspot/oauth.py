"""Apps at HubSpot: the login, the codes and tokens they are given, and which permissions a call asks for."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from flask import Response, request

from segserver.clock import to_epoch_ms
from segserver.sandbox.hubspot.errors import HubSpotError, invalid
from segserver.sandbox.hubspot.journal import client_credentials
from segserver.sandbox.limits import RollingWindow
from segserver.sandbox.routing import Route, json_response, made_up

if TYPE_CHECKING:
    from segserver.sandbox.hubspot.account import HubSpotAccount

APP_ID, USER_ID, PORTAL_ID = 1_160_452, 901, 62515
CODE_LIFE = timedelta(minutes=1)

WRITE = "crm.objects.contacts.write"
_CONTACTS = r"/crm/objects/[^/]+/(contacts?|0-1)(/|$)"
_READS = r"(GET .*|POST .*/(batch/read|search))"
_SCOPES = (
    (rf"(?={_READS}$)\S+ {_CONTACTS}", "crm.objects.contacts.read"),
    (rf"\S+ {_CONTACTS}", WRITE),
    (r"\S+ /crm/objects/[^/]+/(compan(y|ies)|0-2)(/|$)", "crm.objects.companies.read"),
    (r"\S+ /crm/objects/[^/]+/(deals?|0-3)(/|$)", "crm.objects.deals.read"),
    (r"GET /crm/properties/", "crm.objects.contacts.read"),
    (r"\S+ /crm/properties/", "crm.schemas.contacts.write"),
    (rf"(?={_READS}$)\S+ /crm/lists/", "crm.lists.read"),
    (r"\S+ /crm/lists/", "crm.lists.write"),
    (r"GET /events/event-occurrences/", "oauth"),
    (r"POST /events/.*/send", "analytics.behavioral_events.send"),
    (r"GET /email/public/v1/events", "content"),
    (r"POST /communication-preferences/[^/]+/statuses/batch/", "communication_preferences.statuses.batch.read"),
    (r"GET /communication-preferences/", "communication_preferences.read"),
    (r"POST /automation/actions/callbacks/", "automation"),
)
_NEEDED = tuple((re.compile(pattern), scope) for pattern, scope in _SCOPES)


@dataclass(slots=True)
class Install:
    """The app, let into the account by one login.

    Attributes:
        scopes: the permissions given.
        refresh_token: the one that holds.
        tokens: access tokens, each with its end.
    """

    scopes: tuple[str, ...]
    refresh_token: str
    tokens: dict[str, datetime]


@dataclass(frozen=True, slots=True)
class Code:
    """What a login gave, to be changed for tokens once."""

    redirect: str
    challenge: str
    scopes: tuple[str, ...]
    until: datetime


class Installs:
    """What logins gave the app.

    Attributes:
        withheld: permissions that the person who logs in does not give.
        declines: whether that person says no.
        rotates: whether a renewal brings another refresh token, after which the old one is worth nothing.
        silent: whether tokens come without the account and the permissions.
        life: of an access token.
        prefix: what all codes and tokens begin with.
        burst: the app's calls.
        renewals: how often a token was renewed.
    """

    def __init__(self, burst: int, seed: int) -> None:
        self.withheld: set[str] = set()
        self.declines = False
        self.rotates = False
        self.silent = False
        self.life = timedelta(seconds=1_800)
        self.prefix = "sandbox"
        self.burst = RollingWindow(burst, timedelta(seconds=10))
        self.renewals = 0
        self.codes: dict[str, Code] = {}
        self.known: list[Install] = []
        self._issued: list[str] = []
        self._seed = seed

    def secrets(self) -> list[str]:
        """Every code and token that was ever given out."""
        return list(self._issued)

    def issue(self, kind: str) -> str:
        """A new code or token."""
        self._issued.append(f"{self.prefix}-{kind}-{made_up(f'hubspot {kind} {len(self._issued)}', self._seed)}")
        return self._issued[-1]

    def install_of(self, refresh_token: str) -> Install | None:
        """Whose refresh token this is."""
        return next((one for one in self.known if one.refresh_token == refresh_token), None)

    def admitted(self, token: str, now: datetime) -> Install | None:
        """Whose living access token this is."""
        return next((one for one in self.known if one.tokens.get(token, datetime.min) > now), None)

    def uninstall(self) -> None:
        """End all that logins gave."""
        self.known.clear()


def scope_asked_for() -> str | None:
    """The permission that this call asks for; None where this stand-in asks for none."""
    call = f"{request.method} {request.path.removeprefix('/hubspot')}"
    return next((scope for pattern, scope in _NEEDED if pattern.match(call)), None)


def permit(account: HubSpotAccount, install: Install | None) -> None:
    """Refuse a call whose permission is lacking; a key has all but what the account lacks."""
    scope = scope_asked_for()
    if scope is None or (scope not in account.lacking and (install is None or scope in install.scopes)):
        return
    message = "This app hasn't been granted all required scopes to make this call."
    context = {"requiredGranularScopes": [scope]}
    raise HubSpotError(403, "MISSING_SCOPES", message, errors=[{"message": message, "context": context}])


# ---- the login -----------------------------------------------------------------------------------------------------


def _authorize(account: HubSpotAccount) -> Response:
    """The page on which a person says yes; nobody has to look at it here."""
    asked, installs = request.args, account.installs
    if asked.get("client_id") != account.client_id:
        raise invalid("there is no app of this client id")
    redirect = asked.get("redirect_uri", "")
    if not redirect.startswith(("https://", "http://localhost:")):
        raise invalid("redirect_uri must use https, but for localhost")
    if asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
        raise invalid("code_challenge_method must be S256")
    if installs.declines:
        back = {"error": "access_denied", "error_description": "the user said no"}
    else:
        code = installs.issue("code")
        given = tuple(_wished() - installs.withheld)
        until = account.clock.now() + CODE_LIFE
        installs.codes[code] = Code(redirect, asked.get("code_challenge", ""), given, until)
        back = {"code": code}
    query = urlencode({**back, "state": asked.get("state", "")})
    return Response(status=302, headers={"Location": f"{redirect}?{query}"})


def _wished() -> set[str]:
    return {*request.args.get("scope", "").split(), *request.args.get("optional_scope", "").split()}


# ---- tokens --------------------------------------------------------------------------------------------------------


def _token(account: HubSpotAccount) -> Response:
    _check_app(account)
    match request.form.get("grant_type"):
        case "client_credentials":
            return client_credentials(account)
        case "authorization_code":
            install = _bought(account)
        case "refresh_token":
            install = _known(account, request.form.get("refresh_token", ""))
            account.installs.renewals += 1
            if account.installs.rotates:
                install.refresh_token = account.installs.issue("refresh")
        case _:
            raise HubSpotError(400, "BAD_GRANT_TYPE", "grant_type must be one that this endpoint knows")
    return json_response(_told(account, install))


def _check_app(account: HubSpotAccount) -> None:
    form = request.form
    if (form.get("client_id"), form.get("client_secret")) != (account.client_id, account.client_secret):
        raise HubSpotError(401, "BAD_CLIENT_SECRET", "the client id or the client secret is not right")


def _bought(account: HubSpotAccount) -> Install:
    form, installs = request.form, account.installs
    code = installs.codes.pop(form.get("code", ""), None)
    if code is None or account.clock.now() >= code.until:
        raise HubSpotError(400, "BAD_AUTH_CODE", f"missing or unknown auth code {form.get('code')}")
    if form.get("redirect_uri") != code.redirect:
        raise HubSpotError(400, "MISMATCH_REDIRECT_URI_AUTH_CODE", "the redirect URI is not the one of the login")
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    if code.challenge and base64.urlsafe_b64encode(digest).decode().rstrip("=") != code.challenge:
        raise HubSpotError(400, "BAD_CODE_VERIFIER", "code_verifier does not fit code_challenge")
    install = Install(code.scopes, installs.issue("refresh"), {})
    installs.known.append(install)
    return install


def _known(account: HubSpotAccount, refresh_token: str) -> Install:
    install = account.installs.install_of(refresh_token)
    if install is None:
        # As clumsy as real services are: the message repeats what was sent.
        extra = {"status": "BAD_REFRESH_TOKEN"}
        raise HubSpotError(400, "BAD_REFRESH_TOKEN", f"missing or invalid refresh token {refresh_token}", extra=extra)
    return install


def _told(account: HubSpotAccount, install: Install) -> dict[str, object]:
    token, installs = account.installs.issue("access"), account.installs
    install.tokens[token] = account.clock.now() + installs.life
    told: dict[str, object] = {
        "access_token": token,
        "refresh_token": install.refresh_token,
        "expires_in": int(installs.life.total_seconds()),
        "token_type": "bearer",
        "token_use": "access_token",
    }
    if installs.silent:
        return told
    return {**told, "hub_id": PORTAL_ID, "user_id": USER_ID, "scopes": sorted(install.scopes)}


def _introspect(account: HubSpotAccount) -> Response:
    _check_app(account)
    token, now = request.form.get("token", ""), account.clock.now()
    of_access, of_refresh = account.installs.admitted(token, now), account.installs.install_of(token)
    install = of_access or of_refresh
    if install is None:
        raise HubSpotError(400, "BAD_TOKEN", "the token is unknown or has ended")
    told: dict[str, object] = {
        "token": token,
        "active": True,
        "app_id": APP_ID,
        "client_id": account.client_id,
        "hub_id": PORTAL_ID,
        "user_id": USER_ID,
        "scopes": sorted(install.scopes),
        "token_type": "bearer",
        "token_use": "refresh_token" if of_access is None else "access_token",
    }
    return json_response(told if of_access is None else {**told, **dict(_signed(of_access, token, now))})


def _signed(install: Install, token: str, now: datetime) -> Iterator[tuple[str, object]]:
    """What an access token tells of itself besides."""
    until, scopes = install.tokens[token], " ".join(sorted(install.scopes))
    yield "expires_in", int((until - now).total_seconds())
    yield "is_private_distribution", True
    flags = ("isPrivateDistribution", "isServiceAccount", "isUserLevel")
    texts = ("newSignature", "signature", "scopeToScopeGroupPks", "trialScopes", "trialScopeToScopeGroupPks")
    ids = {"appId": APP_ID, "hubId": PORTAL_ID, "userId": USER_ID, "installingUserId": USER_ID}
    numbers = {**ids, "expiresAt": to_epoch_ms(until)}
    yield (
        "signed_access_token",
        {**numbers, **dict.fromkeys(flags, False), **dict.fromkeys(texts, ""), "hublet": "na1", "scopes": scopes},
    )


def _revoke(account: HubSpotAccount) -> Response:
    _check_app(account)
    install = _known(account, request.form.get("token", ""))
    account.installs.known.remove(install)
    return Response(status=204)


ROUTES = (
    Route("GET", "/oauth/authorize", _authorize),
    Route("POST", "/oauth/VERSION/token", _token),
    Route("POST", "/oauth/VERSION/token/introspect", _introspect),
    Route("POST", "/oauth/VERSION/token/revoke", _revoke),
)
