"""The whole circle inside Marketo: a campaign submits a batch, waits, and goes on with what we call back."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta

import pytest

from segserver.cli import execute
from segserver.cli.serving import running
from segserver.clock import format_instant
from segserver.plugin.marketo_flow_steps import GRACE, MOST_WAITING, READING
from segserver.sandbox.webhooks import exchange
from segserver.settings import Settings
from tests import flow_steps

PATIENCE = 120.0
KEY = "flow-step-key-1234567890"


@contextmanager
def _server(world):
    connection = world.directory / "connectors" / "engage.yml"
    text = connection.read_text(encoding="utf-8")
    if "flow_step_key" not in text:
        connection.write_text(text + "\nflow_step_key: env:MARKETO_FLOW_STEP_KEY\n", encoding="utf-8")
    world.environ = {**world.environ, "MARKETO_FLOW_STEP_KEY": KEY}
    settings = Settings(workspace=world.directory, store=world.store_path, port=0)

    def sleep(seconds):
        world.pass_time(seconds=seconds)

    with running(settings, world.environ, execute, clock=world.clock, sleep=sleep) as server:
        server.settle(PATIENCE)
        world.sandbox.flow_steps.carry = flow_steps.watched(exchange)
        yield server
    flow_steps.check_callbacks(world.sandbox.requests)


def _base(world):
    return world.environ["MARKETO_ENDPOINT"].removesuffix("/marketo")


def _install(world, server, service, *, key=KEY):
    installed = world.sandbox.flow_steps.install(
        f"http://{server.address}/plugin/marketo/engage/{service}/install", key
    )
    world.sandbox.flow_steps.create_fields(installed)
    return installed


def _run(world, server, service, leads, **settings):
    steps = world.sandbox.flow_steps
    submission = steps.run(service, leads, _base(world), **settings)
    steps.send_due()
    server.settle(PATIENCE)
    return submission


def _ask(server, sql):
    with server.engine.store.session() as session:
        return [tuple(row.values()) for row in session.rows(sql)]


def _members(server, segment="lapsed_big_spenders"):
    sql = (
        "SELECT source_id FROM memberships JOIN source_engage USING (contact_id) "
        f"WHERE segment = '{segment}' AND NOT held_out ORDER BY 1"
    )
    return [int(one) for (one,) in _ask(server, sql)]


def _leads(world):
    return list(world.sandbox.marketo.leads)


def test_check_segment_answers_a_whole_batch_in_one_callback(world):
    with _server(world) as server:
        service, members, everybody = _install(world, server, "check-segment"), _members(server), _leads(world)
        found = _run(world, server, service, everybody, segment="lapsed_big_spenders")
        leads = world.sandbox.marketo.leads
        assert (found.state, found.statuses, world.sandbox.flow_steps.refused) == ("done", [201], [])
        assert members
        assert sorted(one for one, told in found.activities.items() if told["member"]) == members
        assert set(found.activities) == set(everybody)
        assert {one for one in everybody if leads[one].values.get("segserverInSegment")} == set(members)
        assert leads[members[0]].values["segserverInSegmentSince"] == found.activities[members[0]]["memberSince"]


@pytest.mark.long
def test_a_lead_that_left_a_segment_has_its_instant_cleared(world):
    with _server(world) as server:
        service = _install(world, server, "check-segment")
        member = next(one for one in _members(server) if one not in _members(server, "engaged"))
        _run(world, server, service, [member], segment="lapsed_big_spenders")
        lead = world.sandbox.marketo.leads[member]
        assert lead.values["segserverInSegment"] is True
        world.pass_time(minutes=1)
        _run(
            world, server, service, [member], segment="engaged" if member not in _members(server, "engaged") else "none"
        )
        assert "segserverInSegmentSince" not in lead.values


@pytest.mark.long
def test_one_lead_and_a_thousand_are_answered(open_crowd):
    world, server = open_crowd
    service = _install(world, server, "check-segment")
    leads = _leads(world)[:1_000]
    one = _run(world, server, service, leads[:1], segment="customers")
    many = _run(world, server, service, leads, segment="customers")
    assert (len(leads), len(one.activities), len(many.activities)) == (1_000, 1, 1_000)
    assert all(told["success"] for told in many.activities.values())
    assert many.activities[leads[0]]["member"] == one.activities[leads[0]]["member"]


@pytest.fixture
def open_crowd(tmp_path, make_world):
    with make_world(tmp_path, people_count=1_400).served() as world, _server(world) as server:
        yield world, server


def test_may_we_contact_now_asks_consent_and_writes_the_leads_fields(world):
    with _server(world) as server:
        service = _install(world, server, "may-we-contact")
        free = next(one for one in world.sandbox.marketo.leads.values() if not one.values.get("unsubscribed"))
        before = _run(world, server, service, [free.number], channel="email", scenario="-")
        assert before.activities[free.number]["success"] is True
        world.sandbox.change_lead(str(free.number), {"unsubscribed": True})
        after = _run(world, server, service, [free.number], channel="email", scenario="-")
    told = after.activities[free.number]
    assert (told["allowed"], told["explanation"]) == (False, "no consent to email")
    assert (free.values["segserverMayContact"], free.values["segserverMayReason"]) == (False, "no consent to email")
    assert "segserverMayChannel" not in free.values


@pytest.mark.long
def test_a_touch_that_was_just_sent_stands_against_another_one(world):
    with _server(world) as server:
        service = _install(world, server, "may-we-contact")
        sql = "SELECT source_id FROM deliveries JOIN source_engage USING (contact_id) WHERE channel = 'email' LIMIT 1"
        lead = int(_ask(server, sql)[0][0])
        told = _run(world, server, service, [lead], channel="email").activities[lead]
    assert told["allowed"] is False
    assert "1 of 1 email in the last day" in told["explanation"]
    assert told["possibleAt"] == format_instant(world.clock.now() + timedelta(days=1))


@pytest.mark.long
def test_refresh_contact_reads_and_evaluates_again_before_it_calls_back(world):
    with _server(world) as server:
        service, member = _install(world, server, "refresh-contact"), _members(server)[0]
        world.pass_time(minutes=5)
        world.sandbox.change_lead(str(member), {"unsubscribed": True})
        found = _run(world, server, service, [member], purpose="after a call")
        ((consent,),) = _ask(server, f"SELECT consent_email FROM source_engage WHERE source_id = '{member}'")
    assert (found.state, consent) == ("done", False)
    names = found.activities[member]["segmentNames"]
    assert world.sandbox.marketo.leads[member].values.get("segserverSegments", "") == names


@pytest.mark.long
def test_a_lead_that_was_never_read_is_read_before_it_is_answered(world):
    with _server(world) as server:
        service = _install(world, server, "check-segment")
        made = world.sandbox.marketo.add_lead({"email": "new@example.com"}, world.clock.now(), source="Form")
        found = _run(world, server, service, [made.number], segment="lapsed_big_spenders")
        assert _ask(server, f"SELECT count(*) FROM source_engage WHERE source_id = '{made.number}'") == [(1,)]
    assert found.activities[made.number] == {"success": True, "member": False, "heldOut": False}


@pytest.mark.long
def test_a_lead_that_is_gone_fails_alone_with_a_reason(world):
    with _server(world) as server:
        service, leads = _install(world, server, "check-segment"), _leads(world)[:3]
        submission = world.sandbox.flow_steps.run(service, leads, _base(world), segment="lapsed_big_spenders")
        submission.payload["objectData"][1]["objectContext"]["id"] = 999_999
        world.sandbox.flow_steps.send_due()
        server.settle(PATIENCE)
    told = submission.activities
    assert [told[leads[0]]["success"], told[999_999]["success"], told[leads[2]]["success"]] == [True, False, True]
    assert told[999_999]["errorCode"] == "UNKNOWN_CONTACT"
    assert "not known here" in told[999_999]["reason"]


@pytest.mark.long
def test_a_step_that_is_set_wrong_fails_for_each_lead_with_the_cure(world):
    asked = [
        ("check-segment", {}, "no segment is chosen in the flow step"),
        ("check-segment", {"segment": "nobody"}, "there is no segment 'nobody'; choose one of the list"),
        ("may-we-contact", {"channel": "fax"}, "no connection speaks of consent to 'fax'; choose one of the list"),
    ]
    with _server(world) as server:
        lead = _leads(world)[0]
        for service, settings, reason in asked:
            found = _run(world, server, _install(world, server, service), [lead], **settings)
            assert found.activities[lead] == {"success": False, "errorCode": "NO_ANSWER", "reason": reason}


@pytest.mark.long
def test_leads_of_one_batch_may_have_different_settings(world):
    with _server(world) as server:
        service, leads = _install(world, server, "check-segment"), _leads(world)[:2]
        submission = world.sandbox.flow_steps.run(service, leads, _base(world), segment="lapsed_big_spenders")
        submission.payload["objectData"][1]["flowStepContext"] = {"segment": "nobody"}
        world.sandbox.flow_steps.send_due()
        server.settle(PATIENCE)
    assert [submission.activities[lead]["success"] for lead in leads] == [True, False]


@pytest.mark.long
def test_a_batch_that_is_submitted_twice_is_answered_once(world):
    with _server(world) as server:
        found = _run(world, server, _install(world, server, "refresh-contact"), _leads(world)[:2])
        world.sandbox.flow_steps.send(found)
        server.settle(PATIENCE)
        assert found.statuses == [201, 201]
        assert _ask(server, "SELECT count(*) FROM asked") == [(1,)]
        assert [one["kind"] for one in server.runs(10)].count("webhook") == 1
    assert world.sandbox.flow_steps.refused == []


def test_what_is_submitted_before_a_crash_is_answered_after_it(world, monkeypatch):
    with _server(world) as server:
        service = _install(world, server, "check-segment")
        monkeypatch.setattr(server.desk, "wake", lambda: None)
        found = _run(world, server, service, _leads(world)[:5], segment="lapsed_big_spenders")
        assert (found.state, found.statuses) == ("submitted", [201])
    monkeypatch.undo()
    with _server(world):
        assert (found.state, len(found.activities)) == ("done", 5)


@pytest.mark.long
def test_an_answer_waits_while_marketo_does_not_take_it_and_its_keys_are_forgotten_afterwards(world):
    with _server(world) as server:
        service = _install(world, server, "check-segment")
        world.sandbox.faults(rate=1.0, kinds=["503"])
        found = _run(world, server, service, _leads(world)[:5], segment="lapsed_big_spenders")
        assert found.state == "submitted"
        ((kept,),) = _ask(server, "SELECT content FROM asked")
        assert found.payload["token"] in kept
        world.sandbox.faults(rate=0.0)
        server.desk.wake()
        server.settle(PATIENCE)
        assert found.state == "done"
        assert _ask(server, "SELECT content, status FROM asked JOIN answered USING (id)") == [("{}", "delivered")]


@pytest.mark.long
def test_an_answer_whose_receipt_was_lost_is_not_given_twice(world):
    with _server(world) as server:
        service = _install(world, server, "check-segment")
        world.sandbox.faults(rate=1.0, kinds=["dropped-after"])
        found = _run(world, server, service, _leads(world)[:5], segment="lapsed_big_spenders")
        world.sandbox.faults(rate=0.0)
        told = dict(found.activities)
        world.pass_time(seconds=GRACE.total_seconds() + 1)
        server.desk.wake()
        server.settle(PATIENCE)
        assert _ask(server, "SELECT status FROM answered") == [("refused",)]
    assert (found.state, found.activities, len(told)) == ("done", told, 5)


@pytest.mark.long
def test_leads_that_cannot_be_read_in_time_fail_alone(world, monkeypatch):
    with _server(world) as server:
        service, known = _install(world, server, "check-segment"), _leads(world)[0]
        made = world.sandbox.marketo.add_lead({"email": "new@example.com"}, world.clock.now(), source="Form")
        monkeypatch.setattr(server.worker, "request_notified", lambda: None)
        found = _run(world, server, service, [known, made.number], segment="lapsed_big_spenders")
        assert found.state == "submitted"
        world.pass_time(seconds=READING.total_seconds() + 1)
        server.desk.wake()
        server.settle(PATIENCE)
    assert found.activities[known]["success"] is True
    assert found.activities[made.number]["errorCode"] == "NOT_READ"


@pytest.mark.long
def test_more_than_can_wait_is_put_off_and_comes_again(world, monkeypatch):
    with _server(world) as server:
        service, steps = _install(world, server, "check-segment"), world.sandbox.flow_steps
        monkeypatch.setattr(server.desk, "wake", lambda: None)
        many = [
            steps.run(service, _leads(world)[:1], _base(world), segment="lapsed_big_spenders")
            for _ in range(MOST_WAITING + 1)
        ]
        steps.send_due()
        assert [one.statuses for one in many[-2:]] == [[201], [429]]
        monkeypatch.undo()
        server.desk.wake()
        server.settle(PATIENCE)
        world.pass_time(minutes=1)
        steps.send_due()
        server.settle(PATIENCE)
    assert {one.state for one in many} == {"done"}


@pytest.mark.long
def test_a_service_with_a_wrong_key_is_not_installed(world):
    with _server(world) as server, pytest.raises(Exception, match="getServiceDefinition was answered with 401"):
        _install(world, server, "check-segment", key="guess")


@pytest.mark.long
def test_a_marketer_is_offered_segments_scenarios_and_channels(world):
    with _server(world) as server:

        def offered(service, name):
            return [
                one["submittedValue"]
                for one in world.sandbox.flow_steps.picklist(_install(world, server, service), name)
            ]

        assert "lapsed_big_spenders" in offered("check-segment", "segment")
        assert offered("may-we-contact", "scenario")[0] == "-"
        assert "win_back" in offered("may-we-contact", "scenario")
        assert offered("may-we-contact", "channel") == ["*", "email", "sms"]
