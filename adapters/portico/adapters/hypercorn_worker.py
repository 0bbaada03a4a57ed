"""One Hypercorn worker on Trio: signals received on Trio, and a guard around each connection.

As shipped, an exception in one connection's task ends the worker, a reply's last step is cancelled
by the disconnect message that it causes, and a client that stops reading blocks shutdown for ever.
"""

import inspect
import logging
import os
import signal
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from functools import partial
from types import ModuleType
from typing import Any, Final

import trio
from h11 import Request
from hypercorn import protocol as hypercorn_protocol
from hypercorn.config import Config
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio import run as hypercorn_run
from hypercorn.trio import serve
from hypercorn.trio.tcp_server import TCPServer

from portico.adapters.engine import (
    EXIT_CUT,
    EXIT_DONE,
    EXIT_START,
    AppFactory,
    ASGIApp,
    Message,
    Receive,
    Scope,
    Send,
    WorkerFactory,
)
from portico.adapters.sockets import listening, real_port
from portico.adapters.trio_asyncio import open_loop
from portico.core.launch import EngineParameters, LaunchPlan, reveal

logger = logging.getLogger("hypercorn.error")

DISCONNECTS: Final = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)
REPLACED: Final[tuple[tuple[ModuleType, str, type], ...]] = (
    (hypercorn_run, "TCPServer", TCPServer),
    (hypercorn_protocol, "H11Protocol", H11Protocol),
)
"""Names by which Hypercorn finds what the guard stands in for."""
FORCED_END_S: Final = 0.7
"""After a second signal, what does not even let itself be cancelled is ended with the process."""


def run_worker(
    factory: AppFactory,
    plan: LaunchPlan,
    words: EngineParameters,
    on_listening: Callable[[str], None],
    on_draining: Callable[[], None],
) -> int:
    """Serve until a signal; :func:`portico.adapters.hypercorn.serve` has the contract."""
    check_names()
    with listening(plan) as sock:
        started = StartUp()
        app = WorkerFactory(factory, plan.root_path, on_started=started)()
        # Hypercorn takes the descriptor for its own and closes it.
        config = make_config(words, os.dup(sock.fileno()))
        url = plan.url(real_port(sock))
        worker = Worker(app, started, config, plan, partial(on_listening, url), on_draining)
        return trio.run(worker.run, strict_exception_groups=True)


def make_config(words: EngineParameters, descriptor: int) -> Config:
    """Set every parameter; an unknown name would be taken in silence, so it is refused here."""
    config = Config()
    for name, value in reveal(words.parameters).items():
        if not hasattr(config, name):
            raise RuntimeError(f"this Hypercorn has no parameter {name}; 0.18 is needed")
        setattr(config, name, value)
    config.bind = [f"fd://{descriptor}"]
    config.errorlog = logger
    config.verify_mode = ssl.VerifyMode[str(words.parameters["verify_mode"])]
    return config


def check_names() -> None:
    """Fail at start if Hypercorn lacks a name that the guard replaces.

    Raises:
        RuntimeError: Says which version is needed.
    """
    expected = ["self", "app", "config", "context", "state", "stream"]
    found = list(inspect.signature(TCPServer.__init__).parameters)
    here = [getattr(module, name, None) is known for module, name, known in REPLACED]
    if not all(here) or found != expected or not hasattr(H11Protocol, "_check_protocol"):
        raise RuntimeError("this Hypercorn starts its connections in another way; 0.18 is needed")


class Http1Only(H11Protocol):
    """HTTP/1.1 that stays it: HTTP/2 is spoken over TLS by ALPN, never in the clear."""

    async def _check_protocol(self, event: Request) -> None:
        """Ignore an upgrade to h2c (RFC 9110, 7.8) and HTTP/2's preface."""


def shielding(app: ASGIApp) -> ASGIApp:
    """Let the last message of a reply go out whole, and the disconnect come after it.

    Hypercorn answers the last message with the disconnect before it has handled it, on which
    Quart-Trio cancels the task that is still sending: the connection would be neither closed nor
    given its idle time.
    """

    async def shielded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            reply = _Reply(receive, send)
            await app(scope, reply.receive, reply.send)
        else:
            await app(scope, receive, send)

    return shielded


class _Reply:
    """The two directions of one request, of which the end of one holds the other back."""

    __slots__ = ("_ended", "_receive", "_send")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._ended: trio.Event | None = None

    async def receive(self) -> Message:
        message = await self._receive()
        if self._ended is not None:
            await self._ended.wait()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] != "http.response.body" or message.get("more_body"):
            return await self._send(message)
        self._ended = trio.Event()
        with trio.CancelScope(shield=True):
            await self._send(message)
        return self._ended.set()


class Connections:
    """The open connections of a worker: counted, guarded, and closed at the end."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._streams: set[trio.abc.AsyncResource] = set()

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Have Hypercorn start every connection behind the guard."""
        connections = self

        class GuardedServer(TCPServer):
            async def run(self) -> None:
                await connections._serve(self.stream, super().run)

        for (module, name, _), replacement in zip(
            REPLACED, (GuardedServer, Http1Only), strict=True
        ):
            vars(module)[name] = replacement
        try:
            yield
        finally:
            for module, name, known in REPLACED:
                vars(module)[name] = known

    async def _serve(self, stream: trio.abc.AsyncResource, run: Callable[[], Any]) -> None:
        if len(self._streams) >= self._cap:
            return  # Trio closes it: no more than the cap is ever open
        self._streams.add(stream)
        try:
            await run()
        except* DISCONNECTS:
            logger.debug("a client left", exc_info=True)
        except* Exception:
            logger.exception("a connection ended with an error")
        finally:
            self._streams.discard(stream)

    async def abort(self) -> None:
        """Close every connection at once, also those whose client does not read."""
        for stream in tuple(self._streams):
            await trio.aclose_forcefully(stream)


class StartUp:
    """Whether the application's start-up is complete."""

    complete = False

    def __call__(self) -> None:
        """Note that it is."""
        self.complete = True


class Worker:
    """One run: start, signals, drain, grace, end."""

    def __init__(
        self,
        app: ASGIApp,
        start_up: StartUp,
        config: Config,
        plan: LaunchPlan,
        on_listening: Callable[[], None],
        on_draining: Callable[[], None],
    ) -> None:
        self._app: Any = shielding(app)
        self._start_up = start_up
        self._config = config
        self._plan = plan
        self._on_listening = on_listening
        self._on_draining = on_draining
        self._connections = Connections(plan.max_connections)
        self._stop = trio.Event()
        self._code = EXIT_START

    async def run(self) -> int:
        """Serve until the first signal and its grace, or the second signal."""
        with (
            self._connections.guarded(),
            trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals,
        ):
            async with self._loop(), trio.open_nursery() as nursery:
                nursery.start_soon(self._follow_signals, signals, nursery.cancel_scope)
                nursery.start_soon(self._abort_after_grace)
                await self._serve()
                nursery.cancel_scope.cancel()
        return self._code

    def _loop(self) -> AbstractAsyncContextManager[object]:
        """Have an asyncio loop around everything, for an application that needs one."""
        return open_loop() if self._plan.asyncio_app else nullcontext()

    async def _serve(self) -> None:
        serving = partial(serve, self._app, self._config, shutdown_trigger=self._drain, mode="asgi")
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(serving)
                # Hypercorn goes on for a moment after a start-up that failed.
                if self._start_up.complete:
                    self._code = EXIT_CUT
                    self._on_listening()
            self._code = EXIT_DONE
        except* Exception as group:
            stage = "shutdown" if self._code == EXIT_CUT else "start-up"
            for error in leaves(group):
                logger.critical("the application's %s failed: %s", stage, error)

    async def _drain(self) -> None:
        await self._stop.wait()
        self._on_draining()
        await trio.sleep(self._plan.drain_delay_s)

    async def _abort_after_grace(self) -> None:
        await self._stop.wait()
        await trio.sleep(self._plan.drain_delay_s + self._plan.grace_s)
        await self._connections.abort()

    async def _follow_signals(
        self, signals: AsyncIterator[int], everything: trio.CancelScope
    ) -> None:
        await anext(signals)
        self._stop.set()
        if self._code == EXIT_START:  # not started yet, so there is nothing to drain
            self._code = EXIT_CUT
            everything.cancel()
        await anext(signals)
        end = threading.Timer(FORCED_END_S, os._exit, (EXIT_CUT,))
        end.daemon = True
        end.start()
        everything.cancel()
        with trio.CancelScope(shield=True):
            await self._connections.abort()


def leaves(error: BaseException) -> list[BaseException]:
    """Return the exceptions of a group that are no groups themselves."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]
