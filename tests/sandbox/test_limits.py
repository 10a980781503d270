"""Call limits, as each platform enforces and announces them."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from segserver.sandbox.limits import DailyAllowance, Limits, RollingWindow
from segserver.sandbox.server import Sandbox

CONTACTS, LEADS = "/crm/objects/2026-03/contacts", "/rest/v1/leads/describe.json"


@pytest.fixture
def limited(clock, population):
    """A sandbox with tiny limits."""
    limits = Limits(hubspot_burst=3, hubspot_search=1, hubspot_daily=6, marketo_burst=2, marketo_daily=3)
    return Sandbox(clock, population, limits=limits)


def test_a_window_forgets_calls_as_they_grow_old(clock):
    """The limit holds in every span, not in fixed intervals."""
    window = RollingWindow(2, timedelta(seconds=10))
    taken = []
    for _ in range(5):
        taken.append(window.take(clock.now()))
        clock.advance(timedelta(seconds=4))
    assert taken == [True, True, False, True, True]


def test_a_day_begins_anew_at_its_own_midnight(clock):
    """In winter, 06:00 UTC is midnight in Chicago."""
    daily = DailyAllowance(1, ZoneInfo("America/Chicago"))
    assert daily.take(clock.now())
    clock.advance(timedelta(hours=17))
    assert not daily.take(clock.now())
    clock.advance(timedelta(hours=1))
    assert daily.take(clock.now())


def test_hubspot_refuses_the_call_too_many_and_says_which_limit(limited, connect, clock):
    """429 with `policyName`, without Retry-After; the headers count down."""
    hubspot = connect(limited, "/hubspot", limited.hubspot.token)
    left = [hubspot("GET", CONTACTS).headers["X-HubSpot-RateLimit-Remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    refused = hubspot("GET", CONTACTS)
    assert (refused.status_code, refused.json["policyName"]) == (429, "TEN_SECONDLY_ROLLING")
    assert "Retry-After" not in refused.headers
    clock.advance(timedelta(seconds=10))
    assert hubspot("GET", CONTACTS).status_code == 200


def test_hubspots_searches_and_days_have_limits_of_their_own(limited, connect, clock):
    """SECONDLY for searches, DAILY for everything."""
    hubspot = connect(limited, "/hubspot", limited.hubspot.token)
    hubspot("POST", f"{CONTACTS}/search", json={})
    assert hubspot("POST", f"{CONTACTS}/search", json={}).json["policyName"] == "SECONDLY"
    for _ in range(4):
        clock.advance(timedelta(minutes=1))
        assert hubspot("GET", CONTACTS).status_code == 200
    clock.advance(timedelta(minutes=1))
    assert hubspot("GET", CONTACTS).json["policyName"] == "DAILY"


def test_marketo_refuses_inside_http_200(limited, connect, clock):
    """606 for the burst, 607 for the day."""
    marketo = connect(limited, "/marketo", limited.marketo.access_token()[0])

    def code():
        answer = marketo("GET", LEADS)
        assert answer.status_code == 200
        return None if answer.json["success"] else answer.json["errors"][0]["code"]

    assert [code() for _ in range(3)] == [None, None, "606"]
    clock.advance(timedelta(seconds=20))
    assert [code() for _ in range(2)] == [None, "607"]


def test_more_calls_at_once_than_allowed_are_refused_with_615(limited, connect):
    """The front door counts the calls in flight; here it says eleven."""
    marketo = connect(limited, "/marketo", limited.marketo.access_token()[0])
    app = limited.app.wsgi_app
    app._in_flight = 10
    assert marketo("GET", LEADS).json["errors"][0]["code"] == "615"


def test_without_limits_hubspot_announces_ample_ones(sandbox, hubspot):
    """A connector that heeds the headers need not wait."""
    assert int(hubspot("GET", CONTACTS).headers["X-HubSpot-RateLimit-Remaining"]) > 100_000
