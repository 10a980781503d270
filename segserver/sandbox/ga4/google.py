"""Google's tokens: a service account's signed claim buys one, and the errors that Google's interfaces answer with."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from flask import Response

from segserver.clock import Clock
from segserver.sandbox.routing import json_response, made_up

PROJECT = "sandbox-project"
LIFETIME = 3600
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCE = "https://oauth2.googleapis.com/token"

_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNKNOWN",
    503: "UNAVAILABLE",
}


class GoogleError(Exception):
    """A refusal in Google's form."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason

    def response(self) -> Response:
        """As Google answers; BigQuery adds a reason of its own."""
        error: dict[str, object] = {"code": self.status, "message": self.message, "status": _STATUS[self.status]}
        if self.reason:
            error["errors"] = [{"message": self.message, "domain": "global", "reason": self.reason}]
        return json_response({"error": error}, self.status)


class Google:
    """One service account and the tokens it was given."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self.email = f"reader@{PROJECT}.iam.gserviceaccount.com"
        self._clock = clock
        self._seed = seed
        self._tokens: dict[str, datetime] = {}
        self._scopes: dict[str, frozenset[str]] = {}

    def key_file(self) -> str:
        """The JSON that Google gives with a new key."""
        pem = _key().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        made = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key": pem.decode("ascii"),
            "client_email": self.email,
            "token_uri": AUDIENCE,
        }
        return json.dumps(made)

    def grant(self, form: Mapping[str, str]) -> Response:
        """A token for a good claim, else `invalid_grant`."""
        fault = self._fault(form)
        if fault is not None:
            return json_response({"error": "invalid_grant", "error_description": fault}, 400)
        token = "ya29." + made_up(f"google token {len(self._tokens)}", self._seed)
        self._tokens[token] = self._clock.now() + timedelta(seconds=LIFETIME)
        self._scopes[token] = frozenset(_claims(form["assertion"])["scope"].split())
        return json_response({"access_token": token, "expires_in": LIFETIME, "token_type": "Bearer"})

    def expire(self) -> None:
        """End all tokens early."""
        self._tokens = dict.fromkeys(self._tokens, datetime.min)

    def check(self, header: str, scopes: Collection[str]) -> None:
        """Refuse a call without a live token of one of some scopes."""
        token = header.removeprefix("Bearer ")
        until = self._tokens.get(token)
        if until is None or self._clock.now() >= until:
            raise GoogleError(401, "Request had invalid authentication credentials.", "authError")
        if self._scopes[token].isdisjoint(scopes):
            raise GoogleError(403, "Request had insufficient authentication scopes.", "insufficientPermissions")

    def _fault(self, form: Mapping[str, str]) -> str | None:
        if form.get("grant_type") != GRANT:
            return "Invalid grant_type"
        try:
            head, claims, signature = form.get("assertion", "").split(".")
            _key().public_key().verify(
                _decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
            )
            said = _claims(form["assertion"])
            algorithm = json.loads(_decoded(head))["alg"]
        except (ValueError, KeyError, binascii.Error, InvalidSignature):
            return "Invalid JWT Signature."
        now = self._clock.now().replace(tzinfo=UTC).timestamp()
        good = algorithm == "RS256" and said.get("iss") == self.email and said.get("aud") == AUDIENCE
        if not good or not said.get("scope"):
            return "Invalid JWT: account not found"
        if not said["iat"] - 300 <= now < said["exp"] <= said["iat"] + LIFETIME:
            return "Invalid JWT: Token must be a short-lived token"
        return None


@cache
def _key() -> rsa.RSAPrivateKey:
    """The account's key, one for the process: making one is slow, and it opens nothing outside."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _claims(assertion: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(_decoded(assertion.split(".")[1]))
    return said


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
