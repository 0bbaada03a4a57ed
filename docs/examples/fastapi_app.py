r"""A FastAPI application behind Portico's policy.

pip install "portico[fastapi,uvicorn]"
LETTA_SERVER_SECURE=true LETTA_SERVER_PASSWORD=secret \
        LETTA_CORS_ORIGINS=https://app.example.com python fastapi_app.py

curl -i localhost:8283/livez
curl -i localhost:8283/items/7 -H 'Authorization: Bearer secret' \
        -H 'Origin: https://app.example.com'
"""

import os
import sys

import uvicorn
from fastapi import FastAPI

from portico.adapters.codings import OFFERED
from portico.adapters.fastapi import protect
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


api = FastAPI()


@api.get("/livez")
def livez() -> str:
    """Say that this process answers; it needs no password."""
    return "ok"


@api.get("/items/{item_id}")
def item(item_id: int) -> dict[str, int]:
    """Give one item."""
    return {"id": item_id}


app = protect(api, policy, on_record=write)


if __name__ == "__main__":
    uvicorn.run(app, host=settings.server.host, port=settings.server.port, log_level="warning")
