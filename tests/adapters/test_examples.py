"""Every example of docs/examples, started as its docstring says and asked as its reader would."""

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.processes import until
from tests.servers import Process, start
from tests.wire import Answer, get, request_bytes
from tests.wire import ask as ask_over

pytestmark = pytest.mark.socket

EXAMPLES: Final = Path(__file__).parent.parent.parent / "docs" / "examples"
ORIGIN: Final = "https://app.example.com"
PASSWORD: Final = "an example's password"
DEADLINE_S: Final = 30.0
# What tells a route's template is a framework; the others have none.
ROUTES: Final = {
    "starlette_app": "/items/{item_id}",
    "fastapi_app": "/items/{item_id}",
    "django_asgi": "/items/<int:item_id>",
    "django_wsgi": "/items/<int:item_id>",
    "flask_app": "/items/<int:item_id>",
    "plain_asgi": None,
    "plain_wsgi": None,
    "rsgi_granian": None,
}
BEARER: Final = ("Authorization", f"Bearer {PASSWORD}")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def running(name: str) -> Iterator[tuple[Process, str]]:
    """Run one example, the folder being where Granian's worker imports it from."""
    port = free_port()
    environ = {
        "LETTA_SERVER_SECURE": "true",
        "LETTA_SERVER_PASSWORD": PASSWORD,
        "LETTA_CORS_ORIGINS": ORIGIN,
        "LETTA_PORT": str(port),
        "PYTHONPATH": str(EXAMPLES),
    }
    with start([sys.executable, str(EXAMPLES / f"{name}.py")], environ) as process:
        until(lambda: accepts(port, process), DEADLINE_S, f"{name} listens")
        yield process, f"http://127.0.0.1:{port}"


def accepts(port: int, process: Process) -> bool:
    assert process.popen.poll() is None, process.stderr.text
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_every_example_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(ROUTES)


@pytest.mark.parametrize("name", sorted(ROUTES))
def test_an_example_shows_cors_and_authentication(name: str) -> None:
    with running(name) as (process, url):
        probe = get(f"{url}/livez")
        nobody = get(f"{url}/items/7", [("Origin", ORIGIN)])
        somebody = get(f"{url}/items/7", [("Origin", ORIGIN), BEARER, ("X-Request-Id", "mine")])
        preflight = asked(url, "OPTIONS", ORIGIN)
        stranger = asked(url, "OPTIONS", "https://evil.example")
        record = record_of(process, "mine")
    assert probe.status == 200
    assert nobody.status == 401
    assert nobody.header("access-control-allow-origin") == ORIGIN
    assert somebody.status == 200
    assert b"7" in somebody.body
    assert somebody.header("access-control-allow-origin") == ORIGIN
    assert preflight.status == 204
    assert stranger.header("access-control-allow-origin") is None
    assert (record["outcome"], record.get("http.route")) == ("completed", ROUTES[name])
    assert record["client.address"] == "127.0.0.1"
    assert PASSWORD not in process.stdout.text + process.stderr.text


def asked(url: str, method: str, origin: str) -> Answer:
    headers = [("Origin", origin), ("Access-Control-Request-Method", "PUT")]
    return ask_over(url, request_bytes(method, "/items/7", headers))


def record_of(process: Process, request_id: str) -> dict[str, Any]:
    line = process.stdout.wait_for_line(lambda text: f'"{request_id}"' in text, DEADLINE_S)
    record: dict[str, Any] = json.loads(line)
    return record
