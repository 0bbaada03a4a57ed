"""What the launchers share, in memory."""

import threading
from multiprocessing import Pipe
from typing import Any

import anyio
import pytest

from portico.adapters.engine import (
    EXIT_START,
    ASGIApp,
    Message,
    Receive,
    Scope,
    Send,
    TellSupervisor,
    WorkerFactory,
    asgi_app,
    call_when_ready,
    with_lifespan,
    with_root_path,
)


async def scope_seen_by(app: ASGIApp, scope: dict[str, Any]) -> None:
    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        pass

    await app(scope, receive, send)


def paths(root: str, scope: dict[str, Any], *, prepends: bool = False) -> tuple[Any, Any]:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        pass

    anyio.run(scope_seen_by, with_root_path(app, root, prepends), scope)
    return scope.get("path"), scope.get("raw_path")


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ("/x", "/api/x"),
        ("/api/x", "/api/x"),
        ("/api", "/api"),
        ("/apix", "/api/apix"),
        ("/", "/api/"),
        ("/x/api", "/api/x/api"),
    ],
)
@pytest.mark.parametrize("prepends", [False, True])
def test_the_prefix_stands_once(asked: str, seen: str, prepends: bool):
    arriving = "/api" + asked if prepends else asked
    scope = {"type": "http", "path": arriving, "raw_path": arriving.encode()}
    assert paths("/api", scope, prepends=prepends) == (seen, seen.encode())


def test_a_scope_without_raw_path_stays_without():
    assert paths("/api", {"type": "websocket", "path": "/x"}) == ("/api/x", None)


def test_lifespan_and_an_empty_prefix_change_nothing():
    assert paths("/api", {"type": "lifespan"}) == (None, None)
    assert paths("", {"type": "http", "path": "/x"}) == ("/x", None)


class Engine:
    """An engine's side of a lifespan: asks for start-up and shutdown, and keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.told: list[list[str]] = []
        self._asked = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive(self) -> Message:
        return {"type": next(self._asked)}

    async def send(self, message: Message) -> None:
        self.heard.append(message["type"].removeprefix("lifespan."))

    def run(self, app: ASGIApp, scope_type: str = "lifespan") -> "Engine":
        lasting = with_lifespan(app, lambda: self.told.append(list(self.heard)))
        anyio.run(lasting, {"type": scope_type}, self.receive, self.send)
        return self


def lifespan_app(*answers: str, error: Exception | None = None) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for answer in answers:
            await receive()
            await send({"type": f"lifespan.{answer}"})
        if error is not None:
            raise error

    return app


def test_a_completed_start_up_is_told_once_and_after_the_engine_has_heard():
    engine = Engine().run(lifespan_app("startup.complete", "shutdown.complete"))
    assert engine.heard == ["startup.complete", "shutdown.complete"]
    assert engine.told == [["startup.complete"]]


def test_a_failed_start_up_is_not_told():
    engine = Engine().run(lifespan_app("startup.failed"))
    assert (engine.heard, engine.told) == (["startup.failed"], [])


@pytest.mark.parametrize("error", [None, ValueError("no")])
def test_an_application_without_lifespan_is_given_one(error: Exception | None):
    engine = Engine().run(lifespan_app(error=error))
    assert engine.heard == ["startup.complete", "shutdown.complete"]
    assert engine.told == [["startup.complete"]]


def test_an_application_that_only_listens_is_given_the_rest():
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    assert Engine().run(app).heard == ["startup.complete", "shutdown.complete"]


def test_an_error_after_the_start_up_is_the_engines():
    engine = Engine()
    with pytest.raises(ValueError, match="late"):
        engine.run(lifespan_app("startup.complete", error=ValueError("late")))
    assert engine.heard == ["startup.complete"]


def test_a_request_tells_nothing():
    assert Engine().run(lifespan_app(), "http").told == []


def test_every_application_becomes_an_async_function():
    class Callable3:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            scope["seen"] = True

    scope = {"type": "http"}
    anyio.run(scope_seen_by, asgi_app(Callable3()), scope)
    assert scope == {"type": "http", "seen": True}


@pytest.mark.parametrize("debug", [False, True])
def test_what_cannot_be_made_ends_the_worker(caplog: pytest.LogCaptureFixture, debug: bool):
    def make() -> ASGIApp:
        raise LookupError("nothing there")

    caplog.set_level("DEBUG" if debug else "INFO", logger="portico.server")
    with pytest.raises(SystemExit) as end:
        WorkerFactory(make)()
    assert end.value.code == EXIT_START
    assert "the application cannot be made: LookupError: nothing there" in caplog.text
    assert ("Traceback" in caplog.text) is debug


def test_listening_is_told_once_when_all_have_started():
    reader, writer = Pipe(duplex=False)
    told, ended = threading.Event(), TellSupervisor(writer)
    calls: list[int] = []

    def listening() -> None:
        calls.append(1)
        told.set()

    call_when_ready(reader, 2, listening)
    ended()
    ended()
    assert told.wait(5)
    for _ in range(20_000):  # more than a pipe holds
        ended()
    writer.close()
    assert calls == [1]
