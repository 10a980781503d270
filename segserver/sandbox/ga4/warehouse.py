"""The exported tables of a property, in an engine that really runs the queries it is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

from segserver.clock import Clock, to_epoch_ms
from segserver.sandbox.ga4.google import PROJECT, GoogleError

PROPERTY = "424242"
DATASET = f"analytics_{PROPERTY}"
BYTES_PER_ROW = 1000
"""What a query is taken to read."""

_VALUE = "STRUCT(string_value VARCHAR, int_value BIGINT, float_value DOUBLE, double_value DOUBLE)"
COLUMNS = {
    "event_date": "VARCHAR",
    "event_timestamp": "BIGINT",
    "event_name": "VARCHAR",
    "event_params": f'STRUCT("key" VARCHAR, "value" {_VALUE})[]',
    "user_id": "VARCHAR",
    "user_pseudo_id": "VARCHAR",
    "privacy_info": "STRUCT(analytics_storage VARCHAR, ads_storage VARCHAR, uses_transient_token VARCHAR)",
    "user_properties": f'STRUCT("key" VARCHAR, "value" {_VALUE})[]',
    "device": "STRUCT(category VARCHAR, web_info STRUCT(browser VARCHAR))",
    "geo": "STRUCT(country VARCHAR)",
    "stream_id": "VARCHAR",
    "platform": "VARCHAR",
    "ecommerce": "STRUCT(transaction_id VARCHAR, purchase_revenue DOUBLE, total_item_quantity BIGINT)",
    "items": "STRUCT(item_id VARCHAR, item_name VARCHAR, price DOUBLE)[]",
    "batch_event_index": "BIGINT",
    "batch_ordering_id": "BIGINT",
    "batch_page_id": "BIGINT",
}
_SIMPLE = {"VARCHAR": "STRING", "BIGINT": "INTEGER", "DOUBLE": "FLOAT", "BOOLEAN": "BOOLEAN"}
_KEYED = ("event_params", "user_properties")


class Warehouse:
    """One dataset.

    Attributes:
        slow: how many of the next queries are not done when they are first asked for.
    """

    def __init__(self, clock: Clock) -> None:
        self.slow = 0
        self._clock = clock
        self._engine: duckdb.DuckDBPyConnection | None = None
        self._modified: dict[str, int] = {}

    # ---- what Google does

    def export(self, day: str, events: Sequence[Mapping[str, Any]], *, intraday: bool = False) -> None:
        """Write a table of a day, over what it held; a daily table takes the place of the one of that day's stream.

        Args:
            day: as in the table's name, "20261120".
            events: columns to values; those of a parameter or user property as plain keys and values.
            intraday: the table that is streamed into while the day lasts.
        """
        name = f"events_{'intraday_' if intraday else ''}{day}"
        self.drop(name)
        columns = ", ".join(f'"{column}" {kind}' for column, kind in COLUMNS.items())
        self._run(f'CREATE TABLE "{name}" ({columns})')
        rows = [{"event_date": day, "platform": "WEB", **event} for event in events]
        told = [{column: _stored(column, row.get(column)) for column in COLUMNS} for row in rows]
        named = ", ".join(f'r."{column}"' for column in COLUMNS)
        self._run(
            f'INSERT INTO "{name}" SELECT {named} '  # noqa: S608 - names of ours
            f"FROM (SELECT unnest(CAST(CAST(? AS JSON) AS STRUCT({columns})[])) AS r)",
            [json.dumps(told)],
        )
        if not intraday:
            self.drop(f"events_intraday_{day}")
        self._modified[name] = to_epoch_ms(self._clock.now())

    def drop(self, name: str) -> None:
        """Take a table away."""
        self._run(f'DROP TABLE IF EXISTS "{name}"')
        self._modified.pop(name, None)

    # ---- what is asked

    def tables(self) -> list[str]:
        """Names of the tables."""
        return sorted(self._modified)

    def table(self, name: str) -> dict[str, object]:
        """A table as BigQuery describes it."""
        if name not in self._modified:
            raise GoogleError(404, f"Not found: Table {PROJECT}:{DATASET}.{name}", "notFound")
        described = self._run(f'SELECT * FROM "{name}" LIMIT 0').description or ()  # noqa: S608 - one of ours
        fields = [_field(str(column[0]), column[1]) for column in described]
        return {"lastModifiedTime": str(self._modified[name]), "schema": {"fields": fields}}

    def query(
        self, text: str, parameters: Sequence[Mapping[str, Any]], most_bytes: int
    ) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
        """The schema and the rows of a query in standard SQL, in BigQuery's form."""
        parsed = sqlglot.parse_one(text, read="bigquery")
        for table in parsed.find_all(exp.Table):
            self._check(table, most_bytes)
            table.set("db", None)
            table.set("catalog", None)
        given = {str(one["name"]): _given(one) for one in parameters}
        try:
            result = self._run(parsed.sql(dialect="duckdb"), given)
        except duckdb.Error as error:
            raise GoogleError(400, str(error).splitlines()[0], "invalidQuery") from None
        fields = [_field(str(column[0]), column[1]) for column in result.description or ()]
        rows = result.fetchall()
        return fields, [{"f": [{"v": _cell(value)} for value in row]} for row in rows]

    def _check(self, table: exp.Table, most_bytes: int) -> None:
        if (table.catalog, table.db) != (PROJECT, DATASET) or table.name not in self._modified:
            raise GoogleError(404, f"Not found: Table {table.catalog}:{table.db}.{table.name}", "notFound")
        found = self._run(f'SELECT count(*) FROM "{table.name}"').fetchall()  # noqa: S608 - one of ours
        if found[0][0] * BYTES_PER_ROW > most_bytes:
            raise GoogleError(400, "Query exceeded limit for bytes billed", "bytesBilledLimitExceeded")

    def _run(self, text: str, parameters: object = None) -> duckdb.DuckDBPyConnection:
        if self._engine is None:
            self._engine = duckdb.connect(":memory:", config={"threads": 1})
        return self._engine.execute(text, parameters)


def _stored(column: str, value: Any) -> Any:
    """A value as its column holds it; parameters are given as plain keys and values."""
    keyed = value is not None and column in _KEYED
    return [{"key": key, "value": _typed(one)} for key, one in value.items()] if keyed else value


def _typed(value: object) -> dict[str, object]:
    empty: dict[str, object] = dict.fromkeys(("string_value", "int_value", "float_value", "double_value"))
    kind = {int: "int_value", float: "double_value"}.get(type(value), "string_value")
    return {**empty, kind: value}


def _given(parameter: Mapping[str, Any]) -> object:
    kind, value = parameter["parameterType"], parameter["parameterValue"]
    if kind["type"] == "ARRAY":
        return [one["value"] for one in value["arrayValues"]]
    return int(value["value"]) if kind["type"] == "INT64" else str(value["value"])


def _field(name: str, kind: Any) -> dict[str, object]:
    """A column in BigQuery's words."""
    if kind.id == "list":
        (_, inner), *_ = kind.children
        return {**_field(name, inner), "mode": "REPEATED"}
    if kind.id == "struct":
        return {
            "name": name,
            "type": "RECORD",
            "mode": "NULLABLE",
            "fields": [_field(one, inner) for one, inner in kind.children],
        }
    return {"name": name, "type": _SIMPLE[str(kind)], "mode": "NULLABLE"}


def _cell(value: object) -> object:
    """A value as BigQuery answers it: text, or nested rows."""
    if value is None:
        return None
    if isinstance(value, list):
        return [{"v": _cell(one)} for one in value]
    if isinstance(value, dict):
        return {"f": [{"v": _cell(one)} for one in value.values()]}
    return str(value).lower() if isinstance(value, bool) else str(value)
