"""Exported events and audiences of Google Analytics decide membership of the contacts that other connections know."""

from __future__ import annotations

from datetime import timedelta

import pytest

from segserver.cli.explaining import the_contact
from segserver.clock import to_epoch_ms
from segserver.connectors.files_keys import KeyFiles
from segserver.store.forgetting import forget_contact

WEB = """\
kind: ga4
measurement_id: env:GA4_MEASUREMENT_ID
api_secret: env:GA4_API_SECRET
audiences: true
service_account: env:GA4_SERVICE_ACCOUNT
property: 424242
project: sandbox-project
events:
  site_view:
    stream: export
    type: page_view
    properties: {page: page_location}
"""

RULE = """
segment tea_readers
  where did site_view where page is "/tea" in last 7 days
  push to web user property "seg_tea"
"""


def exported(world, client):
    at = to_epoch_ms(world.clock.now()) * 1000 - 3_600_000_000
    day = f"{world.clock.now():%Y%m%d}"
    page = {"event_params": {"page_location": "/tea"}}
    row = {"event_name": "page_view", "event_timestamp": at, "user_pseudo_id": client, **page}
    world.sandbox.ga4.warehouse.export(day, [row] if client else [])


def known_client(world):
    contacts = world.sandbox.hubspot.contacts
    return next(str(one.properties["ga_client_id"]) for one in contacts if "ga_client_id" in one.properties)


@pytest.mark.long
def test_who_read_a_page_joins_and_leaves_when_google_takes_the_event_back(tmp_path, make_world):
    world = make_world(tmp_path)
    (world.directory / "connectors" / "web.yml").write_text(WEB, encoding="utf-8")
    (world.directory / "rules" / "tea.seg").write_text(RULE, encoding="utf-8")
    with world.served():
        client = known_client(world)
        exported(world, client)
        world.run()
        assert world.ask("SELECT count(*) FROM memberships WHERE segment = 'tea_readers'") == [(1,)]
        assert world.sandbox.ga4.user_properties[client]["seg_tea"] == "1"
        world.pass_time(hours=2)
        exported(world, None)
        world.run()
        assert world.sandbox.ga4.user_properties[client]["seg_tea"] == "0"


AUDIENCE = """\
kind: ga4
measurement_id: env:GA4_MEASUREMENT_ID
api_secret: env:GA4_API_SECRET
audiences: true
service_account: env:GA4_SERVICE_ACCOUNT
property: 424242
events:
  likely_buyer:
    stream: audience
    audience: 7
    properties: {member: {type: boolean}}
"""

BUYERS = """
trait buys_soon = last(likely_buyer.member)

segment buyers
  where buys_soon
  push to web user property "seg_buyers"
"""


def test_an_audience_of_google_decides_once_its_export_was_read(tmp_path, make_world):
    world = make_world(tmp_path)
    (world.directory / "connectors" / "web.yml").write_text(AUDIENCE, encoding="utf-8")
    (world.directory / "rules" / "buyers.seg").write_text(BUYERS, encoding="utf-8")
    with world.served():
        audiences, client = world.sandbox.ga4.audiences, known_client(world)
        audiences.put("7", client)
        world.run()
        assert world.sandbox.ga4.user_properties == {}
        world.pass_time(minutes=20)
        world.run()
        assert world.sandbox.ga4.user_properties[client]["seg_buyers"] == "1"
        audiences.members["7"].clear()
        world.pass_time(hours=25)
        world.run()
        world.pass_time(minutes=20)
        world.run()
        assert world.sandbox.ga4.user_properties[client]["seg_buyers"] == "0"


def test_who_is_forgotten_is_not_remembered_as_a_member_either(tmp_path, make_world):
    world = make_world(tmp_path)
    (world.directory / "connectors" / "web.yml").write_text(AUDIENCE, encoding="utf-8")
    with world.served():
        client = known_client(world)
        world.sandbox.ga4.audiences.put("7", client, "1.99")
        for _ in range(2):
            world.run()
            world.pass_time(minutes=20)
        assert kept(world) == {client, "1.99"}
        with world.engine() as engine, engine.store.session() as session:
            forget_contact(session, the_contact(session, client), world.clock.now())
        world.run()
        assert kept(world) == {"1.99"}
        for _ in range(2):
            world.pass_time(hours=25)
            world.run()
        assert kept(world) == {"1.99"}


def kept(world):
    """Whom key files name."""
    files = (world.directory / ".segserver" / "ga4").rglob("*.parquet")
    return {entry[2:] for file in files for entry, _ in KeyFiles.read(file)}


REPORT = (
    AUDIENCE.split("events:", maxsplit=1)[0]
    + """\
events:
  web_day:
    stream: report
    contact: {ga_client_id: "customUser:client_id"}
    properties: {pages: {from: screenPageViews, type: number}}
"""
)

READERS = """
segment readers
  where sum(web_day.pages in last 7 days) >= 10
  push to web user property "seg_readers"
"""


@pytest.mark.long
def test_a_report_decides_unless_google_withheld_a_part_of_it(tmp_path, make_world):
    world = make_world(tmp_path)
    (world.directory / "connectors" / "web.yml").write_text(REPORT, encoding="utf-8")
    (world.directory / "rules" / "readers.seg").write_text(READERS, encoding="utf-8")
    with world.served():
        reports, client = world.sandbox.ga4.reports, known_client(world)
        yesterday = f"{world.clock.now() - timedelta(days=1):%Y%m%d}"
        reports.facts.append({"date": yesterday, "customUser:client_id": client, "screenPageViews": 12})
        reports.flaws[yesterday] = {"subjectToThresholding": True}
        report = world.run()
        assert "is not exact (thresholds)" in report.sync["web"].failure
        assert world.sandbox.ga4.user_properties == {}
        reports.flaws.clear()
        world.run()
        assert world.sandbox.ga4.user_properties[client]["seg_readers"] == "1"
