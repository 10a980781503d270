"""What must hold of the reader of rules whatever bytes it is given."""

from __future__ import annotations

from segserver.errors import Severity, render
from segserver.rules.check import check
from segserver.rules.findings import CODES
from segserver.specs.catalog import Catalog, Event, Trait
from segserver.specs.types import BOOLEAN, DATE, INSTANT, NUMBER, TEXT, TEXTS, Kind, Type

_TRAITS = {
    "country": TEXT,
    "plan": TEXT,
    "seats": NUMBER,
    "spend": Type(Kind.NUMBER, "EUR"),
    "subscribed": BOOLEAN,
    "birthday": DATE,
    "seen_at": INSTANT,
    "interests": TEXTS,
    "home": Type(Kind.PLACE),
}
_CONNECTIONS = {"crm": "hubspot", "engage": "marketo", "web": "ga4", "shop": "files"}
CATALOG = Catalog(
    traits={name: Trait(name, kind, True, ("crm",)) for name, kind in _TRAITS.items()},
    events={
        "purchase": Event("purchase", {"amount": Type(Kind.NUMBER, "EUR"), "sku": TEXT}, ("crm",)),
        "page_view": Event("page_view", {"path": TEXT}, ("engage",)),
    },
    channels=("email", "sms"),
    destinations=_CONNECTIONS,
    connections=_CONNECTIONS,
    account_traits={"industry": Trait("industry", TEXT, False, ("crm",))},
)


def read(raw: bytes) -> None:
    """Check bytes as a rule file.

    Raises:
        AssertionError: there is neither a program nor an error, or a finding that nobody could act upon.
    """
    program, found = check({"fuzz.seg": raw}, CATALOG, zone="Europe/Paris")
    errors = [item for item in found if item.severity is Severity.ERROR]
    assert (program is None) == bool(errors), found
    text = raw.decode("utf-8", "replace")
    lines = text.split("\n")
    for item in found:
        assert item.code in CODES, item
        assert item.message, item
        assert 1 <= item.span.line <= len(lines), item
        assert 1 <= item.span.column <= len(lines[item.span.line - 1]) + 1, item
    render(found, {"fuzz.seg": text})
