"""The endpoints of Marketo's flow steps: who may call them, and what each outcome is answered with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from segserver.connectors.declarations import load
from segserver.connectors.signatures import BadPayload
from segserver.plugin.marketo_flow_steps import TooMuchWaiting, WrongSubscription
from segserver.web.app import LARGEST_BODY, create_app
from tests import flow_steps
from tests.web.conftest import CONNECTIONS, PretendedServer

KEY = "k" * 40
BASE = "/plugin/marketo/engage/check-segment"
GUARDED = (("GET", "getServiceDefinition"), ("GET", "status"), ("POST", "getPicklist"), ("POST", "submitAsyncAction"))
PUBLIC = ("install", "brandIcon", "serviceIcon", "providerInstructions")


@dataclass
class Server(PretendedServer):
    client_secret: str | None = KEY
    submitted: list = field(default_factory=list)
    refusing: Exception | None = None

    def submit_flow_step(self, spec, service, body):
        if self.refusing:
            raise self.refusing
        self.submitted.append((spec.name, service.name, body))

    def flow_step_choices(self, service, body):
        if b"name" not in body:
            raise BadPayload("no name")
        return {"choices": [{"displayValue": {"en_US": service.title}, "submittedValue": "vip"}]}

    def flow_step_status(self, service):
        return {"info": [service.name], "warnings": [], "errors": []}


@pytest.fixture
def backend():
    made = Server()
    source = (CONNECTIONS / "engage.yml").read_text(encoding="utf-8")
    spec, findings = load("engage", source + "\nflow_step_key: env:MARKETO_FLOW_STEP_KEY\n", "connectors/engage.yml")
    assert not findings
    made.connections["engage"] = spec
    return made


def call(client, method, name, key=KEY, base=BASE, **more):
    headers = {} if key is None else {"x-api-key": key}
    return client.open(f"{base}/{name}", method=method, headers=headers, **more)


@pytest.mark.parametrize(("method", "name"), GUARDED)
@pytest.mark.parametrize("key", [None, "", "k", KEY + "k", "ü"])
def test_without_the_key_nothing_is_answered(client, backend, method, name, key):
    assert call(client, method, name, key, data=b"{}").status_code == 401
    assert backend.submitted == []


@pytest.mark.parametrize(("method", "name"), GUARDED)
def test_where_no_key_is_set_the_cure_stays_in_the_log(client, backend, caplog, method, name):
    backend.client_secret = None
    answer = call(client, method, name, data=b"{}")
    assert answer.status_code == 500
    assert "MARKETO_FLOW_STEP_KEY" not in answer.text
    assert "MARKETO_FLOW_STEP_KEY" in caplog.text


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_shown_needs_no_key_and_holds_none(client, name):
    answer = call(client, "GET", name, None)
    assert answer.status_code == 200
    assert KEY.encode() not in answer.data


@pytest.mark.parametrize("base", ["/plugin/marketo/crm/check-segment", "/plugin/marketo/engage/no-step"])
@pytest.mark.parametrize(("method", "name"), [*GUARDED, *(("GET", name) for name in PUBLIC)])
def test_other_connections_and_steps_are_not_there(client, base, method, name):
    assert call(client, method, name, base=base).status_code == 404


def test_the_document_names_the_public_address(client, backend):
    backend.public_url = "https://segments.example.com"
    document = call(client, "GET", "install", None).get_json()
    flow_steps.check_document(document)
    assert document["servers"] == [{"url": f"https://segments.example.com{BASE}"}]


def test_a_batch_is_handed_over_and_acknowledged(client, backend):
    answer = call(client, "POST", "submitAsyncAction", data=b'{"a": 1}')
    assert (answer.status_code, answer.data) == (201, b"")
    assert backend.submitted == [("engage", "check-segment", b'{"a": 1}')]


def test_a_batch_may_be_larger_than_other_bodies_and_not_without_a_key(client, backend):
    large = b" " * (LARGEST_BODY + 1)
    assert call(client, "POST", "submitAsyncAction", data=large).status_code == 201
    assert call(client, "POST", "submitAsyncAction", "guess", data=large).status_code == 401
    assert len(backend.submitted) == 1


@pytest.mark.parametrize(
    ("refusing", "status", "wait"),
    [
        (BadPayload("x"), 400, None),
        (WrongSubscription("x"), 403, None),
        (TooMuchWaiting("x"), 429, "60"),
    ],
)
def test_what_is_not_kept_is_never_acknowledged(client, backend, refusing, status, wait):
    backend.refusing = refusing
    answer = call(client, "POST", "submitAsyncAction", data=b"{}")
    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, wait)
    assert answer.get_json() == {"error": "x"}


def test_choices_and_status_keep_to_the_interface(client):
    choices = call(client, "POST", "getPicklist", data=json.dumps({"name": "segment", "type": "flow"}))
    flow_steps.check("picklistObject", choices.get_json())
    flow_steps.check("serviceStatus", call(client, "GET", "status").get_json())
    assert call(client, "POST", "getPicklist", data=b"{}").status_code == 400


def test_the_definition_is_of_the_step_that_is_named(client):
    for name, api_name in (("check-segment", "segserverCheckSegment"), ("refresh-contact", "segserverRefreshContact")):
        answer = call(client, "GET", "getServiceDefinition", base=f"/plugin/marketo/engage/{name}")
        assert answer.get_json()["apiName"] == api_name


def test_a_name_that_points_here_from_elsewhere_is_refused(backend, clock):
    client = create_app(backend, clock).test_client()
    assert call(client, "GET", "install", None, base_url="http://evil.example").status_code == 403
