"""A contact that HubSpot erased for privacy is known nowhere any more; one that it restored is known again."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

HUBSPOT_ONLY = "forgotten@example.com"
MARKS = (HUBSPOT_ONLY, "Xanthippe", "Ruritania")


@pytest.fixture
def world(make_world, tmp_path, caplog):
    """A workspace that reads the journal; one contact is at HubSpot alone and was pushed by the first run."""
    caplog.set_level(logging.DEBUG)
    made = make_world(tmp_path, people_count=20)
    file = made.directory / "connectors" / "crm.yml"
    text = file.read_text(encoding="utf-8")
    journal = "token: env:HUBSPOT_TOKEN\nclient_id: env:HUBSPOT_CLIENT_ID\njournal: true\n"
    file.write_text(text.replace("token: env:HUBSPOT_TOKEN", journal, 1), encoding="utf-8")
    rule = 'segment everybody\n  where country is known\n  push to crm list "Everybody"\n'
    (made.directory / "rules" / "everybody.seg").write_text(rule, encoding="utf-8")
    account = made.sandbox.hubspot
    values = {"email": HUBSPOT_ONLY, "firstname": MARKS[1], "country": MARKS[2]}
    made.contact = str(account.contacts.create(values, made.clock.now() - timedelta(days=30)).id)
    with made.served() as served:
        assert served.run().status == "done"
        assert all(mark in stored(served) for mark in MARKS)
        assert served.contact in account.lists["Everybody"]
        served.go_on(hours=1)
        yield served


def stored(world):
    """Every row of every table."""
    tables = [name for (name,) in world.ask("SELECT table_name FROM duckdb_tables()")]
    return repr([world.ask(f'FROM "{table}"') for table in tables])


def test_nothing_of_an_erased_contact_is_left_in_store_files_reports_and_logs(world, caplog):
    world.sandbox.delete_contact(world.contact, for_privacy=True)
    caplog.clear()
    reports = [world.run()]
    for hours in (4, 8):
        world.go_on(hours=hours)
        reports.append(world.run())
    assert [report.status for report in reports] == ["done"] * 3
    texts = [stored(world), caplog.text, repr([report.to_dict() for report in reports])]
    texts += [file.read_text("utf-8") for file in world.store_path.parent.glob("*.json")]
    for text in texts:
        assert not [mark for mark in MARKS if mark in text]
    assert world.contact not in repr(world.ask("SELECT source_id FROM source_crm"))


@pytest.mark.long
def test_an_old_copy_of_an_erased_contact_does_not_come_back(world):
    world.sandbox.delete_contact(world.contact, for_privacy=True)
    world.run()
    rows = world.ask("SELECT count(*) FROM source_crm")
    with world.engine() as engine, engine.store.session() as session:
        session.execute("DELETE FROM cursors WHERE connection = 'crm'")
    world.go_on(hours=4)
    assert world.run().status == "done"
    assert world.ask("SELECT count(*) FROM source_crm") == rows


@pytest.mark.long
@pytest.mark.parametrize("touched", [True, False])
def test_a_restored_contact_is_back_with_its_values(world, touched):
    world.sandbox.delete_contact(world.contact)
    world.run()
    assert world.ask(f"SELECT deleted_at IS NULL FROM source_crm WHERE source_id = '{world.contact}'") == [(False,)]
    world.go_on(hours=4)
    world.sandbox.hubspot.restore_contact(world.contact, touched=touched)
    world.run()
    found = world.ask(f"SELECT deleted_at FROM source_crm WHERE source_id = '{world.contact}'")
    assert found == [(None,)]
    assert all(mark in stored(world) for mark in MARKS)
    assert world.contact in world.sandbox.hubspot.lists["Everybody"]
