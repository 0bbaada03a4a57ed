"""From a launch plan to supervised workers of the Trio host, and to the exit code."""

import socket
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from portico.adapters.engine import with_root_path
from portico.adapters.sockets import listening, real_port
from portico.core.launch import LaunchPlan, reveal
from portico.server.host.notify import notify
from portico.server.host.supervisor import Generation, Supervisor
from portico.server.host.worker_process import Lifeline

# Lifespan's shutdown may take this long after the grace, as Hypercorn bounds it.
_SHUTDOWN_S = 60.0
_ROUTINE = frozenset(("worker_started", "draining", "reloading"))
_TLS_PARAMETERS = (
    "certfile",
    "keyfile",
    "keyfile_password",
    "ca_certs",
    "verify_mode",
    "ciphers",
    "alpn_protocols",
)


@dataclass(frozen=True, slots=True)
class Served:
    """One configuration of what is served.

    Attributes:
        make_app: Makes the application, in a worker.
        plan: What to run.
        stall_limit_s: How long a worker's event loop may be blocked.
        write_timeout_s: How long a client may keep a write from going on.
        max_target_bytes: How long a request's target may be.
        draining: Called in a worker when its drain begins.
    """

    make_app: Callable[[], Any]
    plan: LaunchPlan
    stall_limit_s: float
    write_timeout_s: float
    max_target_bytes: int
    draining: Callable[[], object]


def serve(
    served: Served,
    *,
    on_listening: Callable[[str], object],
    resolve_again: Callable[[], Served | None],
) -> int:
    """Bind, supervise workers until a signal ends them, and unbind.

    Args:
        served: What to serve first.
        on_listening: Called with the real URL when all workers are ready.
        resolve_again: Resolves the configuration anew at SIGHUP; None if it has problems, which
            it has reported.

    Returns:
        0 after a drain, 1 if work was cut, 3 after a crash loop.

    Raises:
        BindError: the address is taken; nothing was started.
    """
    with listening(served.plan) as sock:
        url = served.plan.url(real_port(sock))

        def reload() -> Generation | None:
            following = resolve_again()
            if following is None:
                return None
            _say_what_stays(served.plan, following.plan)
            return _generation(following, sock)

        supervisor = Supervisor(
            _generation(served, sock),
            reload=reload,
            log=log,
            listening=partial(on_listening, url),
            notify=notify,
        )
        return supervisor.run()


def log(event: str, **fields: object) -> None:
    """Log what the supervisor does; what is not routine, as a warning."""
    logger = structlog.get_logger()
    routine = event in _ROUTINE or fields.get("expected") is True
    (logger.info if routine else logger.warning)(event, **fields)


def _say_what_stays(before: LaunchPlan, after: LaunchPlan) -> None:
    if (before.host, before.port, before.uds) != (after.host, after.port, after.uds):
        log("address_kept", note="the address changes with the next start, not with a reload")


def _generation(served: Served, sock: socket.socket) -> Generation:
    plan = served.plan
    return Generation(
        run=partial(_run_worker, served, sock),
        workers=plan.workers,
        stall_limit_s=served.stall_limit_s,
        end_limit_s=plan.drain_delay_s + plan.grace_s + _SHUTDOWN_S,
        close_listeners=sock.close,
    )


def _run_worker(served: Served, sock: socket.socket, lifeline: Lifeline) -> int:
    """A worker's life. Its modules are imported here: the supervisor does without them."""
    from portico.server.host.worker import Limits
    from portico.server.host.worker_main import WorkerPlan, run_worker

    plan = served.plan
    limits = Limits(
        header_timeout_s=plan.header_timeout_s,
        keep_alive_s=plan.keep_alive_s,
        write_timeout_s=served.write_timeout_s,
        drain_delay_s=plan.drain_delay_s,
        grace_s=plan.grace_s,
        max_head_bytes=plan.max_head_bytes,
        max_target_bytes=served.max_target_bytes,
        max_connections=plan.max_connections,
    )
    return run_worker(
        WorkerPlan(
            make_app=lambda: with_root_path(served.make_app(), plan.root_path, False),
            limits=limits,
            listeners=[sock],
            report=_report,
            draining=served.draining,
            make_tls=partial(_tls_context, plan) if plan.tls else None,
            root_path=plan.root_path,
            max_requests=plan.max_requests,
            max_requests_jitter=plan.max_requests_jitter,
            max_memory_bytes=plan.max_memory_bytes,
            loop=_loop(plan),
        ),
        lifeline,
    )


def _report(error: BaseException) -> None:
    structlog.get_logger().error("the application failed", exc_info=error)


def _loop(plan: LaunchPlan) -> Callable[[], AbstractAsyncContextManager[object]]:
    if not plan.asyncio_app:
        return nullcontext
    from portico.adapters.trio_asyncio import open_loop

    return open_loop


def _tls_context(plan: LaunchPlan) -> ssl.SSLContext | None:
    """The context as Hypercorn makes it: TLS 1.2 at least, ALPN as planned."""
    from portico.adapters.hypercorn import parameters
    from portico.server.host.hypercorn_config import configuration

    words = reveal(parameters(plan).parameters)
    values = {name: words[name] for name in _TLS_PARAMETERS}
    values["verify_mode"] = ssl.VerifyMode[str(values["verify_mode"])]
    context: ssl.SSLContext | None = configuration(_report, **values).create_ssl_context()
    return context
