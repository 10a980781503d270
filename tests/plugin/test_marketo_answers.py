"""Answers as a callback has them: types, lengths, and what clears a field."""

from __future__ import annotations

from datetime import datetime

from segserver.plugin.marketo import SERVICES
from segserver.plugin.marketo_answers import NOT_READ, callback_object, cut, fitting
from segserver.scenarios.permission import Permission
from segserver.services import UNKNOWN_CONTACT, Refreshed, Refusal, Standing

NOW = datetime(2026, 3, 1, 12, 0, 0, 500_000)
SINCE = datetime(2026, 2, 1, 9, 30, 0, 250_000)


def told(answer):
    found = callback_object("7", answer, NOW)
    assert found["leadData"].pop("id") == 7
    return found["leadData"], found["activityData"]


def test_a_member_has_an_instant_without_parts_of_a_second():
    assert told(Standing("vip", True, SINCE, False, NOW)) == (
        {"inSegment": True, "inSegmentSince": "2026-02-01T09:30:00Z"},
        {"success": True, "member": True, "heldOut": False, "memberSince": "2026-02-01T09:30:00Z"},
    )


def test_who_is_not_in_or_held_out_has_the_instant_cleared():
    cleared = {"inSegment": False, "inSegmentSince": "null"}
    assert told(Standing("vip", False, None, False, NOW))[0] == cleared
    assert told(Standing("vip", False, SINCE, True, NOW)) == (
        cleared,
        {"success": True, "member": False, "heldOut": True},
    )


def test_a_permission_clears_what_it_does_not_know():
    fields, activity = told(Permission(False, None, None, "suppressed: no channel may be used"))
    assert fields["mayChannel"] == fields["mayContactAt"] == "null"
    assert activity == {"success": True, "allowed": False, "explanation": "suppressed: no channel may be used"}


def test_a_refusal_changes_no_field_and_names_its_class():
    for refusal, code in ((UNKNOWN_CONTACT, "UNKNOWN_CONTACT"), (NOT_READ, "NOT_READ"), (Refusal("x"), "NO_ANSWER")):
        fields, activity = told(refusal)
        assert fields == {}
        assert (activity["success"], activity["errorCode"]) == (False, code)


def test_segments_that_do_not_fit_are_left_out_whole():
    names = tuple(f"segment_{number:03}" for number in range(100))
    fields, activity = told(Refreshed(names))
    assert len(fields["segments"]) <= 255
    assert fields["segments"].split(",") == list(names[: len(fields["segments"].split(","))])
    assert activity["segmentNames"].split(",") == list(names)
    assert told(Refreshed(()))[0] == {"segments": "null"}


def test_texts_are_cut_by_bytes_and_between_letters():
    assert cut("é" * 200, 255) == "é" * 127
    assert fitting(["é" * 10, "b"], 20) == "é" * 10


def test_every_value_is_of_a_declared_name():
    declared = {one.name for service in SERVICES.values() for one in service.attributes}
    fields = {one.name for service in SERVICES.values() for one in service.fields}
    answers = (Standing("a", True, SINCE, False, NOW), Permission(True, "email", NOW, "x"), Refreshed(("a",)))
    for answer in answers:
        values, activity = told(answer)
        assert set(values) <= fields
        assert set(activity) - {"success"} <= declared
