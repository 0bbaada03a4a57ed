"""The OpenAPI document: valid, complete, the same every time, without a server."""

import json
import subprocess
import sys
from typing import Any

import pytest
from quart import Quart

from portico.server.blueprints import api
from portico.server.openapi import document, document_json
from portico.server.state import VERSION


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(document_json())
    return made


def test_it_says_what_it_is(described: dict[str, Any]) -> None:
    assert described["openapi"] == "3.1.0"
    assert (described["info"]["title"], described["info"]["version"]) == ("Portico", VERSION)
    assert described["info"]["license"] == {"name": "Apache-2.0", "identifier": "Apache-2.0"}


def test_it_has_every_path_under_v1_and_no_other(described: dict[str, Any]) -> None:
    app = Quart("portico.server", static_folder=None)
    api.mount(app)
    under_v1 = [rule.rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/v1/")]
    shown = [rule.translate(str.maketrans("<>", "{}")) for rule in sorted(set(under_v1))]
    assert list(described["paths"]) == shown
    assert {"/v1/health/", "/v1/ready/", "/v1/admin/config"} <= set(under_v1)


def test_every_operation_has_a_name_a_summary_and_answers(described: dict[str, Any]) -> None:
    operations = [
        operation for methods in described["paths"].values() for operation in methods.values()
    ]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert operation["summary"]
        assert operation["tags"]
        assert all(answer["description"] for answer in operation["responses"].values())
        assert "application/problem+json" in operation["responses"]["default"]["content"]


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    wanted = {f"#/components/schemas/{name}" for name in schemas}
    assert set(references(described)) == wanted


def references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for child in node.values() for found in references(child)]
    if isinstance(node, list):
        return [found for child in node for found in references(child)]
    return []


def test_administration_names_the_credentials_that_it_needs(described: dict[str, Any]) -> None:
    security = described["paths"]["/v1/admin/config"]["get"]["security"]
    schemes = described["components"]["securitySchemes"]
    assert [set(needed) <= set(schemes) for needed in security] == [True, True]
    assert schemes["bearer"] == {"type": "http", "scheme": "bearer"}
    assert schemes["password"] == {"type": "apiKey", "in": "header", "name": "X-BARE-PASSWORD"}


def test_it_is_the_same_in_every_process() -> None:
    program = (
        "import sys; from portico.server.openapi import document_json;"
        "sys.stdout.buffer.write(document_json())"
    )
    made = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert made.stdout == document_json()


def test_making_it_again_gives_the_same() -> None:
    assert json.dumps(document()) == json.dumps(document())
