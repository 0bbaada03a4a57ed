"""Probes: what they say in each phase, to whom, and what they cost."""

from dataclasses import replace

import httpx
import pytest
from quart import Quart

from portico.core.health import Phase
from portico.core.settings import Secret, Settings
from portico.server.app import create_app
from portico.server.application import Runtime
from portico.server.lifecycle import Lifecycle
from portico.server.state import VERSION, state_of
from tests.server.asgi import client, serving

pytestmark = pytest.mark.anyio

READINESS = ["/readyz", "/v1/ready/", "/latest/ready/"]
PROBES = [*READINESS, "/livez", "/startupz", "/v1/health/", "/latest/health/"]


def body_of(answer: httpx.Response) -> dict[str, object]:
    body: dict[str, object] = answer.json()
    body.pop("version", None)
    return body


def told(app: Quart) -> Lifecycle:
    return state_of(app).lifecycle


@pytest.mark.parametrize("path", ["/v1/health/", "/v1/health", "/latest/health/"])
async def test_health_tells_the_version(runtime: Runtime, path: str) -> None:
    async with serving(create_app(Settings(), runtime)) as http:
        answer = await http.get(path)
    assert (answer.status_code, answer.json()) == (200, {"version": VERSION, "status": "ok"})


@pytest.mark.parametrize("path", PROBES)
async def test_probes_are_never_stored_and_are_json(runtime: Runtime, path: str) -> None:
    async with serving(create_app(Settings(), runtime)) as http:
        answer = await http.get(path)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"


async def test_a_serving_process_is_started_ready_and_live(runtime: Runtime) -> None:
    async with serving(create_app(Settings(), runtime)) as http:
        said = {path: (await http.get(path)).json() for path in ("/startupz", "/readyz", "/livez")}
    assert said == {
        "/startupz": {"status": "started"},
        "/readyz": {"status": "ready"},
        "/livez": {"status": "live"},
    }


async def test_readiness_in_the_api_tells_the_version_too(runtime: Runtime) -> None:
    async with serving(create_app(Settings(), runtime)) as http:
        answer = await http.get("/v1/ready/")
    assert answer.json() == {"status": "ready", "version": VERSION}


async def test_before_its_lifespan_a_process_is_live_but_neither_started_nor_ready(
    runtime: Runtime,
) -> None:
    async with client(create_app(Settings(), runtime)) as http:
        started, ready, live = [await http.get(path) for path in ("/startupz", "/readyz", "/livez")]
    assert (started.status_code, started.json()) == (503, {"status": "starting"})
    assert (ready.status_code, body_of(ready)) == (
        503,
        {"status": "starting", "reasons": ["starting"]},
    )
    assert live.status_code == 200


@pytest.mark.parametrize("path", READINESS)
async def test_a_draining_process_is_live_and_started_but_not_ready(
    runtime: Runtime, path: str
) -> None:
    app = create_app(Settings(), runtime)
    async with serving(app) as http:
        told(app).drain()
        ready, live, started = [await http.get(p) for p in (path, "/livez", "/startupz")]
    assert (ready.status_code, body_of(ready)) == (
        503,
        {"status": "draining", "reasons": ["draining"]},
    )
    assert (live.status_code, started.status_code) == (200, 200)


async def test_a_process_that_was_shut_down_is_not_ready(runtime: Runtime) -> None:
    app = create_app(Settings(), runtime)
    async with serving(app):
        assert told(app).health.phase is Phase.SERVING
    async with client(app) as http:
        ready, started = [await http.get(path) for path in ("/readyz", "/startupz")]
    assert (ready.status_code, body_of(ready)["status"]) == (503, "stopped")
    assert started.status_code == 503


async def test_a_drain_before_the_start_is_over_holds(runtime: Runtime) -> None:
    app = create_app(Settings(), runtime)
    told(app).drain()
    async with serving(app) as http:
        assert (await http.get("/readyz")).json()["status"] == "draining"


@pytest.mark.parametrize(
    ("enforced", "drain_returns_503", "status"),
    [(True, True, 503), (True, False, 200), (False, True, 200), (False, False, 200)],
)
async def test_the_settings_may_waive_the_status_but_not_the_truth(
    runtime: Runtime, enforced: bool, drain_returns_503: bool, status: int
) -> None:
    health = replace(Settings().health, enforced=enforced, drain_returns_503=drain_returns_503)
    app = create_app(replace(Settings(), health=health), runtime)
    async with serving(app) as http:
        told(app).drain()
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (status, "draining")


@pytest.mark.parametrize("path", PROBES)
@pytest.mark.parametrize("end", ["", "/"])
async def test_probes_need_no_password(runtime: Runtime, path: str, end: str) -> None:
    async with serving(create_app(secured(), runtime)) as http:
        assert (await http.get(path.rstrip("/") + end)).status_code == 200
        assert (await http.head(path.rstrip("/") + end)).status_code == 200


async def test_what_is_no_probe_needs_the_password(runtime: Runtime) -> None:
    async with serving(create_app(secured(), runtime)) as http:
        for path in ("/", "/docs", "/openapi.json", "/v1/healthy", "/nothing"):
            assert (await http.get(path)).status_code == 401


def secured() -> Settings:
    auth = replace(Settings().auth, required=True, password=Secret("correct horse"))
    return replace(Settings(), auth=auth)
