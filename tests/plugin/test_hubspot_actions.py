"""What an execution asks, what it is answered, and callbacks that HubSpot does not take at first."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from segserver.connectors.calls import ApiError
from segserver.connectors.hubspot_callbacks import Completion, complete
from segserver.connectors.signatures import BadPayload
from segserver.plugin import hubspot_actions
from segserver.plugin.hubspot_actions import GRACE, OPTIONS_PAGE, WAIT, choices, outputs, read
from segserver.scenarios.permission import Permission
from segserver.services import Refreshed, Refusal, Standing

NOW = datetime(2026, 3, 1, 12)
MILLISECONDS = "1772366400000"
BODY = {"callbackId": "ap-1", "object": {"objectId": 7, "objectType": "CONTACT", "properties": {"a": "b"}}}


# ---- executions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["inputFields", "fields"])
def test_settings_are_taken_from_either_place_and_empty_ones_left_out(key):
    found = read(json.dumps(BODY | {key: {"segment": "vip", "channel": "", "scenario": None}}).encode())
    assert (found.callback_id, found.contact, found.inputs) == ("ap-1", "7", {"segment": "vip"})
    assert found.properties == {"a": "b"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        json.dumps(BODY | {"callbackId": ""}).encode(),
        json.dumps(BODY | {"callbackId": 7}).encode(),
        json.dumps(BODY | {"object": {"objectType": "CONTACT"}}).encode(),
        json.dumps(BODY | {"object": {"objectId": 7, "objectType": "DEAL"}}).encode(),
        json.dumps(BODY | {"inputFields": ["segment"]}).encode(),
    ],
)
def test_what_is_no_execution_for_a_contact_is_refused(body):
    with pytest.raises(BadPayload):
        read(body)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Refusal("gone"), {"hs_execution_state": "FAIL_CONTINUE", "reason": "gone"}),
        (
            Standing("vip", True, NOW, False, NOW),
            {"hs_execution_state": "SUCCESS", "in_segment": "yes", "since": MILLISECONDS, "reason": ""},
        ),
        (
            Standing("vip", False, NOW, True, NOW),
            {"hs_execution_state": "SUCCESS", "in_segment": "no", "reason": "held out for comparison"},
        ),
        (
            Permission(False, None, None, "no consent to email"),
            {"hs_execution_state": "SUCCESS", "decision": "no", "reason": "no consent to email"},
        ),
        (
            Permission(True, "email", NOW, "fine"),
            {
                "hs_execution_state": "SUCCESS",
                "decision": "yes",
                "channel": "email",
                "next_at": MILLISECONDS,
                "reason": "fine",
            },
        ),
        (
            Refreshed(("a", "b")),
            {"hs_execution_state": "SUCCESS", "segments": "a;b", "refreshed_at": MILLISECONDS, "reason": ""},
        ),
    ],
)
def test_answers_become_texts(answer, told):
    assert outputs(answer, NOW) == told


def test_waiting_says_for_how_long():
    assert WAIT == {"hs_execution_state": "BLOCK", "hs_expiration_duration": "P1D"}


# ---- choices -------------------------------------------------------------------------------------------------------


@pytest.fixture
def many():
    blocks = {
        name: SimpleNamespace(name=name, title=f"Title {name}", draft=False)
        for name in (f"s{number:03}" for number in range(OPTIONS_PAGE + 20))
    }
    return SimpleNamespace(workspace=SimpleNamespace(program=SimpleNamespace(segments=blocks)))


def _asked(engine, **fetch):
    return choices(engine, json.dumps({"inputFieldName": "segment", "fetchOptions": fetch}).encode())


def test_choices_come_in_pages(many):
    first = _asked(many)
    assert (len(first["options"]), first["after"], first["searchable"]) == (OPTIONS_PAGE, str(OPTIONS_PAGE), True)
    second = _asked(many, after=first["after"])
    assert (len(second["options"]), second.get("after")) == (20, None)
    assert second["options"][0] == {"label": "Title s100", "value": "s100"}


@pytest.mark.parametrize("wanted", ["S007", "title s007"])
def test_choices_are_searched_by_name_and_title(many, wanted):
    assert [one["value"] for one in _asked(many, q=wanted)["options"]] == ["s007"]


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"inputFieldName": "colour"}', b'{"fetchOptions": "x"}'])
def test_a_request_for_choices_of_another_shape_is_refused(many, body):
    with pytest.raises(BadPayload):
        choices(many, body)


# ---- callbacks -----------------------------------------------------------------------------------------------------


class Api:
    """Takes completions but those of `over`."""

    def __init__(self, *over):
        self.over, self.sent = set(over), []
        self.paths = SimpleNamespace(callbacks="/automation/actions/callbacks/2026-03")

    def send(self, method, path, body):
        self.sent.append((method, path))
        ids = [one["callbackId"] for one in body["inputs"]] if "inputs" in body else [path.split("/")[-2]]
        if self.over & set(ids):
            raise ApiError("refused", status=400, code="VALIDATION_ERROR", reason="not blocked", body={})


def _completions(number):
    return [Completion(f"ap-{one}", {"reason": ""}) for one in range(number)]


def test_completions_go_in_batches_of_a_hundred():
    api = Api()
    assert complete(api, _completions(201)) == {f"ap-{one}" for one in range(201)}
    assert [path.rsplit("/", 2)[-2:] for _, path in api.sent] == [
        ["2026-03", "complete"],
        ["2026-03", "complete"],
        ["ap-200", "complete"],
    ]


def test_one_that_is_over_does_not_hold_up_the_others_of_its_batch():
    api = Api("ap-1")
    assert complete(api, _completions(3)) == {"ap-0", "ap-2"}
    assert len(api.sent) == 4


def test_a_refused_callback_is_tried_again_for_a_while_since_it_may_have_been_too_early(monkeypatch):
    surface = hubspot_actions.HubSpotActions()
    side = object.__new__(hubspot_actions.HubSpot)
    monkeypatch.setattr(hubspot_actions.HubSpot, "complete", lambda *_: set())
    monkeypatch.setattr(surface, "_ready", lambda *given: given[-1])
    monkeypatch.setattr(surface, "_answers", lambda *given: {one.id: {} for one in given[-1]})
    engine = SimpleNamespace(
        connectors=lambda: {"crm": SimpleNamespace(source=side)}, clock=SimpleNamespace(now=lambda: NOW)
    )
    asked = [SimpleNamespace(id=1, key="new", received_at=NOW - GRACE)]
    assert surface.work_off(engine, "crm", asked) == []
    asked[0].received_at -= timedelta(seconds=1)
    (done,) = surface.work_off(engine, "crm", asked)
    assert done.status == "refused"
