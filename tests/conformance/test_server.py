"""The server itself: one request gives one answer and one record, whichever engine runs it."""

import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote_from_bytes

import pytest

from portico.core.access import MAX_LINE
from tests.conformance.calls import Call, Outcome, compare
from tests.conformance.cases import ALLOWED, PASSWORD, REFUSED
from tests.conformance.engines import OnSocket
from tests.hostile import TEXTS
from tests.servers import ENGINES, serve
from tests.wire import DEADLINE_S, NoAnswerError, request_bytes

pytestmark = pytest.mark.socket

ENVIRONMENT: Final = {
    "LETTA_CORS_ORIGINS": ALLOWED.decode(),
    "LETTA_SERVER_PASSWORD": PASSWORD,
    "LETTA_LOG_FORMAT": "json",
}
ORIGIN: Final = (b"Origin", ALLOWED)
ASKED: Final = (b"Access-Control-Request-Method", b"PUT")
RIGHT: Final = (b"Authorization", b"Bearer " + PASSWORD.encode())
WRONG: Final = (b"Authorization", b"Bearer wrong")

# Path, method, headers, and the status that the documentation promises.
REQUESTS: Final[tuple[tuple[str, str, tuple[tuple[bytes, bytes], ...], int], ...]] = (
    ("/", "GET", (), 307),
    ("/livez", "GET", (), 200),
    ("/livez", "HEAD", (), 200),
    ("/readyz", "GET", (), 200),
    ("/startupz", "GET", (), 200),
    ("/v1/health/", "GET", (), 200),
    ("/v1/health", "GET", (), 200),
    ("/v1/health/", "GET", (ORIGIN,), 200),
    ("/v1/health/", "GET", ((b"Origin", REFUSED),), 200),
    ("/v1/health/", "POST", (ORIGIN,), 405),
    ("/v1/health/", "OPTIONS", (ORIGIN, ASKED), 204),
    ("/v1/health/", "OPTIONS", ((b"Origin", REFUSED), ASKED), 403),
    ("/v1/ready/", "GET", (), 200),
    ("/latest/health/", "GET", (), 200),
    ("/openapi.json", "GET", (ORIGIN,), 200),
    ("/docs", "GET", (), 200),
    ("/nowhere", "GET", (ORIGIN,), 404),
    ("/v1/nowhere?agent_id=x", "GET", (), 404),
    ("/v1/admin/config", "GET", (ORIGIN,), 401),
    ("/v1/admin/config", "GET", (WRONG,), 401),
    ("/v1/health/", "GET", ((b"X-Request-ID", b"given-1"),), 200),
)


@pytest.fixture(scope="module")
def engines() -> Iterator[dict[str, OnSocket]]:
    with (
        serve("--engine", "hypercorn", environ=ENVIRONMENT) as hypercorn,
        serve("--engine", "uvicorn", environ=ENVIRONMENT) as uvicorn,
        serve("--engine", "granian", environ=ENVIRONMENT) as granian,
    ):
        servers = dict(zip(ENGINES, (hypercorn, uvicorn, granian), strict=True))
        yield {name: OnSocket(name, server) for name, server in servers.items()}


@pytest.mark.parametrize(("path", "method", "headers", "status"), REQUESTS)
def test_three_engines_give_one_answer(
    engines: dict[str, OnSocket],
    path: str,
    method: str,
    headers: tuple[tuple[bytes, bytes], ...],
    status: int,
) -> None:
    call = Call("", path, method, headers)
    outcomes = {name: engine.perform(call) for name, engine in engines.items()}
    hypercorn, uvicorn, granian = (compare(outcome, call) for outcome in outcomes.values())
    assert hypercorn.status == status
    assert hypercorn == uvicorn
    assert hypercorn == granian
    records = [stable(outcome) for outcome in outcomes.values()]
    assert records[0] == records[1]
    assert records[0] == records[2]


def test_the_password_opens_the_administration(engines: dict[str, OnSocket]) -> None:
    call = Call("", "/v1/admin/config", headers=(RIGHT,))
    bodies = {name: engine.perform(call).answer for name, engine in engines.items()}
    assert {answer.status for answer in bodies.values()} == {200}
    assert not any(PASSWORD.encode() in answer.body for answer in bodies.values())


def test_requests_on_one_connection_are_each_completed(engines: dict[str, OnSocket]) -> None:
    request = b"GET /v1/health/ HTTP/1.1\r\nHost: test\r\n\r\n"
    for engine in engines.values():
        with engine.server.connect() as connection:
            for _ in range(3):
                since = len(engine.server.stdout.lines)
                assert connection.ask(request).status == 200
                assert engine.record(since)["outcome"] == "completed"


@pytest.mark.parametrize("place", ["User-Agent", "X-Request-ID", "Origin", "query", "path"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_request_is_one_line_of_the_log(
    engines: dict[str, OnSocket], text: bytes, place: str
) -> None:
    """What an engine refuses by itself is no record, but one event at most."""
    for engine in engines.values():
        since = len(engine.server.stdout.lines)
        refused = is_refused(engine, hostile_request(place, text))
        mark = mark_log(engine, since)
        lines = engine.server.stdout.lines[since:]
        for line in lines:
            assert len(line) < MAX_LINE
            assert line.isascii()
            assert line.isprintable()
        *own, marked = map(json.loads, lines)
        assert marked["request_id"] == mark
        assert len(own) <= 1
        assert sum(event["event"] == "access" for event in own) == (0 if refused else 1)


def is_refused(engine: OnSocket, request: bytes) -> bool:
    """Put *request*; say whether the engine answered it by itself, or ended the connection."""
    with engine.server.connect() as connection:
        try:
            return connection.ask(request).header("x-request-id") is None
        except (NoAnswerError, ConnectionError):  # closed before all of it was read
            return True


def mark_log(engine: OnSocket, since: int) -> str:
    """Put one more request, and wait until its record is there."""
    mark = f"mark-{since}"
    engine.ask(Call("", "/livez", headers=((b"X-Request-ID", mark.encode()),)))
    engine.server.stdout.wait_for_line(lambda line: mark in line, DEADLINE_S, since)
    return mark


def hostile_request(place: str, text: bytes) -> bytes:
    escaped = quote_from_bytes(text).encode() if place == "path" else text
    target = {"query": b"/livez?a=" + text, "path": b"/" + escaped}.get(place, b"/livez")
    headers = [] if place in ("query", "path") else [(place, text)]
    return request_bytes("GET", target, headers)


def stable(outcome: Outcome) -> dict[str, Any]:
    """Return what of a record does not depend on time and chance."""
    varying = {"timestamp", "request_id", "trace_id", "span_id", "duration_s", "ttfb_s"}
    return {name: value for name, value in outcome.record.items() if name not in varying}
