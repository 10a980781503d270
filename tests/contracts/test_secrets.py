"""Keys, tokens and personal data are in requests and nowhere else."""

from __future__ import annotations

import logging
import socket
import threading
import traceback

import pytest

from segserver.connectors.base import Trigger, Write
from segserver.errors import SegserverError
from segserver.sandbox.faults import Fault

NOWHERE = "http://127.0.0.1:9"


def everything(subject, **changed):
    """Texts of all that a connector does: outcomes, errors with their whole history, and what objects look like."""
    connector = subject.connector(**changed)
    texts = [repr(connector), repr(connector.source), repr(connector.destination), repr(connector.spec)]

    def attempt(work):
        try:
            texts.extend(map(repr, work()))
        except SegserverError as error:
            texts.extend([repr(error), *traceback.format_exception(error, chain=True)])

    def written():
        destination = connector.destination
        writes = [
            Write(place, "c", one, "member")
            for place in (*subject.places, *subject.bad_places)
            for one in (*subject.known()[:3], *subject.bad_addresses)
        ]
        reasons = [outcome.reason for batch in destination.write(writes) for outcome in batch]
        held = [destination.holds(place) for place in subject.places]
        return reasons + [list(holding.pages) for holding in held if holding is not None]

    def triggered():
        asked = [Trigger("k", "c", one, "Win back", {}) for one in subject.known()[:3]]
        told = [*connector.destination.trigger(asked)]
        told += connector.destination.read_back([(one, subject.now) for one in asked])
        return [outcome.reason for outcome in told]

    def read():
        source = connector.source
        streams = source.streams() if source else ()
        return [page.complete_through for stream in streams for page in source.read(stream, None, subject.now)]

    for work in (written, triggered, read):
        attempt(work)
    return texts


def check(subject, texts, caplog):
    hidden = subject.secrets
    assert all(len(secret) > 10 for secret in hidden)
    for text in [*texts, caplog.text]:
        assert not any(secret in text for secret in hidden)
    assert "@example.com" not in caplog.text


def test_when_all_goes_well_no_secret_shows(platform, caplog):
    caplog.set_level(logging.DEBUG)
    check(platform, everything(platform), caplog)


@pytest.mark.parametrize("fault", list(Fault))
def test_when_everything_fails_no_secret_shows(platform, caplog, fault):
    caplog.set_level(logging.DEBUG)
    platform.sandbox.faults(rate=1, kinds=[fault])
    check(platform, everything(platform), caplog)


def test_when_some_of_everything_fails_no_secret_shows(platform, caplog):
    caplog.set_level(logging.DEBUG)
    platform.sandbox.faults(rate=0.3, seed=8)
    check(platform, everything(platform), caplog)


def test_when_nobody_is_there_no_secret_shows(platform, caplog):
    caplog.set_level(logging.DEBUG)
    away = dict.fromkeys(("HUBSPOT_ENDPOINT", "MARKETO_ENDPOINT", "GA4_ENDPOINT"), NOWHERE)
    texts = everything(platform, **away)
    assert any("no connection" in text for text in texts)
    check(platform, texts, caplog)


def test_when_the_key_is_refused_its_variable_is_named_and_not_its_value(open_subject, population, caplog):
    caplog.set_level(logging.DEBUG)
    wrong = "a-wrong-key-that-was-pasted"
    for kind, variable in (("hubspot", "HUBSPOT_TOKEN"), ("marketo", "MARKETO_CLIENT_SECRET")):
        subject = open_subject(kind, population)
        texts = everything(subject, **{variable: wrong})
        assert any(variable in text for text in texts)
        assert not any(wrong in text for text in [*texts, caplog.text])


@pytest.fixture
def broken_headers():
    """The address of somebody who answers every call with a header that is none."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            while True:
                try:
                    caller, _ = listening.accept()
                except OSError:
                    return
                with caller:
                    caller.recv(65_536)
                    caller.sendall(b"HTTP/1.1 204 No Content\r\nno header\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_an_answer_with_a_broken_header_puts_no_secret_into_the_log(open_subject, population, caplog, broken_headers):
    caplog.set_level(logging.DEBUG)
    subject = open_subject("ga4", population)
    check(subject, everything(subject, GA4_ENDPOINT=broken_headers), caplog)


def test_a_call_shows_neither_query_nor_body(platform, traffic):
    everything(platform)
    shown = "".join(repr(call) + str(call) for call in traffic.calls)
    assert shown
    assert not any(secret in shown for secret in platform.secrets)
