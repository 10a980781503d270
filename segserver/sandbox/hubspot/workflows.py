"""Workflows that execute custom actions: the call to the app, its retries, and the callback that ends a wait."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from flask import Response

from segserver.clock import Clock
from segserver.sandbox.hubspot import signing
from segserver.sandbox.hubspot.account import HubSpotAccount
from segserver.sandbox.hubspot.errors import HubSpotError, invalid, not_found
from segserver.sandbox.hubspot.execution import Execution
from segserver.sandbox.hubspot.oauth import PORTAL_ID
from segserver.sandbox.routing import Route, json_body
from segserver.sandbox.webhooks import JSON, Reply, Send, SignedRequest, exchange

RETRIES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 720, 1440, 1740))
"""Gaps after failures of the app, which grow and end after three days."""

MOST_COMPLETIONS = 100
EXPIRATION = timedelta(weeks=1)
_DAYS = re.compile(r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?)?")


class Workflows:
    """The executions of one account."""

    def __init__(self, account: HubSpotAccount, clock: Clock, send: Send = exchange, *, v3: bool = True) -> None:
        """Run the workflows of an account.

        Args:
            account: whose contacts are enrolled.
            clock: HubSpot's time.
            send: carries a request to the app.
            v3: whether the newer signature is there beside v2.
        """
        self._account = account
        self._clock = clock
        self._send = send
        self._v3 = v3

    def enroll(
        self,
        contact: str,
        url: str,
        inputs: Mapping[str, str],
        properties: Sequence[str] = (),
        *,
        inputs_as: str = "inputFields",
    ) -> Execution:
        """Let a contact reach an action; `send_due` then sends it.

        Args:
            contact: by id or e-mail.
            url: the action's.
            inputs: what was chosen in the workflow.
            properties: which the definition asks for.
            inputs_as: the key under which inputs are sent; older samples say `fields`.
        """
        record, executions = self._account.contact(contact), self._account.executions
        callback = f"ap-{PORTAL_ID}-{record.id}-{len(executions)}"
        held = {name: record.properties[name] for name in properties if name in record.properties}
        payload = {
            "callbackId": callback,
            "origin": {"portalId": PORTAL_ID, "actionDefinitionId": 10_860_211, "actionDefinitionVersion": 1},
            "context": {"source": "WORKFLOWS", "workflowId": 192_814_114},
            "object": {"objectId": record.id, "objectType": "CONTACT", "properties": held},
            inputs_as: dict(inputs),
        }
        executions[callback] = Execution(callback, url, payload, self._clock.now())
        return executions[callback]

    def send_due(self) -> None:
        """Send what is due by the clock, each once, and let waits expire."""
        now = self._clock.now()
        for one in [one for one in self._account.executions.values() if one.next_at <= now]:
            if one.state == "blocked":
                one.state = "expired"
            elif one.state == "due":
                self.send(one)

    def send(self, one: Execution) -> None:
        """Send one execution now, as HubSpot does again where an answer was lost."""
        one.state = "sending" if one.state == "due" else one.state
        try:
            reply = self._send(self.request(one.url, one.payload))
        except OSError:
            reply = Reply(599, {}, b"")
        one.tries += 1
        self._take(one, reply)

    def options(self, url: str, name: str, **fetch: str) -> Reply:
        """What an editor is offered for a setting: `q` and `after` as `fetch`."""
        payload = {
            "origin": {"portalId": PORTAL_ID, "actionDefinitionId": 10_860_211, "actionDefinitionVersion": 1},
            "objectTypeId": "0-1",
            "inputFieldName": name,
            "inputFields": {},
            "fetchOptions": fetch,
        }
        return self._send(self.request(url, payload))

    def request(self, url: str, payload: Mapping[str, object]) -> SignedRequest:
        """A signed call of the app."""
        body, secret = json.dumps(payload, separators=(",", ":")).encode(), self._account.client_secret
        newer = signing.v3("POST", url, body, secret, self._clock.now()) if self._v3 else {}
        return SignedRequest(url, {"Content-Type": JSON, **signing.v2("POST", url, body, secret), **newer}, body)

    def _take(self, one: Execution, reply: Reply) -> None:
        now = self._clock.now()
        if one.state != "sending":  # the callback was faster, or the call was a repetition
            return
        one.state = "due"
        if reply.status == 429:
            wait = next((value for name, value in reply.headers.items() if name.lower() == "retry-after"), "1000")
            one.next_at = now + timedelta(milliseconds=int(wait))
        elif reply.status >= 500:
            self._try_again(one)
        elif reply.status >= 400:
            one.state = "failed"
        else:
            _go_on(one, json.loads(reply.body)["outputFields"], now)

    def _try_again(self, one: Execution) -> None:
        if one.tries > len(RETRIES):
            one.state = "failed"
        else:
            one.next_at = self._clock.now() + RETRIES[one.tries - 1]


def _go_on(one: Execution, outputs: Mapping[str, str], now: datetime) -> None:
    state = outputs.get("hs_execution_state", "SUCCESS")
    one.outputs = {name: value for name, value in outputs.items() if not name.startswith("hs_")}
    if state in ("BLOCK", "ASYNC"):
        one.state, one.next_at = "blocked", now + _expiration(outputs.get("hs_expiration_duration"))
    else:
        one.state = "failed" if state == "FAIL_CONTINUE" else "succeeded"


def _expiration(text: str | None) -> timedelta:
    if text is None:
        return EXPIRATION
    found = _DAYS.fullmatch(text)
    return timedelta(**{unit: int(number) for unit, number in found.groupdict("0").items()}) if found else EXPIRATION


# ---- callbacks -----------------------------------------------------------------------------------------------------


def _complete(account: HubSpotAccount, callback_id: str) -> Response:
    _finish(account, [(callback_id, json_body())])
    return Response(status=204)


def _complete_batch(account: HubSpotAccount) -> Response:
    inputs = json_body().get("inputs")
    if not isinstance(inputs, list) or not 0 < len(inputs) <= MOST_COMPLETIONS:
        raise invalid(f"inputs must hold 1 to {MOST_COMPLETIONS} completions")
    _finish(account, [(str(one.get("callbackId")), one) for one in inputs])
    return Response(status=204)


def _finish(account: HubSpotAccount, completions: Sequence[tuple[str, Mapping[str, object]]]) -> None:
    """All of them or none."""
    found = [(_blocked(account, callback_id), _outputs(body)) for callback_id, body in completions]
    for one, outputs in found:
        _go_on(one, outputs, account.clock.now())


def _blocked(account: HubSpotAccount, callback_id: str) -> Execution:
    one = account.executions.get(callback_id)
    if one is None:
        raise not_found(f"No execution with callback id {callback_id}")
    if one.state != "sending" and (one.state != "blocked" or one.next_at <= account.clock.now()):
        raise HubSpotError(400, "VALIDATION_ERROR", f"Execution {callback_id} is not blocked")
    return one


def _outputs(body: Mapping[str, object]) -> dict[str, str]:
    outputs = body.get("outputFields")
    if not isinstance(outputs, dict) or not all(isinstance(value, str) for value in outputs.values()):
        raise invalid("outputFields must be an object of strings")
    if "typedOutputs" not in body:
        raise invalid("Some required fields were not set: [typedOutputs]")
    return outputs


ROUTES = (
    Route("POST", "/automation/actions/callbacks/VERSION/complete", _complete_batch),
    Route("POST", "/automation/actions/callbacks/VERSION/<callback_id>/complete", _complete),
)
