"""The OpenAPI document by which Marketo installs a flow step, and the schemas it refers to."""

from __future__ import annotations

from importlib.metadata import version

from segserver.plugin.marketo import (
    KEY_HEADER,
    PROVIDER,
    SCHEMA_VERSION,
    SERVICES,
    Service,
    base_url,
    service_definition,
)
from segserver.specs.connections import ConnectionSpec

SCHEMAS = "#/components/schemas/"


def install_document(service: Service, spec: ConnectionSpec, public_url: str) -> dict[str, object]:
    """The OpenAPI document that Marketo reads when the service is installed."""
    base = base_url(public_url, spec.name, service)
    return {
        "openapi": "3.0.1",
        "info": {
            "title": service.title,
            "description": service.description,
            "version": version("segserver"),
            "x-providerName": PROVIDER,
            "x-schemaVersion": SCHEMA_VERSION,
            "x-supportContact": f"{base}/providerInstructions",
        },
        "servers": [{"url": base}],
        "security": [{"apiKey": []}],
        "paths": {
            "/submitAsyncAction": {"post": _submission()},
            "/getServiceDefinition": {"get": _answering("What the service takes and gives", "serviceDefinition")},
            "/status": {"get": _answering("How the service does", "serviceStatus")},
            "/getPicklist": {"post": {**_taking("getPicklistRequest"), **_answering("Choices", "picklistObject")}},
            "/brandIcon": {"get": _showing("The provider's icon", "image/*", "binary")},
            "/serviceIcon": {"get": _showing("The service's icon", "image/*", "binary")},
            "/providerInstructions": {"get": _showing("How the service is set up", "text/html")},
        },
        "components": {
            "securitySchemes": {"apiKey": {"type": "apiKey", "name": KEY_HEADER, "in": "header"}},
            "schemas": _schemas(),
        },
    }


def files(spec: ConnectionSpec, public_url: str) -> dict[str, object]:
    """Document and definition of every service: path to JSON content."""
    found: dict[str, object] = {}
    for service in SERVICES.values():
        found[f"{service.name}/install.json"] = install_document(service, spec, public_url)
        found[f"{service.name}/service-definition.json"] = service_definition(service, spec)
    return found


def _submission() -> dict[str, object]:
    answers = {
        "201": "Kept; the answers come by callback",
        "400": "The request does not keep to the interface",
        "401": "The key is missing or wrong",
        "403": "The service is not for this subscription",
        "429": "Too much is waiting; try again later",
        "500": "The service cannot work at present",
    }
    # The interface calls the address of the callback `flowComplete` here and `callbackUrl` in the request itself.
    callback = {"{$request.body#/flowComplete}": {"post": _callback()}}
    return {
        "operationId": "submitAsyncAction",
        "tags": ["flow action"],
        **_taking("async"),
        "callbacks": {"selfServiceFlowComplete": callback},
        "responses": {status: {"description": text} for status, text in answers.items()},
    }


def _callback() -> dict[str, object]:
    return {
        "parameters": [
            {"in": "header", "name": name, "required": True, "schema": {"type": "string"}}
            for name in ("x-api-key", "x-callback-token")
        ],
        **_taking("flowCallBack"),
        "responses": {
            "404": {"description": "Not found", "content": {}},
            "405": {"description": "Not taken", "content": {}},
        },
    }


def _taking(schema: str) -> dict[str, object]:
    content = {"application/json": {"schema": {"$ref": SCHEMAS + schema}}}
    return {"requestBody": {"required": True, "content": content}}


def _answering(summary: str, schema: str) -> dict[str, object]:
    content = {"application/json": {"schema": {"$ref": SCHEMAS + schema}}}
    return {"summary": summary, "responses": {"200": {"description": summary, "content": content}}}


def _showing(summary: str, media: str, form: str | None = None) -> dict[str, object]:
    """An endpoint that needs no key: it is shown by a browser, and holds nothing."""
    schema = {"type": "string", **({"format": form} if form else {})}
    answer = {"description": summary, "content": {media: {"schema": schema}}}
    return {"summary": summary, "security": [], "responses": {"200": answer}}


def _schemas() -> dict[str, object]:
    text, whole, free = {"type": "string"}, {"type": "integer", "format": "int64"}, {"type": "object"}
    lead = {"$ref": SCHEMAS + "leadData"}
    return {
        "async": _shape(
            ["campaignId", "callbackUrl"],
            token=text,
            batchid=text,
            apiCallBackKey=text,
            campaignId={"type": "integer", "format": "int32"},
            callbackUrl={"type": "string", "format": "uri"},
            context=_shape([], subscription=_shape(["munchkinId"], munchkinId=text)),
            objectData=_list(_shape(["objectType", "objectContext"], objectContext=lead, flowStepContext=free)),
        ),
        "leadData": {**_shape(["id"], id=whole), "additionalProperties": True},
        "flowCallBack": _shape(
            ["munchkinId"],
            munchkinId=text,
            errorCode=text,
            errorMessage=text,
            objectData=_list(_shape(["leadData"], leadData=lead, activityData={"$ref": SCHEMAS + "activityData"})),
        ),
        "activityData": {
            **_shape([], success={"type": "boolean"}, reason=text, errorCode=text),
            "additionalProperties": True,
        },
        "serviceDefinition": _shape(
            ["apiName", "i18n", "primaryAttribute", "invocationPayloadDef", "callbackPayloadDef"],
            apiName=text,
            i18n=free,
            primaryAttribute=text,
            invocationPayloadDef=free,
            callbackPayloadDef=free,
        ),
        "serviceStatus": _shape([], info=_list(text), warnings=_list(text), errors=_list(text)),
        "getPicklistRequest": _shape(["name", "type"], name=text, type=text),
        "picklistObject": _shape(
            ["choices"],
            choices=_list(_shape(["displayValue", "submittedValue"], displayValue=free, submittedValue=text)),
        ),
    }


def _shape(required: list[str], **properties: object) -> dict[str, object]:
    return {"type": "object", **({"required": required} if required else {}), "properties": properties}


def _list(items: object) -> dict[str, object]:
    return {"type": "array", "items": items}
