"""A command line that is run by the server that owns the store."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from segserver.cli.forwarding import forward
from segserver.errors import StoreError
from segserver.store.owner import Owner


@pytest.fixture
def answering():
    """Serves one fixed answer; gives its owner and what it received."""
    servers = []

    def serve(status, *lines, end=True):
        received = {}

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                received["authorization"] = self.headers["Authorization"]
                received["path"] = self.path
                received["body"] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = b"".join(lines)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) + (not end)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        servers.append((server, thread))
        return Owner(4711, f"127.0.0.1:{server.server_port}", "s3cret"), received

    yield serve
    for server, thread in servers:
        thread.join(10)
        server.server_close()


def _line(**value):
    return json.dumps(value).encode() + b"\n"


def test_output_is_printed_and_the_exit_code_returned(answering, monkeypatch):
    monkeypatch.setenv("COLUMNS", "132")
    owner, received = answering(200, _line(text="Zoë\n"), _line(text="done\n"), _line(exit=3))
    printed = []
    assert forward(owner, ["run", "--all"], printed.append) == 3
    assert printed == ["Zoë\n", "done\n"]
    assert received == {
        "authorization": "Bearer s3cret",
        "path": "/internal/command",
        "body": {"arguments": ["run", "--all"], "columns": 132},
    }


def test_no_proxy_of_the_environment_is_asked(answering, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    owner, _ = answering(200, _line(exit=0))
    assert forward(owner, ["plan"], print) == 0


@pytest.mark.parametrize("lines", [(_line(text="begun\n"),), (_line(text="begun\n"), b'{"exit')])
@pytest.mark.parametrize("end", [True, False], ids=["answer ends", "connection breaks"])
def test_a_server_that_ends_before_the_command_is_said_so(answering, lines, end):
    owner, _ = answering(200, *lines, end=end)
    printed = []
    with pytest.raises(StoreError, match=r"4711 .* ended before the command did; what it committed is kept"):
        forward(owner, ["run"], printed.append)
    assert printed == ["begun\n"]


def test_a_refusal_is_told_with_its_reason_and_without_the_token(answering):
    owner, _ = answering(401, _line(error="send the token"))
    with pytest.raises(StoreError, match=re.escape("refused the command (401: send the token)")) as caught:
        forward(owner, ["run"], print)
    assert "s3cret" not in str(caught.value)


def test_an_owner_that_does_not_answer_is_told_with_the_cure(answering):
    owner, _ = answering(200, _line(exit=0))
    forward(owner, ["plan"], print)
    gone = Owner(owner.pid, "127.0.0.1:9", owner.token)
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:9, which owns the store, does not answer .*start it again"):
        forward(gone, ["run"], print)
