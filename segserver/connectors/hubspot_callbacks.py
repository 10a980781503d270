"""Completing workflow actions that were told to wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from segserver.connectors.batches import batches
from segserver.connectors.calls import ApiError
from segserver.connectors.hubspot_api import HubSpotApi

BATCH = 100


@dataclass(frozen=True, slots=True)
class Completion:
    """What a waiting execution is answered: its `callbackId` and the output fields."""

    callback_id: str
    outputs: Mapping[str, str]


def complete(api: HubSpotApi, completions: Sequence[Completion]) -> set[str]:
    """Complete executions in batches; a batch that is refused goes again one by one, since one may be over already.

    Returns:
        The callback ids HubSpot took; the others it does not want any more.

    Raises:
        RetryLater: HubSpot does not answer now.
        SettingsError: the key lacks the permission `automation`.
    """
    taken: set[str] = set()
    for batch in batches(completions, BATCH):
        if len(batch) > 1 and _accepted(api, "complete", {"inputs": [_input(one) for one in batch]}):
            taken |= {one.callback_id for one in batch}
            continue
        for one in batch:
            if _accepted(api, f"{quote(one.callback_id, safe='')}/complete", _body(one)):
                taken.add(one.callback_id)
    return taken


def _input(one: Completion) -> dict[str, object]:
    return {"callbackId": one.callback_id, **_body(one)}


def _body(one: Completion) -> dict[str, object]:
    return {"outputFields": dict(one.outputs), "typedOutputs": {}}


def _accepted(api: HubSpotApi, path: str, body: object) -> bool:
    try:
        api.send("POST", f"{api.paths.callbacks}/{path}", body)
    except ApiError:
        return False
    return True
