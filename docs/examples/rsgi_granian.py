r"""An RSGI application on Granian behind Portico's policy.

pip install "portico[granian]"
LETTA_SERVER_SECURE=true LETTA_SERVER_PASSWORD=secret \
        LETTA_CORS_ORIGINS=https://app.example.com python rsgi_granian.py

curl -i localhost:8283/livez
curl -i localhost:8283/items/7 -H 'Authorization: Bearer secret' \
        -H 'Origin: https://app.example.com'
"""

import os
import sys
from typing import Any

from granian import Granian
from granian.constants import Interfaces

from portico.adapters.codings import OFFERED
from portico.adapters.rsgi import RsgiPolicy
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


async def application(scope: Any, protocol: Any) -> None:
    """Answer everything with its path."""
    protocol.response_str(200, [("content-type", "text/plain; charset=utf-8")], scope.path)


app = RsgiPolicy(application, policy, on_record=write)


if __name__ == "__main__":
    address, port = settings.server.host, settings.server.port
    Granian("rsgi_granian:app", address, port, interface=Interfaces.RSGI, log_enabled=False).serve()
