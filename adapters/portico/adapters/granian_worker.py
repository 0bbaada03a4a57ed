"""Granian's workers, spawned with the application's factory and one listening socket.

As shipped, each worker binds for itself, so that port 0 gives as many ports as workers, and a group
signal makes the supervisor take its ending workers for crashed ones and exit with 1.
"""

import atexit
import multiprocessing
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, Final

from granian import net
from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes, SSLProtocols, TaskImpl
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from portico.adapters.engine import (
    EXIT_CUT,
    EXIT_DONE,
    EXIT_START,
    AppFactory,
    TellSupervisor,
    WorkerFactory,
    call_when_ready,
    keep_configuration,
)
from portico.adapters.sockets import listening, url_of
from portico.core.launch import EngineParameters, LaunchPlan, reveal

TYPES: Final[dict[str, Callable[[Any], object]]] = {
    "http": HTTPModes,
    "http1_settings": lambda values: HTTP1Settings(**values),
    "http2_settings": lambda values: HTTP2Settings(**values),
    "interface": Interfaces,
    "log_level": LogLevels,
    "loop": Loops,
    "runtime_mode": RuntimeModes,
    "ssl_ca": Path,
    "ssl_cert": Path,
    "ssl_key": Path,
    "ssl_protocol_min": SSLProtocols,
    "task_impl": TaskImpl,
    "uds": Path,
}
"""Parameters whose type is Granian's own or a path."""


def run_workers(
    factory: AppFactory,
    plan: LaunchPlan,
    words: EngineParameters,
    on_listening: Callable[[str], None],
    on_draining: Callable[[], None],
) -> int:
    """Serve until a signal; :func:`portico.adapters.granian.serve` has the contract."""
    # A fork would copy the threads' locks of this process; and Granian asks for the method here.
    multiprocessing.set_start_method("spawn", force=True)
    reader, writer = Pipe(duplex=False)
    with listening(plan) as sock:
        worker = WorkerFactory(factory, plan.root_path, on_started=TellSupervisor(writer))
        call_when_ready(reader, plan.workers, partial(on_listening, url_of(plan, sock)))
        server = SharedSocketServer(sock, on_draining, **typed(words))
        try:
            server.serve(
                spawn_target=partial(spawn_worker, plan.backlog),
                target_loader=worker,
                wrap_loader=False,
            )
        except SystemExit:
            # Granian's own codes say only that a worker ended by itself.
            return EXIT_DONE if server.interrupt_signal else EXIT_START
        return EXIT_DONE


def typed(words: EngineParameters) -> dict[str, Any]:
    """Return the parameters as Granian takes them."""
    return {"target": ""} | {
        name: TYPES[name](value) if name in TYPES and value is not None else value
        for name, value in reveal(words.parameters).items()
    }


class SharedSocketServer(MPServer):
    """Granian's supervisor over a socket that is bound already."""

    def __init__(
        self,
        sock: socket.socket,
        on_draining: Callable[[], None],
        **parameters: Any,
    ) -> None:
        super().__init__(**parameters)
        self._shared = sock
        self._on_draining = on_draining

    def _init_shared_socket(self) -> None:
        # The workers receive a duplicate with their arguments: see spawn_worker.
        self._ssp = self._shd = self._sfd = None
        self._sso = self._shared.dup()

    def signal_handler_interrupt(self, *_args: Any, **_kwargs: Any) -> None:
        """Stop at the first signal; at the second, kill the workers and end at once."""
        if self.interrupt_signal:
            self._end_at_once()
        self.interrupt_signal = True
        self._on_draining()
        self.main_loop_interrupt.set()

    def signal_handler_reload(self, *_args: Any, **_kwargs: Any) -> None:
        """Do not restart workers with the same configuration."""
        keep_configuration()

    def _end_at_once(self) -> None:
        for worker in self.wrks:
            kill: Callable[[], None] = worker.kill
            kill()
        os._exit(EXIT_CUT)


def spawn_worker(
    backlog: int,
    worker_id: int,
    process_name: str | None,
    callback_loader: Callable[[], Any],
    sock: tuple[Any, socket.socket],
    *args: Any,
) -> None:
    """Run one of Granian's ASGI workers on the socket that came with its arguments."""
    _, shared = sock
    # Its stub has lost the signature (fd, uds, backlog).
    holder = vars(net)["SocketHolder"](shared.fileno(), shared.family == socket.AF_UNIX, backlog)
    MPServer._spawn_asgi_lifespan_worker(
        worker_id, process_name, callback_loader, ((None, holder), shared), *args
    )
    # Granian's threads may still ask for the interpreter's lock; an interpreter that is being
    # taken down answers by ending them, on which Rust panics. All that is left to do is done here.
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(EXIT_DONE)
