"""The application in memory: its lifespan run, its answers read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from quart import Quart


def client(app: Quart) -> httpx.AsyncClient:
    """Speak to *app* without a socket; its lifespan is the caller's affair."""
    # Whatever escapes the application fails the test that asked for it.
    transport = httpx.ASGITransport(app, raise_app_exceptions=True, client=("192.0.2.1", 4000))
    return httpx.AsyncClient(transport=transport, base_url="http://portico.test")


@asynccontextmanager
async def serving(app: Quart) -> AsyncIterator[httpx.AsyncClient]:
    """Start *app*, speak to it, and shut it down."""
    async with app.test_app(), client(app) as speaking:
        yield speaking
