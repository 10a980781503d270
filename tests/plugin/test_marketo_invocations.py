"""Submitted batches: what is understood, and what is refused as a whole."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segserver.connectors.signatures import BadPayload
from segserver.plugin.marketo_invocations import read
from tests.plugin.test_marketo import spec

URL = "https://callback.example.com/1"


def lead(number, settings=None, **fields):
    return {"objectType": "lead", "objectContext": {"id": number, **fields}, "flowStepContext": settings or {}}


def body(*leads, **changed):
    whole = {
        "token": "t",
        "batchid": "b",
        "apiCallBackKey": "k",
        "campaignId": 5,
        "callbackUrl": URL,
        "context": {"subscription": {"munchkinId": "123-ABC-456"}},
        "objectData": list(leads),
    }
    return {name: value for name, value in (whole | changed).items() if value is not ...}


def understood(*leads, **changed):
    return read(json.dumps(body(*leads, **changed)).encode(), spec())


def test_leads_with_the_same_question_are_kept_together():
    a, b = {"segment": "a"}, {"segment": "b"}
    found = understood(lead(1, a), lead(2, b), lead(3, a), lead(4, a, unsubscribed=True))
    assert [(dict(one.settings), one.refused, one.leads) for one in found.groups] == [
        (a, (), ("1", "3")),
        (b, (), ("2",)),
        (a, ("email",), ("4",)),
    ]


def test_a_field_that_was_not_mapped_says_nothing_and_null_is_false():
    refused = [one.refused for one in understood(lead(1), lead(2, unsubscribed=None), lead(3, unsubscribed=1)).groups]
    assert refused == [(), ("email",)]


def test_empty_settings_are_none():
    assert understood(lead(1, {"segment": "", "channel": None})).groups[0].settings == {}


def test_what_is_kept_of_the_request():
    found = understood(lead(7))
    assert (found.munchkin, found.batch, found.token, found.callback_key) == ("123-ABC-456", "b", "t", "k")
    assert (found.callback_url, found.leads) == (URL, ["7"])


def test_a_batch_may_be_empty_and_a_lead_may_come_twice():
    assert understood().leads == []
    assert understood(objectData=...).leads == []
    assert understood(lead(1), lead("1")).leads == ["1"]


def test_a_repeated_submission_has_the_same_key_and_another_batch_has_not():
    first = understood(lead(1))
    assert understood(lead(1), context={"subscription": {"munchkinId": "123-ABC-456"}, "admin": {}}).key == first.key
    assert len({first.key, *(understood(lead(1), **{one: "other"}).key for one in ("token", "batchid"))}) == 3


def test_without_a_token_the_whole_body_is_the_key():
    keys = {understood(lead(1), token=...).key, understood(lead(1), token="").key, understood(lead(2), token=...).key}
    assert len(keys) == 3
    assert understood(lead(1), token=...).key in keys


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", "the body is not a JSON object"),
        (b"[]", "the body is not a JSON object"),
        (b'{"callbackUrl"', "the body is not a JSON object"),
        (b'{"callbackUrl": "https://a.example"} {}', "the body is not a JSON object"),
        (b'{"objectData": [1, 2}', "objectData[0] is not a lead"),
        (b"\xff\xfe", "the body is not a JSON object"),
        (b'{"a": ' + b"[" * 100_000, "the body is not a JSON object"),
        (b"{}", "callbackUrl is not an address"),
        (json.dumps(body(callbackUrl="ftp://a.example")).encode(), "callbackUrl is not an address"),
        (json.dumps(body(callbackUrl="https://[")).encode(), "callbackUrl is not an address"),
        (json.dumps(body(context=[])).encode(), "context is not an object"),
        (json.dumps(body(context={"subscription": 5})).encode(), "context.subscription is not an object"),
        (json.dumps(body(lead(1), lead(None))).encode(), "objectData[1].objectContext.id is not the id of a lead"),
        (json.dumps(body(lead(True))).encode(), "objectData[0].objectContext.id is not the id of a lead"),
        (json.dumps(body(lead(2**63))).encode(), "objectData[0].objectContext.id is not the id of a lead"),
        (json.dumps(body(lead(1, []))).encode(), None),
        (json.dumps(body({"objectType": "company"})).encode(), "objectData[0] is not a lead"),
    ],
)
def test_what_does_not_keep_to_the_interface_is_refused_as_a_whole(sent, reason):
    if reason is None:
        assert read(sent, spec()).leads == ["1"]
        return
    with pytest.raises(BadPayload) as refused:
        read(sent, spec())
    assert str(refused.value) == reason


@given(
    st.dictionaries(
        st.text(max_size=5).filter(lambda name: name not in body()),
        st.recursive(st.none() | st.text(), st.lists, max_leaves=5),
    ),
    st.sampled_from([None, 1, 4]),
    st.lists(st.integers(1, 2**63 - 1), max_size=4),
)
def test_any_further_members_and_any_spacing_change_nothing(further, indent, numbers):
    whole = {**further, **body(*(lead(number) for number in numbers))}
    found = read(json.dumps(whole, indent=indent).encode(), spec())
    assert [one for group in found.groups for one in group.leads] == list(map(str, numbers))


@pytest.mark.long
def test_a_hundred_thousand_leads_take_little_more_than_the_body():
    sent = json.dumps(
        body(*(lead(number, {"segment": "a"}, email=f"{number}@example.com") for number in range(1, 100_001)))
    )
    raw, connection = sent.encode(), spec()
    tracemalloc.start()
    try:
        found = read(raw, connection)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found.leads) == 100_000
    assert peak < 3 * len(raw)
