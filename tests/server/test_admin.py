"""The administration's page of effective settings: complete, masked, never open."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from portico.core.settings import TABLE, Secret, Settings, Sources, resolve
from portico.core.settings.explanation import show_object
from portico.server.app import create_app
from portico.server.application import Runtime
from tests.server.asgi import serving

pytestmark = pytest.mark.anyio

CONFIG = "/v1/admin/config"
PASSWORD = "correct horse"
BEARER = {"authorization": f"Bearer {PASSWORD}"}
BARE = {"x-bare-password": f"password {PASSWORD}"}
SECRETS = {
    "LETTA_SERVER_PASSWORD": PASSWORD,
    "LETTA_PG_URI": "postgresql://letta:hunter2@db:5432/letta",
    "LETTA_REDIS_URL": "redis://:hunter3@redis:6379/0",
    "OPENAI_API_KEY": "sk-hunter4",
}


def settings(*, required: bool = False, password: str | None = PASSWORD) -> Settings:
    secret = None if password is None else Secret(password)
    auth = replace(Settings().auth, required=required, password=secret)
    return replace(Settings(), auth=auth)


@pytest.mark.parametrize("credentials", [BEARER, BARE])
@pytest.mark.parametrize("path", [CONFIG, CONFIG + "/"])
async def test_the_password_opens_it(
    runtime: Runtime, credentials: dict[str, str], path: str
) -> None:
    async with serving(create_app(settings(), runtime)) as http:
        answer = await http.get(path, headers=credentials)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == set(TABLE)


async def test_it_shows_what_config_show_shows(runtime: Runtime) -> None:
    resolution = resolve(Sources(env={**SECRETS, "LETTA_PORT": "9000", "LETTA_KEEP_ALIVE": "7s"}))
    assert resolution.settings is not None
    app = create_app(resolution.settings, runtime, provenance=resolution.provenance)
    async with serving(app) as http:
        shown = (await http.get(CONFIG, headers=BEARER)).json()
    assert shown["server.port"] == {"value": 9000, "origin": "env:LETTA_PORT"}
    assert shown["server.keep_alive"] == {"value": 7.0, "origin": "env:LETTA_KEEP_ALIVE"}
    assert shown["server.backlog"] == {"value": 2048, "origin": "default"}
    assert shown == json.loads(json.dumps(show_object(resolution)))


async def test_no_secret_is_in_it(runtime: Runtime) -> None:
    resolution = resolve(Sources(env=SECRETS))
    assert resolution.settings is not None
    app = create_app(resolution.settings, runtime, provenance=resolution.provenance)
    async with serving(app) as http:
        text = (await http.get(CONFIG, headers=BEARER)).text
    assert "hunter" not in text
    assert PASSWORD not in text
    assert json.loads(text)["database.uri"]["value"] == "postgresql://letta:********@db:5432/letta"


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}])
async def test_without_the_right_password_it_is_shut(
    runtime: Runtime, required: bool, headers: dict[str, str]
) -> None:
    async with serving(create_app(settings(required=required), runtime)) as http:
        answer = await http.get(CONFIG, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert "www-authenticate" in answer.headers


async def test_without_a_configured_password_nobody_gets_in(runtime: Runtime) -> None:
    async with serving(create_app(settings(password=None), runtime)) as http:
        answer = await http.get(CONFIG, headers=BEARER)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    ["/v1/%61dmin/config", "/v1/admin%2fconfig", "/v1//admin/config", "/v1/admin/config//"],
)
async def test_no_other_spelling_opens_it(runtime: Runtime, path: str) -> None:
    async with serving(create_app(settings(), runtime)) as http:
        assert (await http.get(path)).status_code in (400, 401, 404)


async def test_it_is_not_mirrored(runtime: Runtime) -> None:
    async with serving(create_app(settings(), runtime)) as http:
        assert (await http.get("/latest/admin/config", headers=BEARER)).status_code == 404


async def test_the_handler_itself_refuses_whoever_the_policy_let_through(
    runtime: Runtime,
) -> None:
    app: Any = create_app(settings(), runtime)
    app.asgi_app = partial(type(app).asgi_app, app)  # as Quart has it, no policy in front
    async with serving(app) as http:
        assert (await http.get(CONFIG)).status_code == 401
