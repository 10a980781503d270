"""Everything that is wrong with a connection file is found, each thing at its place, with the cure."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from segserver.connectors.declarations import load, validated
from segserver.connectors.schema import EVERY, EXPORT_LATENCY, KINDS, MOST_BYTES, Ga4
from segserver.connectors.schema_fields import Variable
from segserver.connectors.suggestions import cure
from segserver.errors import Diagnostic, Severity

GA4_READ = """\
kind: ga4
service_account: env:GA4_SERVICE_ACCOUNT
property: 1
events: {view: {stream: export, type: page_view}}
"""
GA4_AUDIENCE = """\
kind: ga4
service_account: env:GA4_SERVICE_ACCOUNT
property: 1
events:
  buyer: {{{}}}
"""
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


CLIENTS = """\
kind: files
contacts: {path: people.csv, identities: {email: email}, account: client_no}
accounts:
  path: clients.csv
  key: client_no
  traits: {industry: sector}
"""


def _bad(source: str | bytes, name: str = "crm") -> tuple[Diagnostic, ...]:
    spec, findings = load(name, source, "crm.yml")
    assert spec is None
    assert all(finding.severity is Severity.ERROR and finding.span.file == "crm.yml" for finding in findings)
    return findings


def _places(source: str | bytes, name: str = "crm") -> list[tuple[str, int, int]]:
    return [(finding.code, finding.span.line, finding.span.column) for finding in _bad(source, name)]


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
    wait: {from: x, type: durations}
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
        ("unknown-type", 10, 27),
        ("unknown-type", 11, 26),
        ("bad-value", 12, 9),
        ("unknown-key", 12, 32),
        ("bad-value", 13, 7),
        ("wrong-type", 14, 12),
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
        ("kind: ga4\nmeasurement_id: G\napi_secret: env:S\ncontacts: {}\n", [("not-supported-yet", 4, 1)]),
        ("kind: ga4\nevents: {view: {stream: export, type: page_view}}\n", [("missing-key", 1, 1)] * 3),
        (GA4_READ + "project: 'x`; DROP'\n", [("bad-value", 5, 10)]),
        (GA4_READ + "project: my-project\ndataset: a.b\n", [("bad-value", 6, 10)]),
        (GA4_READ + "project: my-project\nlocation: E U\n", [("bad-value", 6, 11)]),
        (GA4_READ + "project: my-project\nmost_bytes: 10 GB\n", [("wrong-type", 6, 13)]),
        (GA4_READ + "project: my-project\naudiences: true\n", [("missing-key", 1, 1)] * 2),
        (GA4_AUDIENCE.format("stream: audience"), [("missing-key", 5, 3)]),
        (GA4_AUDIENCE.format("stream: audience, audience: vip"), [("wrong-type", 5, 39)]),
        (GA4_AUDIENCE.format("stream: audience, audience: 7, type: x"), [("unknown-key", 5, 42)]),
        (GA4_AUDIENCE.format("stream: audience, audience: 7, where: {a: b}"), [("unknown-key", 5, 42)]),
        (GA4_AUDIENCE.format("stream: audience, audience: 7, properties: {plan: x}"), [("bad-value", 5, 55)]),
        (GA4_AUDIENCE.format("stream: export, type: x, audience: 7"), [("missing-key", 1, 1), ("unknown-key", 5, 36)]),
        (GA4_AUDIENCE.format("stream: report"), [("missing-key", 5, 3)]),
        (GA4_AUDIENCE.format("stream: report, contact: {a: x, b: y}"), [("bad-value", 5, 36)]),
        (GA4_AUDIENCE.format("stream: report, contact: {a: x}, back: 0 days"), [("bad-duration", 5, 50)]),
        (GA4_AUDIENCE.format("stream: report, contact: {a: x}, type: y"), [("unknown-key", 5, 44)]),
        (GA4_AUDIENCE.format("stream: audience, audience: 7, back: 2 days"), [("unknown-key", 5, 42)]),
        (GA4_AUDIENCE.format("stream: audience, audience: 7") + "quota: 0%\n", [("bad-value", 6, 8)]),
        (HUBSPOT + "endpoint: ftp://x\n", [("bad-value", 5, 11)]),
        (HUBSPOT + "endpoint: https://me:pw@x\n", [("secret-in-clear", 5, 11)]),
        (HUBSPOT + "endpoint: https://[x\n", [("bad-value", 5, 11)]),
        (HUBSPOT + "client_secret: env:NO WAY\n", [("bad-name", 5, 16)]),
        (HUBSPOT + "client_secret: 'env:'\n", [("bad-name", 5, 16)]),
        (HUBSPOT + "every: 0 minutes\n", [("bad-duration", 5, 8)]),
        (HUBSPOT + "every: 15\n", [("bad-duration", 5, 8)]),
        (HUBSPOT + "read back: never\n", [("bad-duration", 5, 12)]),
        (HUBSPOT + "read back: 0 days\n", [("bad-duration", 5, 12)]),
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
        (SHOP.replace("  purchase:", "  accounts:"), [("bad-name", 3, 1)]),
        (CLIENTS.replace(", account: client_no", ""), [("missing-key", 3, 1)]),
        (CLIENTS.replace("  key: client_no\n", ""), [("missing-key", 3, 1)]),
        (CLIENTS.replace("  traits: {industry: sector}\n", ""), [("missing-key", 3, 1)]),
        (CLIENTS.replace("{industry: sector}", "{}"), [("wrong-type", 6, 11)]),
        (CLIENTS.replace(": sector", ": {history: true}"), [("not-supported-yet", 6, 23)]),
        (HUBSPOT + "  account: a\naccounts: {key: domain, traits: {x: y}}\n", [("unknown-key", 6, 12)]),
        (HUBSPOT + "accounts: {traits: {x: y}}\n", [("missing-key", 5, 1)]),
        (HUBSPOT + "  traits: {home: {from: [lat], type: place}}\n", [("bad-value", 5, 25)]),
        (HUBSPOT + "  traits: {home: {from: [lat, {}], type: place}}\n", [("wrong-type", 5, 25)]),
        (HUBSPOT + "  traits: {home: {from: [lat, lon]}}\n", [("bad-value", 5, 25)]),
        (HUBSPOT + "  traits: {home: {from: [a, b], type: place, history: true}}\n", [("bad-value", 5, 46)]),
        (MARKETO + "accounts: {traits: {x: y}}\n", [("not-supported-yet", 7, 1)]),
        (MARKETO + "activities: {due: {key: k}}\n", [("missing-key", 7, 14)]),
        (MARKETO + "activities: {due: {type: due, kay: k}}\n", [("wrong-type", 7, 26), ("unknown-key", 7, 31)]),
        (MARKETO + "activities: {}\n", [("wrong-type", 7, 13)]),
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
        ("kind: hubspt\n", "did you mean hubspot? kinds: files, ga4, hubspot, marketo"),
        (
            HUBSPOT + "  trait: {a: b}\n",
            "did you mean traits? valid keys: identities, traits, created, account, consent",
        ),
        (
            HUBSPOT + "  traits: {a: {type: string}}\n",
            "types: number, text, boolean, instant, date, duration, place, list of text",
        ),
        (HUBSPOT + "every: 15 min\n", "write a whole number and seconds, minutes, hours, days or weeks: 15 minutes"),
    ],
)
def test_hints_name_the_cure_and_the_valid_words(source: str, hint: str) -> None:
    assert [finding.hint for finding in _bad(source)] == [hint]


# ---- other files of the workspace ----------------------------------------------------------------------------------


def test_another_yaml_file_is_checked_against_its_own_keys() -> None:
    source = "kind: ga4\nmeasurement_id: G\napi_secret: env:S\n"
    assert validated(source, "x.yml", Ga4) == (
        {
            "kind": "ga4",
            "audiences": False,
            "measurement_id": "G",
            "api_secret": Variable("S"),
            "identity": "ga_client_id",
            "user_identity": None,
            "quota": 0.5,
            "most_bytes": MOST_BYTES,
            "every": EVERY,
            "latency": EXPORT_LATENCY,
            "events": {},
            "analytics_consent": None,
            "ads_consent": None,
            "custom_dimensions": False,
        },
        (),
    )


@pytest.mark.parametrize(
    ("source", "codes"),
    [
        ("", ["missing-key"] * 3),
        ("- a\n", ["wrong-type"]),
        ("text\n", ["wrong-type"]),
        ("a: [\n", ["yaml-syntax"]),
        ("kind: ga4\nkind: ga4\nmeasurement_id: G\napi_secret: env:S\n", ["duplicate-key"]),
    ],
)
def test_no_values_come_from_a_yaml_file_with_findings(source: str, codes: list[str]) -> None:
    values, findings = validated(source, "x.yml", Ga4)
    assert values is None
    assert [finding.code for finding in findings] == codes


def test_a_hint_names_only_the_first_of_many_valid_words() -> None:
    words = [f"word{number}" for number in range(300)]
    assert cure("word29", words, "words").startswith("did you mean word29? words: word0, word1")
    assert cure("zzz", words, "words").endswith("word19 and 280 more")


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
