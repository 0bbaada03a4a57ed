"""Probes: what they say in each phase, to whom, and what they cost."""

from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from quart import Quart

from portico.core.health import Phase
from portico.core.settings import Secret, Settings
from portico.server.app import create_app
from portico.server.application import Runtime
from portico.server.blueprints.health import is_verbose
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


def secured(*, required: bool = True) -> Settings:
    auth = replace(Settings().auth, required=required, password=Secret("correct horse"))
    return replace(Settings(), auth=auth)


VERBOSE_PROBES = ["/readyz", "/livez", "/startupz", "/v1/ready/", "/latest/ready/"]
RIGHT = {"authorization": "Bearer correct horse"}


@pytest.mark.parametrize("path", VERBOSE_PROBES)
@pytest.mark.parametrize("query", ["verbose", "verbose=1", "a=b&verbose", "%FF&verbose="])
async def test_details_are_for_who_has_the_password(
    runtime: Runtime, path: str, query: str
) -> None:
    for required in (True, False):
        async with serving(create_app(secured(required=required), runtime)) as http:
            url = f"{path}?{query}"
            missing = await http.get(url)
            wrong = await http.get(url, headers={"x-bare-password": "password wrong"})
            right = await http.get(url, headers=RIGHT)
        assert (missing.status_code, wrong.status_code, right.status_code) == (401, 401, 200)
        assert missing.headers["www-authenticate"] == 'Bearer realm="portico"'
        assert missing.headers["content-type"] == "application/problem+json"
        assert missing.headers["cache-control"] == "no-store"
        assert "details" in right.json()


@pytest.mark.parametrize("query", ["", "?verbos", "?xverbose", "?a=verbose", "?%FF"])
async def test_without_the_word_there_are_no_details(runtime: Runtime, query: str) -> None:
    async with serving(create_app(secured(), runtime)) as http:
        answer = await http.get(f"/readyz{query}", headers=RIGHT)
    assert answer.json() == {"status": "ready"}


@pytest.mark.parametrize(
    ("query", "asked"),
    [(b"", False), (b"\xff&verbose", True), (b"verbose=\xff", True), (b"verbose\xff", False)],
)
def test_bytes_that_are_no_text_are_no_obstacle(query: bytes, asked: bool) -> None:
    assert is_verbose(query) is asked


async def test_without_a_password_nobody_gets_details(runtime: Runtime) -> None:
    async with serving(create_app(Settings(), runtime)) as http:
        answer = await http.get("/readyz?verbose", headers=RIGHT)
    assert answer.status_code == 403
    assert "LETTA_SERVER_PASSWORD" in answer.json()["detail"]


@dataclass
class Time:
    """A clock that a test sets."""

    now: float = 50.0

    def clock(self) -> float:
        return self.now


def governed(runtime: Runtime, time: Time, **health: Any) -> Quart:
    """The application, whose handlers find a health that goes by *time*."""
    settings = secured()
    settings = replace(settings, health=replace(settings.health, **health))
    app = create_app(settings, runtime)
    lifecycle = Lifecycle.of(settings, clock=time.clock)
    lifecycle.started()
    replace(state_of(app), lifecycle=lifecycle).attach(app)
    return app


async def test_details_name_each_source_and_what_is_known_of_it(runtime: Runtime) -> None:
    time = Time()
    app = governed(runtime, time, in_flight=4)
    time.now = 52.0
    told(app).sample("in_flight", 5.0)
    told(app).beat()
    time.now = 54.5
    async with client(app) as http:
        details = (await http.get("/readyz?verbose", headers=RIGHT)).json()["details"]
    assert list(details.pop("sources").items())[:2] == [
        (
            "loop_lag",
            {
                "value": None,
                "over": 1.0,
                "bad": False,
                "since_s": 4.5,
                "sampled_s": None,
                "active": False,
                "gating": True,
            },
        ),
        (
            "in_flight",
            {
                "value": 5.0,
                "over": 4.0,
                "bad": True,
                "since_s": 2.5,
                "sampled_s": 2.5,
                "active": False,
                "gating": True,
            },
        ),
    ]
    assert details == {"phase": "serving", "disabled": False, "live": True, "heartbeat_s": 2.5}


async def test_without_a_cap_nothing_is_too_much(runtime: Runtime) -> None:
    async with client(governed(runtime, Time())) as http:
        answer = await http.get("/livez?verbose", headers=RIGHT)
    assert answer.json()["details"]["sources"]["in_flight"]["over"] is None


async def test_too_many_requests_in_flight_for_long_enough_make_a_process_unready(
    runtime: Runtime,
) -> None:
    time = Time()
    app = governed(runtime, time, in_flight=4)
    async with client(app) as http:
        for second in range(6):
            assert (await http.get("/readyz")).status_code == 200
            time.now = 60.0 + second
            told(app).sample("in_flight", 5.0)
        answer = await http.get("/readyz")
        assert (answer.status_code, answer.json()) == (
            503,
            {"status": "degraded", "reasons": ["in_flight"]},
        )
        assert (await http.get("/livez")).status_code == 200
        time.now = 80.0
        assert (await http.get("/readyz")).status_code == 200


async def test_a_process_whose_heart_does_not_beat_is_not_live(runtime: Runtime) -> None:
    time = Time()
    app = governed(runtime, time)
    time.now += 15.1
    async with client(app) as http:
        answer = await http.get("/livez")
        assert (answer.status_code, answer.json()) == (503, {"status": "stalled"})
        assert (await http.get("/readyz")).status_code == 200
        told(app).beat()
        assert (await http.get("/livez")).json() == {"status": "live"}
