"""HubSpot companies as accounts; a contact names its own by the property `associatedcompanyid`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from segserver.clock import parse_instant
from segserver.connectors.hubspot_api import COMPANIES, LIST_PAGE, HubSpotApi
from segserver.connectors.hubspot_feed import ObjectFeed
from segserver.connectors.mapping import Reader, declaration_digest
from segserver.records import AccountGone, Cursor, Page, SourceItem
from segserver.specs.connections import AccountsSpec


class AccountsStream:
    """Reads companies as declared."""

    def __init__(self, spec: AccountsSpec, api: HubSpotApi, reader: Reader) -> None:
        self._spec = spec
        self._reader = reader
        fields = tuple(sorted({name for trait in spec.traits for name in trait.fields}))
        self._feed = ObjectFeed(
            api=api,
            path=COMPANIES,
            modified="hs_lastmodifieddate",
            properties=fields,
            history=(),
            digest=declaration_digest("accounts", fields, [str(trait.type) for trait in spec.traits]),
            group=LIST_PAGE,
        )

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages after the cursor, up to `until`."""
        for page in self._feed.read(cursor, until):
            if page.phase == "archived":
                items: list[SourceItem] = [AccountGone(str(one["id"])) for one in page.records]
            else:
                items = [
                    self._reader.account(
                        self._spec, str(one["id"]), one["properties"], updated_at=parse_instant(one["updatedAt"])
                    )
                    for one in page.records
                ]
            yield Page(items, page.cursor, page.complete_through)
