"""``portico serve --static``: files beside the API, over sockets, on each engine."""

import os
import signal
from pathlib import Path

import pytest

from tests.servers import ENGINES, Connection, run, serve
from tests.wire import request_bytes

pytestmark = pytest.mark.socket

NAVIGATION = [("accept", "text/html"), ("sec-fetch-mode", "navigate")]
LARGE = os.urandom(1_000_000)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    root.mkdir()
    (root / "index.html").write_text("<h1>site</h1>")
    (root / "app.3f9a2b1c.js").write_text("// app")
    (root / "large.bin").write_bytes(LARGE)
    (root / ".env").write_text("SECRET=1")
    (root / "passwd.txt").symlink_to("/etc/passwd")
    return root


@pytest.mark.parametrize("engine", ENGINES)
def test_files_beside_the_api(engine: str, site: Path):
    with serve("--engine", engine, "--static", str(site), "--spa") as server:
        home = server.get("/")
        assert (home.status, home.body) == (200, b"<h1>site</h1>")
        assert home.header("content-security-policy")
        assert home.header("x-request-id")
        assert server.get("/users/1", NAVIGATION).body == home.body
        assert server.get("/users/1").status == 404
        hashed = server.get("/app.3f9a2b1c.js").header("cache-control")
        assert hashed == "max-age=31536000, immutable"
        assert server.get("/large.bin").body == LARGE
        part = server.get("/large.bin", [("range", "bytes=-10")])
        assert (part.status, part.body) == (206, LARGE[-10:])
        assert [server.get(path).status for path in ("/.env", "/passwd.txt")] == [404, 404]
        assert server.get("/livez").status == 200
        assert server.get("/v1/health/").status == 200
        unknown = server.get("/v1/nothing", NAVIGATION)
        assert (unknown.status, unknown.header("content-type")) == (404, "application/problem+json")
        with server.connect() as connection:
            assert connection.ask(request_bytes("HEAD", "/large.bin")).header(
                "content-length"
            ) == str(len(LARGE))
            refused = connection.ask(request_bytes("POST", "/large.bin"))
            assert (refused.status, refused.header("allow")) == (405, "GET, HEAD")
        assert server.stop() == 0
        assert "Traceback" not in server.logs


@pytest.mark.parametrize("engine", ENGINES)
def test_workers_and_a_prefix(engine: str, site: Path):
    arguments = ("--engine", engine, "--workers", "2", "--root-path", "/app")
    with serve(*arguments, "--static", str(site)) as server:
        (site / "sub").mkdir()
        (site / "sub" / "index.html").write_text("sub")
        assert server.get("/sub/").body == b"sub"
        assert server.get("/sub?x=1").header("location") == "/app/sub/?x=1"
        assert server.get("/livez").status == 200


def test_a_hangup_and_reload_keep_the_files(site: Path):
    with serve("--static", str(site), "--log-level", "debug") as server:
        server.signal(signal.SIGHUP)
        server.wait_for_event("worker_ended")
        assert server.get("/").body == b"<h1>site</h1>"
    with serve("--static", str(site), "--reload") as server:
        assert server.get("/").body == b"<h1>site</h1>"


def test_a_password_guards_the_files_too(site: Path):
    environ = {"LETTA_SERVER_SECURE": "true", "LETTA_SERVER_PASSWORD": "s3cr3t"}
    with serve("--static", str(site), environ=environ) as server:
        assert server.get("/").status == 401
        assert server.get("/", [("authorization", "Bearer s3cr3t")]).status == 200


def test_a_file_that_shrinks_while_it_is_sent_breaks_off(site: Path):
    path = site / "huge.bin"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    with serve("--static", str(site)) as server, Connection(server.address, 20.0) as connection:
        connection.send(request_bytes("GET", "/huge.bin"))
        assert connection.read().startswith(b"HTTP/1.1 200")
        os.truncate(path, 1000)
        assert len(connection.read_until_closed()) < 200_000_000
        assert server.get("/").status == 200
        assert server.wait_for_event("request failed")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--static", "nowhere"), "nowhere: No such file or directory"),
        (("--static", "taken"), "taken: Not a directory"),
        (("--static", "."), None),
        (("--static", ".", "--spa"), "has no index.html"),
        (("--static=",), "--static names no directory"),
        (("--spa",), "--spa says how --static DIR is served"),
        (("--static", ".", "served:app"), "--static goes with the server's own API"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(arguments: tuple[str, ...], message: str | None):
    if message is None:
        with serve(*arguments) as server:
            assert server.get("/").status == 404
        return
    code, out, errors = run("serve", "--port", "0", *arguments, files={"taken": ""})
    assert (code, out) == (2, "")
    assert errors.startswith("portico: ")
    assert message in errors
    assert len(errors.splitlines()) == 1
