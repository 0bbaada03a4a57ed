"""The catalogue, and what is made from it: JSON Schema, templates, reference."""

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from portico.core.settings import TABLE, Resolution, Sources, resolve
from portico.core.settings.catalogue import default_text, file_default, groups, summary_of
from portico.core.settings.json_schema import schema_object
from portico.core.settings.reference import reference_markdown, reference_object
from portico.core.settings.templates import dotenv_template, template_object, yaml_template

EXAMPLE = {
    "server": {"port": 8300, "workers": "auto", "keep_alive": "1m30s", "max_body": 1048576},
    "cors": {"origins": ["https://a.example"], "allow_credentials": False, "methods": "PUT"},
    "auth": {"required": True, "password": "hunter2"},
    "database": None,
    "telemetry": {"log_level": "debug", "log_format": None},
    "models": {"services": [{"name": "a", "base_url": "https://a.example/v1"}]},
}


def defaults() -> Resolution:
    return resolve(Sources())


def validator() -> Draft202012Validator:
    document = schema_object()
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def test_the_catalogue_holds_every_setting_in_order() -> None:
    assert [spec.path for _, specs in groups() for spec in specs] == list(TABLE)
    assert all(summary_of(group).endswith((".", "``.")) for group, _ in groups())


def test_defaults_are_written_with_units() -> None:
    assert default_text(TABLE["server.uds"]) == ""
    assert default_text(TABLE["server.keep_alive"]) == "5s"
    assert file_default(TABLE["server.keep_alive"]) == "5s"
    assert file_default(TABLE["server.max_body"]) == "16MiB"
    assert file_default(TABLE["server.port"]) == 8283
    assert file_default(TABLE["cors.methods"]) == ["*"]


def test_a_real_file_is_valid_and_resolves() -> None:
    assert list(validator().iter_errors(EXAMPLE)) == []
    resolution = resolve(Sources(file=("conf.yaml", json.dumps(EXAMPLE))))
    assert resolution.problems == ()


@pytest.mark.parametrize(
    "faulty",
    [
        {"server": {"port": 99999}},
        {"server": {"prot": 1}},
        {"servre": {}},
        {"server": {"engine": "gunicorn"}},
        {"server": []},
        {"cors": {"origins": 1}},
        {"telemetry": {"debug": "maybe"}},
    ],
)
def test_a_faulty_file_is_not_valid(faulty: object) -> None:
    assert list(validator().iter_errors(faulty)) != []


def test_the_schema_describes_every_setting() -> None:
    properties: Any = schema_object()["properties"]
    described = {
        f"{group}.{key}": member["description"]
        for group, part in properties.items()
        for key, member in part["properties"].items()
    }
    assert list(described) == list(TABLE)
    assert all(described.values())
    assert properties["server"]["properties"]["keep_alive"]["default"] == "5s"
    assert "default" not in properties["server"]["properties"]["uds"]


def uncommented_dotenv() -> str:
    return re.sub(r"^#(?=\S)", "", dotenv_template(), flags=re.MULTILINE)


def uncommented_yaml() -> str:
    return re.sub(r"^#", "", yaml_template(), flags=re.MULTILINE)


@pytest.mark.parametrize(
    "sources",
    [
        Sources(dotenv=(".env", dotenv_template())),
        Sources(dotenv=(".env", uncommented_dotenv())),
        Sources(file=("conf.yaml", yaml_template())),
        Sources(file=("conf.yaml", uncommented_yaml())),
        Sources(file=("conf.yaml", json.dumps(template_object()))),
    ],
    ids=["env", "env without #", "yaml", "yaml without #", "json"],
)
def test_every_template_gives_the_defaults_without_a_word(sources: Sources) -> None:
    resolution = resolve(sources)
    assert (resolution.problems, resolution.warnings) == ((), ())
    assert resolution.values == defaults().values


def test_templates_are_complete() -> None:
    named = set(re.findall(r"^#(\w+)=", dotenv_template(), re.MULTILINE))
    assert named == {spec.names[0] for spec in TABLE.values() if spec.names}
    assert len(re.findall(r"^#  \w+:", yaml_template(), re.MULTILINE)) == len(TABLE)
    assert list(validator().iter_errors(template_object())) == []


def test_templates_send_secrets_to_files() -> None:
    assert "LETTA_SERVER_PASSWORD_FILE" in dotenv_template()


def test_templates_fit_a_terminal() -> None:
    remarks = [line for line in dotenv_template().splitlines() if line.startswith("# ")]
    assert max(map(len, remarks)) <= 100


def test_the_reference_has_a_row_for_every_setting() -> None:
    page = reference_markdown()
    rows = re.findall(r"^\| `([a-z0-9_]+\.[a-z0-9_]+)` \|", page, re.MULTILINE)
    assert rows == list(TABLE)
    assert "`LETTA_PORT`, `PORT`" in page
    assert "| `prod` | `server.workers` | `auto` |" in page
    assert "--no-reload" not in page


def test_the_rows_of_the_reference_have_as_many_cells_as_its_heading() -> None:
    rows = [line for line in reference_markdown().splitlines() if line.startswith("| `")]
    cells = {len(re.split(r"(?<!\\)\|", row)) - 2 for row in rows}
    assert cells == {5, 3}


def test_the_reference_object_has_every_name() -> None:
    document = reference_object()
    assert list(document) == list(TABLE)
    port = document["server.port"]
    assert isinstance(port, dict)
    assert port["default"] == 8283
    assert port["names"]["env"] == ["LETTA_PORT", "PORT", "LETTA_PORT_FILE"]
    json.dumps(document)
