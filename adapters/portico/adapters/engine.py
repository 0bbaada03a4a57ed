"""What the three launchers share: the application's factory, its start, and how a server ends."""

import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import Any, AnyStr, Final

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
AppFactory = Callable[[], ASGIApp]
"""Makes the application in the process that serves it. Picklable, for workers are spawned."""

EXIT_DONE: Final = 0
EXIT_CUT: Final = 1
"""Work in flight was cut: a second signal, or workers that had to be killed."""
EXIT_START: Final = 3
"""The application does not start, or its workers die again and again."""

logger = logging.getLogger("portico.server")


@dataclass(frozen=True, slots=True)
class WorkerFactory:
    """Makes the application as an engine is to see it, and tells when it has started.

    Attributes:
        make: Makes the application itself.
        root_path: Prefix that every path is to carry.
        engine_prepends: Whether the engine puts the prefix before each path by itself.
        on_started: Called once start-up is complete; None where the engine tells.
    """

    make: AppFactory
    root_path: str = ""
    engine_prepends: bool = False
    on_started: Callable[[], None] | None = None

    def __call__(self) -> ASGIApp:
        """Make the application, or end this process with :data:`EXIT_START`."""
        end_with_parent()
        try:
            app = self.make()
        except Exception as error:
            shown = logger.isEnabledFor(logging.DEBUG)
            message = "the application cannot be made: %s: %s"
            logger.critical(message, type(error).__name__, error, exc_info=shown)
            sys.exit(EXIT_START)
        if self.on_started is not None:
            app = announcing(app, self.on_started)
        return asgi_app(with_root_path(app, self.root_path, self.engine_prepends))


def asgi_app(app: ASGIApp) -> ASGIApp:
    """Put an ``async def`` in front, by which every engine recognises an ASGI 3 application.

    Hypercorn takes other callables for WSGI, Uvicorn for ASGI 2.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return serve


def announcing(app: ASGIApp, on_started: Callable[[], None]) -> ASGIApp:
    """Call *on_started* once when the start-up of *app* is complete, or when it has none."""
    told = False

    def tell() -> None:
        nonlocal told
        if not told:
            told = True
            on_started()

    async def announced(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _follow_lifespan(app, scope, receive, send, tell)
        else:
            await app(scope, receive, send)

    return announced


async def _follow_lifespan(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, tell: Callable[[], None]
) -> None:
    failed = False

    async def watching(message: Message) -> None:
        nonlocal failed
        failed = failed or message["type"] == "lifespan.startup.failed"
        await send(message)
        if message["type"] == "lifespan.startup.complete":
            tell()

    try:
        await app(scope, receive, watching)
    finally:
        # An application that raises or returns at once has no lifespan (ASGI): it serves.
        if not failed:
            tell()


@dataclass(frozen=True, slots=True)
class TellSupervisor:
    """Says in a spawned worker that it has started. Picklable only while it is spawned."""

    ready: Connection

    def __call__(self) -> None:
        """Say it."""
        self.ready.send_bytes(b"started")


def with_root_path(app: ASGIApp, root_path: str, engine_prepends: bool) -> ASGIApp:
    """Give *app* paths that begin with *root_path* exactly once, on every engine.

    ASGI's ``path`` includes ``root_path``. Proxies differ: some strip the prefix, some keep it; and
    so do engines: Uvicorn prepends it to whatever came, the others leave the path alone.

    Args:
        app: The application.
        root_path: The prefix, without a slash at its end; empty changes nothing.
        engine_prepends: Whether the engine has prepended it already.

    Returns:
        The application to give to the engine.
    """
    if not root_path:
        return app
    raw_root = root_path.encode()

    async def prefixed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            scope["path"] = _prefix_once(scope["path"], root_path, "/", engine_prepends)
            if scope.get("raw_path") is not None:
                scope["raw_path"] = _prefix_once(scope["raw_path"], raw_root, b"/", engine_prepends)
        await app(scope, receive, send)

    return prefixed


def _prefix_once(path: AnyStr, root: AnyStr, slash: AnyStr, prepended: bool) -> AnyStr:
    asked = path.removeprefix(root) if prepended else path
    return asked if asked == root or asked.startswith(root + slash) else root + asked


def end_with_parent() -> None:
    """End this worker at once when its supervisor is gone, however that ended."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os._exit(EXIT_CUT)


def call_when_ready(ready: Connection, workers: int, on_listening: Callable[[], None]) -> None:
    """Call *on_listening* from a thread once so many *workers* have started; never before."""

    def follow() -> None:
        for _ in range(workers):
            ready.recv_bytes()
        on_listening()

    threading.Thread(target=follow, daemon=True).start()
