"""Hypercorn 0.18 on Trio: its parameters. The Trio host of the server runs it."""

from typing import Final

from portico.core.launch import (
    EngineParameters,
    LaunchPlan,
    Parameter,
    alpn_protocols,
    head_room,
    list_unsupported,
)

FIXED: Final[dict[str, Parameter]] = {
    "accesslog": None,  # the access record is the policy's
    "access_log_format": "",
    "alt_svc_headers": [],
    "ciphers": "ECDHE+AESGCM:ECDHE+CHACHA20",
    "daemon": False,
    "debug": False,
    "dogstatsd_tags": "",
    "group": None,
    "h11_pass_raw_headers": False,
    "h2_max_concurrent_streams": 100,
    "h2_max_inbound_frame_size": 2**14,
    "include_date_header": True,
    "include_server_header": False,
    "insecure_bind": [],
    "keep_alive_max_requests": 1_000_000,
    "logconfig": None,
    "logconfig_dict": None,
    "loglevel": "INFO",
    "max_app_queue_size": 10,
    # Both end the worker, which nobody replaces yet.
    "max_requests": None,
    "max_requests_jitter": 0,
    "pid_path": None,
    "quic_bind": [],
    "read_timeout": None,
    "server_names": [],
    "shutdown_timeout": 60.0,
    "startup_timeout": 60.0,
    "statsd_host": None,
    "statsd_prefix": "",
    "umask": None,
    "use_reloader": False,
    "user": None,
    "verify_flags": None,
    "websocket_max_message_size": 16 * 1024 * 1024,
    "websocket_ping_interval": None,
    "worker_class": "trio",
    "wsgi_max_body_size": 0,
}
"""Parameters that no setting changes, stated so that no default of another version decides."""


def parameters(plan: LaunchPlan) -> EngineParameters:
    """Say *plan* in the words of ``hypercorn.config.Config``. Needs no Hypercorn.

    ``bind`` has the address as Hypercorn wants it written: an IPv6 address in brackets, for
    ``::1`` alone it reads as host ``:`` and port 1.
    """
    tls = plan.tls
    values: dict[str, Parameter] = FIXED | {
        "bind": [_bind(plan)],
        "alpn_protocols": [*alpn_protocols(plan)],
        "backlog": plan.backlog,
        "workers": plan.workers,
        "graceful_timeout": plan.grace_s,
        "h11_max_incomplete_size": head_room(plan),
        "h2_max_header_list_size": head_room(plan),
        "keep_alive_timeout": plan.keep_alive_s,
        "root_path": plan.root_path,
        "ssl_handshake_timeout": plan.header_timeout_s,
        "certfile": tls.cert if tls else None,
        "keyfile": tls.key if tls else None,
        "keyfile_password": tls.password if tls else None,
        "ca_certs": tls.ca if tls else None,
        "verify_mode": "CERT_REQUIRED" if tls and tls.ca else "CERT_NONE",
    }
    return EngineParameters("hypercorn", values, list_unsupported(plan, "hypercorn"))


def _bind(plan: LaunchPlan) -> str:
    if plan.uds is None:
        return plan.authority()
    return plan.uds if plan.uds.startswith("fd://") else f"unix:{plan.uds}"
