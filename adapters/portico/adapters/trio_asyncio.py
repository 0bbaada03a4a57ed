"""Applications that know asyncio only, on Trio, through trio-asyncio.

Importing trio-asyncio changes what ``asyncio.run`` does in the process; so it is imported on use,
in the process that serves such an application and in no other.
"""

from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Any

from portico.adapters.engine import ASGIApp, Receive, Scope, Send


def open_loop() -> AbstractAsyncContextManager[Any]:
    """Run an asyncio loop on Trio, for every task started within."""
    loop: AbstractAsyncContextManager[Any] = import_module("trio_asyncio").open_loop()
    return loop


def on_trio(app: ASGIApp) -> ASGIApp:
    """Let tasks of Trio call *app*, which runs on the loop that :func:`open_loop` opened.

    Cancellation passes both ways: a cancelled Trio task cancels the asyncio one, and what the
    engine raises in ``receive`` and ``send`` is raised in the application.
    """

    async def bridged(scope: Scope, receive: Receive, send: Send) -> None:
        bridge = import_module("trio_asyncio")
        call = bridge.aio_as_trio(app)
        await call(scope, bridge.trio_as_aio(receive), bridge.trio_as_aio(send))

    return bridged
