"""A service account of Google Cloud: its key file, and the token that it buys (RFC 7523, RS256)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from segserver.connectors.auth import Grant
from segserver.connectors.calls import ApiError, Call
from segserver.connectors.http import HttpClient
from segserver.errors import RetryLater, SettingsError

ENDPOINT = "https://oauth2.googleapis.com"
TOKEN_ADDRESS = f"{ENDPOINT}/token"

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME = 3600
_MARGIN = 60.0
"""Seconds before its end at which a token is no longer used, so that it does not run out on the way."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Who we are at Google.

    Attributes:
        email: of the account; it has to be given access to the data.
        project: in which it was made.
        key: signs; never shown.
    """

    email: str
    project: str
    key: RSAPrivateKey

    def __repr__(self) -> str:
        return f"ServiceAccount({self.email})"

    def assertion(self, scope: str, now: datetime) -> str:
        """A signed claim to be this account and to need no more than a scope, good for an hour from now."""
        issued = int(now.replace(tzinfo=UTC).timestamp())
        claims = {
            "iss": self.email,
            "scope": scope,
            "aud": TOKEN_ADDRESS,
            "iat": issued,
            "exp": issued + _LIFETIME,
        }
        signed = f"{_encoded(json.dumps({'alg': 'RS256', 'typ': 'JWT'}))}.{_encoded(json.dumps(claims))}"
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64(signature)}"


def read_account(revealed: str, workspace_dir: Path, place: str) -> ServiceAccount:
    """The account out of its key: JSON as Google gives it, or the path of the file that holds it.

    Args:
        revealed: what the variable holds.
        workspace_dir: from which a relative path leads.
        place: the setting and its variable, for messages.

    Raises:
        SettingsError: it is no key of a service account; the message shows nothing of it.
    """
    fault = f"{place} holds no key of a service account: put the JSON of the key, or the path of its file, there"
    try:
        text = revealed if revealed.startswith("{") else (workspace_dir / revealed).read_text(encoding="utf-8")
        found = json.loads(text)
        email, pem = str(found["client_email"]), str(found["private_key"])
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (OSError, ValueError, KeyError, TypeError, UnsupportedAlgorithm):
        raise SettingsError(fault) from None
    if not isinstance(key, RSAPrivateKey):
        raise SettingsError(fault)
    return ServiceAccount(email, str(found.get("project_id", "")), key)


def fetch_grant(
    google: HttpClient, account: ServiceAccount, scope: str, now: Callable[[], datetime], cure: str
) -> Grant:
    """Buy a token with a signed claim.

    Raises:
        RetryLater: the answer holds none.
        SettingsError: Google does not know the key, or it was withdrawn.
    """
    form = {"grant_type": _GRANT, "assertion": account.assertion(scope, now())}
    try:
        body = google.request(Call("POST", "/token", form=form)).json()
    except ApiError as error:
        raise SettingsError(f"connection {google.account}: Google refuses the service account; {cure}") from error
    if not isinstance(body, dict) or not body.get("access_token"):
        raise RetryLater(f"connection {google.account}: Google's answer holds no token")
    return Grant(str(body["access_token"]), max(0.0, float(body.get("expires_in", 0)) - _MARGIN))


def _encoded(text: str) -> str:
    return _base64(text.encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
