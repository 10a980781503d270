"""A connection file says what is read and written, or everything that is wrong with it, each thing at its place."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from segserver.connectors.declarations import load, redacted, reveal, setting
from segserver.errors import MissingSecret, Span, render
from segserver.specs.connections import AccountsSpec, ConnectionSpec, ConsentSpec, Secret, TraitSpec
from segserver.specs.types import BOOLEAN, DATE, NUMBER, TEXT, TEXTS, Kind, Type

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


# ---- what a good file means ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(WORKSPACE.glob("*.yml")), ids=lambda path: path.stem)
def test_the_connections_of_the_demonstration_are_good(path: Path) -> None:
    spec, findings = load(path.stem, path.read_bytes(), f"connectors/{path.name}")
    assert findings == ()
    assert spec is not None
    assert spec.name == path.stem


def test_accounts_of_files_say_their_key_and_their_traits() -> None:
    spec = _good(
        """\
kind: files
contacts: {path: people.csv, identities: {email: email}, account: client_no}
accounts:
  path: "clients*.parquet"
  key: no
  traits: {industry: sector, size: {type: number, unit: seats}}
""",
        "crm",
    )
    assert spec.contacts is not None
    assert (spec.contacts.account, spec.contacts.options) == ("client_no", {"path": "people.csv"})
    assert spec.accounts == AccountsSpec(
        key="no",
        traits=(
            TraitSpec("industry", "sector", TEXT, Span("crm.yml", 6, 12, 6, 20), history=False),
            TraitSpec("size", "size", Type(Kind.NUMBER, "seats"), Span("crm.yml", 6, 30, 6, 34), history=False),
        ),
        options={"path": "clients*.parquet"},
        place=Span("crm.yml", 3, 1, 3, 9),
    )
    assert "accounts" not in spec.options


def test_accounts_of_hubspot_are_named_by_their_record() -> None:
    spec = _good(HUBSPOT + "  account: associatedcompanyid\naccounts: {traits: {industry: industry}}\n")
    assert spec.contacts is not None
    assert spec.accounts is not None
    assert (spec.contacts.account, spec.accounts.key) == ("associatedcompanyid", "hs_object_id")


def test_a_place_is_read_from_two_fields_or_from_one() -> None:
    spec = _good(HUBSPOT + "  traits: {home: {from: [lat, lon], type: place}, office: {type: place, history: true}}\n")
    assert spec.contacts is not None
    home, office = spec.contacts.traits
    assert (home.type.kind, home.field, home.longitude, home.fields) == (Kind.PLACE, "lat", "lon", ("lat", "lon"))
    assert (office.type.kind, office.fields, office.history) == (Kind.PLACE, ("office",), True)


def test_a_contact_may_name_an_account_that_nothing_describes() -> None:
    spec = _good(MARKETO + "  account: company\n")
    assert spec.contacts is not None
    assert (spec.contacts.account, spec.accounts) == ("company", None)


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
    assert spec.events == ()
    assert spec.options.items() >= {"measurement_id": "G-1", "identity": "ga_client_id", "user_identity": None}.items()


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
