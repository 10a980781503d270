"""Google Analytics' Data API: exports of who is in an audience, and reports, each paid for with tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from segserver.clock import parse_instant
from segserver.connectors.calls import AnswerLost, ApiError, Call
from segserver.connectors.http import HttpClient
from segserver.connectors.tokens import TokenBudget
from segserver.errors import QuotaExhausted, RetryLater, StreamFailed

ACTIVE, CREATING, FAILED = "ACTIVE", "CREATING", "FAILED"
DIMENSIONS = ("deviceId", "userId", "isAdsPersonalizationAllowed")
ROWS = 50_000
"""Of a page; Google allows 250,000, which would be a lot to hold at once."""

THRESHOLDED, OTHERS, SAMPLED = "thresholds", "a row of others", "a sample"
TRUNCATED, RESTRICTED = "a part", "withheld metrics"
"""Why a report does not show everybody as they are."""

_EXPORTS_PER_PAGE = 1_000
_EXPORT, _REPORT = "audience export", "report"
_MISSING, _TOO_MUCH = 404, 429


@dataclass(frozen=True, slots=True)
class Export:
    """A snapshot of an audience, as it stands.

    Attributes:
        name: of the resource.
        state: `CREATING`, `ACTIVE` or `FAILED`.
        begun: the instant it shows.
        error: why it failed, in Google's words.
    """

    name: str
    state: str
    begun: datetime
    error: str

    @property
    def ready(self) -> bool:
        """Whether its rows can be asked for."""
        return self.state == ACTIVE


@dataclass(frozen=True, slots=True)
class Fields:
    """What a property's reports can be asked for."""

    dimensions: frozenset[str]
    metrics: frozenset[str]


@dataclass(frozen=True, slots=True)
class Report:
    """One day.

    Attributes:
        fields: names of the columns: the dimensions, then the metrics.
        dimensions: how many of them are dimensions.
        rows: their values, as Google writes them.
        zone: in which the property's days begin.
        inexact: why it does not show everybody as they are; empty where it does.
    """

    fields: tuple[str, ...]
    dimensions: int
    rows: Sequence[tuple[str, ...]]
    zone: str
    inexact: frozenset[str]


class Failures:
    """Keeps an event that cannot be read from keeping the others: `with failures.of(event):` around each, then `tell`.

    Where Google does not answer at all, nothing is asked of it for the others either.
    """

    def __init__(self) -> None:
        self._met: list[str] = []

    @contextmanager
    def of(self, event: str) -> Iterator[None]:
        """Note what keeps one event from being read."""
        try:
            yield
        except QuotaExhausted as error:
            self._met.append(str(error))
        except StreamFailed as error:
            self._met.append(f"{event}: {error}")
        except ApiError as error:
            self._met.append(f"{event}: {worded(error)}")
        except RetryLater as error:
            raise StreamFailed("; ".join([*self._met, str(error)])) from None

    def tell(self) -> None:
        """Raise what was met.

        Raises:
            StreamFailed: in a sentence for each.
        """
        if self._met:
            raise StreamFailed("; ".join(dict.fromkeys(self._met)))


def worded(error: RetryLater | ApiError) -> str:
    """An error in a line, with Google's reason where Google refused."""
    return f"{error} ({error.reason}); the next run tries again" if isinstance(error, ApiError) else str(error)


class DataApi:
    """The Data API of one property.

    Args:
        http: with a token that may read.
        prop: number of the property.
        tokens: our share of the property's tokens; None where nobody counts them.
    """

    def __init__(self, http: HttpClient, prop: str, tokens: TokenBudget | None) -> None:
        self._http = http
        self._tokens = tokens
        self._property = f"properties/{prop}"
        self._exports = f"/v1beta/{self._property}/audienceExports"

    def export(self, audience: str, since: datetime) -> str:
        """The name of an export of an audience begun since an instant: one that is there, else a new one.

        One that was asked for is found again where the answer was lost, so that it is paid for once.

        Raises:
            RetryLater: our share of the tokens is used up, or the answer was lost.
            ApiError: Google refuses, for instance because there is no such audience.
        """
        name = self._recent(audience, since) or self._create(audience)
        if self._tokens is not None:
            self._tokens.rename(_unnamed(audience), name)
        return name

    def look(self, name: str) -> Export | None:
        """How an export stands; None where Google has forgotten it."""
        try:
            found = self._ask(Call("GET", f"/v1beta/{name}"))
        except ApiError as error:
            if error.status != _MISSING:
                raise
            return None
        export = _export(found)
        if self._tokens is not None and export.state != CREATING:
            self._tokens.settle(_EXPORT, name, int(found.get("creationQuotaTokensCharged", 0)))
        return export

    def rows(self, name: str) -> Iterator[Sequence[str]]:
        """The rows of an active export, each with the values of `DIMENSIONS`.

        Raises:
            StreamFailed: the pages hold fewer rows than Google says there are.
        """
        offset = 0
        while True:
            wanted = {"offset": str(offset), "limit": str(ROWS)}
            body = self._ask(Call("POST", f"/v1beta/{name}:query", json=wanted))
            rows, total = body.get("audienceRows", ()), int(body.get("rowCount", 0))
            for row in rows:
                yield [str(one.get("value", "")) for one in row["dimensionValues"]]
            offset += len(rows)
            if offset >= total:
                return
            if not rows:
                raise StreamFailed(f"connection {self._http.account}: {name} holds fewer rows than Google says")

    def fields(self) -> Fields:
        """The dimensions and metrics of the property, its own among them, former names too."""
        body = self._ask(Call("GET", f"/v1beta/{self._property}/metadata"))
        return Fields(_names(body.get("dimensions", ())), _names(body.get("metrics", ())))

    def report(self, day: date, dimensions: Sequence[str], metrics: Sequence[str]) -> Report:
        """A day by some dimensions; the pages of a day are of one report, in the order of the dimensions.

        Raises:
            RetryLater: our share of the tokens is used up, or the pages hold fewer rows than Google says there are.
            ApiError: Google refuses, for instance because some of the fields do not go together.
        """
        wanted: dict[str, object] = {
            "dateRanges": [{"startDate": day.isoformat(), "endDate": day.isoformat()}],
            "dimensions": [{"name": name} for name in dimensions],
            "metrics": [{"name": name} for name in metrics],
            "orderBys": [{"dimension": {"dimensionName": name}} for name in dimensions],
            "limit": str(ROWS),
            "returnPropertyQuota": True,
        }
        rows: list[tuple[str, ...]] = []
        inexact: set[str] = set()
        while True:
            body = self._run_report({**wanted, "offset": str(len(rows))})
            told: Mapping[str, Any] = body.get("metadata", {})
            inexact |= _inexact(told)
            page = [_values(row) for row in body.get("rows", ())]
            rows += page
            if len(rows) >= int(body.get("rowCount", 0)):
                zone = str(told.get("timeZone", "Etc/UTC"))
                return Report((*dimensions, *metrics), len(dimensions), rows, zone, frozenset(inexact))
            if not page:
                raise StreamFailed(f"connection {self._http.account}: the report holds fewer rows than Google says")

    def _run_report(self, body: Mapping[str, object]) -> Mapping[str, Any]:
        if self._tokens is not None:
            self._tokens.check(_REPORT)
        found = self._ask(Call("POST", f"/v1beta/{self._property}:runReport", json=body))
        if self._tokens is not None:
            self._tokens.learn(_REPORT, found.get("propertyQuota", {}))
        return found

    def _recent(self, audience: str, since: datetime) -> str | None:
        """The newest export of an audience with our dimensions; anybody who may read the property can use it."""
        token = ""
        found: list[Export] = []
        while True:
            params: dict[str, object] = {"pageSize": _EXPORTS_PER_PAGE, **({"pageToken": token} if token else {})}
            body = self._ask(Call("GET", self._exports, params=params))
            found += [_export(one) for one in body.get("audienceExports", ()) if self._fits(one, audience)]
            token = str(body.get("nextPageToken", ""))
            if not token:
                break
        good = [one for one in found if one.state in (ACTIVE, CREATING) and one.begun >= since]
        return max(good, key=lambda one: one.begun).name if good else None

    def _fits(self, raw: Mapping[str, Any], audience: str) -> bool:
        dimensions = tuple(one["dimensionName"] for one in raw.get("dimensions", ()))
        return raw.get("audience") == f"{self._property}/audiences/{audience}" and dimensions == DIMENSIONS

    def _create(self, audience: str) -> str:
        if self._tokens is not None:
            self._tokens.check(_EXPORT)
            self._tokens.reserve(_EXPORT, _unnamed(audience))
        body = {
            "audience": f"{self._property}/audiences/{audience}",
            "dimensions": [{"dimensionName": name} for name in DIMENSIONS],
        }
        try:
            operation = self._ask(Call("POST", self._exports, json=body, repeatable=False))
        except AnswerLost as error:
            raise RetryLater(f"{error}; the next run looks for the export") from None
        told: Mapping[str, Any] = operation.get("response") or operation.get("metadata") or {}
        if not told.get("name"):
            raise RetryLater(f"connection {self._http.account}: Google's answer names no export; the next run looks")
        return str(told["name"])

    def _ask(self, call: Call) -> Mapping[str, Any]:
        if self._tokens is not None:
            self._tokens.check_errors()
        try:
            body = self._http.request(call).json()
        except ApiError as error:
            if self._tokens is None or error.status != _TOO_MUCH:
                raise
            raise self._tokens.refused(error.reason) from None
        return body if isinstance(body, dict) else {}


def _unnamed(audience: str) -> str:
    """What an export is called until Google has named it."""
    return f"audience {audience}"


def _export(raw: Mapping[str, Any]) -> Export:
    begun = parse_instant(str(raw["beginCreatingTime"]))
    return Export(str(raw["name"]), str(raw["state"]), begun, str(raw.get("errorMessage", "")))


def _names(described: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(str(name) for one in described for name in (one["apiName"], *one.get("deprecatedApiNames", ())))


def _values(row: Mapping[str, Any]) -> tuple[str, ...]:
    cells = (*row.get("dimensionValues", ()), *row.get("metricValues", ()))
    return tuple(str(cell.get("value", "")) for cell in cells)


def _inexact(told: Mapping[str, Any]) -> set[str]:
    restricted = told.get("schemaRestrictionResponse", {}).get("activeMetricRestrictions")
    found = {
        THRESHOLDED: told.get("subjectToThresholding"),
        OTHERS: told.get("dataLossFromOtherRow"),
        SAMPLED: told.get("samplingMetadatas"),
        TRUNCATED: told.get("dataTruncationReasons"),
        RESTRICTED: restricted,
    }
    return {reason for reason, said in found.items() if said}
