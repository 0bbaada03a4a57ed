"""The engine of turns of one process: begins them, keeps their leases, ends them once.

A turn runs in a task of the process, not of the request: a client that leaves does not stop it.
Each change of state is one transaction; a process that dies leaves runs whose lease expires, and
which the next one fails with a reason.
"""

from collections.abc import Collection
from contextlib import suppress
from time import monotonic_ns
from typing import Any, Final
from uuid import uuid4

import anyio
import structlog
from anyio.abc import TaskGroup
from werkzeug.exceptions import HTTPException

from portico.core.settings import Settings
from portico.server.db.database import Database, UnavailableError
from portico.server.models.catalogue import Catalogue, ServiceKeyError
from portico.server.models.provider import ModelError, Reply, UnknownModelError
from portico.server.runs.frames import show_stop, show_usage
from portico.server.runs.live import LiveTurn, Shape
from portico.server.runs.turn import Ending, Opening
from portico.server.samplers import LifespanHandler

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()

BEAT_S: Final = 0.5
"""How often leases are renewed, events stored and cancellations of other processes seen."""
SWEEP_BEATS: Final = 20
STATUSES: Final = {"end_turn": "completed", "cancelled": "cancelled"}
STOPPED: Final = "The server was stopped before the turn was over; send the message again."


class UnknownAgentError(HTTPException):
    """There is no such agent, or not for this user."""

    code = 404


class Runs:
    """The turns of this process."""

    def __init__(self, settings: Settings, database: Database, catalogue: Catalogue) -> None:
        self._settings = settings
        self._database = database
        self._catalogue = catalogue
        self._tasks: TaskGroup | None = None
        self._live: dict[str, LiveTurn] = {}
        self._stopping = False
        self.owner = str(uuid4())

    def find(self, run_id: str) -> LiveTurn | None:
        """Give a run that goes on here."""
        return self._live.get(run_id)

    async def run(self) -> None:
        """Carry out turns until cancelled; what goes on then is ended and stored."""
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                await self._keep_alive()
        finally:
            self._tasks = None
            with anyio.CancelScope(shield=True):
                await self._catalogue.aclose()

    def beside(self, lifespan: LifespanHandler) -> LifespanHandler:
        """Make *lifespan* one that turns are carried out beside."""

        async def serve(receive: Any, send: Any) -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.run)
                await lifespan(receive, send)
                tasks.cancel_scope.cancel()

        return serve

    async def stop(self) -> None:
        """End what goes on, and wait until that is stored; nothing new begins."""
        self._stopping = True
        for turn in list(self._live.values()):
            turn.scope.cancel()
            await turn.finished.wait()

    async def begin(self, opening: Opening, shape: Shape) -> LiveTurn | str:
        """Begin a turn; or give the id of the run that the same request has begun before.

        Raises:
            UnknownAgentError: There is no such agent.
            UnavailableError: The process begins no more turns.
        """
        from portico.server.db.queries import turns

        default = self._settings.models.default
        tasks = self._tasks
        if tasks is None or self._stopping:
            raise UnavailableError
        begun = await self._database.write(lambda s: turns.begin(s, opening, default))
        if begun is None:
            raise UnknownAgentError(f"There is no agent {opening.agent_id}.")
        if begun.joined:
            return str(begun.run_id)
        model, failure = self._catalogue.builtin, None
        try:
            model = self._catalogue.find(begun.handle)
        except UnknownModelError as error:
            failure = ModelError("llm_error", str(error))
        turn = LiveTurn(begun, opening.agent_id, model, shape)
        self._live[begun.run_id or begun.step_id] = turn
        tasks.start_soon(self._carry_out, turn, failure)
        return turn

    async def cancel(
        self, organization_id: str, agent_id: str, run_ids: Collection[str] | None
    ) -> set[str]:
        """Cancel an agent's runs wherever they go on; give those that did."""
        from portico.server.db.queries import turns

        found = await self._database.write(
            lambda s: turns.request_cancel(s, organization_id, agent_id, run_ids)
        )
        for run_id in found:
            if turn := self._live.get(run_id):
                turn.scope.cancel()
        return found

    async def _carry_out(self, turn: LiveTurn, failure: ModelError | None) -> None:
        reply: Reply | None = None
        error: ModelError | None = failure
        reason: str | None = None
        try:
            with turn.scope:
                if error is not None:
                    raise error
                async with self._catalogue.reply(turn.model, turn.begun.context) as reply:
                    async for piece in reply:
                        turn.hear(piece)
                reason = reply.finish
        except (ModelError, ServiceKeyError) as raised:
            error = raised if isinstance(raised, ModelError) else key_error(raised)
        except Exception as raised:
            log.error("turn failed", exc_info=raised, run_id=turn.begun.run_id)
            error = ModelError("llm_error", "The turn failed; the server's log has the reason.")
        finally:
            # Also when the process stops: then this is the last thing that is stored of it.
            with anyio.CancelScope(shield=True):
                await self._end(turn, reply, error, reason)

    async def _end(
        self, turn: LiveTurn, reply: Reply | None, error: ModelError | None, reason: str | None
    ) -> None:
        if reply is not None:
            turn.usage = reply.usage
        if turn.scope.cancelled_caught and not self._stopping:
            reason = "cancelled"
        elif error is None and reason is None:
            error = ModelError("stream_incomplete", STOPPED)
        if error is not None:
            turn.failure, reason = error, "llm_api_error"
        turn.ending = True
        stored = False
        try:
            async with turn.storing:
                await self._store(turn, reply, error, reason or "end_turn")
                stored = True
        except HTTPException as raised:
            turn.failure = raised
            log.error("turn not stored", run_id=turn.begun.run_id, error=str(raised))
        finally:
            self._live.pop(turn.begun.run_id or turn.begun.step_id, None)
            turn.finish(stored=stored)

    async def _store(
        self,
        turn: LiveTurn,
        reply: Reply | None,
        error: ModelError | None,
        reason: str,
    ) -> None:
        from portico.server.db.queries import turns

        status = STATUSES.get(reason, "failed")
        tell_end(turn, error, reason)
        turn.result = result_of(turn, reason)
        telemetry = self._settings.telemetry
        duration_ns = monotonic_ns() - turn.began_ns
        kept = turn.unsaved() if turn.begun.run_id and turn.shape.streams else ()
        ending = Ending(
            status=status,
            stop_reason=reason,
            text=turn.text,
            message_id=turn.said.id,
            otid=turn.said.otid,
            usage=(turn.usage.prompt_tokens, turn.usage.completion_tokens),
            duration_ns=duration_ns,
            ttft_ns=turn.ttft_ns,
            response=turn.result,
            error=described(error),
            trace=(reply.request, reply.response)
            if reply is not None and telemetry.track_provider_trace
            else None,
            events=kept,
            keep_input=telemetry.track_errored_messages,
            with_reason=telemetry.track_stop_reason,
            with_last_run=telemetry.track_last_agent_run,
        )
        if telemetry.llm_api_logging:
            self._log_call(turn, status, duration_ns, reply)
        await self._database.write(
            lambda s: turns.end(s, turn.begun, turn.agent_id, ending, turn.model)
        )

    def _log_call(self, turn: LiveTurn, status: str, duration_ns: int, reply: Reply | None) -> None:
        bodies: dict[str, Any] = {}
        if self._settings.telemetry.debug and reply is not None:
            bodies = {"request": reply.request, "response": reply.response}
        log.info(
            "model call",
            handle=turn.model.handle,
            status=status,
            latency_ms=duration_ns // 1_000_000,
            prompt_tokens=turn.usage.prompt_tokens,
            completion_tokens=turn.usage.completion_tokens,
            **bodies,
        )

    async def _keep_alive(self) -> None:
        beat = 0
        while True:
            if self._live or beat % SWEEP_BEATS == 0:
                with suppress(UnavailableError):  # the next beat tries again
                    await self._beat(sweeps=beat % SWEEP_BEATS == 0)
            beat += 1
            await anyio.sleep(BEAT_S)

    async def _beat(self, *, sweeps: bool) -> None:
        from portico.server.db.queries import turns

        if sweeps:
            await self._database.write(turns.fail_abandoned)
        live = {run_id: turn for run_id, turn in self._live.items() if turn.begun.run_id}
        if live:
            ids = tuple(live)
            for run_id in await self._database.write(lambda s: turns.keep_alive(s, ids)):
                live[run_id].scope.cancel()
        for run_id, turn in live.items():
            if turn.backlog.last > turn.stored:
                await self._save(run_id, turn)

    async def _save(self, run_id: str, turn: LiveTurn) -> None:
        from portico.server.db.queries import turns

        async with turn.storing:
            if turn.finished.is_set():
                return
            events = turn.unsaved()
            if events:
                await self._database.write(lambda s: turns.add_events(s, run_id, events))
                turn.stored = events[-1][0]


def tell_end(turn: LiveTurn, error: ModelError | None, reason: str) -> None:
    """Emit the last events of *turn*."""
    if error is not None:
        turn.failed(error)
    elif reason == "cancelled":
        turn.cancelled()
    else:
        turn.complete(reason)


def result_of(turn: LiveTurn, reason: str) -> dict[str, Any]:
    """Give the answer to who waits for the whole turn."""
    return {
        "messages": [turn.said.show(turn.text)] if turn.pieces else [],
        "stop_reason": show_stop(reason),
        "usage": show_usage(turn.usage, turn.begun.run_id),
    }


def described(error: ModelError | None) -> dict[str, Any] | None:
    """Give what is stored of *error*."""
    if error is None:
        return None
    return {"error_type": error.error_type, "message": error.message, "detail": error.detail}


def key_error(error: ServiceKeyError) -> ModelError:
    """Make the error of a service whose key cannot be read; the path is for the log alone."""
    log.error("model key unreadable", error=str(error))
    return ModelError("llm_authentication", "The key of the model's service cannot be read.")
