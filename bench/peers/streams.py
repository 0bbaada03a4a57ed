"""A Quart application with a stream that stays open, to be served by Portico."""

from collections.abc import AsyncIterator

import trio
from quart import Response, make_response

from portico.server.inline import InlineQuartTrio

app = InlineQuartTrio(__name__)


@app.get("/probe")
async def probe() -> str:
    """Answer at once."""
    return "probe"


@app.get("/stream")
async def stream() -> Response:
    """Send one event and nothing more."""

    async def events() -> AsyncIterator[bytes]:
        yield b"data: first\n\n"
        await trio.sleep_forever()

    response = await make_response(events(), {"content-type": "text/event-stream"})
    assert isinstance(response, Response)
    response.timeout = None
    return response
