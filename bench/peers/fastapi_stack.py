"""The reference system's stack: FastAPI on Uvicorn with logging, request id and CORS middleware.

Run as a module it serves on 127.0.0.1 with a free port and prints the same ``listening`` line as
``portico serve``. Uvicorn's own access log is off: the logging middleware writes the one line.
"""

import json
import logging
import re
import socket
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from bench.exchanges import ORIGINS

UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
PREFIXES = (
    *("agent", "message", "run", "job", "group", "block", "file", "source", "folder", "tool"),
    *("archive", "passage", "provider", "sandbox", "step", "identity", "conv", "mcp_server"),
    *("user", "org", "organization", "batch_item", "batch_req", "provider_trace"),
)
ID_PATTERNS = {prefix: re.compile(f"^{prefix}-{UUID4}$") for prefix in PREFIXES}
CONTEXT_HEADERS = {
    "user_id": "actor_id",
    "x-project-id": "project_id",
    "x-organization-id": "org_id",
    "x-agent-id": "agent_id",
    "x-run-id": "run_id",
}

Next = Callable[[Request], Awaitable[Response]]
log = logging.getLogger("fastapi_stack")


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's message and its context as JSON."""
        fields = {"event": record.getMessage(), "level": record.levelname, "time": record.created}
        return json.dumps(fields | getattr(record, "context", {}))


class LoggingMiddleware(BaseHTTPMiddleware):
    """Takes the log context from headers, path and query, and logs every request."""

    async def dispatch(self, request: Request, call_next: Next) -> Response:
        """Log one request."""
        started = time.perf_counter()
        context = request_context(request)
        response = await call_next(request)
        context["status"] = str(response.status_code)
        context["duration_s"] = f"{time.perf_counter() - started:.6f}"
        log.info("request", extra={"context": context})
        return response


class RequestIdMiddleware(BaseHTTPMiddleware):
    """Answers every request with its id, or with a new one."""

    async def dispatch(self, request: Request, call_next: Next) -> Response:
        """Name one request."""
        request_id = request.headers.get("x-request-id") or uuid.uuid4().hex
        request.state.request_id = request_id
        response = await call_next(request)
        response.headers["x-request-id"] = request_id
        return response


class Health(BaseModel):
    """What the health route answers."""

    version: str
    status: str


def request_context(request: Request) -> dict[str, str]:
    """The ids that the request names: the path wins over the query, the query over headers."""
    context = {"method": request.method, "path": request.url.path}
    for header, key in CONTEXT_HEADERS.items():
        if value := request.headers.get(header):
            context[key] = value
    context.update(ids_in(request.query_params.values()))
    context.update(ids_in(request.url.path.split("/")))
    return context


def ids_in(texts: Iterable[str]) -> dict[str, str]:
    """The prefixed ids among *texts*, tried pattern by pattern."""
    return {
        f"{prefix}_id": text
        for text in texts
        if text
        for prefix, pattern in ID_PATTERNS.items()
        if pattern.match(text)
    }


def create_app() -> FastAPI:
    """The application with its three middlewares and its health route."""
    app = FastAPI()
    app.add_middleware(RequestIdMiddleware)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=ORIGINS,
        allow_credentials=True,
        allow_methods=["*"],
        allow_headers=["*"],
    )
    app.add_middleware(LoggingMiddleware)

    @app.get("/v1/health/", response_model=Health)
    async def health() -> Health:
        return Health(version="0.1.0", status="ok")

    return app


def configure_log() -> None:
    """Write one JSON line a request to standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    log.addHandler(handler)
    log.setLevel(logging.INFO)


def main(loop: str) -> None:
    """Serve on a free port of loopback, with the event loop named *loop*."""
    configure_log()
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    port = listener.getsockname()[1]
    print(json.dumps({"event": "listening", "url": f"http://127.0.0.1:{port}"}), flush=True)
    config = uvicorn.Config(create_app(), loop=loop, access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])
