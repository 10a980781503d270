"""An action of a workflow on its way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Execution:
    """One action for one enrolled contact.

    Attributes:
        state: "due" (to be sent, or sent again), "sending", "blocked" (waits for the callback), "succeeded",
            "failed" (the workflow goes on without outputs), "expired" (nobody called back).
        outputs: what later steps of the workflow may use.
        tries: how often it was sent.
        next_at: when it is sent, or while blocked, when it expires.
    """

    callback_id: str
    url: str
    payload: Mapping[str, object]
    next_at: datetime
    state: str = "due"
    outputs: dict[str, str] = field(default_factory=dict)
    tries: int = 0
