"""Uvicorn's workers: one in this process, or several that are spawned.

As shipped, Uvicorn ends by raising again the signal that ended it, so that the exit code is -15.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import Pipe
from types import FrameType
from typing import Any, Final

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from portico.adapters.engine import (
    EXIT_CUT,
    EXIT_DONE,
    EXIT_START,
    AppFactory,
    ASGIApp,
    TellSupervisor,
    WorkerFactory,
    call_when_ready,
    keep_configuration,
)
from portico.adapters.sockets import listening, url_of
from portico.core.launch import EngineParameters, LaunchPlan, reveal

logger = logging.getLogger("uvicorn.error")

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
FORCED_END_S: Final = 0.7


def make_config(words: EngineParameters, factory: Callable[[], ASGIApp]) -> Config:
    """Pass every parameter; Uvicorn itself refuses a name that it does not know."""
    values: dict[str, Any] = reveal(words.parameters)
    return Config(factory, **values)


def run_one(
    factory: AppFactory,
    plan: LaunchPlan,
    words: EngineParameters,
    on_listening: Callable[[str], None],
    on_draining: Callable[[], None],
) -> int:
    """Serve in this process."""
    with listening(plan) as sock:
        worker = WorkerFactory(factory, plan.root_path, engine_prepends=True)
        announce = partial(on_listening, url_of(plan, sock))
        server = OneServer(make_config(words, worker), plan, announce, on_draining)
        signal.signal(signal.SIGHUP, keep_configuration)
        return server.serve_until_signal(sock)


class OneServer(Server):
    """A server that says when it listens, drains before it closes, and ends with a code."""

    def __init__(
        self,
        config: Config,
        plan: LaunchPlan,
        on_listening: Callable[[], None],
        on_draining: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._plan = plan
        self._on_listening = on_listening
        self._on_draining = on_draining
        self._signals = 0

    def serve_until_signal(self, sock: socket.socket) -> int:
        """Run on a loop of its own and return the exit code."""
        try:
            self.run(sockets=[sock])
        except SystemExit as end:
            return EXIT_START if end.code else EXIT_DONE
        if not self.started:
            return EXIT_CUT
        return EXIT_CUT if self.force_exit or self.lifespan.should_exit else EXIT_DONE

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, accept connections, and say so."""
        await super().startup(sockets)
        if self.started and not self.should_exit:
            self._on_listening()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Receive the signals on the loop, and do not raise them again at the end."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def handle_exit(self, _sig: int, _frame: FrameType | None) -> None:
        """Drain at the first signal; end at once at the second."""
        self._signals += 1
        if self._signals == 1:
            self._on_draining()
            asyncio.get_running_loop().call_later(self._plan.drain_delay_s, self._close)
            return
        self.should_exit = self.force_exit = True
        end = threading.Timer(FORCED_END_S, os._exit, (EXIT_CUT,))
        end.daemon = True
        end.start()

    def _close(self) -> None:
        self.should_exit = True


def run_many(
    factory: AppFactory,
    plan: LaunchPlan,
    words: EngineParameters,
    on_listening: Callable[[str], None],
    on_draining: Callable[[], None],
) -> int:
    """Serve in spawned workers, which are replaced when they end."""
    reader, writer = Pipe(duplex=False)
    with listening(plan) as sock:
        worker = WorkerFactory(factory, plan.root_path, True, TellSupervisor(writer))
        call_when_ready(reader, plan.workers, partial(on_listening, url_of(plan, sock)))
        workers = Workers(make_config(words, worker), sock, on_draining)
        workers.run()
        return workers.code


class Workers(Multiprocess):
    """Uvicorn's supervisor, which a second signal ends at once."""

    def __init__(
        self, config: Config, sock: socket.socket, on_draining: Callable[[], None]
    ) -> None:
        super().__init__(config, [sock])
        self._on_draining = on_draining
        self._signals = 0
        for number in SIGNALS:
            signal.signal(number, self._receive)

    @property
    def code(self) -> int:
        """The exit code, once the workers have ended."""
        codes = {process.exitcode for process in self.processes}
        return EXIT_START if STARTUP_FAILURE in codes else EXIT_DONE

    def handle_hup(self) -> None:
        """Do not restart workers with the same configuration."""
        keep_configuration()

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        self.signal_queue.append(number)
        if self._signals == 1:
            self._on_draining()
        else:
            for process in self.processes:
                process.process.kill()
            os._exit(EXIT_CUT)
