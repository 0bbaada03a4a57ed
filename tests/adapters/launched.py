"""A program that runs one launcher over a small application, for tests of real processes.

``python -m tests.adapters.launched ENGINE APPLICATION 'PLAN CHANGES AS JSON'``
"""

import json
import logging
import os
import sys
from dataclasses import replace
from importlib import import_module
from typing import Any

import anyio
import structlog

from portico.adapters.engine import ASGIApp, Message, Receive, Scope, Send
from portico.adapters.sockets import BindError
from portico.core.launch import LaunchPlan, TlsPlan
from portico.core.settings import Settings

LAUNCHERS = {
    "hypercorn": "portico.server.host.launching",
    "uvicorn": "portico.adapters.uvicorn",
    "granian": "portico.adapters.granian",
}


def say(event: str, **fields: Any) -> None:
    # In one write: workers share the descriptor, and print() writes the line's end by itself.
    os.write(1, json.dumps({"event": event, **fields}).encode() + b"\n")


async def answer(send: Send, body: bytes) -> None:
    head = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            say("shutdown")
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def slow(receive: Receive, send: Send) -> None:
    say("slow")
    await anyio.sleep(1)
    await answer(send, b"slow")


async def endless(receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"tick\n", "more_body": True})
        await anyio.sleep(0.05)


async def flood(receive: Receive, send: Send) -> None:
    """Fill the socket of a client that does not read."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    say("flood")
    while True:
        await send({"type": "http.response.body", "body": b"x" * 2**20, "more_body": True})


async def broken(receive: Receive, send: Send) -> None:
    raise RuntimeError("broken")


async def misused(receive: Receive, send: Send) -> None:
    """Send what is no message, which Hypercorn raises on in the connection's task."""
    message: Message = {"type": "http.nonsense"}
    await send(message)


async def pid(receive: Receive, send: Send) -> None:
    await answer(send, str(os.getpid()).encode())


async def plain(receive: Receive, send: Send) -> None:
    await answer(send, b"plain")


ROUTES = {
    "/slow": slow,
    "/endless": endless,
    "/flood": flood,
    "/broken": broken,
    "/misused": misused,
    "/pid": pid,
}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    if scope["path"].endswith("/paths"):
        fields = [scope["path"], scope["raw_path"].decode(), scope["root_path"]]
        return await answer(send, json.dumps(fields).encode())
    return await ROUTES.get(scope["path"], plain)(receive, send)


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no luck"})


async def without_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        raise ValueError("no lifespan")
    await application(scope, receive, send)


async def asyncio_only(scope: Scope, receive: Receive, send: Send) -> None:
    import asyncio

    if scope["type"] == "lifespan":
        await asyncio.sleep(0)
        return await lifespan(receive, send)
    if scope["path"] == "/endless":
        return await endless_asyncio(send)
    body = (await receive())["body"]
    first, second = await asyncio.gather(asyncio.sleep(0.01, body), asyncio.to_thread(len, body))
    return await answer(send, first + b" " + str(second).encode())


async def endless_asyncio(send: Send) -> None:
    import asyncio

    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        while True:
            await send({"type": "http.response.body", "body": b"tick\n", "more_body": True})
            await asyncio.sleep(0.02)
    except (asyncio.CancelledError, OSError):
        # ASGI 2.4: sending to a client that left raises an OSError, where it does not cancel.
        say("left")
        raise


async def silent_at_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "lifespan":
        await application(scope, receive, send)


def make_silent_at_lifespan() -> ASGIApp:
    return silent_at_lifespan


def make_application() -> ASGIApp:
    return application


def make_failing() -> ASGIApp:
    return failing


def make_without_lifespan() -> ASGIApp:
    return without_lifespan


def make_asyncio_only() -> ASGIApp:
    return asyncio_only


def make_bridged() -> ASGIApp:
    from portico.adapters.trio_asyncio import on_trio

    return on_trio(asyncio_only)


def make_nothing() -> ASGIApp:
    raise LookupError("there is no application")


def main(engine: str, maker: str, changes: str) -> int:
    logging.basicConfig(level=logging.WARNING)
    # The Trio host logs by structlog; in the product both go one way.
    structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())
    values = json.loads(changes)
    if tls := values.pop("tls", None):
        values["tls"] = TlsPlan(**tls)
    plan = replace(LaunchPlan.from_settings(Settings()), **({"port": 0} | values))
    launcher = import_module(LAUNCHERS[engine])
    # By its importable name: spawned workers do not have this process's __main__.
    factory = getattr(import_module("tests.adapters.launched"), maker)
    try:
        code: int = launcher.serve(
            factory, plan, lambda url: say("listening", url=url), lambda: say("draining")
        )
    except BindError as error:
        print(error, file=sys.stderr)
        return 2
    say("ended", code=code)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
