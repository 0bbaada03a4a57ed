"""Secrets that the server knows or is sent: none of them in what it writes, answers, or is run by.

Every class of error is provoked with a secret near it, on each engine.
"""

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from portico.server import commands
from portico.server.sources import read_text
from tests.processes import until
from tests.servers import ENGINES, Process, Server, program, run, serve, start

pytestmark = pytest.mark.socket

CANARY: Final = "canary-5d0b"
PASSWORD: Final = f"{CANARY}-password"
SENT: Final = f"{CANARY}-sent"
URI: Final = f"postgresql://user:{CANARY}-uri@127.0.0.1:1/name"

SPILLING: Final = '''
import os

SECRET = os.environ["APPLICATION_SECRET"]


async def app(scope, receive, send):
    """Hold every secret in a local name, and fail."""
    if scope["type"] != "http":
        return
    secret, headers, body = SECRET, scope["headers"], b""
    while (message := await receive()).get("more_body"):
        body += message["body"]
    start = {"type": "http.response.start", "status": 200, "headers": []}
    match scope["path"]:
        case "/raise":
            try:
                {}[secret, body]
            except KeyError:
                raise RuntimeError("the handler failed") from None
        case "/raise-late":
            await send(start)
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            raise RuntimeError("the handler failed")
        case "/bad-value":
            await send({**start, "headers": [(b"x-a", b"a\\r\\n" + secret.encode())]})
        case "/bad-name":
            await send({**start, "headers": [(b"x a", secret.encode())]})
        case "/bad-status":
            await send({**start, "status": 999})
        case "/silent":
            return
        case _:
            await send({**start, "status": 404})
    await send({"type": "http.response.body", "body": b""})
'''
ENVIRON: Final = {
    "APPLICATION_SECRET": f"{CANARY}-application",
    "LETTA_SERVER_PASSWORD": PASSWORD,
    "LETTA_SERVER_SECURE": "true",
    "OPENAI_API_KEY": f"{CANARY}-key",
}
GOOD: Final = "server:\n  max_body: 1KiB\n  max_target: 1KiB\n"
BROKEN: Final = {
    "no YAML": f"auth:\n  password: [{CANARY}\n",
    "another type": f"auth:\n  password: {{a: {CANARY}}}\n",
    "a misspelt key": f"auth:\n  passwrd: {CANARY}\n",
    "a bad URI": f"database:\n  uri: mysql://user:{CANARY}@db/name\n",
    "twice": f"auth:\n  password: {CANARY}\n  password: {CANARY}\n",
    "a tab": f"auth:\n\tpassword: {CANARY}\n",
}


def raw(path: str, *lines: str, method: str = "GET", body: str = "") -> bytes:
    own = ["Host: test", "Connection: close", *lines]
    if body and not any("Content-Length" in line for line in lines):
        own.append(f"Content-Length: {len(body)}")
    return "\r\n".join([f"{method} {path} HTTP/1.1", *own, "", body]).encode()


RIGHT: Final = f"Authorization: Bearer {PASSWORD}"
ASKED: Final = f"Access-Control-Request-Method: {SENT}"
COOKIE: Final = f"Cookie: session={SENT}"
REQUESTS: Final = {
    **{
        path: raw(path, RIGHT, COOKIE, method="POST", body=f"secret={SENT}")
        for path in (
            *("/raise", "/raise-late", "/bad-value", "/bad-name", "/bad-status", "/silent"),
            "/nowhere",
        )
    },
    "query": raw(f"/raise?password={SENT}&api_key={SENT}&limit=1", RIGHT),
    "no credentials": raw("/raise", COOKIE),
    "wrong password": raw("/raise", f"Authorization: Bearer {SENT}"),
    "wrong bare password": raw("/raise", f"X-BARE-PASSWORD: password {SENT}"),
    "malformed credentials": raw("/raise", f"Authorization: Basic {SENT}"),
    "administration": raw("/v1/admin/config", RIGHT),
    "administration, wrong": raw("/v1/admin/config", f"Authorization: Bearer {SENT}"),
    "body too large": raw("/raise", RIGHT, method="POST", body=SENT * 100),
    "target too long": raw("/raise?password=" + SENT * 100, RIGHT),
    "head too large": raw("/raise", RIGHT, "X-Secret: " + SENT * 6000),
    "bad length": raw("/raise", RIGHT, COOKIE, "Content-Length: " + SENT, method="POST"),
    "bad request line": raw(f"/raise {SENT}", RIGHT),
    "bad header": raw("/raise", RIGHT, f"X Secret {SENT}"),
    "bad escape": raw("/%zz%00", RIGHT, COOKIE),
    "broken body": raw("/raise", RIGHT, "Content-Length: 900", method="POST", body=SENT),
    "broken chunk": raw("/raise", RIGHT, "Transfer-Encoding: chunked", method="POST", body=SENT),
    "broken handshake": raw("/raise", RIGHT, "Upgrade: websocket", f"Sec-WebSocket-Key: {SENT}"),
    "preflight": raw("/raise", "Origin: https://a.test", ASKED, method="OPTIONS"),
}


def put(server: Server, request: bytes) -> bytes:
    """Put *request*, say that nothing more comes, and read until the server closes."""
    with server.connect() as connection:
        try:
            connection.send(request)
            connection.half_close()
        except ConnectionError:  # refused before all of it was read
            return b""
        return connection.read_until_closed()


def command_lines(session: int) -> list[bytes]:
    """The command line of each process of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session:
                    found.append((entry / "cmdline").read_bytes())
            except (FileNotFoundError, ProcessLookupError):  # it has just ended
                continue
    return found


def assert_kept(process: Process) -> None:
    assert process.logs
    assert CANARY not in process.logs


APPLICATIONS_OWN: Final = {"unhandled_exception", "no_answer", "invalid_response"}
PROVOKED: Final = {
    *APPLICATIONS_OWN,
    *("credentials_missing", "credentials_wrong", "credentials_malformed", "body_too_large"),
}
SERVERS: Final = {
    **{engine: (("--engine", engine, "spilling:app"), {}) for engine in ENGINES},
    "debugging": (("spilling:app",), {"LETTA_DEBUG": "true"}),
    "its own application": ((), {}),
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    arguments, more = SERVERS[request.param]
    files = {"spilling.py": SPILLING, "conf.yaml": GOOD}
    with serve(*arguments, environ={**ENVIRON, **more}, files=files) as started:
        yield started


def test_no_error_shows_one(server: Server) -> None:
    leaks = [name for name, asked in REQUESTS.items() if CANARY.encode() in put(server, asked)]
    assert leaks == []
    until(lambda: reasons(server) >= PROVOKED, 10, "every class of error has its record")
    assert server.alive()
    assert_kept(server)


def reasons(server: Server) -> set[str]:
    """The reasons in the access records; the server's own application raises none of its own."""
    fails = b"spilling:app" in b"".join(command_lines(server.popen.pid))
    own = set() if fails else APPLICATIONS_OWN
    return own | {str(event.get("reason")) for event in server.events("access")}


def test_no_process_is_run_by_one(server: Server) -> None:
    lines = command_lines(server.popen.pid)
    assert lines
    assert not any(CANARY.encode() in line for line in lines)


def test_a_broken_file_at_a_reload_shows_none() -> None:
    with serve(environ=ENVIRON, files={"conf.yaml": GOOD}) as server:
        for count, text in enumerate(BROKEN.values(), 1):
            (server.directory / "conf.yaml").write_text(text)
            server.signal(signal.SIGHUP)
            until(partial(is_refused, server, count), 15, "a refusal")
        assert server.get("/livez").status == 200
        server.stop()
        assert_kept(server)


def is_refused(server: Server, times: int) -> bool:
    return len(server.events("reload_refused")) == times


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("config", "check"), ("plan",)])
@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_bad_settings_show_none(
    command: tuple[str, ...],
    form: str,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "conf.yaml").write_text(text)
    (tmp_path / ".env").write_text(f'OPENAI_API_KEY="{CANARY}\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LETTA_REDIS_URL", f"redis://:{CANARY}@:bad/0")
    monkeypatch.setenv("LETTA_PORT", "many")
    code = commands.run([*command, "--format", form])
    shown = "".join(capfd.readouterr())
    assert code == 78
    assert "LETTA_REDIS_URL" in shown
    assert CANARY not in shown


def test_good_settings_show_none() -> None:
    code, out, err = run("config", "show", environ={**ENVIRON, "LETTA_PG_URI": URI})
    assert code == 0
    assert "auth.password" in out
    assert CANARY not in out + err


def test_a_database_that_cannot_be_reached_shows_none() -> None:
    with start(program("serve", "--port", "0"), {**ENVIRON, "LETTA_PG_URI": URI}) as process:
        until(lambda: bool(process.events("listening")) or not process.alive(), 20, "it listens")
        process.stop()
        assert_kept(process)


def test_what_was_read_from_a_file_is_not_in_its_repr(tmp_path: Path) -> None:
    (tmp_path / "conf.yaml").write_text(CANARY)
    read = read_text(str(tmp_path / "conf.yaml"))
    assert read.text == CANARY
    assert CANARY not in repr(read)
