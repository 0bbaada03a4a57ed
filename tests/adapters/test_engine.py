"""What the launchers share, in memory."""

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
    WorkerFactory,
    announcing,
    asgi_app,
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


def lifespan_app(*messages: str, error: Exception | None = None) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send({"type": f"lifespan.{message}"})
        if error is not None:
            raise error

    return app


def count_announcements(app: ASGIApp, scope_type: str = "lifespan") -> int:
    told: list[bool] = []
    announced = announcing(app, lambda: told.append(True))
    anyio.run(scope_seen_by, announced, {"type": scope_type})
    return len(told)


def test_a_completed_start_up_is_told_once():
    assert count_announcements(lifespan_app("startup.complete", "shutdown.complete")) == 1


def test_a_failed_start_up_is_not_told():
    assert count_announcements(lifespan_app("startup.failed")) == 0


def test_an_application_without_lifespan_has_started():
    assert count_announcements(lifespan_app()) == 1
    told: list[bool] = []
    announced = announcing(lifespan_app(error=ValueError("no")), lambda: told.append(True))
    with pytest.raises(ValueError, match="no"):
        anyio.run(scope_seen_by, announced, {"type": "lifespan"})
    assert told == [True]


def test_a_request_tells_nothing():
    assert count_announcements(lifespan_app(), "http") == 0


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
