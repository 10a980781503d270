"""The state of a GA4 property: what was sent to it, who may read it, and what it exports."""

from __future__ import annotations

from collections import defaultdict

from segserver.clock import Clock
from segserver.sandbox.ga4.google import Google
from segserver.sandbox.ga4.warehouse import Warehouse
from segserver.sandbox.routing import made_up

Answer = tuple[list[dict[str, object]], list[dict[str, object]]]
"""Fields and rows, as BigQuery writes them."""


class Ga4Property:
    """One property with a web stream, linked to BigQuery.

    Attributes:
        measurement_id: of the web stream, and `api_secret` its key.
        user_properties: client id to property name to value.
        events: events kept, each with its client id, in order of arrival.
        ignored: how many requests were answered 204 and thrown away, as GA4 does.
        google: the service account that may read the export.
        warehouse: the export.
        jobs: queries and their answers, by job.
        rows_per_page: of an answer, at most.
    """

    def __init__(self, clock: Clock, seed: int) -> None:
        self.measurement_id = "G-SANDBOX01"
        self.api_secret = made_up("ga4 api secret", seed, 22)
        self.user_properties: dict[str, dict[str, object]] = defaultdict(dict)
        self.events: list[dict[str, object]] = []
        self.ignored = 0
        self.google = Google(clock, seed)
        self.warehouse = Warehouse(clock)
        self.jobs: dict[str, Answer] = {}
        self.rows_per_page = 10_000

    def keep_job(self, answer: Answer) -> str:
        """Keep the answer of a query for its pages; returns the job."""
        job = f"job_{len(self.jobs) + 1:06}"
        self.jobs[job] = answer
        return job
