"""Calls of models are stored beside the requests, as many as there is room for."""

import anyio
import pytest

from portico.server.db.database import Database
from portico.server.runs.traces import MOST, Traces
from portico.server.runs.turn import Trace
from tests.server.runs.conftest import Start

pytestmark = pytest.mark.anyio


async def test_a_trace_is_stored_when_it_is_asked_for(api_with: Start) -> None:
    async with api_with() as api:
        await api.say(api.new_agent(), "hello")
        await api.state.runs.traces.flush()
        ((request,),) = api.query("SELECT request_json FROM provider_traces")
        assert '"hello"' in request


async def test_traces_are_stored_at_shutdown(api_with: Start) -> None:
    async with api_with() as api:
        agent_id = api.new_agent()
        for _ in range(3):
            await api.say(agent_id, "hello")
        database = Database(api.state.settings)
    count = database.run(lambda session: session.connection().exec_driver_sql(COUNT).scalar())
    database.close()
    assert count == 3


COUNT = "SELECT count(DISTINCT step_id) FROM provider_traces"


async def test_no_more_wait_than_there_is_room_for(api_with: Start) -> None:
    async with api_with() as api:
        await api.say(api.new_agent(), "hello")
        ((step_id,),) = api.query("SELECT id FROM steps")
        await api.state.runs.traces.flush()
        traces = Traces(api.state.database)
        for number in range(MOST + 5):
            traces.offer(Trace(step_id, {"n": number}, {}))
        traces.offer(Trace("step-gone", {}, {}))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(traces.flush)
            tasks.start_soon(traces.flush)
        assert api.query("SELECT count(*) FROM provider_traces") == [(MOST + 1,)]


async def test_what_is_gone_is_passed_over(api_with: Start) -> None:
    async with api_with() as api:
        traces = Traces(api.state.database)
        traces.offer(Trace("step-gone", {}, {}))
        await traces.flush()
        assert api.query("SELECT count(*) FROM provider_traces") == [(0,)]
