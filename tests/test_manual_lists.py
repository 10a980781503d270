"""Lists of members by identity, as files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from segserver.errors import Span
from segserver.manual_lists import kinds_of_identity, read_list
from segserver.specs.connections import ConnectionSpec, ContactsSpec

PLACE = Span("connectors/crm.yml", 1, 1, 1, 2)
KINDS = {"email": "email", "phone": "phone", "hubspot": "crm", "crm": "crm"}


def connection(name: str, kind: str, *identities: str) -> ConnectionSpec:
    from datetime import timedelta

    contacts = ContactsSpec(
        identities=dict.fromkeys(identities, "field"), traits=(), created=None, consent=(), options={}, place=PLACE
    )
    return ConnectionSpec(
        name=name,
        kind=kind,
        contacts=contacts,
        events=(),
        audiences=False,
        every=timedelta(minutes=15),
        latency=timedelta(0),
        quota=1.0,
        secrets={},
        options={},
        place=PLACE,
    )


def test_columns_are_kinds_of_identity_connections_and_vendors_that_stand_alone() -> None:
    crm, other = connection("crm", "hubspot", "email", "phone"), connection("engage", "marketo", "email")
    assert kinds_of_identity([crm, other]) == {
        "email": "email",
        "phone": "phone",
        "crm": "crm",
        "hubspot": "crm",
        "engage": "engage",
        "marketo": "engage",
    }
    second = connection("crm_us", "hubspot", "email")
    assert "hubspot" not in kinds_of_identity([crm, second])


def test_a_connection_without_contacts_names_nobody() -> None:
    assert kinds_of_identity([replace(connection("web", "ga4"), contacts=None)]) == {}


def test_an_identity_that_is_called_like_a_vendor_is_that_identity() -> None:
    crm, engage = connection("crm", "hubspot", "email"), connection("engage", "marketo", "email", "hubspot")
    assert kinds_of_identity([crm, engage])["hubspot"] == "hubspot"


def test_rows_are_read_with_their_lines_and_identities_normalised() -> None:
    content = b"\xef\xbb\xbfemail , hubspot\r\n ADA@X.org ,\r\n\r\n,7\r\n , \r\nnobody at all,\r\n"
    contacts, findings = read_list("m.csv", content, KINDS)
    assert findings == ()
    assert [(one.line, one.keys) for one in contacts] == [(2, (("email", "ada@x.org"),)), (4, (("crm", "7"),)), (6, ())]
    assert contacts[0].text == " ADA@X.org ,"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file has no header"),
        (b"email;phone\n", "the cells are separated by ';', not by commas"),
        (b"email,email\n", "there are two columns 'email'"),
        (b"email,\n", "column 2 is called '', which is no kind of identity here"),
        (b"emial\nada@x.org\n", "column 1 is called 'emial', which is no kind of identity here"),
        (b"email\n\xff@x.org\n", "byte 0xFF is not UTF-8"),
        (b"email\na@x.org,b@x.org\n", "the row has 2 cells, the header has 1"),
    ],
)
def test_what_is_wrong_with_a_file_is_a_finding_with_its_place(content: bytes, message: str) -> None:
    _, findings = read_list("rules/m.csv", content, KINDS)
    assert message in [finding.message for finding in findings]
    assert {finding.span.file for finding in findings} == {"rules/m.csv"}
    assert all(finding.hint for finding in findings)
