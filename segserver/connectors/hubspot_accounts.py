"""HubSpot companies as accounts; a contact names its own by the property `associatedcompanyid`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from segserver.clock import parse_instant
from segserver.connectors.hubspot_api import LIST_PAGE, HubSpotApi
from segserver.connectors.hubspot_feed import ObjectFeed
from segserver.connectors.mapping import Reader, declaration_digest
from segserver.records import AccountGone, AccountRecord, Cursor, Page, SourceItem
from segserver.specs.connections import AccountsSpec


class AccountsStream:
    """Reads companies as declared."""

    def __init__(self, spec: AccountsSpec, api: HubSpotApi, reader: Reader) -> None:
        self._spec = spec
        self._reader = reader
        fields = tuple(sorted({name for trait in spec.traits for name in trait.fields}))
        self._feed = ObjectFeed(
            api=api,
            path=api.paths.companies,
            modified="hs_lastmodifieddate",
            properties=fields,
            history=(),
            digest=declaration_digest("accounts", fields, [str(trait.type) for trait in spec.traits]),
            group=LIST_PAGE,
        )

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties that are read."""
        return self._feed.properties

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages after the cursor, up to `until`."""
        for page in self._feed.read(cursor, until):
            if page.phase == "archived":
                items: list[SourceItem] = [AccountGone(str(one["id"])) for one in page.records]
            else:
                items = [self._record(one) for one in page.records]
            yield Page(items, page.cursor, page.complete_through)

    def by_id(self, source_ids: Sequence[str]) -> list[SourceItem]:
        """Fresh copies of some companies; those that are gone are told as gone."""
        found = self._feed.by_id(source_ids)
        missing = set(source_ids) - {str(one["id"]) for one in found}
        return [*(self._record(one) for one in found), *(AccountGone(one) for one in sorted(missing))]

    def _record(self, raw: Any) -> AccountRecord:
        updated_at = parse_instant(raw["updatedAt"])
        return self._reader.account(self._spec, str(raw["id"]), raw["properties"], updated_at=updated_at)
