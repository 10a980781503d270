"""Requests to Marketo and its replies, written by hand from what Marketo documents.

Both sides are held by them: the connector has to send the request when it gets these replies, and the stand-in has to
answer the request with a reply of the same shape. Five leads have the ids 5001 to 5005.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JOB = "00000000-0000-0000-0000-000000000001"
BULK = "/bulk/v1/leads/export"
MANY = ",".join(["5001", *(str(10**20 + number) for number in range(299))])
"""Ids that make a query too long for an address."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and one reply.

    Attributes:
        query: a list repeats its name.
        reply: as JSON; text for a file.
        optional: keys of records that a reply may leave out.
        after: exchanges that have to come before.
        same: whether the stand-in's reply must be equal, not only of the same shape.
    """

    method: str
    path: str
    reply: Any
    query: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    optional: frozenset[str] = frozenset()
    after: tuple[str, ...] = ()
    same: bool = False


def ok(*result: Any, **more: Any) -> dict[str, Any]:
    """The envelope of a good answer; without anything found there is no `result`."""
    return {"requestId": "e42b#14272d07d78", "success": True, **({"result": list(result)} if result else {}), **more}


def refused(code: str, message: str) -> dict[str, Any]:
    """The envelope of a refusal, which is HTTP 200."""
    return {"requestId": "e42b#14272d07d78", "success": False, "errors": [{"code": code, "message": message}]}


def activity(kind: int, **more: Any) -> dict[str, Any]:
    """An activity; its numeric id may be missing."""
    return {
        "id": 102988,
        "marketoGUID": "102988",
        "leadId": 5001,
        "activityDate": "2026-02-18T12:00:00Z",
        "activityTypeId": kind,
        "attributes": [],
    } | more


_ACTIVITY = frozenset({"id", "campaignId", "primaryAttributeValueId", "primaryAttributeValue", "fields"})
_LEAD = {"action": "updateOnly", "lookupField": "id"}
_SKIPPED = {"status": "skipped", "reasons": [{"code": "1004", "message": "Lead not found"}]}
_LIST = {
    "id": 1001,
    "name": "SEG Offers",
    "createdAt": "2026-03-01T12:00:00Z+0000",
    "updatedAt": "2026-03-01T12:00:00Z+0000",
    "folder": {"id": 34, "type": "Folder"},
    "computedUrl": "https://app-sandbox.marketo.com/#ST1001A1",
}
_WINDOW = {"startAt": "2026-02-01T00:00:00Z", "endAt": "2026-03-01T00:00:00Z"}
_CAMPAIGN = {
    "id": 2001,
    "name": "Win back",
    "type": "trigger",
    "programName": "Sandbox",
    "programId": 1,
    "workspaceName": "Default",
    "active": True,
    "createdAt": "2026-03-01T12:00:00Z",
    "updatedAt": "2026-03-01T12:00:00Z",
}

EXCHANGES: Mapping[str, Exchange] = {
    # ---- schema
    "fields described": Exchange(
        "GET",
        "/rest/v1/leads/describe.json",
        ok(
            {
                "id": 2,
                "displayName": "City",
                "dataType": "string",
                "length": 255,
                "rest": {"name": "city", "readOnly": False},
                "soap": {"name": "City", "readOnly": False},
            }
        ),
        optional=frozenset({"length"}),
    ),
    "activity types": Exchange(
        "GET",
        "/rest/v1/activities/types.json",
        ok(
            {
                "id": 1,
                "name": "Visit Webpage",
                "description": "Visit Webpage",
                "primaryAttribute": {"name": "Webpage ID", "dataType": "string"},
                "attributes": [{"name": "Webpage URL", "dataType": "string"}],
            }
        ),
        optional=frozenset({"primaryAttribute"}),
    ),
    "field created": Exchange(
        "POST",
        "/rest/v1/leads/schema/fields.json",
        ok({"name": "segserver_next_send_at", "status": "created"}),
        json={
            "input": [
                {"displayName": "Segserver next send at", "name": "segserver_next_send_at", "dataType": "datetime"}
            ]
        },
        same=True,
    ),
    # ---- leads
    "leads by id": Exchange(
        "GET",
        "/rest/v1/leads.json",
        ok({"email": "ada@example.com", "city": None, "id": 5001}),
        {"filterType": "id", "filterValues": "5001,99", "fields": "email,city", "batchSize": "300"},
        same=True,
    ),
    "no leads": Exchange(
        "GET",
        "/rest/v1/leads.json",
        ok(),
        {"filterType": "id", "filterValues": "99", "fields": "email", "batchSize": "300"},
        same=True,
    ),
    "an unknown field": Exchange(
        "GET",
        "/rest/v1/leads.json",
        refused("1006", "Field 'nonsense' not found"),
        {"filterType": "id", "filterValues": "5001", "fields": "nonsense", "batchSize": "300"},
        same=True,
    ),
    "leads by a query too long": Exchange(
        "POST",
        "/rest/v1/leads.json",
        ok({"email": "ada@example.com", "id": 5001}),
        {"_method": "GET"},
        form={"filterType": "id", "filterValues": MANY, "fields": "email", "batchSize": "300"},
        same=True,
    ),
    "leads updated": Exchange(
        "POST",
        "/rest/v1/leads.json",
        ok({"id": 5001, "status": "updated"}, _SKIPPED),
        json=_LEAD | {"input": [{"id": 5001, "city": "Lyon"}, {"id": 99, "city": None}]},
        same=True,
    ),
    # ---- feeds
    "paging token": Exchange(
        "GET",
        "/rest/v1/activities/pagingtoken.json",
        ok(nextPageToken="T0"),
        {"sinceDatetime": "2026-02-18T00:00:00Z"},
    ),
    "activities": Exchange(
        "GET",
        "/rest/v1/activities.json",
        ok(
            activity(1, attributes=[{"name": "Webpage URL", "value": "/coffee"}]),
            nextPageToken="T1",
            moreResult=False,
        ),
        {"nextPageToken": "T0", "activityTypeIds": "1,10", "batchSize": "300"},
        optional=_ACTIVITY,
        after=("paging token",),
    ),
    "changes of leads": Exchange(
        "GET",
        "/rest/v1/activities/leadchanges.json",
        ok(
            activity(13, fields=[{"id": 6, "name": "city", "newValue": "Lyon", "oldValue": None}]),
            nextPageToken="T1",
            moreResult=False,
        ),
        {"nextPageToken": "T0", "fields": "city", "batchSize": "300"},
        optional=_ACTIVITY | {"attributes"},
        after=("leads updated", "paging token"),
    ),
    "deletions": Exchange(
        "GET",
        "/rest/v1/activities/deletedleads.json",
        ok(nextPageToken="T1", moreResult=False),
        {"nextPageToken": "T0", "batchSize": "300"},
        after=("paging token",),
    ),
    "custom activities added": Exchange(
        "POST",
        "/rest/v1/activities/external.json",
        ok(
            {"id": 1, "marketoGUID": "1", "status": "added"},
            {"status": "skipped", "errors": [{"code": "1004", "message": "Lead '99' not found"}]},
        ),
        json={
            "input": [
                {
                    "leadId": lead,
                    "activityDate": "2026-03-01T12:00:00Z",
                    "activityTypeId": 100001,
                    "primaryAttributeValue": "a",
                    "attributes": [{"apiName": "Campaign", "value": f"k{lead}"}],
                }
                for lead in (5001, 99)
            ]
        },
    ),
    # ---- bulk extract
    "export created": Exchange(
        "POST",
        f"{BULK}/create.json",
        ok({"exportId": JOB, "format": "CSV", "status": "Created", "createdAt": "2026-03-01T12:00:00Z"}),
        json={"format": "CSV", "fields": ["id", "email", "city"], "filter": {"createdAt": _WINDOW}},
        same=True,
    ),
    "export too long": Exchange(
        "POST",
        f"{BULK}/create.json",
        refused("1003", "the range of createdAt is longer than 31 days"),
        json={
            "format": "CSV",
            "fields": ["id"],
            "filter": {"createdAt": {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-03-01T00:00:00Z"}},
        },
    ),
    "export queued": Exchange(
        "POST",
        f"{BULK}/{JOB}/enqueue.json",
        ok(
            {
                "exportId": JOB,
                "format": "CSV",
                "status": "Queued",
                "createdAt": "2026-03-01T12:00:00Z",
                "queuedAt": "2026-03-01T12:00:00Z",
            }
        ),
        after=("export created",),
        same=True,
    ),
    "export completed": Exchange(
        "GET",
        f"{BULK}/{JOB}/status.json",
        ok(
            {
                "exportId": JOB,
                "format": "CSV",
                "status": "Completed",
                "createdAt": "2026-03-01T12:00:00Z",
                "queuedAt": "2026-03-01T12:00:00Z",
                "startedAt": "2026-03-01T12:00:00Z",
                "finishedAt": "2026-03-01T12:00:00Z",
                "numberOfRecords": 1,
                "fileSize": 42,
                "fileChecksum": "sha256:" + "0" * 64,
            }
        ),
        after=("export created", "export queued"),
    ),
    "export probed": Exchange(
        "GET",
        f"{BULK}/{JOB}/file.json",
        "i",
        headers={"Range": "bytes=0-0"},
        status=206,
        after=("export created", "export queued", "export completed"),
        same=True,
    ),
    "no file": Exchange("GET", f"{BULK}/{JOB}/file.json", "File not found", headers={"Range": "bytes=0-0"}, status=404),
    # ---- lists
    "list not found": Exchange(
        "GET",
        "/rest/asset/v1/staticList/byName.json",
        ok(warnings=["No assets found for the given search criteria."]),
        {"name": "SEG Offers"},
        same=True,
    ),
    "list created": Exchange(
        "POST",
        "/rest/asset/v1/staticLists.json",
        ok(_LIST),
        form={
            "name": "SEG Offers",
            "description": "Kept by segserver",
            "folder": '{"id": 34, "type": "Folder"}',
        },
        after=("list not found",),
        same=True,
    ),
    "list found": Exchange(
        "GET",
        "/rest/asset/v1/staticList/byName.json",
        ok(_LIST),
        {"name": "SEG Offers"},
        after=("list created",),
    ),
    "members added": Exchange(
        "POST",
        "/rest/v1/lists/1001/leads.json",
        ok({"id": 5001, "status": "added"}, {"id": 99} | _SKIPPED),
        {"id": ["5001", "99"]},
        after=("list created",),
        same=True,
    ),
    "members removed": Exchange(
        "DELETE",
        "/rest/v1/lists/1001/leads.json",
        ok(
            {"id": 5001, "status": "removed"},
            {"id": 5002, "status": "skipped", "reasons": [{"code": "1015", "message": "Lead not in list"}]},
        ),
        {"id": ["5001", "5002"]},
        after=("list created", "members added"),
        same=True,
    ),
    "members": Exchange(
        "GET",
        "/rest/v1/lists/1001/leads.json",
        ok({"id": 5001}),
        {"fields": "id", "batchSize": "300"},
        after=("list created", "members added"),
        same=True,
    ),
    # ---- campaigns
    "campaign found": Exchange(
        "GET", "/rest/v1/campaigns.json", ok(_CAMPAIGN), {"name": "Win back", "batchSize": "300"}, same=True
    ),
    "campaign requested": Exchange(
        "POST",
        "/rest/v1/campaigns/2001/trigger.json",
        ok({"id": 2001}),
        json={"input": {"leads": [{"id": 5001}], "tokens": [{"name": "{{my.template}}", "value": "a"}]}},
        after=("campaign found",),
        same=True,
    ),
    "campaign for nobody": Exchange(
        "POST",
        "/rest/v1/campaigns/2001/trigger.json",
        refused("1004", "Lead '99' not found"),
        json={"input": {"leads": [{"id": 99}], "tokens": [{"name": "{{my.template}}", "value": "a"}]}},
        after=("campaign found",),
        same=True,
    ),
}
