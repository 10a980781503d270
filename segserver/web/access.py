"""Who may call: tokens, what a browser may be made to send by somebody else's page, and the address that was called."""

from __future__ import annotations

import hmac
from urllib.parse import quote, urlsplit

from flask import abort, request

from segserver.web.backend import Backend

_READING = ("GET", "HEAD", "OPTIONS")


def carries(token: str) -> bool:
    """Whether the request shows the token."""
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def require(token: str) -> None:
    """Refuse a request that does not show the token."""
    if not carries(token):
        abort(401, "send the token as `Authorization: Bearer ...`")


def public_url(backend: Backend) -> str:
    """The URL the platform called, which behind a proxy is not the one that arrived here; its query as it was sent."""
    base = (backend.public_url or request.host_url).rstrip("/")
    query = request.query_string.decode("latin-1")
    return base + quote(request.path) + (f"?{query}" if query else "")


def refuse_strangers(backend: Backend) -> None:
    """Refuse what another site's page makes a browser send to a server that only this machine should reach.

    A name that somebody else lets point at this machine shows in `Host` (DNS rebinding), a form on another site in
    `Origin`.
    """
    trusted = backend.trusted_hosts
    if trusted is None:
        return
    if _host(f"//{request.headers.get('Host', '')}") not in trusted:
        abort(403, "this server answers by its own names only; set SEGSERVER_PUBLIC_URL to the address you call it by")
    origin = request.headers.get("Origin")
    if origin is not None and request.method not in _READING and _host(origin) not in trusted:
        abort(403, "pages of other sites may not do this")


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
