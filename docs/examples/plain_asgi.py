r"""An ASGI application without a framework behind Portico's policy.

pip install "portico[uvicorn]"
LETTA_SERVER_SECURE=true LETTA_SERVER_PASSWORD=secret \
        LETTA_CORS_ORIGINS=https://app.example.com python plain_asgi.py

curl -i localhost:8283/livez
curl -i localhost:8283/items/7 -H 'Authorization: Bearer secret' \
        -H 'Origin: https://app.example.com'
"""

import os
import sys
from typing import Any

import uvicorn

from portico.adapters.asgi import PolicyMiddleware
from portico.adapters.codings import OFFERED
from portico.core.access import AccessRecord
from portico.core.policy import Policy
from portico.core.routes import Route
from portico.core.settings import Sources, resolve
from portico.core.settings.report import check_text

resolution = resolve(Sources(env=dict(os.environ)))
if resolution.settings is None:
    sys.exit(check_text(resolution))
settings = resolution.settings
policy = Policy.compile(settings, routes=[Route("/livez", probe=True)], codings=OFFERED)


def write(record: AccessRecord) -> None:
    """Write one line of JSON for each request."""
    print(record.line().decode(), end="", flush=True)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer everything with its path."""
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


app = PolicyMiddleware(application, policy, on_record=write)


if __name__ == "__main__":
    uvicorn.run(app, host=settings.server.host, port=settings.server.port, log_level="warning")
