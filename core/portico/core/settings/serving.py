"""The settings of the server process itself."""

from typing import Literal

from portico.core.engines import EngineName
from portico.core.settings.addresses import HOST
from portico.core.settings.group import Group, group
from portico.core.settings.kinds import (
    BOOLEAN,
    PATH,
    PORT,
    ROOT_PATH,
    SECRET,
    WORKERS,
    choice,
    count,
)
from portico.core.settings.quantities import DURATION, TIMEOUT, size
from portico.core.settings.secret import Secret
from portico.core.settings.spec import Switch, setting

Workload = Literal["general", "gpu", "high-concurrency"]


@group
class ServerSettings(Group):
    """Where the server listens, on which engine, with which limits."""

    host: str = setting(
        "127.0.0.1",
        HOST,
        "LETTA_HOST",
        "HOST",
        generic=("HOST",),
        doc="The address to bind: a host name or an IP address.",
        recommend="0.0.0.0 in a container; 127.0.0.1 behind a proxy on the same machine.",
    )
    port: int = setting(
        8283,
        PORT,
        "LETTA_PORT",
        "PORT",
        generic=("PORT",),
        doc="The TCP port to bind; 0 asks the operating system for a free one.",
    )
    uds: str | None = setting(
        None,
        PATH,
        "LETTA_UDS",
        doc="The path of a Unix socket instead of host and port, or fd://N for one that is open.",
    )
    engine: EngineName = setting(
        "hypercorn",
        choice("hypercorn", "uvicorn", "granian"),
        "LETTA_ENGINE",
        switch=Switch("LETTA_USE_GRANIAN", "granian"),
        doc="What serves: hypercorn (on Trio), or uvicorn or granian (on asyncio).",
    )
    workers: int | Literal["auto"] = setting(
        1,
        WORKERS,
        "LETTA_WORKERS",
        "LETTA_UVICORN_WORKERS",
        doc="Worker processes: a count, or auto for a plan from processors, memory and database.",
        recommend="1 in development; auto in production: 1-2 on one core, up to twice the cores.",
    )
    workload: Workload = setting(
        "general",
        choice("general", "gpu", "high-concurrency"),
        "LETTA_WORKLOAD",
        doc="What auto workers aim at: general, gpu or high-concurrency.",
        recommend="gpu keeps to 1-2 workers to spare memory; high-concurrency takes 4-8.",
    )
    reload: bool = setting(
        False,
        BOOLEAN,
        "LETTA_RELOAD",
        "LETTA_UVICORN_RELOAD",
        doc="Restart when the source changes; one worker only.",
        recommend="In development only.",
    )
    keep_alive: float = setting(
        5.0,
        DURATION,
        "LETTA_KEEP_ALIVE",
        "LETTA_UVICORN_TIMEOUT_KEEP_ALIVE",
        doc="Idle time after which a connection is closed.",
        recommend="1s to 3s in development, 10s to 30s in production.",
    )
    uvloop: bool = setting(
        False,
        BOOLEAN,
        "LETTA_USE_UVLOOP",
        doc="Run asyncio engines on uvloop; it means nothing on Trio.",
    )
    thread_limit: int = setting(
        43,
        count(1),
        "LETTA_EVENT_LOOP_THREADPOOL_MAX_WORKERS",
        doc="Worker threads for blocking calls, per worker.",
    )
    header_timeout: float = setting(
        10.0, TIMEOUT, "LETTA_HEADER_TIMEOUT", doc="Time in which a request's head must arrive."
    )
    write_timeout: float = setting(
        30.0, TIMEOUT, "LETTA_WRITE_TIMEOUT", doc="Time for which a client may stop reading."
    )
    request_timeout: float | None = setting(
        None, TIMEOUT, "LETTA_REQUEST_TIMEOUT", doc="Time in which a request must be answered."
    )
    drain_delay: float = setting(
        0.0,
        DURATION,
        "LETTA_DRAIN_DELAY",
        doc="At shutdown, time between failing readiness and closing the listeners.",
        recommend="As long as the load balancer takes to notice: 10s in most clusters.",
    )
    grace: float = setting(
        10.0,
        DURATION,
        "LETTA_GRACE",
        doc="At shutdown, time that running requests get before they are cancelled.",
    )
    max_connections: int = setting(
        1000, count(1), "LETTA_MAX_CONNECTIONS", doc="Open connections per worker."
    )
    max_concurrency: int | None = setting(
        None, count(1), "LETTA_MAX_CONCURRENCY", doc="Requests at once per worker; more get 503."
    )
    backlog: int = setting(
        2048, count(1), "LETTA_BACKLOG", doc="Connections that may wait to be accepted."
    )
    max_body: int = setting(
        16 * 1024**2, size(), "LETTA_MAX_BODY", doc="Largest request body; larger ones get 413."
    )
    max_head: int = setting(
        32 * 1024, size(1), "LETTA_MAX_HEAD", doc="Largest request head; larger ones get 431."
    )
    max_target: int = setting(
        8 * 1024, size(1), "LETTA_MAX_TARGET", doc="Longest request target; longer ones get 414."
    )
    max_requests: int | None = setting(
        None, count(1), "LETTA_MAX_REQUESTS", doc="Requests after which a worker is replaced."
    )
    max_requests_jitter: int = setting(
        0,
        count(0),
        "LETTA_MAX_REQUESTS_JITTER",
        doc="Spread added to max_requests, so that workers are not replaced at once.",
    )
    max_memory: int | None = setting(
        None, size(1), "LETTA_MAX_MEMORY", doc="Resident memory above which a worker is replaced."
    )
    stall_limit: float = setting(
        15.0,
        TIMEOUT,
        "LETTA_STALL_LIMIT",
        doc="Time for which a worker's loop may be blocked before it is replaced.",
    )
    replicas: int = setting(
        1,
        count(1),
        "LETTA_REPLICAS",
        doc="Nodes that share the database; auto workers divide its connections among them.",
    )
    http2: bool = setting(True, BOOLEAN, "LETTA_HTTP2", doc="Offer HTTP/2 over TLS.")
    tls_cert: str | None = setting(
        None,
        PATH,
        "LETTA_TLS_CERT",
        security=True,
        doc="The certificate chain in PEM; with tls_key it makes the server speak HTTPS.",
    )
    tls_key: str | None = setting(
        None, PATH, "LETTA_TLS_KEY", security=True, doc="The certificate's private key in PEM."
    )
    tls_key_password: Secret | None = setting(
        None, SECRET, "LETTA_TLS_KEY_PASSWORD", security=True, doc="The private key's password."
    )
    tls_ca: str | None = setting(
        None,
        PATH,
        "LETTA_TLS_CA",
        security=True,
        doc="Authorities in PEM by which client certificates are verified.",
    )
    force_https: bool = setting(
        False,
        BOOLEAN,
        "LETTA_FORCE_HTTPS",
        live=True,
        security=True,
        doc="Send requests that came by http to https (308 for GET and HEAD, 403 for the rest).",
    )
    local_https: bool = setting(
        False,
        BOOLEAN,
        "LOCAL_HTTPS",
        "LETTA_LOCAL_HTTPS",
        flag="--localhttps",
        security=True,
        doc="Serve HTTPS with a generated certificate for localhost.",
    )
    root_path: str = setting(
        "",
        ROOT_PATH,
        "LETTA_ROOT_PATH",
        doc="The path prefix under which a proxy shows the server.",
    )
