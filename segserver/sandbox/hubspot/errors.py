"""HubSpot's way of saying no."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class HubSpotError(Exception):
    """A refusal of a whole request."""

    def __init__(
        self,
        status: int,
        category: str,
        message: str,
        *,
        errors: Sequence[Mapping[str, object]] = (),
        extra: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.category = category
        self.message = message
        self.errors = errors
        self.extra = extra or {}
        self.headers = headers or {}

    def body(self, correlation_id: str) -> dict[str, object]:
        """The error as HubSpot writes it."""
        body: dict[str, object] = {
            "status": "error",
            "message": self.message,
            "correlationId": correlation_id,
            "category": self.category,
        }
        if self.errors:
            body["errors"] = list(self.errors)
        return {**body, **self.extra}


def invalid(message: str, *errors: Mapping[str, object]) -> HubSpotError:
    """400: the request does not make sense."""
    return HubSpotError(400, "VALIDATION_ERROR", message, errors=errors)


def not_found(message: str = "resource not found") -> HubSpotError:
    """404."""
    return HubSpotError(404, "OBJECT_NOT_FOUND", message)
