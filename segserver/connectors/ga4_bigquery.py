"""BigQuery over its REST interface: which tables a dataset has, and the rows of a query.

A query is text of ours with the names of tables in it; values go beside it as parameters.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from segserver.connectors.calls import ApiError, Call
from segserver.connectors.http import HttpClient
from segserver.errors import RetryLater, SettingsError
from segserver.specs.connections import ConnectionSpec

PAGE = 10_000
WAIT_MS = 10_000
POLLS = 30
"""How often a query is asked for that is not done yet; each time BigQuery itself waits for `WAIT_MS`."""

_TOO_DEAR = "bytesBilledLimitExceeded"
_TABLES_PER_PAGE = 1000

Row = Mapping[str, Any]
"""Column to value: text as BigQuery writes it, None, a list of a repeated column, a mapping of a nested one."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is now.

    Attributes:
        columns: names of its columns.
        modified: when it was changed last, as BigQuery writes it.
    """

    columns: frozenset[str]
    modified: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where tables are and who pays.

    Attributes:
        project: whose dataset it is, and which pays for queries.
        dataset: which holds the tables.
        location: of the dataset ("EU"); "" where BigQuery may find out.
        most_bytes: that one query may read; a dearer one is not run.
    """

    project: str
    dataset: str
    location: str
    most_bytes: int


def place_of(spec: ConnectionSpec) -> Place:
    """As a connection declares it; Google names the dataset of an export after the property."""
    options = spec.options
    return Place(
        str(options["project"]),
        str(options.get("dataset") or f"analytics_{options['property']}"),
        str(options.get("location") or ""),
        int(str(options["most_bytes"])),
    )


class BigQuery:
    """One dataset."""

    def __init__(self, http: HttpClient, place: Place) -> None:
        self._http = http
        self._place = place
        self._base = f"/bigquery/v2/projects/{place.project}"

    def tables(self) -> Iterator[str]:
        """Names of all tables; none where the dataset does not exist yet, which Google makes with the first export."""
        token = None
        while True:
            params = {"maxResults": _TABLES_PER_PAGE, **({"pageToken": token} if token else {})}
            try:
                path = f"{self._base}/datasets/{self._place.dataset}/tables"
                body = self._http.request(Call("GET", path, params=params)).json()
            except ApiError as error:
                if error.status == 404:
                    return
                raise
            for one in body.get("tables", ()):
                yield str(one["tableReference"]["tableId"])
            token = body.get("nextPageToken")
            if not token:
                return

    def table(self, name: str) -> Table | None:
        """A table; None where it is gone."""
        path = f"{self._base}/datasets/{self._place.dataset}/tables/{name}"
        try:
            body = self._http.request(Call("GET", path)).json()
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        columns = frozenset(str(field["name"]) for field in body["schema"]["fields"])
        return Table(columns, str(body.get("lastModifiedTime", "")))

    def named(self, table: str) -> str:
        """A table's full name as a query writes it."""
        return f"`{self._place.project}.{self._place.dataset}.{table}`"

    def rows(self, query: str, parameters: Mapping[str, object], once: str) -> Iterator[Sequence[Row]]:
        """Pages of the rows of a query.

        Args:
            query: standard SQL.
            parameters: by name, each a text, a whole number or a list of texts.
            once: tells this asking from others; a repeated call with the same does not run the query twice.

        Raises:
            RetryLater: the query takes too long.
            SettingsError: it would read more than it may.
        """
        body = self._start(query, parameters, once)
        job = body["jobReference"]
        path = f"{self._base}/queries/{job['jobId']}"
        where = {"location": job["location"]} if job.get("location") else {}
        polls = 0
        while not body.get("jobComplete"):
            polls += 1
            if polls > POLLS:
                raise RetryLater(f"connection {self._http.account}: BigQuery's query takes too long")
            body = self._get(path, {**where, "timeoutMs": WAIT_MS, "maxResults": PAGE})
        fields = body.get("schema", {}).get("fields", ())
        while True:
            yield [_record(row, fields) for row in body.get("rows", ())]
            token = body.get("pageToken")
            if not token:
                return
            body = self._get(path, {**where, "maxResults": PAGE, "pageToken": token})

    def _start(self, query: str, parameters: Mapping[str, object], once: str) -> Any:
        asked = {
            "query": query,
            "useLegacySql": False,
            "parameterMode": "NAMED",
            "queryParameters": [_parameter(name, value) for name, value in parameters.items()],
            "maximumBytesBilled": str(self._place.most_bytes),
            "maxResults": PAGE,
            "timeoutMs": WAIT_MS,
            "requestId": hashlib.sha256(json.dumps([query, dict(parameters), once]).encode()).hexdigest()[:36],
            **({"location": self._place.location} if self._place.location else {}),
        }
        try:
            return self._http.request(Call("POST", f"{self._base}/queries", json=asked)).json()
        except ApiError as error:
            if error.code != _TOO_DEAR:
                raise
            raise SettingsError(
                f"connection {self._http.account}: a query would read more than {self._place.most_bytes:,} bytes; "
                "raise most_bytes: in its file, or map fewer fields"
            ) from error

    def _get(self, path: str, params: Mapping[str, object]) -> Any:
        return self._http.request(Call("GET", path, params=params)).json()


def _parameter(name: str, value: object) -> dict[str, object]:
    if isinstance(value, (list, tuple)):
        return {
            "name": name,
            "parameterType": {"type": "ARRAY", "arrayType": {"type": "STRING"}},
            "parameterValue": {"arrayValues": [{"value": str(one)} for one in value]},
        }
    kind = "INT64" if isinstance(value, int) else "STRING"
    return {"name": name, "parameterType": {"type": kind}, "parameterValue": {"value": str(value)}}


def _record(raw: Any, fields: Sequence[Mapping[str, Any]]) -> Row:
    """A row out of `{"f": [{"v": ...}]}`, in which repeated values are again `{"v": ...}`."""
    return {str(field["name"]): _value(cell.get("v"), field) for field, cell in zip(fields, raw["f"], strict=True)}


def _value(raw: Any, field: Mapping[str, Any]) -> object:
    if field.get("mode") == "REPEATED":
        return [_single(one.get("v"), field) for one in raw or ()]
    return _single(raw, field)


def _single(raw: Any, field: Mapping[str, Any]) -> object:
    if raw is None or field.get("type") not in ("RECORD", "STRUCT"):
        return cast("object", raw)
    return _record(raw, field["fields"])
