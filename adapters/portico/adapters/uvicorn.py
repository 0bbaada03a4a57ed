"""Uvicorn 0.54: its parameters."""

from collections.abc import Callable
from typing import Final

from portico.adapters.engine import AppFactory
from portico.core.launch import (
    EngineParameters,
    LaunchPlan,
    Parameter,
    head_room,
    list_unsupported,
)

FIXED: Final[dict[str, Parameter]] = {
    "access_log": False,  # the access record is the policy's
    "callback_notify": None,
    "date_header": True,
    "env_file": None,
    "factory": True,
    "fd": None,
    # Who is believed about the client is the policy's decision; the environment would decide here.
    "proxy_headers": False,
    "forwarded_allow_ips": [],
    "headers": [],
    "http": "httptools",
    "http2": False,
    "interface": "asgi3",
    "lifespan": "auto",
    "log_config": None,
    "log_level": None,
    "reload": False,
    "reload_delay": 0.25,
    "reload_dirs": None,
    "reload_excludes": None,
    "reload_includes": None,
    "reset_contextvars": False,
    "server_header": False,
    "ssl_ciphers": None,
    "ssl_context_factory": None,
    "timeout_notify": 30,
    "timeout_worker_healthcheck": 15,
    "use_colors": False,
    "ws": "wsproto",
    "ws_max_queue": 32,
    "ws_max_size": 16 * 1024 * 1024,
    "ws_per_message_deflate": True,
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
}
"""Parameters that no setting changes, stated so that no environment or default decides."""

PROTOCOL_TLS_SERVER: Final = 17
CERT_NONE, CERT_REQUIRED = 0, 2


def parameters(plan: LaunchPlan) -> EngineParameters:
    """Say *plan* in the words of ``uvicorn.Config``. Needs no Uvicorn.

    ``host`` is written without brackets: Uvicorn refuses ``[::1]``.
    """
    tls = plan.tls
    values: dict[str, Parameter] = FIXED | {
        "host": plan.host,
        "port": plan.port,
        "uds": plan.uds,
        "workers": plan.workers,
        "loop": "uvloop" if plan.uvloop else "asyncio",
        "root_path": plan.root_path,
        "backlog": plan.backlog,
        "h11_max_incomplete_event_size": head_room(plan),
        # Uvicorn refuses the connection that makes the number full, so one more is the cap.
        "limit_concurrency": plan.max_connections + 1,
        "limit_max_requests": plan.max_requests,
        "limit_max_requests_jitter": plan.max_requests_jitter,
        "timeout_keep_alive": plan.keep_alive_s,
        "timeout_graceful_shutdown": plan.grace_s,
        "ssl_certfile": tls.cert if tls else None,
        "ssl_keyfile": tls.key if tls else None,
        "ssl_keyfile_password": tls.password if tls else None,
        "ssl_ca_certs": tls.ca if tls else None,
        "ssl_cert_reqs": CERT_REQUIRED if tls and tls.ca else CERT_NONE,
        "ssl_version": PROTOCOL_TLS_SERVER,
    }
    return EngineParameters("uvicorn", values, list_unsupported(plan, "uvicorn"))


def serve(
    factory: AppFactory,
    plan: LaunchPlan,
    on_listening: Callable[[str], None],
    on_draining: Callable[[], None] = lambda: None,
) -> int:
    """Run the workers until a signal ends them: see :func:`portico.adapters.hypercorn.serve`."""
    from portico.adapters.uvicorn_worker import run_many, run_one

    # A worker that ends after so many requests needs somebody who starts the next.
    if plan.workers > 1 or plan.max_requests is not None:
        return run_many(factory, plan, parameters(plan), on_listening, on_draining)
    return run_one(factory, plan, parameters(plan), on_listening, on_draining)
