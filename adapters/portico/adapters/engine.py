"""What the three launchers share: the application's factory, its start, and how a server ends."""

import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
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


def keep_configuration(*_: object) -> None:
    """Take SIGHUP where nothing is read again: by default it would end the process."""
    logger.warning("SIGHUP changes nothing: this engine reads the configuration at its start")


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
        app = with_lifespan(app, self.on_started or _tell_nobody)
        return asgi_app(with_root_path(app, self.root_path, self.engine_prepends))


def _tell_nobody() -> None:
    """What starts in this very process is seen by its engine."""


def asgi_app(app: ASGIApp) -> ASGIApp:
    """Put an ``async def`` in front, by which every engine recognises an ASGI 3 application.

    Hypercorn takes other callables for WSGI, Uvicorn for ASGI 2.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return serve


def with_lifespan(app: ASGIApp, on_started: Callable[[], None]) -> ASGIApp:
    """Give *app* a lifespan where it has none, and tell when its start-up is complete.

    An application that raises or returns at the lifespan has none, and serves nevertheless (ASGI,
    Lifespan); engines take the one or the other for a failure, each in its own way.

    Args:
        app: The application.
        on_started: Called once, after the engine has heard that start-up is complete; never where
            the application says that it failed.
    """

    async def lasting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _Lifespan(receive, send, on_started).run(app, scope)
        else:
            await app(scope, receive, send)

    return lasting


class _Lifespan:
    """One lifespan, which is carried on when the application leaves it unanswered."""

    def __init__(self, receive: Receive, send: Send, on_started: Callable[[], None]) -> None:
        self._receive = receive
        self._send = send
        self._on_started = on_started
        self._asked = False
        self._answered = False

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self.receive, self.send)
        except Exception as error:
            if self._answered:
                raise
            logger.info("the application has no lifespan: %s: %s", type(error).__name__, error)
        if not self._answered:
            await self._stand_in()

    async def receive(self) -> Message:
        message = await self._receive()
        self._asked = True
        return message

    async def send(self, message: Message) -> None:
        self._answered = True
        await self._send(message)
        if message["type"] == "lifespan.startup.complete":
            self._on_started()

    async def _stand_in(self) -> None:
        if not self._asked:
            await self._receive()
        await self.send({"type": "lifespan.startup.complete"})
        await self._receive()
        await self._send({"type": "lifespan.shutdown.complete"})


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
        # To the end, for those that replace others tell too: a full pipe would stop them.
        with suppress(EOFError):
            for started in count(1):
                ready.recv_bytes()
                if started == workers:
                    on_listening()

    threading.Thread(target=follow, daemon=True).start()
