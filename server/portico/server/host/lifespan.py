"""The application's lifespan, by Hypercorn's implementation of the ASGI protocol."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.trio.lifespan import Lifespan
from hypercorn.utils import LifespanFailureError, LifespanTimeoutError

from portico.server.host.hypercorn_config import configuration


class LifespanError(Exception):
    """The application did not start, or did not shut down cleanly; the text says why."""


@asynccontextmanager
async def lifespan(app: Any, state: dict[str, Any], *, report: Any) -> AsyncIterator[None]:
    """Start *app*, fill *state*, and shut it down at the end.

    Raises:
        LifespanError: the application said so, or took too long.
    """
    protocol = Lifespan(ASGIWrapper(app), configuration(report), state)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(protocol.handle_lifespan)
            await protocol.wait_for_startup()
            await trio.lowlevel.checkpoint()  # a failure must arrive before anything is served
            yield
            await protocol.wait_for_shutdown()
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        failure = _first(group)
        if failure is None:
            raise
        raise LifespanError(str(failure)) from group


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    found: BaseException | None = group.subgroup((LifespanFailureError, LifespanTimeoutError))
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
