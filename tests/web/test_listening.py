"""A real socket: where it listens, that answers stream, and that it ends."""

from __future__ import annotations

import http.client
import json
import socket
import threading

import pytest

from segserver.errors import SettingsError
from segserver.web.app import create_app
from segserver.web.listening import Listener, is_loopback


@pytest.fixture
def listener():
    """A listener on a free port."""
    made = Listener("127.0.0.1", 0)
    yield made
    made.close()


def _connection(listener):
    host, port = listener.address.split(":")
    return http.client.HTTPConnection(host, int(port), timeout=10)


def _serve(listener, backend, clock):
    listener.serve(create_app(backend, clock), largest_body=1000)


def test_a_free_port_is_taken_and_told(listener):
    host, port = listener.address.split(":")
    assert host == "127.0.0.1"
    assert int(port) > 0
    assert listener.local_address == listener.address


def test_an_address_that_listens_everywhere_is_reached_on_the_loopback_interface():
    listener = Listener("0.0.0.0", 0)  # noqa: S104 - that is what the test is about
    try:
        assert listener.local_address == listener.address.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
    finally:
        listener.close()


def test_a_port_that_is_taken_is_refused_with_the_cure(listener):
    port = int(listener.address.split(":")[1])
    with pytest.raises(SettingsError, match=rf"port {port} .*--port"):
        Listener("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(SettingsError, match=r"192\.0\.2\.1"):
        Listener("192.0.2.1", 0)


def test_a_call_that_comes_before_the_application_is_answered_when_it_is_there(listener, backend, clock):
    connection = _connection(listener)
    connection.request("GET", "/healthz")
    _serve(listener, backend, clock)
    assert connection.getresponse().status == 200
    connection.close()


def test_the_output_of_a_command_streams_through_the_socket(listener, backend, clock, monkeypatch):
    release = threading.Event()

    def command(arguments, write, *, columns):
        write("first\n")
        assert release.wait(10)
        return 0

    monkeypatch.setattr(backend, "command", command)
    _serve(listener, backend, clock)
    connection = _connection(listener)
    headers = {"Authorization": f"Bearer {backend.owner_token}", "Content-Type": "application/json"}
    connection.request("POST", "/internal/command", json.dumps({"arguments": ["run"]}), headers)
    answer = connection.getresponse()
    assert json.loads(answer.readline()) == {"text": "first\n"}
    release.set()
    assert json.loads(answer.readline()) == {"exit": 0}
    connection.close()


def test_a_body_that_is_too_large_is_refused_before_it_is_read(listener, backend, clock):
    _serve(listener, backend, clock)
    connection = _connection(listener)
    connection.request("POST", "/hooks/crm", headers={"Content-Length": "1000000"})
    assert connection.getresponse().status == 413
    connection.close()


def test_closing_ends_the_threads_and_frees_the_port(backend, clock):
    before = set(threading.enumerate())
    listener = Listener("127.0.0.1", 0)
    _serve(listener, backend, clock)
    host, port = listener.address.split(":")
    listener.close()
    listener.close()
    assert not [thread for thread in set(threading.enumerate()) - before if thread.is_alive()]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=10)


@pytest.mark.parametrize(
    ("host", "only_here"),
    [
        ("127.0.0.1", True),
        ("127.0.0.2", True),
        ("::1", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("host", False),
    ],
)
def test_loopback_addresses_are_known(host, only_here):
    assert is_loopback(host) is only_here
