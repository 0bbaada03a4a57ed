"""Serve the suite's application on one engine, by Portico's own launcher.

    python -m tests.conformance.host hypercorn

prints a ``listening`` line like ``portico serve``, then one access record per request.
"""

import json
import sys
from importlib import import_module

from portico.core.launch import LaunchPlan
from portico.core.settings import build
from tests.conformance.target import make

LAUNCHERS = {
    "hypercorn": "portico.server.host.launching",
    "uvicorn": "portico.adapters.uvicorn",
    "granian": "portico.adapters.granian",
}


def announce(url: str) -> None:
    print(json.dumps({"event": "listening", "url": url}), flush=True)


def main(engine: str) -> int:
    settings = build({"server.engine": engine, "server.port": 0})
    plan = LaunchPlan.from_settings(settings)
    code: int = import_module(LAUNCHERS[engine]).serve(make, plan, announce)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
