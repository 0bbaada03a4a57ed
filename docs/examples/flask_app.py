r"""A Flask application behind Portico's policy.

pip install "portico[flask]"
LETTA_SERVER_SECURE=true LETTA_SERVER_PASSWORD=secret \
        LETTA_CORS_ORIGINS=https://app.example.com python flask_app.py

curl -i localhost:8283/livez
curl -i localhost:8283/items/7 -H 'Authorization: Bearer secret' \
        -H 'Origin: https://app.example.com'
"""

import os
import sys

from flask import Flask

from portico.adapters.codings import OFFERED
from portico.adapters.flask import protect
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


app = Flask(__name__)
protect(app, policy, on_record=write)


@app.get("/livez")
def livez() -> str:
    """Say that this process answers; it needs no password."""
    return "ok"


@app.get("/items/<int:item_id>")
def item(item_id: int) -> dict[str, int]:
    """Give one item."""
    return {"id": item_id}


if __name__ == "__main__":
    app.run(settings.server.host, settings.server.port)
