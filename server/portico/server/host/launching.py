"""From a launch plan to supervised workers of the Trio host, and to the exit code."""

import socket
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import structlog

from portico.adapters.engine import AppFactory, WorkerFactory
from portico.adapters.sockets import listening_on_all, url_of
from portico.core.launch import LaunchPlan, reveal
from portico.server.host.failure import AcceptError, LifespanError
from portico.server.host.foundations import FoundationError, check
from portico.server.host.notify import notify, watchdog_interval_s
from portico.server.host.supervisor import EXIT_FAILED, EXIT_UNUSABLE, Generation, Supervisor
from portico.server.host.worker_process import Lifeline, beat_interval_s
from portico.server.output import flush

# Lifespan's shutdown may take this long after the grace, as Hypercorn bounds it.
_SHUTDOWN_S = 60.0
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
        factory: Makes the application, in a worker; SystemExit ends that with its code.
        plan: What to run.
        on_draining: Called in a worker when its drain begins, before anything closes.
    """

    factory: AppFactory
    plan: LaunchPlan
    on_draining: Callable[[], object]


def _nothing_new() -> Served | None:
    return None


def serve(
    factory: AppFactory,
    plan: LaunchPlan,
    on_listening: Callable[[str], object],
    on_draining: Callable[[], object] = lambda: None,
    resolve_again: Callable[[], Served | None] = _nothing_new,
) -> int:
    """Bind, supervise workers until a signal ends them, and unbind.

    Args:
        factory: Makes the application, in a worker; SystemExit ends that with its code.
        plan: What to run.
        on_listening: Called with the real URL when all workers are ready.
        on_draining: Called in a worker when its drain begins, before anything closes.
        resolve_again: Resolves the configuration anew at SIGHUP; None if it has problems, which
            it has reported.

    Returns:
        0 after a drain, 1 if work was cut, 3 after a crash loop, or a worker's own final code.

    Raises:
        BindError: the address is taken; nothing was started.
    """
    with listening_on_all(plan) as sockets:

        def reload() -> Generation | None:
            following = resolve_again()
            if following is None:
                return None
            _say_what_stays(plan, following.plan)
            return _generation(following, sockets)

        supervisor = Supervisor(
            _generation(Served(factory, plan, on_draining), sockets),
            reload=reload,
            log=log,
            listening=partial(on_listening, ", ".join(url_of(plan, sock) for sock in sockets)),
            notify=notify,
            watchdog_s=watchdog_interval_s(),
        )
        return supervisor.run()


def log(level: str, event: str, **fields: object) -> None:
    """Log what the supervisor does."""
    getattr(structlog.get_logger(), level)(event, **fields)


def _say_what_stays(before: LaunchPlan, after: LaunchPlan) -> None:
    if (before.host, before.port, before.uds) != (after.host, after.port, after.uds):
        log(
            "warning",
            "address_kept",
            note="the address changes with the next start, not with a reload",
        )


def _generation(served: Served, sockets: list[socket.socket]) -> Generation:
    plan = served.plan
    return Generation(
        run=partial(_run_worker, served, sockets),
        workers=plan.workers,
        stall_limit_s=plan.stall_limit_s,
        end_limit_s=plan.drain_delay_s + plan.grace_s + _SHUTDOWN_S,
        close_listeners=partial(_close, sockets),
    )


def _close(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


def _run_worker(served: Served, sockets: list[socket.socket], lifeline: Lifeline) -> int:
    """A worker's life; what ends it is told, whatever it was."""
    try:
        check()
        return _live(served, sockets, lifeline)
    except FoundationError as error:
        structlog.get_logger().critical(str(error))
        return EXIT_UNUSABLE
    except Exception as error:
        _report(error)
        return EXIT_FAILED
    finally:
        flush()  # a forked process ends without its exit handlers


def _live(served: Served, sockets: list[socket.socket], lifeline: Lifeline) -> int:
    # The modules of a worker are imported here: the supervisor does without them.
    from portico.server.host.worker import Limits
    from portico.server.host.worker_main import WorkerPlan, run_worker

    plan = served.plan
    limits = Limits(
        header_timeout_s=plan.header_timeout_s,
        keep_alive_s=plan.keep_alive_s,
        write_timeout_s=plan.write_timeout_s,
        drain_delay_s=plan.drain_delay_s,
        grace_s=plan.grace_s,
        max_head_bytes=plan.max_head_bytes,
        max_target_bytes=plan.max_target_bytes,
        max_connections=plan.max_connections,
    )
    return run_worker(
        WorkerPlan(
            make_app=WorkerFactory(served.factory, plan.root_path),
            limits=limits,
            listeners=sockets,
            report=_report,
            draining=served.on_draining,
            make_tls=partial(_tls_context, plan) if plan.tls else None,
            root_path=plan.root_path,
            max_requests=plan.max_requests,
            max_requests_jitter=plan.max_requests_jitter,
            max_memory_bytes=plan.max_memory_bytes,
            loop=_loop(plan),
            beat_s=beat_interval_s(plan.stall_limit_s),
        ),
        lifeline,
    )


def _report(error: BaseException) -> None:
    logger = structlog.get_logger()
    if isinstance(error, LifespanError):
        logger.critical(str(error))
    elif isinstance(error, AcceptError):
        logger.error(str(error))
    else:
        logger.error("the application failed", exc_info=error)


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
