from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from segserver.errors import Span
from segserver.records import ContactRecord, EventRecord
from segserver.specs.catalog import Catalog, Event, Trait
from segserver.specs.connections import ConnectionSpec, ConsentSpec, PropertySpec, TraitSpec
from segserver.specs.types import DURATION, NUMBER, TEXT, Kind, Type
from segserver.store import people, schema

AT = datetime(2026, 2, 1)
PLACE = Span("connectors/crm.yml", 1, 1, 1, 2)


@pytest.fixture
def filled(bench: Any) -> Any:
    """A store with a person, an event of each kind and cursors."""
    bench.take(
        "crm",
        ContactRecord(
            "1", {"email": "ada@x.org"}, {"country": "FR", "stage": "lead", "mrr": Decimal(5)}, updated_at=AT
        ),
        EventRecord("purchase", "d", "1", None, AT, None, {"amount": Decimal("12.5")}),
        cursor={"after": 1},
        complete_through=AT,
    )
    bench.take(
        "engage",
        ContactRecord("e", {"email": "ada@x.org"}, {"country": "BE"}),
        EventRecord("page_view", "v", "e", None, AT, None, {"path": "/"}),
        cursor={"after": 2},
    )
    return bench


def contact_spec(spec: ConnectionSpec, **changes: Any) -> ConnectionSpec:
    assert spec.contacts is not None
    return replace(spec, contacts=replace(spec.contacts, **changes))


def with_trait(
    catalog: Catalog, specs: Mapping[str, ConnectionSpec], name: str, kind: Type, *, history: bool = False
) -> tuple[Catalog, list[ConnectionSpec]]:
    """The workspace with a trait of the crm added or declared in another way."""
    crm = specs["crm"]
    assert crm.contacts is not None
    kept = tuple(trait for trait in crm.contacts.traits if trait.name != name)
    traits = (*kept, TraitSpec(name, name, kind, PLACE, history=history))
    wanted = replace(catalog, traits={**catalog.traits, name: Trait(name, kind, history, ("crm",))})
    return wanted, [contact_spec(crm, traits=traits), specs["engage"]]


def cursors(bench: Any) -> list[object]:
    return [row["connection"] for row in bench.rows("SELECT connection FROM cursors ORDER BY connection")]


def test_preparing_again_changes_nothing(filled: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]) -> None:
    before = filled.dump()
    prepared = filled.store.prepare(catalog, specs.values())
    assert (prepared.changes, prepared.reset) == ((), ())
    assert filled.dump() == before


def test_a_new_trait_gets_its_columns_and_a_new_pull_of_its_connection(
    filled: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    wanted, connections = with_trait(catalog, specs, "city", TEXT)
    prepared = filled.store.prepare(wanted, connections)
    assert prepared.changes == ("added contacts.t_city", "added source_crm.t_city")
    assert prepared.reset == ("crm",)
    assert cursors(filled) == ["engage"]
    assert filled.rows("SELECT * FROM watermarks") == []
    traits = {"country": "FR", "stage": "lead", "mrr": Decimal(5), "city": "Lyon"}
    filled.take("crm", ContactRecord("1", {"email": "ada@x.org"}, traits, updated_at=AT))
    assert filled.contact()["t_city"] == "Lyon"


def test_another_type_rebuilds_the_column_and_keeps_what_can_be_read(
    filled: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    prepared = filled.store.prepare(*with_trait(catalog, specs, "mrr", TEXT))
    assert prepared.reset == ("crm",)
    assert filled.contact()["t_mrr"] == "5.000000"
    prepared = filled.store.prepare(*with_trait(catalog, specs, "country", NUMBER))
    assert "source_crm.t_country is now DECIMAL(18,6)" in prepared.changes
    assert filled.contact()["t_country"] is None


def test_places_and_durations_are_kept_and_their_columns_stay_as_they_are(
    filled: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    for kind, value, stored in (
        (Type(Kind.PLACE), (48.85, 2.35), {"latitude": 48.85, "longitude": 2.35}),
        (DURATION, timedelta(minutes=90), 90 * 60 * 1_000_000),
    ):
        wanted = with_trait(catalog, specs, "home", kind, history=True)
        filled.store.prepare(*wanted)
        at = filled.clock.now()
        record = ContactRecord("1", {"email": "ada@x.org"}, {"home": value}, updated_at=at)
        assert filled.take("crm", record).records == 1
        assert filled.take("crm", record).records == 0
        assert filled.contact()["t_home"] == stored
        shown = people.person(filled.session, str(filled.contact()["contact_id"]))
        assert shown is not None
        traits = shown["traits"]
        assert isinstance(traits, dict)
        assert traits["home"] == (stored if isinstance(value, tuple) else value)
        assert filled.rows("SELECT value FROM history_home WHERE valid_to IS NULL") == [{"value": stored}]
        assert filled.store.prepare(*wanted).changes == ()
        assert filled.contact()["t_home"] == stored
        filled.clock.advance(timedelta(hours=1))


def test_history_begins_with_the_values_that_are_stored(
    filled: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    filled.store.prepare(*with_trait(catalog, specs, "mrr", NUMBER, history=True))
    assert filled.rows("SELECT value, valid_from, valid_to FROM history_mrr") == [
        {"value": 5, "valid_from": AT, "valid_to": None}
    ]


def test_a_trait_that_is_gone_takes_its_columns_with_it_and_asks_for_no_pull(
    filled: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    crm = specs["crm"]
    assert crm.contacts is not None
    wanted = replace(catalog, traits={k: v for k, v in catalog.traits.items() if k != "stage"})
    kept = tuple(trait for trait in crm.contacts.traits if trait.name != "stage")
    prepared = filled.store.prepare(wanted, [contact_spec(crm, traits=kept), specs["engage"]])
    assert set(prepared.changes) == {"dropped history_stage", "dropped contacts.t_stage", "dropped source_crm.t_stage"}
    assert prepared.reset == ()
    assert cursors(filled) == ["crm", "engage"]


def test_another_field_under_the_same_name_asks_for_a_new_pull(
    filled: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    crm = specs["crm"]
    assert crm.contacts is not None
    traits = tuple(replace(trait, field="land") if trait.name == "country" else trait for trait in crm.contacts.traits)
    prepared = filled.store.prepare(catalog, [contact_spec(crm, traits=traits), specs["engage"]])
    assert (prepared.changes, prepared.reset) == ((), ("crm",))


def test_another_order_of_sources_takes_effect_at_once(
    filled: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    assert filled.contact()["t_country"] == "FR"
    country = replace(catalog.traits["country"], sources=("engage", "crm"))
    filled.store.prepare(replace(catalog, traits={**catalog.traits, "country": country}), specs.values())
    assert filled.contact()["t_country"] == "BE"


def test_a_new_consent_line_takes_effect_at_once(
    filled: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    assert filled.contact()["consent_email"] is True
    lines = (ConsentSpec("email", "granted", "granted", PLACE),)
    prepared = filled.store.prepare(catalog, [specs["crm"], contact_spec(specs["engage"], consent=lines)])
    assert prepared.reset == ("engage",)
    assert filled.contact()["consent_email"] is False


def test_a_new_event_and_a_new_property_get_their_table_and_column(
    filled: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    crm = specs["crm"]
    items = PropertySpec("items", "items", NUMBER, PLACE)
    events = (
        replace(crm.events[0], properties=(*crm.events[0].properties, items)),
        replace(crm.events[0], name="refund"),
    )
    wanted = replace(
        catalog,
        events={
            **catalog.events,
            "purchase": Event("purchase", {"amount": NUMBER, "items": NUMBER}, ("crm",)),
            "refund": Event("refund", {"amount": NUMBER}, ("crm",)),
        },
    )
    prepared = filled.store.prepare(wanted, [replace(crm, events=events), specs["engage"]])
    assert prepared.changes == ("added event_purchase.p_items", "created event_refund")
    assert prepared.reset == ("crm",)
    properties = {"amount": Decimal("12.5"), "items": Decimal(3)}
    filled.take("crm", EventRecord("purchase", "d", "1", None, AT, None, properties))
    assert filled.rows("SELECT p_items FROM event_purchase") == [{"p_items": 3}]


def _with_stream(spec: ConnectionSpec, stream: str, *, own_place: bool = True) -> ConnectionSpec:
    """The connection with another one of its event's streams."""
    (event,) = spec.events
    return replace(spec, events=(replace(event, options={"stream": stream}, own_place=own_place),))


def _reading(bench: Any) -> tuple[list[str], list[str]]:
    """Streams with a cursor and streams that are read to their end."""
    return tuple(
        [row["stream"] for row in bench.rows(f"SELECT stream FROM {table} ORDER BY ALL")]
        for table in ("cursors", "watermarks")
    )


def _as_read(bench: Any, *events: str) -> None:
    """Two streams that were read to their end."""
    bench.session.execute("DELETE FROM cursors")
    bench.session.execute("DELETE FROM watermarks")
    for stream, cursor in (("audience", {"events": {event: {} for event in events}}), ("contacts", {"after": 1})):
        bench.session.execute("INSERT INTO cursors VALUES ('crm', ?, ?, ?)", [stream, json.dumps(cursor), AT])
        bench.session.execute("INSERT INTO watermarks VALUES ('crm', ?, ?)", [stream, AT])


def _places(bench: Any) -> list[str]:
    (row,) = bench.rows("SELECT cursor FROM cursors WHERE stream = 'audience'")
    return sorted(json.loads(row["cursor"])["events"])


def test_a_stream_that_knows_its_declarations_keeps_its_place_whatever_else_changes(
    bench: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    crm = _with_stream(specs["crm"], "audience")
    bench.store.prepare(catalog, [crm, specs["engage"]])
    _as_read(bench, "purchase")
    wanted, (wider, engage) = with_trait(catalog, {**specs, "crm": crm}, "tier", TEXT)
    assert bench.store.prepare(wanted, [wider, engage]).reset == ("crm",)
    assert _reading(bench) == (["audience"], ["audience"])


def test_what_is_new_or_declared_in_another_way_there_is_not_read_to_its_end(
    bench: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    crm = _with_stream(specs["crm"], "audience")
    bench.store.prepare(catalog, [crm, specs["engage"]])
    _as_read(bench, "purchase")
    more = (*crm.events, replace(crm.events[0], name="refund"))
    wanted = replace(catalog, events={**catalog.events, "refund": Event("refund", {"amount": NUMBER}, ("crm",))})
    assert bench.store.prepare(wanted, [replace(crm, events=more), specs["engage"]]).reset == ()
    assert (_reading(bench), _places(bench)) == ((["audience", "contacts"], ["contacts"]), ["purchase"])
    _as_read(bench, "purchase", "refund")
    other = (more[0], replace(more[1], options={"stream": "audience", "audience": 9}))
    assert bench.store.prepare(wanted, [replace(crm, events=other), specs["engage"]]).reset == ()
    assert (_reading(bench)[1], _places(bench)) == (["contacts"], ["purchase", "refund"])


def test_an_event_that_comes_back_there_is_read_from_the_beginning(
    bench: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    crm = _with_stream(specs["crm"], "audience")
    more = replace(crm, events=(*crm.events, replace(crm.events[0], name="refund")))
    wanted = replace(catalog, events={**catalog.events, "refund": Event("refund", {"amount": NUMBER}, ("crm",))})
    bench.store.prepare(wanted, [more, specs["engage"]])
    _as_read(bench, "purchase", "refund")
    bench.store.prepare(catalog, [crm, specs["engage"]])
    bench.store.prepare(wanted, [more, specs["engage"]])
    assert (_reading(bench)[1], _places(bench)) == (["contacts"], ["purchase"])


def test_a_store_that_does_not_know_of_such_places_goes_on(
    bench: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    crm = _with_stream(specs["crm"], "audience")
    bench.store.prepare(catalog, [crm, specs["engage"]])
    _as_read(bench, "purchase")
    known = json.loads(schema.meta(bench.session, "layout") or "{}")
    left = {name: told for name, told in known.items() if name not in ("streams", "own_places")}
    schema.set_meta(bench.session, "layout", json.dumps(left))
    bench.store.prepare(catalog, [crm, specs["engage"]])
    assert _reading(bench) == (["audience", "contacts"], ["audience", "contacts"])


def test_an_event_that_another_stream_gives_now_begins_anew(
    filled: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    (event,) = specs["crm"].events
    assert filled.rows("SELECT * FROM event_purchase")
    filled.store.prepare(catalog, [_with_stream(specs["crm"], str(event.options.get("stream", ""))), specs["engage"]])
    assert filled.rows("SELECT * FROM event_purchase")
    filled.store.prepare(catalog, [_with_stream(specs["crm"], "report"), specs["engage"]])
    assert filled.rows("SELECT * FROM event_purchase") == []


def test_events_of_a_time_when_their_names_were_not_kept_are_read_again(
    filled: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    assert "crm" in cursors(filled)
    for column in ("named_kind", "named_value"):
        filled.session.execute(f"ALTER TABLE event_purchase DROP COLUMN {column}")
    assert filled.store.prepare(catalog, specs.values()).reset == ("crm",)
    assert "crm" not in cursors(filled) and "engage" in cursors(filled)


def test_a_connection_that_is_gone_takes_its_records_events_and_contacts_with_it(
    filled: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    filled.take("engage", ContactRecord("only here", {"email": "eve@x.org"}, {"country": "CH"}))
    country = replace(catalog.traits["country"], sources=("crm",))
    wanted = replace(
        catalog,
        traits={**catalog.traits, "country": country},
        events={"purchase": catalog.events["purchase"]},
        connections={"crm": "hubspot"},
        destinations={"crm": "hubspot"},
    )
    filled.store.prepare(wanted, [specs["crm"]])
    assert filled.contact()["t_country"] == "FR"
    assert filled.rows("SELECT DISTINCT connection FROM identities") == [{"connection": "crm"}]
    assert cursors(filled) == ["crm"]
    prepared = filled.store.prepare(catalog, specs.values())
    assert "created source_engage" in prepared.changes
    assert cursors(filled) == ["crm"]


def test_an_event_that_two_connections_gave_keeps_those_of_the_one_that_stays(
    filled: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec]
) -> None:
    filled.session.execute(
        "INSERT INTO event_purchase SELECT * REPLACE ('shop' AS connection, 'other' AS event_key) FROM event_purchase"
    )
    wanted = replace(
        catalog, events={**catalog.events, "purchase": replace(catalog.events["purchase"], sources=("crm",))}
    )
    lines = replace(specs["crm"], options={})
    filled.store.prepare(replace(wanted, traits={k: v for k, v in wanted.traits.items() if k != "tags"}), [lines])
    assert filled.rows("SELECT connection FROM event_purchase") == [{"connection": "crm"}]


def test_a_change_that_fails_leaves_everything_as_it_was(
    filled: Any, catalog: Catalog, specs: Mapping[str, ConnectionSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    before = filled.dump()
    monkeypatch.setattr("segserver.store.prepare.recompute_all", fail)
    with pytest.raises(RuntimeError):
        filled.store.prepare(*with_trait(catalog, specs, "city", TEXT))
    assert filled.dump() == before
