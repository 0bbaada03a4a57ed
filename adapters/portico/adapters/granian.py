"""Granian 2.8: its parameters."""

from collections.abc import Callable
from typing import Final

from portico.adapters.engine import AppFactory
from portico.core.launch import (
    EngineParameters,
    LaunchPlan,
    Parameter,
    head_room,
    list_unsupported,
    whole_seconds,
)

MIB: Final = 1024 * 1024
LEAST_BACKLOG: Final = 128

FIXED: Final[dict[str, Parameter]] = {
    "blocking_threads": 1,  # ASGI takes no more
    "blocking_threads_idle_timeout": 30,
    "env_files": [],
    "factory": False,
    "http2_settings": {
        "adaptive_window": False,
        "initial_connection_window_size": MIB,
        "initial_stream_window_size": MIB,
        "keep_alive_interval": None,
        "keep_alive_timeout": 20,
        "max_concurrent_streams": 100,
        "max_frame_size": 16 * 1024,
        "max_headers_size": 64 * 1024,
        "max_send_buffer_size": 400 * 1024,
    },
    "interface": "asgi",
    "log_access": False,  # the access record is the policy's
    "log_access_format": None,
    "log_dictconfig": {
        "loggers": {
            "_granian": {"handlers": [], "propagate": True},
            "granian.access": {"handlers": [], "propagate": False},
        },
        "handlers": {},
    },
    "log_enabled": True,
    "log_level": "warning",
    "metrics_address": "127.0.0.1",
    "metrics_enabled": False,
    "metrics_port": 9090,
    "metrics_scrape_interval": 15,
    "pid_file": None,
    "process_name": None,
    "reload": False,
    "reload_filter": None,
    "reload_ignore_dirs": None,
    "reload_ignore_paths": None,
    "reload_ignore_patterns": None,
    "reload_ignore_worker_failure": False,
    "reload_paths": None,
    "reload_tick": 50,
    # A dead worker is not replaced unless it is said.
    "respawn_failed_workers": True,
    "respawn_interval": 3.5,
    "rss_sample_interval": 30,
    "rss_samples": 1,
    "runtime_blocking_threads": None,
    "runtime_mode": "auto",
    "runtime_threads": 1,
    "ssl_crl": None,
    "ssl_protocol_min": "tls1.2",
    "static_path_dir_to_file": None,
    "static_path_expires": 86400,
    "static_path_mount": None,
    "static_path_route": None,
    "task_impl": "asyncio",
    "uds_permissions": 0o666,
    "websockets": True,
    "workers_lifetime": None,
    "working_dir": None,
}
"""Parameters that no setting changes, stated so that no default of another version decides."""


def parameters(plan: LaunchPlan) -> EngineParameters:
    """Say *plan* in the words of ``granian.Granian``. Needs no Granian.

    ``address`` is an IP address: Granian refuses ``localhost`` and ``[::1]``.
    """
    tls = plan.tls
    values: dict[str, Parameter] = FIXED | {
        "address": "127.0.0.1" if plan.host == "localhost" else plan.host,
        "port": plan.port,
        "uds": plan.uds,
        "workers": plan.workers,
        "loop": "uvloop" if plan.uvloop else "asyncio",
        # Over cleartext `auto` would take HTTP/2 from whoever begins with it.
        "http": "auto" if plan.http2 and tls else "1",
        "http1_settings": _http1_settings(plan),
        "backlog": max(LEAST_BACKLOG, plan.backlog),
        "backpressure": plan.max_connections,
        "url_path_prefix": plan.root_path or None,
        # Without it a stop waits for ever on a stream.
        "workers_kill_timeout": whole_seconds(plan.grace_s),
        "workers_max_rss": plan.max_memory_bytes and -(-plan.max_memory_bytes // MIB),
        "ssl_cert": tls.cert if tls else None,
        "ssl_key": tls.key if tls else None,
        "ssl_key_password": tls.password if tls else None,
        "ssl_ca": tls.ca if tls else None,
        "ssl_client_verify": bool(tls and tls.ca),
    }
    return EngineParameters("granian", values, list_unsupported(plan, "granian"), _warn(plan))


def _http1_settings(plan: LaunchPlan) -> dict[str, Parameter]:
    return {
        "header_read_timeout": max(1, round(plan.header_timeout_s * 1000)),
        "keep_alive": plan.keep_alive_s > 0,
        "max_buffer_size": max(8192, head_room(plan)),
        "pipeline_flush": False,
    }


def _warn(plan: LaunchPlan) -> tuple[str, ...]:
    if plan.backlog >= LEAST_BACKLOG:
        return ()
    return (f"granian takes a backlog of at least {LEAST_BACKLOG}, not {plan.backlog}",)


def serve(
    factory: AppFactory,
    plan: LaunchPlan,
    on_listening: Callable[[str], None],
    on_draining: Callable[[], None] = lambda: None,
) -> int:
    """Run the workers until a signal ends them: see :func:`portico.adapters.hypercorn.serve`.

    The workers are other processes, so that *on_draining* is called in none of them.
    """
    from portico.adapters.granian_worker import run_workers

    return run_workers(factory, plan, parameters(plan), on_listening, on_draining)
