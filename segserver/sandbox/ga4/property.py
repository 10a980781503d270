"""The state of a GA4 property: what was sent to it, who may read it, and what it exports."""

from __future__ import annotations

from collections import defaultdict

from segserver.clock import Clock
from segserver.sandbox.ga4.audiences import Audiences
from segserver.sandbox.ga4.google import Google
from segserver.sandbox.ga4.reports import Reports
from segserver.sandbox.ga4.warehouse import Warehouse
from segserver.sandbox.routing import made_up

Answer = tuple[list[dict[str, object]], list[dict[str, object]]]
"""Fields and rows, as BigQuery writes them."""


class Ga4Property:
    """One property with a web stream, linked to BigQuery.

    Attributes:
        measurement_id: of the web stream, and `api_secret` its key.
        clock: the time there.
        user_properties: client id to property name to value.
        set_at: when each was set, in microseconds; what is older changes nothing.
        consents: what was told last of advertising, by client id.
        events: events kept, each with its client id, in order of arrival.
        ignored: how many requests were answered 204 and thrown away, as GA4 does.
        google: the service account that may read the export.
        warehouse: the export.
        jobs: queries and their answers, by job.
        rows_per_page: of an answer, at most.
        dimensions: custom dimensions as Google answers them, by scope and parameter.
        dimensions_per_page: at most.
        audiences: who is in them, and their exports.
        reports: what they are made of.
    """

    def __init__(self, clock: Clock, seed: int) -> None:
        self.measurement_id = "G-SANDBOX01"
        self.api_secret = made_up("ga4 api secret", seed, 22)
        self.user_properties: dict[str, dict[str, object]] = defaultdict(dict)
        self.clock = clock
        self.set_at: dict[str, dict[str, int]] = defaultdict(dict)
        self.consents: dict[str, dict[str, str]] = {}
        self.events: list[dict[str, object]] = []
        self.ignored = 0
        self.google = Google(clock, seed)
        self.warehouse = Warehouse(clock)
        self.jobs: dict[str, Answer] = {}
        self.rows_per_page = 10_000
        self.dimensions: dict[tuple[str, str], dict[str, str]] = {}
        self.dimensions_per_page = 200
        self.audiences = Audiences(clock)
        self.reports = Reports(clock)

    def add_dimension(self, number: str, parameter: str, title: str, scope: str) -> dict[str, str]:
        """Keep a new custom dimension of a property."""
        name = f"properties/{number}/customDimensions/{len(self.dimensions) + 1}"
        made = {"name": name, "parameterName": parameter, "displayName": title, "scope": scope}
        self.dimensions[scope, parameter] = made
        return made

    def keep_job(self, answer: Answer) -> str:
        """Keep the answer of a query for its pages; returns the job."""
        job = f"job_{len(self.jobs) + 1:06}"
        self.jobs[job] = answer
        return job
