"""``portico serve`` as a person starts it: real processes, one line for each refusal."""

import signal
import socket
import ssl
import time
import urllib.request
from pathlib import Path

import pytest

from tests.adapters.certificates import make_certificate
from tests.servers import program, run, serve, start
from tests.wire import Connection, request_bytes

pytestmark = pytest.mark.socket

ENGINES = ("hypercorn", "uvicorn", "granian")
every_engine = pytest.mark.parametrize("engine", ENGINES)
ORIGIN = "https://app.example"

APPLICATIONS = {
    "served.py": """
import asyncio, sys
import anyio

async def answer(send, body):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
    await send({"type": "http.response.body", "body": body})

async def app(scope, receive, send):
    if scope["type"] == "http":
        if scope["path"] == "/slow":
            print('{"event":"slow"}', flush=True)
            await anyio.sleep(1)
        await answer(send, b"own")

async def knows_asyncio(scope, receive, send):
    if scope["type"] == "http":
        await asyncio.sleep(0.01)
        await answer(send, await asyncio.to_thread(lambda: b"asyncio"))

def wsgi(environ, start_response):
    return []
"""
}


@every_engine
def test_the_server_answers_and_ends_with_0(engine: str):
    with serve("--engine", engine) as server:
        assert server.listening["engine"] == engine
        assert server.get("/livez").status == 200
        assert server.stop() == 0
        assert "Traceback" not in server.logs


@pytest.mark.parametrize("engine", ["uvicorn", "granian"])
def test_several_workers(engine: str):
    with serve("--engine", engine, "--workers", "2") as server:
        assert server.listening["workers"] == 2
        assert server.listening["workers_bound"] == "explicit"
        assert server.get("/livez").status == 200
        assert server.stop() == 0


def test_auto_workers_say_which_bound_decided():
    with serve("--engine", "uvicorn", "--workers", "auto") as server:
        assert server.listening["workers_bound"] in {"cpu", "memory"}


def test_the_event_names_profile_and_sources():
    files = {"conf.yaml": "server:\n  keep_alive: 3\n"}
    arguments = ("--profile", "container", "--host", "127.0.0.1", "--drain-delay", "0s")
    with serve(*arguments, files=files) as server:
        assert server.listening["profile"] == "container"
        assert any("conf.yaml" in source for source in server.listening["read"])


def test_a_person_reads_lines():
    with start(program("serve", "--port", "0", "--log-format", "console")) as process:
        first = process.stderr.wait_for_line(lambda line: " listens on " in line, 30)
        assert first.startswith("portico ")
        process.stderr.wait_for_line(lambda line: line.startswith("  settings from"), 5)
        assert process.stop() == 0
    assert process.stderr.text.count("listens on") == 1


@every_engine
def test_a_taken_port(engine: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        before = time.monotonic()
        code, out, errors = run("serve", "--engine", engine, "--port", str(port))
    assert (code, out) == (2, "")
    assert errors == (
        f"portico: cannot listen on http://127.0.0.1:{port}: it is in use by another process"
    )
    assert time.monotonic() - before < 10  # of which the interpreter's start is the most


@every_engine
def test_a_bad_certificate(engine: str, tmp_path: Path):
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    environ = {"LETTA_TLS_CERT": str(text), "LETTA_TLS_KEY": str(text), "LETTA_ENGINE": engine}
    code, out, errors = run("serve", "--port", "0", environ=environ)
    assert (code, out) == (78, "")
    assert errors == f"portico: {text} or {text} is no certificate with its key in PEM"


def test_half_a_certificate_is_never_plain_http(tmp_path: Path):
    certificate = make_certificate(tmp_path)
    code, out, errors = run("serve", environ={"LETTA_TLS_CERT": str(certificate.cert)})
    assert (code, out) == (78, "")
    assert "incomplete-group" in errors


@every_engine
def test_another_application_gets_the_same_policy(engine: str):
    environ = {"LETTA_CORS_ORIGINS": ORIGIN, "LETTA_ENGINE": engine}
    with serve("served:app", environ=environ, files=APPLICATIONS) as server:
        answer = server.get("/", [("origin", ORIGIN)])
        assert (answer.status, answer.body) == (200, b"own")
        assert answer.header("x-own") == "1"
        assert answer.header("access-control-allow-origin") == ORIGIN
        assert answer.header("x-request-id")
        refused = server.get("/", [("origin", "https://other.example")])
        assert refused.header("access-control-allow-origin") is None
        assert server.stop() == 0


@every_engine
def test_a_request_in_flight_is_answered_at_the_end(engine: str):
    with (
        serve("--engine", engine, "served:app", files=APPLICATIONS) as server,
        server.connect() as connection,
    ):
        connection.send(request_bytes("GET", "/slow"))
        server.wait_for_event("slow")
        server.signal(signal.SIGTERM)
        assert connection.response().body == b"own"
        assert server.wait() == 0


@every_engine
def test_an_asyncio_application_runs_on_every_engine(engine: str):
    arguments = ("--engine", engine, "--asyncio", "served:knows_asyncio")
    with serve(*arguments, files=APPLICATIONS) as server:
        answer = server.get("/")
        assert (answer.status, answer.body) == (200, b"asyncio")
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("served:ap", "served has no 'ap'; did you mean 'app'?"),
        ("served:wsgi", "served:wsgi is a WSGI application; put an adapter such as a2wsgi around"),
        ("nowhere:app", "no module 'nowhere' in"),
        ("served", "'served' is no package.module:app; did you mean served:app?"),
    ],
)
def test_a_target_that_is_no_application(target: str, message: str):
    code, out, errors = run("serve", "--port", "0", target, files=APPLICATIONS)
    assert (code, out) == (2, "")
    assert errors.startswith(f"portico: {message}")
    assert len(errors.splitlines()) == 1


def test_settings_without_an_effect_are_told_once():
    environ = {"LETTA_REDIS_URL": "redis://localhost", "LETTA_LOG_FILE": "portico.log"}
    with serve(environ=environ) as server:
        told = "no effect in this version yet: redis.url, telemetry.log_file"
        assert server.stderr.text.count(told) == 1


@every_engine
def test_a_unix_socket(engine: str, tmp_path: Path):
    path = tmp_path / "portico.sock"
    with serve("--engine", engine, "--uds", str(path)) as server:
        assert server.listening["url"] == f"unix:{path}"
        with Connection(str(path)) as connection:
            assert connection.ask(request_bytes("GET", "/livez")).status == 200
        assert server.stop() == 0
    assert not path.exists()


@pytest.mark.parametrize("engine", ["uvicorn", "granian"])
def test_uvloop_on_asyncio(engine: str):
    with serve("--engine", engine, "--uvloop") as server:
        assert server.get("/livez").status == 200


def test_secrets_reach_spawned_workers_by_no_command_line_or_environment():
    environ = {"LETTA_SERVER_PASSWORD_FILE": "secret.txt", "LETTA_SERVER_SECURE": "true"}
    arguments = ("--engine", "granian", "--workers", "2")
    with serve(*arguments, environ=environ, files={"secret.txt": "s3cr3t-v4lue"}) as server:
        children = [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdecimal() and str(server.popen.pid) == parent_of(entry)
        ]
        assert len(children) >= 2
        for child in (server.popen.pid, *children):
            for name in ("cmdline", "environ"):
                assert b"s3cr3t-v4lue" not in Path(f"/proc/{child}/{name}").read_bytes()
        allowed = server.get("/v1/models/", [("authorization", "Bearer s3cr3t-v4lue")])
        assert allowed.status != 401
        assert server.get("/v1/models/").status == 401


def parent_of(process: Path) -> str:
    try:
        stat = (process / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "gone"  # some other process of the machine ended between listing and reading
    return stat.rpartition(")")[2].split()[1]


@every_engine
def test_localhttps_serves_a_certificate_of_its_own(engine: str, tmp_path: Path):
    environ = {"LETTA_DIR": str(tmp_path / "state"), "HOME": str(tmp_path)}
    with serve("--engine", engine, "--localhttps", environ=environ) as server:
        authority = tmp_path / "state" / "localhttps" / "authority.pem"
        context = ssl.create_default_context(cafile=authority)
        with urllib.request.urlopen(f"{server.url}/livez", context=context) as answer:
            assert answer.status == 200
        assert "no effect" not in server.stderr.text


def test_localhttps_needs_a_place_for_its_certificate(tmp_path: Path):
    (tmp_path / "taken").touch()
    environ = {"LETTA_DIR": str(tmp_path / "taken")}
    code, _, errors = run("serve", "--port", "0", "--localhttps", environ=environ)
    assert code == 78
    assert errors.startswith("portico: cannot keep a certificate in storage.dir")
    assert len(errors.splitlines()) == 1


def test_asyncio_alone_on_trio_is_told_what_it_needs():
    with serve("served:knows_asyncio", files=APPLICATIONS) as server:
        assert server.get("/").status == 500
        (event,) = server.events("request failed")
        assert "--asyncio" in event["hint"]


@pytest.mark.parametrize("workers", ["1", "2"])
@every_engine
def test_a_hangup_ends_no_server(engine: str, workers: str):
    with serve("--engine", engine, "--workers", workers) as server:
        server.signal(signal.SIGHUP)
        if engine == "uvicorn" and workers == "1":
            server.stdout.wait_for_line(lambda line: "SIGHUP changes nothing" in line, 5)
        assert [server.get("/livez").status for _ in range(3)] == [200] * 3
        assert server.stop() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "--tls-cert", "~nobodyhere/a", "--tls-key", "~nobodyhere/b"),
        ("serve", "--localhttps", "--storage-dir", "~nobodyhere/x"),
        ("plan", "--localhttps", "--storage-dir", "~nobodyhere/x"),
    ],
)
def test_a_home_that_is_not_known_is_a_matter_of_the_settings(arguments: tuple[str, ...]):
    code, _, errors = run(*arguments)
    assert code == 78
    assert "the home directory in ~nobodyhere/" in errors
    assert "(--debug" not in errors
