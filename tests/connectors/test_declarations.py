"""A connection file says what is read and written, or everything that is wrong with it, each thing at its place."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from segserver.connectors.declarations import load, redacted, reveal, setting
from segserver.connectors.schema import KINDS
from segserver.errors import Diagnostic, MissingSecret, Severity, Span, render
from segserver.specs import BOOLEAN, DATE, NUMBER, TEXT, TEXTS, ConnectionSpec, ConsentSpec, Kind, Secret, Type

WORKSPACE = Path(__file__).parents[2] / "connectors"

HUBSPOT = """\
kind: hubspot
token: env:HUBSPOT_TOKEN
contacts:
  identities: {email: email}
"""

MARKETO = """\
kind: marketo
client_id: env:A
client_secret: env:B
endpoint: https://123-ABC-456.mktorest.com/
contacts:
  identities: {email: email}
"""

SHOP = """\
kind: files
contacts: {path: customers.csv, created: signup_date, identities: {email: email}, traits: {signup_date: {type: date}}}
events:
  purchase:
    path: "orders/*.parquet"
    key: order_id
    contact: {email: customer}
    at: ordered_at
    properties: {amount: {type: number}, categories: {type: list of text}}
"""


def _good(source: str, name: str = "crm") -> ConnectionSpec:
    spec, findings = load(name, source, f"{name}.yml")
    assert spec is not None, render(findings, {f"{name}.yml": source})
    assert findings == ()
    return spec


def _bad(source: str | bytes, name: str = "crm") -> tuple[Diagnostic, ...]:
    spec, findings = load(name, source, "crm.yml")
    assert spec is None
    assert all(finding.severity is Severity.ERROR and finding.span.file == "crm.yml" for finding in findings)
    return findings


def _places(source: str | bytes, name: str = "crm") -> list[tuple[str, int, int]]:
    return [(finding.code, finding.span.line, finding.span.column) for finding in _bad(source, name)]


# ---- what a good file means ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(WORKSPACE.glob("*.yml")), ids=lambda path: path.stem)
def test_the_connections_of_the_demonstration_are_good(path: Path) -> None:
    spec, findings = load(path.stem, path.read_bytes(), f"connectors/{path.name}")
    assert findings == ()
    assert spec is not None
    assert spec.name == path.stem


def test_a_hubspot_connection_with_everything() -> None:
    spec = _good(
        """\
kind: hubspot
token: env:HUBSPOT_TOKEN
client_secret: env:HUBSPOT_SECRET
endpoint: http://127.0.0.1:8080/hubspot/
every: 15 minutes
quota: 12.5%
latency: 2 days
audiences: true
contacts:
  identities: {email: email, ga_client_id: ga}
  traits:
    country: country
    stage: {from: lifecyclestage, history: true}
    mrr: {from: monthly, type: number, unit: EUR}
    vip: {type: boolean}
  created: createdate
  consent:
    email: {from: hs_email_optout, means: opted out}
    sms: {from: sms_consent, means: granted}
events:
  email_open: {stream: marketing_email, type: OPEN, counts as: email}
  purchase:
    stream: deals
    where: {dealstage: [closedwon, renewed], pipeline: default}
    at: closedate
    properties: {amount: {type: number, unit: USD}, categories: {from: cats, type: list of text}, name: dealname}
"""
    )
    assert (spec.kind, spec.name, spec.audiences, spec.quota) == ("hubspot", "crm", True, 0.125)
    assert (spec.every, spec.latency) == (timedelta(minutes=15), timedelta(days=2))
    assert spec.secrets["token"] == Secret("HUBSPOT_TOKEN", Span("crm.yml", 2, 8, 2, 25))
    assert spec.options == {"endpoint": "http://127.0.0.1:8080/hubspot"}
    contacts = spec.contacts
    assert contacts is not None
    assert contacts.identities == {"email": "email", "ga_client_id": "ga"}
    assert [(trait.name, trait.field, trait.type, trait.history) for trait in contacts.traits] == [
        ("country", "country", TEXT, False),
        ("stage", "lifecyclestage", TEXT, True),
        ("mrr", "monthly", Type(Kind.NUMBER, "EUR"), False),
        ("vip", "vip", BOOLEAN, False),
    ]
    assert contacts.traits[2].place == Span("crm.yml", 14, 5, 14, 8)
    assert contacts.created == "createdate"
    assert contacts.consent[1] == ConsentSpec("sms", "sms_consent", "granted", Span("crm.yml", 19, 5, 19, 8))
    opened, purchase = spec.events
    assert (opened.at, opened.counts_as, opened.options) == (
        None,
        "email",
        {"stream": "marketing_email", "type": "OPEN"},
    )
    assert (purchase.at, purchase.counts_as) == ("closedate", None)
    assert purchase.options["where"] == {"dealstage": ("closedwon", "renewed"), "pipeline": "default"}
    assert [(item.name, item.field, item.type) for item in purchase.properties] == [
        ("amount", "amount", Type(Kind.NUMBER, "USD")),
        ("categories", "cats", TEXTS),
        ("name", "dealname", TEXT),
    ]


def test_a_marketo_activity_has_a_number_for_its_type() -> None:
    spec = _good(MARKETO + "events: {visit: {stream: activities, type: 1}}\nfolder: {id: 34}\n")
    assert spec.events[0].options == {"stream": "activities", "type": 1}
    assert spec.options == {"endpoint": "https://123-ABC-456.mktorest.com", "folder": {"id": 34, "type": "Folder"}}


def test_a_ga4_connection_needs_only_its_stream_and_secret() -> None:
    spec = _good("kind: ga4\nmeasurement_id: G-1\napi_secret: env:S\naudiences: true\n")
    assert spec.contacts is None
    assert spec.options == {"measurement_id": "G-1", "identity": "ga_client_id"}


def test_files_say_where_rows_lie_and_what_names_them() -> None:
    spec = _good(SHOP, "shop")
    assert spec.contacts is not None
    assert spec.contacts.options == {"path": "customers.csv"}
    assert (spec.contacts.traits[0].field, spec.contacts.traits[0].type) == ("signup_date", DATE)
    event = spec.events[0]
    assert event.at == "ordered_at"
    assert event.options == {"path": "orders/*.parquet", "key": "order_id", "contact": {"email": "customer"}}
    assert event.properties[0].type == NUMBER
    assert spec.options == {"folder": "audiences"}


@pytest.mark.parametrize(
    ("source", "every", "latency", "quota"),
    [(HUBSPOT, 60, 10, 0.5), (MARKETO, 60, 10, 0.5), (SHOP, 60, 0, 1.0)],
)
def test_what_is_not_written_has_its_documented_default(source: str, every: int, latency: int, quota: float) -> None:
    spec = _good(source)
    assert (spec.every, spec.latency) == (timedelta(minutes=every), timedelta(minutes=latency))
    assert (spec.quota, spec.audiences) == (quota, False)


def test_text_that_yaml_takes_for_something_else_stays_text() -> None:
    spec = _good(HUBSPOT + "  traits: {a: NO, b: 12:30, c: 1e3, d: 'null', e: on, f: 2026-01-01}\n")
    assert spec.contacts is not None
    assert [trait.field for trait in spec.contacts.traits] == ["NO", "12:30", "1e3", "null", "on", "2026-01-01"]


def test_names_are_in_nfc() -> None:
    spec = _good(HUBSPOT + "  traits: {cafe\u0301: x}\n")
    assert spec.contacts is not None
    assert spec.contacts.traits[0].name == "café"


@pytest.mark.parametrize("change", [str.encode, lambda text: b"\xef\xbb\xbf" + text.encode()])
def test_a_byte_order_mark_and_crlf_change_nothing(change: object) -> None:
    assert callable(change)
    spec, findings = load("crm", change(HUBSPOT.replace("\n", "\r\n")), "crm.yml")
    assert findings == ()
    assert spec == load("crm", HUBSPOT, "crm.yml")[0]


# ---- what is wrong, and where --------------------------------------------------------------------------------------

MANY = """\
kind: hubspot
token: pat-na1-0123456789
clientsecret: env:X
every: 15 minuts
quota: 120%
contacts:
  identities: {email: email, é: x, É: y}
  traits:
    first name: firstname
    home: {from: x, type: place}
    mrr: {from: m, type: numbr}
    z: {unit: EUR, type: text, histroy: true}
    q:
  account: {id: x}
  consent:
    email: {from: a, means: opted-out}
    sms: {means: granted}
events:
  purchase: {stream: deal}
  buy: {stream: deals, type: OPEN}
  x: foo
  open: {stream: marketing_email, at: x}
audiences: yes
audiences: true
latency: [1]
"""


def test_a_file_with_many_mistakes_has_each_at_its_place() -> None:
    assert _places(MANY) == [
        ("secret-in-clear", 2, 8),
        ("unknown-key", 3, 1),
        ("bad-duration", 4, 8),
        ("bad-value", 5, 8),
        ("bad-name", 7, 36),
        ("bad-name", 9, 5),
        ("not-supported-yet", 10, 27),
        ("unknown-type", 11, 26),
        ("bad-value", 12, 9),
        ("unknown-key", 12, 32),
        ("bad-value", 13, 7),
        ("not-supported-yet", 14, 3),
        ("bad-value", 16, 29),
        ("missing-key", 17, 5),
        ("bad-value", 19, 22),
        ("missing-key", 20, 3),
        ("unknown-key", 20, 24),
        ("wrong-type", 21, 6),
        ("missing-key", 22, 3),
        ("unknown-key", 22, 35),
        ("wrong-type", 23, 12),
        ("duplicate-key", 24, 1),
        ("wrong-type", 25, 10),
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", [("wrong-type", 1, 1)]),
        ("# nothing\n", [("wrong-type", 1, 1)]),
        ("- a\n", [("wrong-type", 1, 1)]),
        ("token: env:X\n", [("missing-key", 1, 1)]),
        ("kind: hubspt\n", [("unknown-kind", 1, 7)]),
        ("kind: [hubspot]\n", [("unknown-kind", 1, 7)]),
        ("kind: hubspot\n", [("missing-key", 1, 1), ("missing-key", 1, 1)]),
        ("kind: files\n", [("missing-key", 1, 1)]),
        ("kind: ga4\nmeasurement_id: G\napi_secret: env:S\nevents: {}\n", [("not-supported-yet", 4, 1)]),
        (HUBSPOT + "endpoint: ftp://x\n", [("bad-value", 5, 11)]),
        (HUBSPOT + "endpoint: https://me:pw@x\n", [("secret-in-clear", 5, 11)]),
        (HUBSPOT + "endpoint: https://[x\n", [("bad-value", 5, 11)]),
        (HUBSPOT + "client_secret: env:NO WAY\n", [("bad-name", 5, 16)]),
        (HUBSPOT + "client_secret: 'env:'\n", [("bad-name", 5, 16)]),
        (HUBSPOT + "every: 0 minutes\n", [("bad-duration", 5, 8)]),
        (HUBSPOT + "every: 15\n", [("bad-duration", 5, 8)]),
        (HUBSPOT + "quota: 0%\n", [("bad-value", 5, 8)]),
        (HUBSPOT + "quota: 0.5\n", [("bad-value", 5, 8)]),
        (HUBSPOT + "events: [a]\n", [("wrong-type", 5, 9)]),
        (HUBSPOT + "events: {}\n", [("wrong-type", 5, 9)]),
        (HUBSPOT + "<<: {every: 1 hour}\n", [("unknown-key", 5, 1)]),
        (HUBSPOT.replace("{email: email}", "{}"), [("wrong-type", 4, 15)]),
        (HUBSPOT.replace("{email: email}", "{email: [a]}"), [("wrong-type", 4, 23)]),
        (MARKETO + "events: {v: {stream: activities, type: visit}}\n", [("wrong-type", 7, 40)]),
        (MARKETO + "events: {v: {stream: activities, type: 0}}\n", [("wrong-type", 7, 40)]),
        (SHOP.replace("customers.csv", "../customers.csv"), [("bad-path", 2, 18)]),
        (SHOP.replace("customers.csv", "/etc/passwd.csv"), [("bad-path", 2, 18)]),
        (SHOP.replace("customers.csv", "customers.xlsx"), [("bad-path", 2, 18)]),
        (SHOP + "folder: /tmp\n", [("bad-path", 10, 9)]),
        (SHOP.replace("{email: customer}", "{email: customer, phone: phone}"), [("bad-value", 7, 14)]),
        (SHOP.replace("    at: ordered_at\n", ""), [("missing-key", 4, 3)]),
        (SHOP.replace("  purchase:", "  contacts:"), [("bad-name", 3, 1)]),
    ],
)
def test_each_mistake_is_found_at_its_key_or_value(source: str, expected: list[tuple[str, int, int]]) -> None:
    assert _places(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a: b: c\n", ("yaml-syntax", 1, 5)),
        ("a:\n\tb: 1\n", ("yaml-syntax", 2, 1)),
        ("a: [1, 2\n", ("yaml-syntax", 1, 4)),
        ("a: 'x\n", ("yaml-syntax", 1, 4)),
        ("a:\n  - b\n c: d\n", ("yaml-syntax", 3, 2)),
        ("a: 1\nb\nc: 3\n", ("yaml-syntax", 2, 1)),
        ("a: @x\n", ("yaml-syntax", 1, 4)),
        ("a: x\0y\n", ("yaml-syntax", 1, 5)),
        ("a: \u2028\u2028\n\tb: 1\n", ("yaml-syntax", 2, 1)),
        ("a: &x 1\n", ("yaml-syntax", 1, 4)),
        ("a: !!python/object/apply:os.system ['true']\n", ("yaml-syntax", 1, 4)),
        ("a: 1\n---\nb: 2\n", ("yaml-syntax", 2, 1)),
        ("[" * 100_000, ("yaml-syntax", 1, 21)),
        (b"kind: files\n# caf\xe9\n", ("broken-encoding", 2, 6)),
        ("kind: files".encode("utf-16"), ("broken-encoding", 1, 1)),
    ],
)
def test_what_is_not_plain_yaml_is_found_at_its_place(source: str | bytes, expected: tuple[str, int, int]) -> None:
    assert _places(source)[0] == expected


def test_repeated_keys_show_both_places() -> None:
    (finding,) = _bad(HUBSPOT + "every: 1 hour\nevery: 2 hours\n")
    assert [(str(span), note) for span, note in finding.related] == [("crm.yml:5:1", "first written here")]


@pytest.mark.parametrize("name", ["my-crm", "2crm", "cr m", ""])
def test_a_file_whose_name_cannot_stand_in_rules_is_refused(name: str) -> None:
    assert _places(HUBSPOT, name) == [("bad-name", 1, 1)]


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("kind: hubspt\n", "did you mean hubspot? kinds: hubspot, marketo, ga4, files"),
        (HUBSPOT + "  trait: {a: b}\n", "did you mean traits? valid keys: identities, traits, created, consent"),
        (
            HUBSPOT + "  traits: {a: {type: string}}\n",
            "types: text, number, boolean, date, instant, list of text",
        ),
        (HUBSPOT + "every: 15 min\n", "write a whole number and seconds, minutes, hours, days or weeks: 15 minutes"),
    ],
)
def test_hints_name_the_cure_and_the_valid_words(source: str, hint: str) -> None:
    assert [finding.hint for finding in _bad(source)] == [hint]


# ---- secrets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", ["token: s3cr3t-value", "tokn: s3cr3t-value", "api_secret: 's3cr3t-value'", "client_id: s3cr3t-value # x"]
)
def test_a_secret_written_in_clear_is_shown_nowhere(line: str) -> None:
    for source in (
        f"kind: hubspot\n{line}\n",
        f"kind: hubspot\n{line}\n\t: broken [\n",
        f"{{kind: hubspot, {line}}}\n",
    ):
        spec, findings = load("crm", source, "crm.yml")
        shown = render(findings, {"crm.yml": redacted(source)}) + repr(findings) + repr(spec)
        assert "s3cr3t" not in shown
        assert [len(row) for row in redacted(source).split("\n")] == [len(row) for row in source.split("\n")]


@pytest.mark.parametrize("path", sorted(WORKSPACE.glob("*.yml")), ids=lambda path: path.stem)
def test_a_file_without_secrets_is_shown_as_it_is(path: Path) -> None:
    assert redacted(path.read_text()) == path.read_text()


def test_a_secret_is_read_from_its_variable_when_it_is_needed() -> None:
    spec = _good(HUBSPOT)
    assert reveal(spec.secrets["token"], "crm", {"HUBSPOT_TOKEN": " pat \n"}) == "pat"
    assert "pat" not in repr(spec)


@pytest.mark.parametrize("environ", [{}, {"HUBSPOT_TOKEN": ""}, {"HUBSPOT_TOKEN": " "}])
def test_a_variable_that_is_not_set_is_named_with_its_place(environ: dict[str, str]) -> None:
    with pytest.raises(MissingSecret, match=r"^crm.yml:2:8: connection crm needs .* HUBSPOT_TOKEN"):
        reveal(_good(HUBSPOT).secrets["token"], "crm", environ)


def test_an_endpoint_may_be_written_plainly_or_by_its_variable() -> None:
    assert setting(_good(HUBSPOT), "endpoint", {}) is None
    assert setting(_good(HUBSPOT + "endpoint: https://x.example/\n"), "endpoint", {}) == "https://x.example"
    by_variable = _good(HUBSPOT + "endpoint: env:WHERE\n")
    assert setting(by_variable, "endpoint", {"WHERE": "https://y.example"}) == "https://y.example"
    with pytest.raises(MissingSecret):
        setting(by_variable, "endpoint", {})


# ---- nothing breaks it ---------------------------------------------------------------------------------------------

YAML = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(["env:X", "1 hour", "50%"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["path", "identities", "traits", "events", "from", "type", "at", "x"]), inner),
    ),
    max_leaves=12,
)


@given(source=st.one_of(st.text(), st.binary()))
def test_any_text_is_read_or_refused_with_a_place(source: str | bytes) -> None:
    spec, findings = load("crm", source, "crm.yml")
    assert (spec is None) == bool(findings)


@given(
    kind=st.sampled_from(sorted(KINDS)), rest=st.dictionaries(st.sampled_from(["contacts", "events", "every"]), YAML)
)
def test_any_structure_is_read_or_refused_inside_the_file(kind: str, rest: dict[str, object]) -> None:
    source = yaml.safe_dump({"kind": kind, **rest}, allow_unicode=True, sort_keys=False)
    spec, findings = load("crm", source, "crm.yml")
    assert (spec is None) == bool(findings)
    assert all(1 <= finding.span.line <= source.count("\n") + 1 for finding in findings)
