"""Messages to agents: answered whole or as a stream, in the background or not, and cancelled."""

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any, Final

import anyio
import msgspec
from quart import Blueprint, Response, request

from portico.adapters.draining import DRAIN, Drain
from portico.server.actors import Actor, current_actor
from portico.server.blueprints.content import RequestError, answer_json, read
from portico.server.blueprints.operation import describes
from portico.server.models.provider import ModelError
from portico.server.requests import request_id
from portico.server.runs.engine import Runs
from portico.server.runs.live import LiveTurn, Shape
from portico.server.runs.reading import POLL_S, Reader
from portico.server.runs.turn import Opening
from portico.server.state import current_state

api: Final = Blueprint("messages", __name__)
TAGS: Final = ("messages",)
STREAM: Final = "text/event-stream"
OVER: Final = frozenset({"completed", "failed", "cancelled"})


class Part(msgspec.Struct):
    """A part of a message; texts alone are read."""

    text: str = ""


class MessageCreate(msgspec.Struct):
    """One message to an agent."""

    content: str | list[Part]
    role: str = "user"

    @property
    def text(self) -> str:
        """All of its text."""
        parts = self.content
        return parts if isinstance(parts, str) else "".join(part.text for part in parts)


class MessageRequest(msgspec.Struct):
    """What a turn begins with, and how its answer is wanted."""

    messages: list[MessageCreate] | None = None
    input: str | list[Part] | None = None
    streaming: bool = False
    stream_tokens: bool = False
    include_pings: bool = True
    background: bool = False

    def asked(self) -> list[tuple[str, str]]:
        """Give role and text of each message."""
        given = list(self.messages or ())
        if self.input is not None:
            given.append(MessageCreate(self.input))
        return [(message.role, message.text) for message in given]


class CancelRequest(msgspec.Struct):
    """Which runs are to be cancelled; all of the agent's where none are named."""

    run_ids: list[str] | None = None


class ResumeRequest(msgspec.Struct):
    """From where a stream is to be read on."""

    starting_after: int | None = None
    include_pings: bool = True


@api.post("/agents/<agent_id>/messages")
@describes(dict[str, Any], tags=TAGS)
async def create(agent_id: str) -> Response:
    """Send messages to an agent, and give its answer whole or as a stream."""
    body = await read(MessageRequest)
    if body.streaming or body.background:
        return await answer_stream(agent_id, body)
    return await answer_whole(agent_id, body)


@api.post("/agents/<agent_id>/messages/stream")
@describes(dict[str, Any], tags=TAGS)
async def stream(agent_id: str) -> Response:
    """Send messages to an agent, and give its answer as a stream."""
    return await answer_stream(agent_id, await read(MessageRequest))


@api.post("/agents/<agent_id>/messages/cancel")
@describes(dict[str, str], tags=TAGS)
async def cancel(agent_id: str) -> Response:
    """Cancel what an agent is doing."""
    state = current_state()
    if not state.settings.telemetry.track_agent_run:
        raise RequestError(
            400, "Runs are not tracked (telemetry.track_agent_run): none can be named."
        )
    actor = await current_actor()
    wanted = (await read(CancelRequest)).run_ids
    found = await state.runs.cancel(actor.organization_id, agent_id, wanted)
    if not found:
        raise RequestError(409, "No active runs to cancel: nothing of this agent is running.")
    named = wanted if wanted is not None else sorted(found)
    shown = {run_id: "cancelled" if run_id in found else "failed" for run_id in named}
    return answer_json(shown)


@api.post("/runs/<run_id>/stream")
@describes(dict[str, Any], tags=TAGS)
async def resume(run_id: str) -> Response:
    """Read the events of a background run, from any of them on."""
    from portico.server.db.queries import turns

    actor, body, state = await current_actor(), await read(ResumeRequest), current_state()
    organization = actor.organization_id
    run = await state.database.read(lambda s: turns.find_run(s, organization, run_id))
    if run is None:
        raise RequestError(404, f"There is no run {run_id}.")
    if not run.background:
        raise RequestError(400, f"Run {run_id} was not begun in the background.")
    return read_along(run_id, actor, body.include_pings, after=body.starting_after or 0)


async def begin(agent_id: str, body: MessageRequest, shape: Shape) -> tuple[Actor, LiveTurn | str]:
    """Begin a turn, or join the one that the same request has begun before."""
    state = current_state()
    asked = body.asked()
    if not asked:
        raise RequestError(422, "Give messages or input: there is nothing to answer.")
    tracked = state.settings.telemetry.track_agent_run
    if body.background and not tracked:
        raise RequestError(
            400, "Runs are not tracked (telemetry.track_agent_run): none can go on in background."
        )
    actor = await current_actor()
    opening = Opening(
        organization_id=actor.organization_id,
        user_id=actor.user_id,
        agent_id=agent_id,
        asked=asked,
        owner=state.runs.owner,
        background=body.background,
        run_type="send_message_streaming" if shape.streams else "send_message",
        fingerprint=fingerprint(actor, await request.get_data()),
        request_id=request_id(),
        is_retry=is_retry(),
        has_key="idempotency-key" in request.headers,
        tracked=tracked,
    )
    return actor, await state.runs.begin(opening, shape)


def fingerprint(actor: Actor, body: bytes | str) -> str:
    """Name a request so that its retry has the same name; a client may choose a part of it."""
    key = request.headers.get("idempotency-key", "")
    content = body.encode() if isinstance(body, str) else body
    parts = (actor.user_id.encode(), request.path.rstrip("/").encode(), key.encode(), content)
    return sha256(b"\0".join(parts)).hexdigest()


def is_retry() -> bool:
    """Say whether this may be a request that was sent before (reference-api.md, Retries)."""
    headers = request.headers
    count = headers.get("x-stainless-retry-count", "0")
    return "idempotency-key" in headers or (count.isdecimal() and int(count) >= 1)


async def answer_whole(agent_id: str, body: MessageRequest) -> Response:
    """Answer when the turn is over."""
    actor, turn = await begin(agent_id, body, Shape())
    if isinstance(turn, str):
        live = current_state().runs.find(turn)
        if live is None:
            return answer_json(await wait_for_run(turn, actor))
        turn = live
    await turn.finished.wait()
    if isinstance(turn.failure, ModelError):
        raise RequestError(turn.failure.status, turn.failure.message)
    if turn.failure is not None:
        raise turn.failure
    return answer_json(turn.result)


async def wait_for_run(run_id: str, actor: Actor) -> Any:
    """Wait for a run that goes on elsewhere."""
    from portico.server.db.queries import turns

    database = current_state().database
    while True:
        run = await database.read(lambda s: turns.find_run(s, actor.organization_id, run_id))
        if run is None:
            raise RequestError(404, f"There is no run {run_id}.")
        if run.status in OVER:
            break
        await anyio.sleep(POLL_S)
    if run.error is not None:
        raise RequestError(502, run.error["message"])
    return run.response


async def answer_stream(agent_id: str, body: MessageRequest) -> Response:
    """Answer with the events of the turn while it goes on."""
    shape = Shape(streams=True, tokens=body.stream_tokens, numbered=body.background)
    actor, turn = await begin(agent_id, body, shape)
    if isinstance(turn, str):
        return read_along(turn, actor, body.include_pings)
    reader = reader_of(turn.begun.run_id, body.include_pings, numbered=body.background)
    return answer_events(reader.read_live(turn, current_state().database))


def read_along(run_id: str, actor: Actor, pings: bool, *, after: int = 0) -> Response:
    """Answer with the events of a run, wherever it goes on."""
    from portico.server.db.queries import turns

    state = current_state()
    organization = actor.organization_id

    def is_over(session: Any) -> bool:
        run = turns.find_run(session, organization, run_id)
        return run is None or run.status in OVER

    reader = reader_of(run_id, pings, numbered=True, after=after)
    live = state.runs.find(run_id)
    if live is not None:
        return answer_events(reader.read_live(live, state.database))
    return answer_events(reader.read_stored(state.database, is_over))


def reader_of(run_id: str | None, pings: bool, *, numbered: bool, after: int = 0) -> Reader:
    """Make a reader as the settings have it."""
    streaming = current_state().settings.streaming
    return Reader(run_id, streaming, after=after, pings=pings, numbered=numbered)


async def until_drained(
    events: AsyncIterator[bytes], drain: Drain, runs: Runs
) -> AsyncIterator[bytes]:
    """Give *events*; where the server tells that it drains, they end within the grace."""
    with drain.calling(runs.drain):
        async for event in events:
            yield event


def answer_events(events: AsyncIterator[bytes]) -> Response:
    """Make the answer of a stream, which nobody between may keep or gather."""
    state: Any = request.scope.get("state") or {}  # servers that cannot tell have none
    told = until_drained(events, state.get(DRAIN) or Drain(), current_state().runs)
    response = Response(told, content_type=STREAM)
    response.timeout = None
    response.headers.update({"cache-control": "no-cache", "x-accel-buffering": "no"})
    return response
