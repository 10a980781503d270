"""A diff of n records takes as many calls as the platform asks for and not one more, through the whole push."""

from __future__ import annotations

from math import ceil

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from segserver.progress import silent
from segserver.pushing import values
from segserver.pushing.report import PushReport
from segserver.specs.catalog import Catalog
from segserver.store.db import Store

PEOPLE = 1_300
COLUMNS = ("connection", "target_kind", "target_name", "contact_id", "address", "value")

few = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
numbers = st.one_of(st.integers(0, PEOPLE // 2), st.sampled_from([100, 101, 299, 300, 301, 600, 650]))
lists = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=3)
"""For each list, how many are added and how many are taken out."""


@pytest.fixture
def pushing(open_subject, crowd, traffic):
    """Pushes changes with a fresh connector and says what was called: `pushing(kind)(rows)`."""
    stores = []

    def opened(kind):
        subject = open_subject(kind, crowd)
        store = Store.open(None, clock=subject.clock)
        stores.append(store)
        known = {subject.name: kind}
        catalog = Catalog(traits={}, events={}, channels=(), destinations=known, connections=known)
        store.prepare(catalog, [subject.connector().spec])
        with store.session() as session:
            session.execute(
                "INSERT INTO contacts (contact_id, suppressed) SELECT 'c' || range, false FROM range(?)", [PEOPLE]
            )

        def push(rows):
            columns = zip(*((subject.name, *row) for row in rows), strict=True)
            table = pa.table([pa.array(column, pa.string()) for column in columns], names=COLUMNS)
            extra = {"origin": pa.nulls(len(rows), pa.string()), "moved": pa.array([False] * len(rows))}
            for name, column in extra.items():
                table = table.append_column(name, column)
            report = PushReport(subject.name)
            traffic.forget()
            with store.session() as session:
                values.write(session, subject.destination(), table, report, subject.clock, silent)
            assert (dict(report.written).keys() <= {"confirmed", "sent"}, report.left) == (True, [])
            assert sum(report.written.values()) == len(rows)
            return traffic

        push.known = subject.known()
        return push

    yield opened
    for store in stores:
        store.close()


def of_lists(known, wanted):
    """Changes of some lists: added from the front, taken out from the back."""
    for number, (adds, removes) in enumerate(wanted):
        place = ("list", f"List {number}")
        for index in range(adds):
            yield (*place, f"c{index}", known[index], "member")
        for index in range(PEOPLE - removes, PEOPLE):
            yield (*place, f"c{index}", known[index], None)


def of_properties(known, kind, contacts, properties):
    """Changes of some properties of some contacts; every third is cleared."""
    for number in range(properties):
        for index in range(contacts):
            value = None if index % 3 == 0 else f"value {number}"
            yield kind, f"seg_{number}", f"c{index}", known[index], value


@few
@given(wanted=lists, contacts=numbers, properties=st.integers(1, 4))
@example(wanted=[(650, 650), (1, 0)], contacts=101, properties=3)
@example(wanted=[(500, 500)], contacts=100, properties=1)
def test_hubspot_takes_a_thousand_members_of_a_list_and_a_hundred_contacts_a_call(
    pushing, wanted, contacts, properties
):
    push = pushing("hubspot")
    rows = [*of_lists(push.known, wanted), *of_properties(push.known, "property", contacts, properties)]
    if rows:
        traffic = push(rows)
        assert len(traffic.to("/memberships/")) == sum(ceil((adds + removes) / 1_000) for adds, removes in wanted)
        assert len(traffic.to("/batch/update")) == ceil(contacts / 100)


@pytest.mark.long
@few
@given(wanted=lists, contacts=numbers, properties=st.integers(1, 4))
@example(wanted=[(650, 650), (1, 0)], contacts=301, properties=3)
@example(wanted=[(300, 300)], contacts=300, properties=1)
def test_marketo_takes_three_hundred_leads_a_call(pushing, wanted, contacts, properties):
    push = pushing("marketo")
    rows = [*of_lists(push.known, wanted), *of_properties(push.known, "property", contacts, properties)]
    if rows:
        traffic = push(rows)
        calls = [call for call in traffic.to("/rest/v1/lists/") if call.method in ("POST", "DELETE")]
        assert len(calls) == sum(ceil(adds / 300) + ceil(removes / 300) for adds, removes in wanted)
        assert len(traffic.to("/rest/v1/leads.json", "POST")) == ceil(contacts / 300)


@few
@given(contacts=st.integers(1, 12), properties=st.integers(1, 60))
@example(contacts=3, properties=25)
@example(contacts=3, properties=26)
def test_google_analytics_takes_twenty_five_properties_of_a_client_a_call(pushing, contacts, properties):
    push = pushing("ga4")
    rows = list(of_properties(push.known, "user property", contacts, properties))
    assert len(push(rows).to("/mp/collect")) == contacts * ceil(properties / 25)


# ---- parts ---------------------------------------------------------------------------------------------------------


def table(rows):
    columns = list(zip(*rows, strict=True)) or [[]] * 4
    names = ("target_kind", "target_name", "address", "value")
    return pa.table([pa.array(column, pa.string()) for column in columns], names=names)


@given(adds=st.integers(0, 20_000), removes=st.integers(0, 20_000))
@settings(max_examples=20)
def test_no_batch_of_a_list_is_cut_by_the_parts_it_is_written_in(adds, removes):
    rows = [("list", "L", f"{n}", "member") for n in range(adds)]
    rows += [("list", "L", f"{n}", None) for n in range(adds, adds + removes)]
    parts = list(values.parts(table(rows)))
    assert all(part.num_rows <= 2 * values.BLOCK for part in parts)
    assert sorted(address for part in parts for address in part["address"].to_pylist()) == sorted(
        row[2] for row in rows
    )
    taken = [part["value"].null_count for part in parts]
    given_ = [part.num_rows - none for part, none in zip(parts, taken, strict=True)]
    assert sum(ceil(part.num_rows / 1_000) for part in parts) == ceil((adds + removes) / 1_000)
    assert sum(ceil(one / 300) for one in taken) == ceil(removes / 300)
    assert sum(ceil(one / 300) for one in given_) == ceil(adds / 300)


@pytest.mark.parametrize(("contacts", "properties"), [(13_001, 1), (6_000, 2), (6_001, 3), (1, 30)])
def test_all_properties_of_a_contact_are_in_one_part(contacts, properties):
    rows = [("property", f"p{p}", f"{n}", "x") for p in range(properties) for n in range(contacts)]
    parts = list(values.parts(table(rows)))
    everybody = [set(part["address"].to_pylist()) for part in parts]
    assert sum(part.num_rows for part in parts) == len(rows)
    assert sum(map(len, everybody)) == contacts == len(set().union(*everybody))
    for size in (100, 300):
        assert sum(ceil(len(one) / size) for one in everybody) == ceil(contacts / size)
