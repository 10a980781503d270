"""User-scoped custom dimensions by the Admin API: without one, Google Analytics shows a user property nowhere."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from segserver.connectors.calls import ApiError, Call
from segserver.connectors.http import HttpClient
from segserver.errors import RetryLater

SLOTS = 25
"""User-scoped dimensions that a standard property may have."""

_PAGE = 200
_USER = "USER"
_TAKEN = 409


class Dimensions:
    """The user-scoped custom dimensions of one property.

    Args:
        http: of the Admin API, with a token that may edit.
        prop: number of the property.
    """

    def __init__(self, http: HttpClient, prop: str) -> None:
        self._http = http
        self._property = prop
        self._path = f"/v1beta/properties/{prop}/customDimensions"
        self._made: set[str] = set()
        self._lock = threading.Lock()

    def ensure(self, names: Collection[str]) -> Mapping[str, str]:
        """Make the dimensions that are missing.

        Args:
            names: of user properties.

        Returns:
            Those that have none and get none, each with why.

        Raises:
            RetryLater: Google does not answer.
            SettingsError: the service account may not edit the property.
        """
        with self._lock:
            if self._made.issuperset(names):
                return {}
            # Somebody may have archived one since, or made one by hand.
            self._made = set(self._listed())
            faults = {name: self._make(name) for name in sorted(set(names) - self._made)}
            return {name: fault for name, fault in faults.items() if fault is not None}

    def _listed(self) -> Iterator[str]:
        """User properties that have a dimension."""
        token = ""
        while True:
            params: dict[str, object] = {"pageSize": _PAGE, **({"pageToken": token} if token else {})}
            body = self._answer(Call("GET", self._path, params=params))
            for one in body.get("customDimensions", ()):
                if one.get("scope") == _USER:
                    yield str(one["parameterName"])
            token = str(body.get("nextPageToken", ""))
            if not token:
                return

    def _make(self, name: str) -> str | None:
        """Make one; returns why it could not be made."""
        if len(self._made) >= SLOTS:
            return (
                f"property {self._property} has used all its {SLOTS} user-scoped custom dimensions; archive one in "
                f"Google Analytics, or make {name} a dimension there by hand and leave custom_dimensions: out"
            )
        body = {"parameterName": name, "displayName": name, "scope": _USER}
        try:
            # A second one of the same name is refused, so an answer that was lost may be asked for again.
            self._http.request(Call("POST", self._path, json=body))
        except ApiError as error:
            if error.status != _TAKEN:
                return f"no custom dimension can be made: {error.reason}"
        self._made.add(name)
        return None

    def _answer(self, call: Call) -> Mapping[str, Any]:
        try:
            body = self._http.request(call).json()
        except ApiError as error:
            raise RetryLater(f"{error} ({error.reason}); the next run tries again") from None
        return body if isinstance(body, dict) else {}
