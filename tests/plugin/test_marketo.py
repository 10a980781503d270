"""What Marketo reads when a flow step is installed, and the page that tells how."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from rich.console import Console

import segserver
from segserver.cli import execute
from segserver.cli.invocation import Invocation
from segserver.connectors.declarations import load
from segserver.plugin import icons
from segserver.plugin.marketo import SERVICES, installer, service_definition
from segserver.plugin.marketo_document import install_document
from segserver.plugin.marketo_instructions import instructions
from tests import flow_steps

ROOT = Path(__file__).parents[2]
PUBLIC = "https://segments.example.com"
RESERVED = {"success", "reason", "errorCode", "id"}


def spec():
    source = (ROOT / "connectors" / "engage.yml").read_text(encoding="utf-8")
    made, findings = load("engage", source + "\nflow_step_key: env:MARKETO_FLOW_STEP_KEY\n", "connectors/engage.yml")
    assert not findings
    return made


@pytest.fixture(params=sorted(SERVICES))
def service(request):
    return SERVICES[request.param]


def test_the_document_is_one_that_marketo_installs(service):
    flow_steps.check_document(install_document(service, spec(), PUBLIC))


def test_a_document_without_what_marketo_demands_is_found_out(service):
    document = install_document(service, spec(), PUBLIC)
    del document["paths"]["/submitAsyncAction"]["post"]["callbacks"]
    with pytest.raises(AssertionError, match="callbacks"):
        flow_steps.check_document(document)


def test_the_document_refers_to_nothing_that_it_does_not_hold(service):
    document = install_document(service, spec(), PUBLIC)
    wanted = {one.rsplit("/", 1)[1] for one in _references(document)}
    assert wanted == set(document["components"]["schemas"])
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def _references(part):
    if isinstance(part, list):
        return [one for item in part for one in _references(item)]
    if isinstance(part, dict):
        return [part["$ref"]] if "$ref" in part else _references(list(part.values()))
    return []


def test_the_document_is_valid_yaml_too_and_names_where_the_endpoints_are(service):
    document = yaml.safe_load(json.dumps(install_document(service, spec(), PUBLIC)))
    assert document["servers"] == [{"url": f"{PUBLIC}/plugin/marketo/engage/{service.name}"}]
    assert document["info"]["x-schemaVersion"] == "1.0.0"


def test_the_definition_is_as_described_and_keeps_to_the_rules_about_names(service):
    definition = service_definition(service, spec())
    flow_steps.check("serviceDefinition", definition)
    flow = [one["apiName"] for one in definition["invocationPayloadDef"]["flowAttributes"]]
    back = [one["apiName"] for one in definition["callbackPayloadDef"]["attributes"]]
    fields = [one["serviceAttribute"] for one in definition["callbackPayloadDef"]["fields"]]
    assert definition["primaryAttribute"] in flow
    assert len({*flow, *back, *fields}) == len(flow) + len(back) + len(fields)
    assert not {*flow, *back, *fields} & RESERVED


def test_no_two_services_write_the_same_lead_field_or_have_the_same_name():
    suggested = [field.suggested for one in SERVICES.values() for field in one.fields]
    assert len(set(suggested)) == len(suggested)
    assert len({one.api_name for one in SERVICES.values()}) == 3


def test_only_the_question_about_consent_is_sent_the_fields_that_hold_it():
    sent = {
        name: [one["serviceAttribute"] for one in service_definition(one, spec())["invocationPayloadDef"]["fields"]]
        for name, one in SERVICES.items()
    }
    assert sent == {"check-segment": [], "may-we-contact": ["unsubscribed"], "refresh-contact": []}


@pytest.mark.parametrize(("draw", "size"), [(icons.brand, icons.BRAND_SIZE), (icons.service, icons.SERVICE_SIZE)])
def test_icons_are_square_images_that_show_something(draw, size):
    image = draw()
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", image[16:24]) == (size, size)
    assert len(image) > 200


def test_the_instructions_name_the_variable_and_every_field_but_no_key(service):
    page = instructions(service, spec())
    assert "MARKETO_FLOW_STEP_KEY" in page
    for field in service.fields:
        assert field.suggested in page


# ---- the page and the command --------------------------------------------------------------------------------------


def page():
    return (Path(segserver.__file__).parent / "help" / "plugin-marketo.md").read_text(encoding="utf-8")


def ask(workspace, *arguments, url=PUBLIC):
    out = io.StringIO()
    environ = {"SEGSERVER_WORKSPACE": str(workspace), **({"SEGSERVER_PUBLIC_URL": url} if url else {})}
    code = execute(["plugin", "marketo", *arguments], Invocation(environ, Console(file=out, width=400)))
    return code, out.getvalue()


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "segserver.yml").write_text("time zone: Europe/Paris\n")
    for name in ("rules", "scenarios", "connectors"):
        (tmp_path / name).mkdir()
    source = (ROOT / "connectors" / "engage.yml").read_text(encoding="utf-8")
    (tmp_path / "connectors" / "engage.yml").write_text(source + "\nflow_step_key: env:MARKETO_FLOW_STEP_KEY\n")
    return tmp_path


def test_the_command_prints_what_the_page_shows(workspace):
    code, told = ask(workspace)
    assert code == 0
    shown = page().split("connection `engage`:\n\n```text\n")[1].split("```")[0]
    assert [line.rstrip() for line in told.splitlines()] == shown.splitlines()


def test_the_command_writes_the_documents_it_speaks_of(workspace, tmp_path):
    code, told = ask(workspace, "-o", str(tmp_path / "out"))
    assert code == 0
    for name in SERVICES:
        document = json.loads((tmp_path / "out" / name / "install.json").read_text(encoding="utf-8"))
        assert document == json.loads(json.dumps(install_document(SERVICES[name], spec(), PUBLIC)))
        assert f"{name}/service-definition.json" in told


def test_the_command_says_what_is_missing(workspace):
    code, told = ask(workspace, url=None)
    assert code != 0
    assert "SEGSERVER_PUBLIC_URL" in told
    connection = workspace / "connectors" / "engage.yml"
    connection.write_text((ROOT / "connectors" / "engage.yml").read_text(encoding="utf-8"))
    code, told = ask(workspace)
    assert code != 0
    assert "flow_step_key: env:NAME" in told


def test_the_page_names_every_setting_field_attribute_and_failure():
    for service in SERVICES.values():
        assert f"| {service.title} |" in page()
        for field in service.fields:
            assert f"| `{field.suggested}` | {field.type} | {service.title} |" in page()
        assert f"| {', '.join(f'`{one.name}`' for one in service.attributes)} | {service.title} |" in page()


def test_the_installer_gets_the_address_as_one_parameter():
    assert installer("https://a.example/b?c").endswith("?url=https%3A%2F%2Fa.example%2Fb%3Fc")
