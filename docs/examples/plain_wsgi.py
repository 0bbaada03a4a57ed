r"""A WSGI application without a framework behind Portico's policy.

pip install "portico"
LETTA_SERVER_SECURE=true LETTA_SERVER_PASSWORD=secret \
        LETTA_CORS_ORIGINS=https://app.example.com python plain_wsgi.py

curl -i localhost:8283/livez
curl -i localhost:8283/items/7 -H 'Authorization: Bearer secret' \
        -H 'Origin: https://app.example.com'
"""

import os
import sys
from collections.abc import Iterable
from typing import Any
from wsgiref.simple_server import make_server

from portico.adapters.codings import OFFERED
from portico.adapters.wsgi import WsgiPolicy
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


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer everything with its path."""
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [environ["PATH_INFO"].encode("latin-1")]


app = WsgiPolicy(application, policy, on_record=write)


if __name__ == "__main__":
    make_server(settings.server.host, settings.server.port, app).serve_forever()
