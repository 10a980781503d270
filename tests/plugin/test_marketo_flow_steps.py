"""Invocations that are not kept, because they are about other people or would give the token away."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from segserver.connectors.signatures import BadPayload
from segserver.plugin.marketo import CHECK, MAY_CONTACT, REFRESH
from segserver.plugin.marketo_flow_steps import WrongSubscription, accept, question_of
from segserver.services import CheckSegment, MayContact, RefreshContact, Refusal
from tests.plugin.test_marketo import spec
from tests.plugin.test_marketo_invocations import body, lead


def submit(endpoint, **changed):
    engine = SimpleNamespace(environ={"MARKETO_ENDPOINT": endpoint})
    accept(engine, spec(), CHECK, json.dumps(body(lead(1), **changed)).encode())


def test_another_instances_leads_are_other_people():
    with pytest.raises(WrongSubscription, match="connection engage reads 999-XYZ-111, and this is 123-ABC-456"):
        submit("https://999-XYZ-111.mktorest.com")


@pytest.mark.parametrize("endpoint", ["https://123-abc-456.mktorest.com/rest", "https://marketo.example.com"])
def test_a_callback_in_clear_is_refused(endpoint):
    with pytest.raises(BadPayload, match="has to be https"):
        submit(endpoint, callbackUrl="http://callback.example.com/1")


def test_the_subscription_has_to_be_known():
    with pytest.raises(BadPayload, match="munchkinId is missing"):
        submit("https://marketo.example.com", context={})


@pytest.mark.parametrize(
    ("endpoint", "changed"),
    [
        ("https://123-abc-456.mktorest.com/rest", {}),
        ("https://123-ABC-456.mktorest.com", {"context": {}}),
        ("http://127.0.0.1:5000/marketo", {"callbackUrl": "http://127.0.0.1:5000/x"}),
    ],
)
def test_what_is_about_our_instance_gets_as_far_as_the_store(endpoint, changed):
    with pytest.raises(AttributeError, match="store"):
        submit(endpoint, **changed)


@pytest.mark.parametrize(
    ("service", "settings", "question"),
    [
        (CHECK, {"segment": "vip"}, CheckSegment("vip")),
        (CHECK, {}, Refusal("no segment is chosen in the flow step")),
        (MAY_CONTACT, {}, MayContact(None, None, frozenset({"sms"}))),
        (MAY_CONTACT, {"channel": "*", "scenario": "-"}, MayContact(None, None, frozenset({"sms"}))),
        (MAY_CONTACT, {"channel": "email", "scenario": "a"}, MayContact("email", "a", frozenset({"sms"}))),
        (REFRESH, {"purpose": "x"}, RefreshContact()),
    ],
)
def test_settings_become_a_question(service, settings, question):
    assert question_of(service, settings, ["sms"]) == question
