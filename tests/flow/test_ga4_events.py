"""Exported events of Google Analytics decide membership of the contacts that other connections know."""

from __future__ import annotations

from segserver.clock import to_epoch_ms

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


def test_who_read_a_page_joins_and_leaves_when_google_takes_the_event_back(tmp_path, make_world):
    world = make_world(tmp_path)
    (world.directory / "connectors" / "web.yml").write_text(WEB, encoding="utf-8")
    (world.directory / "rules" / "tea.seg").write_text(RULE, encoding="utf-8")
    with world.served():
        client = next(
            str(one.properties["ga_client_id"])
            for one in world.sandbox.hubspot.contacts
            if "ga_client_id" in one.properties
        )
        exported(world, client)
        world.run()
        assert world.ask("SELECT count(*) FROM memberships WHERE segment = 'tea_readers'") == [(1,)]
        assert world.sandbox.ga4.user_properties[client]["seg_tea"] == "1"
        world.pass_time(hours=2)
        exported(world, None)
        world.run()
        assert world.sandbox.ga4.user_properties[client]["seg_tea"] == "0"
