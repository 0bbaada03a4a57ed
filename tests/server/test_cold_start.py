"""What may not be imported before the first answer: each of these costs a noticeable part of it.

A module that needs one of them imports it in the function that uses it (in a thread, where that
function is a coroutine), or in the lifespan's start-up if, and only if, a setting asks for it.
"""

import json
import subprocess
import sys
from typing import Final

HEAVY: Final = frozenset(
    {
        *("alembic", "coredis", "fastapi", "httpx", "opentelemetry", "prometheus_client"),
        *("psycopg", "pydantic", "quart_schema", "sqlalchemy", "starlette", "trio_asyncio"),
    }
)
"""Top-level packages that the server does without until somebody asks for what they do."""

ANSWER_ONE_REQUEST: Final = """
import json, sys, trio
from portico.core.settings import Sources, resolve
from portico.server.app import create_app
from portico.server.host import foundations, worker_main

async def answer():
    foundations.check()
    app = create_app(resolve(Sources(env={})).settings, "trio")
    async with app.test_app():
        response = await app.test_client().get("/v1/health/")
        modules = sorted({name.partition(".")[0] for name in sys.modules})
        return response.status_code, modules

print(json.dumps(trio.run(answer)), file=sys.stderr)
"""


def test_the_first_answer_needs_no_heavy_package() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ANSWER_ONE_REQUEST], capture_output=True, text=True, check=True
    )
    status, modules = json.loads(ended.stderr.splitlines()[-1])
    assert status == 200
    assert HEAVY & set(modules) == frozenset()
