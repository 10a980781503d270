"""HubSpot's OAuth: an app that a person lets into an account, and the tokens it lives on from then on.

`address` is where the person says yes; HubSpot then sends the browser back with a code, `App.exchange` buys the first
tokens with it, and `OAuth` renews them before they end. What is sent and answered here holds nothing but secrets, so
that errors repeat no more than HubSpot's own code of the error.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NoReturn
from urllib.parse import urlencode

from segserver.clock import Clock
from segserver.connectors import hubspot_scopes
from segserver.connectors.calls import ApiError, Call
from segserver.connectors.grants import GrantFile, StoredGrant
from segserver.connectors.http import HttpClient
from segserver.errors import SettingsError
from segserver.specs.connections import ConnectionSpec

APP_ENDPOINT = "https://app.hubspot.com"

MARGIN = timedelta(minutes=5)
"""Before its end a token is renewed: HubSpot asks not to wait for the refusal."""

_ENDED = frozenset({"invalid_grant", "BAD_REFRESH_TOKEN"})
"""HubSpot's words for a grant that was taken back, old and new."""

_CODE = re.compile(r"[A-Za-z_]{1,60}")


def challenge(verifier: str) -> str:
    """What is shown of a secret before it is used, so that only its owner can buy with the code."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def address(app_endpoint: str, client_id: str, spec: ConnectionSpec, redirect: str, state: str, verifier: str) -> str:
    """Where a person lets the app into an account."""
    query = {
        "client_id": client_id,
        "redirect_uri": redirect,
        "scope": " ".join(hubspot_scopes.required(spec)),
        "optional_scope": " ".join([hubspot_scopes.WORKFLOWS, *hubspot_scopes.optional(spec)]),
        "state": state,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }
    return f"{app_endpoint}/oauth/authorize?{urlencode(query)}"


@dataclass(frozen=True, slots=True)
class App:
    """An app at HubSpot's token endpoint.

    Attributes:
        http: calls the API without any credential.
        path: of the token endpoint.
        secret: its variable's name is in `secret_name`.
        reconnect: the command that lets the app in again.
    """

    http: HttpClient
    path: str
    client_id: str
    secret: str
    secret_name: str
    clock: Clock
    reconnect: str

    def __repr__(self) -> str:
        return f"App({self.http.account})"

    def exchange(self, code: str, redirect: str, verifier: str) -> StoredGrant:
        """The first tokens, for the code that HubSpot sent.

        Raises:
            SettingsError: HubSpot does not take it.
        """
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "code_verifier": verifier}
        try:
            return self._described(self._bought(form, ""))
        except ApiError as error:
            self._refuse(
                error,
                f"open the address again with {self.reconnect}; the app's redirect URLs must hold {redirect}",
            )

    def renew(self, grant: StoredGrant) -> StoredGrant:
        """The next access token, and the refresh token that holds from now on.

        Raises:
            SettingsError: the grant has ended, or HubSpot does not take our secret.
        """
        form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token}
        try:
            bought = self._bought(form, grant.refresh_token)
        except ApiError as error:
            if _ENDED & _codes(error.body):
                raise SettingsError(
                    f"connection {self.http.account}: HubSpot has ended our grant (the app was uninstalled, or "
                    f"somebody took its access back); reconnect: {self.reconnect}"
                ) from None
            self._refuse(error, f"check client_id and {self.secret_name}, or reconnect: {self.reconnect}")
        return replace(bought, account=bought.account or grant.account, scopes=bought.scopes or grant.scopes)

    def revoke(self, grant: StoredGrant) -> None:
        """End a grant; one that has ended already is no error."""
        try:
            self.http.request(Call("POST", f"{self.path}/revoke", form=self._about(grant.refresh_token)))
        except ApiError as error:
            if not _ENDED & _codes(error.body) and error.status != 404:
                self._refuse(error, "take the app's access back in HubSpot's settings of connected apps")

    def _bought(self, form: Mapping[str, str], refresh_token: str) -> StoredGrant:
        credentials = {"client_id": self.client_id, "client_secret": self.secret}
        asked_at = self.clock.now()
        told = self.http.request(Call("POST", self.path, form={**form, **credentials})).json()
        return StoredGrant(
            client_id=self.client_id,
            refresh_token=str(told.get("refresh_token") or refresh_token),
            access_token=str(told["access_token"]),
            renew_at=_renewal(asked_at, float(told["expires_in"])),
            account=str(told.get("hub_id") or ""),
            scopes=tuple(map(str, told.get("scopes") or ())),
        )

    def _described(self, grant: StoredGrant) -> StoredGrant:
        """With the account and the permissions, which HubSpot need not tell with the tokens."""
        if grant.account and grant.scopes:
            return grant
        told = self.http.request(Call("POST", f"{self.path}/introspect", form=self._about(grant.refresh_token))).json()
        return replace(grant, account=str(told.get("hub_id") or ""), scopes=tuple(map(str, told.get("scopes") or ())))

    def _about(self, refresh_token: str) -> dict[str, str]:
        return {
            "token": refresh_token,
            "token_type_hint": "refresh_token",
            "client_id": self.client_id,
            "client_secret": self.secret,
        }

    def _refuse(self, error: ApiError, cure: str) -> NoReturn:
        code = ", ".join(sorted(_codes(error.body))) or f"HTTP {error.status}"
        raise SettingsError(
            f"connection {self.http.account}: HubSpot gives the app no token ({code}); {cure}"
        ) from None


class OAuth:
    """The access token of the moment, out of a connection's grant; it never shows it."""

    def __init__(self, app: App, file: GrantFile, clock: Clock) -> None:
        self._app = app
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()
        self._grant: StoredGrant | None = None
        self._refused = ""

    def headers(self) -> Mapping[str, str]:
        """The token as a bearer token; renews it shortly before its end.

        Raises:
            SettingsError: the connection has no grant, or it has ended.
            RetryLater: the token endpoint does not answer.
        """
        with self._lock:
            if self._grant is None or not self._is_good(self._grant):
                self._grant = self._fresh()
            return {"Authorization": f"Bearer {self._grant.access_token}"}

    def renew(self) -> bool:
        """The token was refused before its end: it is not used again."""
        with self._lock:
            self._refused = self._grant.access_token if self._grant else ""
        return True

    def _is_good(self, grant: StoredGrant) -> bool:
        return grant.access_token != self._refused and self._clock.now() < grant.renew_at

    def _fresh(self) -> StoredGrant:
        with self._file.alone():
            # Another process may have renewed it, or somebody connected anew.
            held = self._file.load()
            if held is None or held.client_id != self._app.client_id:
                who = "is not connected to an account" if held is None else "was connected with another app"
                raise SettingsError(f"connection {self._file.connection} {who}; connect it: {self._app.reconnect}")
            if not self._is_good(held):
                # A renewal may end the old token: what could not be kept must not be asked for.
                self._file.save(held)
                held = self._app.renew(held)
                self._file.save(held)
            return held


def lacking(spec: ConnectionSpec, grant: StoredGrant) -> list[str]:
    """Needed permissions that a grant does not hold, as far as HubSpot told which it holds."""
    return [scope for scope in hubspot_scopes.required(spec) if grant.scopes and scope not in grant.scopes]


def _renewal(now: datetime, seconds: float) -> datetime:
    life = timedelta(seconds=seconds)
    return now + max(life - MARGIN, life / 2)


def _codes(body: Any) -> set[str]:
    """HubSpot's codes of an error; everything else in it may repeat what we sent."""
    told: Mapping[str, object] = body if isinstance(body, dict) else {}
    found: Sequence[object] = [told.get(key) for key in ("error", "status", "category", "errorType")]
    return {str(one) for one in found if one and one != "error" and _CODE.fullmatch(str(one))}
