"""The application's lifespan, by Hypercorn's implementation of the ASGI protocol."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.trio.lifespan import Lifespan
from hypercorn.utils import LifespanFailureError, LifespanTimeoutError

from portico.server.host.failure import LifespanError, find
from portico.server.host.hypercorn_config import configuration


@asynccontextmanager
async def lifespan(app: Any, state: dict[str, Any], *, report: Any) -> AsyncIterator[None]:
    """Start *app*, fill *state*, and shut it down at the end.

    Raises:
        LifespanError: the application said so, or took too long.
    """
    failures: list[str] = []

    async def noted(scope: Any, receive: Any, send: Any) -> None:
        async def noting(message: Any) -> None:
            if message["type"] == "lifespan.startup.failed":
                failures.append(message.get("message", ""))
            await send(message)

        await app(scope, receive, noting)

    protocol = Lifespan(ASGIWrapper(noted), configuration(report), state)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(protocol.handle_lifespan)
            await protocol.wait_for_startup()
            if failures:  # Hypercorn's own error of it comes a few steps later
                raise LifespanError(f"the application's start-up failed: {failures[0]}")
            yield
            await protocol.wait_for_shutdown()
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        failure = find(group, LifespanError) or find(
            group, LifespanFailureError, LifespanTimeoutError
        )
        if failure is None:
            raise
        raise LifespanError(str(failure)) from group
