"""The whole circle inside HubSpot: a workflow executes an action, waits, and goes on with what we call back."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta

import pytest

from segserver.cli import execute
from segserver.cli.serving import running
from segserver.clock import to_epoch_ms
from segserver.sandbox.hubspot.workflows import Workflows
from segserver.settings import Settings

PATIENCE = 120.0
CONSENT = ("hs_email_optout", "sms_consent")


@contextmanager
def _server(world):
    settings = Settings(workspace=world.directory, store=world.store_path, port=0)

    def sleep(seconds):
        world.pass_time(seconds=seconds)

    with running(settings, world.environ, execute, clock=world.clock, sleep=sleep) as server:
        server.settle(PATIENCE)
        yield server


def _ask(server, sql):
    with server.engine.store.session() as session:
        return [tuple(row.values()) for row in session.rows(sql)]


def _url(server, action, connection="crm"):
    return f"http://{server.address}/plugin/hubspot/{connection}/{action}"


def _execute(world, server, contact, action, *, properties=(), **inputs):
    execution = world.sandbox.workflows.enroll(contact, _url(server, action), inputs, properties)
    world.sandbox.workflows.send_due()
    server.settle(PATIENCE)
    return execution


def _lapsed(world):
    return world.sandbox.state()["hubspot"]["lists"]["Lapsed big spenders"]


def _somebody_else(world):
    lapsed = set(_lapsed(world))
    return next(str(one.id) for one in world.sandbox.hubspot.contacts if str(one.id) not in lapsed)


def test_check_segment_is_answered_at_once(world):
    with _server(world) as server:
        inside = _execute(world, server, _lapsed(world)[0], "check-segment", segment="lapsed_big_spenders")
        outside = _execute(world, server, _somebody_else(world), "check-segment", segment="lapsed_big_spenders")
    since = inside.outputs.pop("since")
    assert 0 <= int(since) <= to_epoch_ms(world.clock.now())
    assert (inside.state, inside.outputs) == ("succeeded", {"in_segment": "yes", "reason": ""})
    assert (outside.state, outside.outputs) == ("succeeded", {"in_segment": "no", "reason": ""})


@pytest.mark.long
def test_a_contact_that_was_never_read_is_read_before_it_is_answered(world):
    with _server(world) as server:
        made = world.sandbox.hubspot.contacts.create({"email": "new@example.com", "country": "FR"}, world.clock.now())
        found = _execute(world, server, str(made.id), "check-segment", segment="lapsed_big_spenders")
        assert _ask(server, f"SELECT count(*) FROM source_crm WHERE source_id = '{made.id}'") == [(1,)]
    assert (found.state, found.outputs["in_segment"]) == ("succeeded", "no")


@pytest.mark.long
def test_refresh_contact_reads_evaluates_pushes_and_calls_back(world):
    with _server(world) as server:
        contact = _lapsed(world)[0]
        world.pass_time(minutes=5)
        world.sandbox.change_contact(contact, {"hs_email_optout": "true"})
        found = _execute(world, server, contact, "refresh-contact")
        assert (found.state, found.outputs["reason"]) == ("succeeded", "")
        assert "lapsed_big_spenders" not in found.outputs["segments"].split(";")
        assert contact not in _lapsed(world)


def test_may_we_contact_now_asks_consent_and_caps(world):
    with _server(world) as server:
        contact = next(
            str(one.id) for one in world.sandbox.hubspot.contacts if one.properties.get("hs_email_optout") != "true"
        )
        before = _execute(world, server, contact, "may-we-contact", channel="email")
        assert before.state == "succeeded"
        world.sandbox.change_contact(contact, {"hs_email_optout": "true"})
        after = _execute(world, server, contact, "may-we-contact", channel="email", properties=CONSENT)
    assert (after.state, after.outputs) == ("succeeded", {"decision": "no", "reason": "no consent to email"})


@pytest.mark.long
def test_a_touch_that_was_just_sent_stands_against_another_one(world):
    with _server(world) as server:
        sql = "SELECT source_id FROM deliveries JOIN source_crm USING (contact_id) WHERE channel = 'email' LIMIT 1"
        ((contact,),) = _ask(server, sql)
        told = _execute(world, server, contact, "may-we-contact", channel="email")
    assert told.outputs["decision"] == "no"
    assert "1 of 1 email in the last day" in told.outputs["reason"]
    assert int(told.outputs["next_at"]) == to_epoch_ms(world.clock.now() + timedelta(days=1))


@pytest.mark.long
def test_a_workflow_that_executes_twice_is_answered_once(world):
    with _server(world) as server:
        contact = _lapsed(world)[0]
        first = _execute(world, server, contact, "refresh-contact")
        outputs = dict(first.outputs)
        world.sandbox.workflows.send(first)
        server.settle(PATIENCE)
        assert (first.state, first.outputs) == ("succeeded", outputs)
        assert _ask(server, "SELECT count(*) FROM asked") == [(1,)]
        assert [one["kind"] for one in server.runs(10)].count("webhook") == 1


def test_what_is_asked_before_a_crash_is_answered_after_it(world, monkeypatch):
    with _server(world) as server:
        monkeypatch.setattr(server.desk, "work_off", lambda: False)
        found = world.sandbox.workflows.enroll(
            _lapsed(world)[0], _url(server, "may-we-contact"), {"channel": "email"}, CONSENT
        )
        world.sandbox.workflows.send_due()
        server.settle(PATIENCE)
        assert found.state == "blocked"
    with _server(world):
        assert (found.state, found.outputs["channel"]) == ("succeeded", "email")


@pytest.mark.long
def test_answers_wait_while_the_platform_does_not_take_them(world):
    with _server(world) as server:
        world.sandbox.faults(rate=1.0, kinds=["503"])
        found = _execute(world, server, _lapsed(world)[0], "may-we-contact", channel="email")
        assert found.state == "blocked"
        world.sandbox.faults(rate=0.0)
        server.desk.wake()
        server.settle(PATIENCE)
        assert found.state == "succeeded"


@pytest.mark.long
def test_many_executions_are_answered_in_batches(world, monkeypatch):
    with _server(world) as server:
        contacts = [str(one.id) for one in world.sandbox.hubspot.contacts][:100]
        monkeypatch.setattr(server.desk, "work_off", lambda: False)
        url = _url(server, "may-we-contact")
        found = [world.sandbox.workflows.enroll(one, url, {"channel": "email"}, CONSENT) for one in contacts]
        world.sandbox.workflows.send_due()
        server.settle(PATIENCE)
        calls = world.sandbox.hubspot.calls
        monkeypatch.undo()
        server.desk.wake()
        server.settle(PATIENCE)
        assert {one.state for one in found} == {"succeeded"}
        assert world.sandbox.hubspot.calls - calls == 1


@pytest.mark.long
def test_an_older_signature_is_enough_and_fields_are_taken_as_inputs(world):
    with _server(world) as server:
        old = Workflows(world.sandbox.hubspot, world.clock, v3=False)
        found = old.enroll(
            _lapsed(world)[0],
            _url(server, "check-segment"),
            {"segment": "lapsed_big_spenders"},
            inputs_as="fields",
        )
        old.send_due()
    assert (found.state, found.outputs["in_segment"]) == ("succeeded", "yes")


@pytest.mark.long
def test_a_question_without_an_answer_lets_the_workflow_go_on_with_the_reason(world):
    asked = [
        ("check-segment", {}, "no segment is chosen"),
        ("check-segment", {"segment": "nobody"}, "there is no segment 'nobody'; choose one of the list"),
        ("may-we-contact", {"scenario": "nothing"}, "there is no scenario 'nothing'; choose one of the list"),
        ("may-we-contact", {"channel": "fax"}, "no connection speaks of consent to 'fax'; choose one of the list"),
    ]
    with _server(world) as server:
        for action, inputs, reason in asked:
            found = _execute(world, server, _lapsed(world)[0], action, **inputs)
            assert (found.state, found.outputs) == ("failed", {"reason": reason})


@pytest.mark.long
def test_a_server_that_is_down_is_called_again_on_the_platforms_clock(world):
    with _server(world) as server:
        url = _url(server, "check-segment")
    found = world.sandbox.workflows.enroll(_lapsed(world)[0], url, {"segment": "lapsed_big_spenders"})
    world.sandbox.workflows.send_due()
    assert (found.state, found.tries) == ("due", 1)
    world.sandbox.workflows.send_due()
    assert found.tries == 1
    with _server(world) as server:
        found.url = _url(server, "check-segment")
        world.pass_time(minutes=1)
        world.sandbox.workflows.send_due()
    assert (found.state, found.tries) == ("succeeded", 2)


@pytest.mark.long
def test_an_editor_is_offered_segments_scenarios_and_channels(world):
    with _server(world) as server:

        def offered(action, name, **fetch):
            reply = world.sandbox.workflows.options(f"{_url(server, action)}/options", name, **fetch)
            assert reply.status == 200
            return reply.body.decode()

        assert '"value":"lapsed_big_spenders"' in offered("check-segment", "segment", q="lapsed")
        assert '"options":[]' in offered("check-segment", "segment", q="nothing like it")
        assert '"value":"win_back"' in offered("may-we-contact", "scenario")
        assert '"value":"email"' in offered("may-we-contact", "channel")
