r"""A Starlette application behind Portico's policy.

pip install "portico[starlette,uvicorn]"
LETTA_SERVER_SECURE=true LETTA_SERVER_PASSWORD=secret \
        LETTA_CORS_ORIGINS=https://app.example.com python starlette_app.py

curl -i localhost:8283/livez
curl -i localhost:8283/items/7 -H 'Authorization: Bearer secret' \
        -H 'Origin: https://app.example.com'
"""

import os
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route as StarletteRoute

from portico.adapters.codings import OFFERED
from portico.adapters.starlette import protect
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


async def livez(request: Request) -> PlainTextResponse:
    """Say that this process answers; it needs no password."""
    return PlainTextResponse("ok")


async def item(request: Request) -> JSONResponse:
    """Give one item."""
    return JSONResponse({"id": request.path_params["item_id"]})


routes = [StarletteRoute("/livez", livez), StarletteRoute("/items/{item_id}", item)]
app = protect(Starlette(routes=routes), policy, on_record=write)


if __name__ == "__main__":
    uvicorn.run(app, host=settings.server.host, port=settings.server.port, log_level="warning")
