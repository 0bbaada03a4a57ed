"""``portico cors import-quart``: from quart-cors to settings that resolve."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from quart import Blueprint, Quart
from quart_cors import cors, cors_exempt, route_cors

from portico.core.settings import Sources, resolve
from portico.server.quart_cors import Configuration, read_application, translate
from tests.servers import run

APP = """
import re
from quart import Quart
from quart_cors import cors

app = cors(
    Quart(__name__),
    allow_origin=["https://app.example.com", re.compile(r"https://.*\\.example\\.org")],
    allow_credentials=True,
    max_age=60,
)
"""


def imported(**arguments: Any) -> tuple[dict[str, Any], dict[str, bool]]:
    result = translate(Configuration({}, arguments))
    return result.settings, {d.code: d.carried for d in result.differences}


def test_an_application_becomes_a_configuration_file_that_resolves() -> None:
    code, text, errors = run("cors", "import-quart", "shop:app", files={"shop.py": APP})
    assert (code, errors) == (0, "")
    resolution = resolve(Sources(env={}, file=("conf.yaml", text)))
    assert resolution.settings is not None
    settings = resolution.settings.cors
    assert settings.origins == ("https://*.example.org", "https://app.example.com")
    assert (settings.allow_credentials, settings.max_age) == (True, 60.0)
    assert settings.websocket_missing_origin == "deny"
    assert "[regular-expression]" in text


def test_json_says_the_same() -> None:
    arguments = ("cors", "import-quart", "shop:app", "--format", "json")
    code, text, _ = run(*arguments, files={"shop.py": APP})
    document = json.loads(text)
    assert (code, document["ok"], document["problems"]) == (0, True, [])
    assert document["settings"]["cors.max_age"] == 60


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("conf.json", '{"QUART_CORS_ALLOW_ORIGIN": ["https://a.example"], "OTHER": 1}'),
        ("conf.py", 'QUART_CORS_ALLOW_ORIGIN = ["https://a.example"]'),
    ],
)
def test_a_file_of_keys_is_read(name: str, text: str) -> None:
    code, output, _ = run("cors", "import-quart", name, files={name: text})
    assert code == 0
    assert "origins: ['https://a.example']" in output


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("nowhere:app", {}),
        ("conf.json", {}),
        ("conf.json", {"conf.json": "[1]"}),
        ("conf.py", {"conf.py": "raise LookupError"}),
        ("plain:app", {"plain.py": "async def app(scope, receive, send): ..."}),
    ],
)
def test_what_cannot_be_read_is_a_usage_error(source: str, files: dict[str, str]) -> None:
    code, _, errors = run("cors", "import-quart", source, files=files)
    assert code == 2
    assert "Traceback" not in errors


def test_settings_that_make_no_policy_are_78() -> None:
    files = {"c.json": '{"QUART_CORS_ALLOW_ORIGIN": "*", "QUART_CORS_ALLOW_CREDENTIALS": true}'}
    code, text, _ = run("cors", "import-quart", "c.json", files=files)
    assert code == 78
    assert "wildcard-with-credentials" in text


def test_parts_of_an_application_are_not_carried_over() -> None:
    app = cors(Quart(__name__))
    blueprint = cors(Blueprint("shop", __name__))

    @app.get("/one")
    @route_cors(allow_origin="https://a.example")
    async def one() -> str:
        return ""

    @app.get("/two")
    @cors_exempt
    async def two() -> str:
        return ""

    app.register_blueprint(blueprint)
    found = read_application(app)
    assert {what for _, what in found.partial} == {
        "cors(blueprint, ...)",
        "route_cors",
        "cors_exempt",
    }
    lost = [d.where for d in translate(found).differences if not d.carried]
    assert lost == ["blueprint shop", "route one", "route two"]


def test_the_defaults_stay_what_they_were() -> None:
    settings, codes = imported()
    assert settings == {
        "origins": ["*"],
        "allow_credentials": False,
        "methods": ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"],
        "request_headers": ["*", "Authorization"],
        "expose": [],
        "max_age": 5,
        "websocket_missing_origin": "deny",
    }
    assert all(codes.values())


def test_an_argument_false_yields_to_its_key_as_in_quart_cors() -> None:
    keys = {"QUART_CORS_ALLOW_CREDENTIALS": True, "QUART_CORS_ALLOW_ORIGIN": "https://a.example"}
    result = translate(Configuration(keys, {"allow_credentials": False}))
    assert result.settings["allow_credentials"] is True


def test_what_cannot_be_said_is_told() -> None:
    settings, codes = imported(
        allow_origin=[re.compile("https://(a|b)[.]example"), "null"],
        allow_methods="PUT",
        max_age=timedelta(days=2),
        expose_headers="X-A",
    )
    assert (settings["origins"], settings["allow_null"]) == ([], True)
    assert (settings["max_age"], settings["expose"]) == (86400, ["X-A"])
    assert codes["regular-expression"] is False
    assert {"safelisted-method", "max-age-bounded"} <= set(codes)
    assert translate(Configuration({})).differences[-1].code == "application-not-covered"


def test_a_wildcard_is_never_reflected() -> None:
    result = translate(Configuration({"QUART_CORS_SEND_ORIGIN_WILDCARD": False}, {}))
    assert "wildcard-not-reflected" in {d.code for d in result.differences}
