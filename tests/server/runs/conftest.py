"""The API in memory, with a database of its own."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from anyio import to_thread
from quart import Quart
from sqlalchemy import text

from portico.core.settings import Settings
from portico.server.app import create_app
from portico.server.application import Runtime
from portico.server.db.ids import DEFAULT_ORGANIZATION, new_id
from portico.server.db.tables import Agent
from portico.server.state import State, state_of
from tests.processes import until
from tests.server.asgi import serving


@pytest.fixture(params=["trio", pytest.param("asyncio", marks=pytest.mark.thorough)])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run a test on Trio, and thoroughly on asyncio too."""
    return cast("str", request.param)


@dataclass
class Api:
    """The API, who speaks to it, and what it stores."""

    app: Quart
    client: httpx.AsyncClient

    @property
    def state(self) -> State:
        return state_of(self.app)

    def query(self, sql: str) -> list[Any]:
        """Ask the database, or change it."""

        def ask(session: Any) -> list[Any]:
            result = session.execute(text(sql))
            return [tuple(row) for row in result] if result.returns_rows else []

        return self.state.database.run(ask)

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait in a thread until it *holds*, which may ask the database."""
        await to_thread.run_sync(lambda: until(lambda: bool(holds()), 15))

    def new_agent(self, model: str = "letta/offline") -> str:
        agent_id = new_id("agent")
        agent = Agent(
            id=agent_id,
            organization_id=DEFAULT_ORGANIZATION,
            name="a",
            agent_type="letta_v1_agent",
            model=model,
            context_window=32000,
        )
        self.state.database.run(lambda session: session.add(agent))
        return agent_id

    async def say(self, agent_id: str, said: str, **options: Any) -> httpx.Response:
        return await self.client.post(
            f"/v1/agents/{agent_id}/messages", json={"input": said, **options}, timeout=30
        )

    async def stream(self, agent_id: str, said: str, **options: Any) -> list[Any]:
        """Give the events of a turn: the data of each, an error's with its name before it."""
        answer = await self.say(agent_id, said, streaming=True, include_pings=False, **options)
        return events_of(answer.text)


def events_of(body: str) -> list[Any]:
    return [event_of(part) for part in body.split("\n\n") if part and not part.startswith(":")]


def event_of(part: str) -> Any:
    *names, data = part.splitlines()
    content = data.removeprefix("data: ")
    shown = content if content == "[DONE]" else json.loads(content)
    return (names[0].removeprefix("event: "), shown) if names else shown


Start = Callable[..., AbstractAsyncContextManager[Api]]


@pytest.fixture
def api_with(runtime: Runtime, tmp_path: Path) -> Start:
    """Start the API with groups of settings changed: `telemetry={"debug": True}`."""

    @asynccontextmanager
    async def start(**groups: dict[str, Any]) -> AsyncIterator[Api]:
        groups.setdefault("storage", {})["dir"] = str(tmp_path)
        settings = Settings()
        for name, changes in groups.items():
            settings = replace(settings, **{name: replace(getattr(settings, name), **changes)})
        app = create_app(settings, runtime)
        async with serving(app) as client:
            yield Api(app, client)

    return start
