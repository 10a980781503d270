"""Commands from this machine: only with the owner's token, answered line by line."""

from __future__ import annotations

import json
from threading import Event

import pytest

from .conftest import OWNER_TOKEN

HEADERS = {"Authorization": f"Bearer {OWNER_TOKEN}"}


def _lines(answer):
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_command_is_run_and_its_output_and_exit_code_come_back(client, backend):
    answer = client.post("/internal/command", json={"arguments": ["members", "vip"], "columns": 132}, headers=HEADERS)
    assert answer.mimetype == "application/x-ndjson"
    assert _lines(answer) == [{"text": "Zoë\n"}, {"text": "done\n"}, {"exit": 3}]
    assert backend.commands == [(["members", "vip"], 132)]


def test_output_comes_while_the_command_still_runs(client, backend, monkeypatch):
    release = Event()

    def command(arguments, write, *, columns):
        write("first\n")
        assert release.wait(10)
        return 0

    monkeypatch.setattr(backend, "command", command)
    answer = client.post("/internal/command", json={"arguments": ["run"]}, headers=HEADERS)
    pieces = iter(answer.response)
    assert json.loads(next(pieces)) == {"text": "first\n"}
    release.set()
    assert json.loads(next(pieces)) == {"exit": 0}


def test_a_command_that_breaks_ends_with_an_exit_code_and_its_trace_is_in_the_log(client, caplog):
    answer = client.post("/internal/command", json={"arguments": ["fail"]}, headers=HEADERS)
    told = _lines(answer)
    assert told[-1] == {"exit": 1}
    assert "log" in told[0]["text"]
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer api"}])
def test_without_the_owners_token_nothing_is_run(client, backend, headers):
    backend.api_token = "api"
    answer = client.post("/internal/command", json={"arguments": ["run"]}, headers=headers)
    assert (answer.status_code, backend.commands) == (401, [])


@pytest.mark.parametrize(
    "body", [{}, {"arguments": []}, {"arguments": "run"}, {"arguments": ["run"], "columns": 3}, {"command": ["run"]}]
)
def test_a_body_of_another_shape_is_refused(client, backend, body):
    answer = client.post("/internal/command", json=body, headers=HEADERS)
    assert (answer.status_code, backend.commands) == (400, [])


def test_a_body_that_is_not_json_is_refused(client):
    answer = client.post("/internal/command", data="run", headers=HEADERS)
    assert answer.status_code == 415
    assert "error" in answer.json
