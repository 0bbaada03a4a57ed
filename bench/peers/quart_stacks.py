"""Other ways to serve the same route with Quart; no logging, no request ids: for information.

Run as a module it takes the stack's name, serves on 127.0.0.1 with a free port and prints the same
``listening`` line as ``portico serve``.
"""

import json
import socket
import sys

import hypercorn.trio
import trio
import uvicorn
from hypercorn import Config
from quart import Quart
from quart_cors import cors
from quart_trio import QuartTrio

from bench.exchanges import ORIGINS


def with_health(app: Quart) -> Quart:
    """*app* with the health route."""

    @app.get("/v1/health/")
    async def health() -> dict[str, str]:
        return {"version": "0.1.0", "status": "ok"}

    return app


def serve_quart_cors(listener: socket.socket) -> None:
    """Quart with quart-cors on Uvicorn."""
    app = with_health(
        cors(
            Quart(__name__),
            allow_origin=ORIGINS,
            allow_credentials=True,
            allow_methods=["*"],
            allow_headers=["*"],
        )
    )
    config = uvicorn.Config(app, access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])


def serve_stock_hypercorn(listener: socket.socket) -> None:
    """QuartTrio alone on Hypercorn's own Trio worker."""
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    app = with_health(QuartTrio(__name__))
    trio.run(hypercorn.trio.serve, app, config)


STACKS = {"quart-cors": serve_quart_cors, "stock-hypercorn": serve_stock_hypercorn}


def main(stack: str) -> None:
    """Serve the stack of that name on a free port of loopback."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    port = listener.getsockname()[1]
    print(json.dumps({"event": "listening", "url": f"http://127.0.0.1:{port}"}), flush=True)
    STACKS[stack](listener)


if __name__ == "__main__":
    main(sys.argv[1])
