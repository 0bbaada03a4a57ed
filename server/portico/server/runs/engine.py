"""The engine of turns of one process: begins them, keeps their leases, ends them once.

A turn runs in a task of the process, not of the request: a client that leaves does not stop it.
Each change of state is one transaction; a process that dies leaves runs whose lease expires, and
which the next one fails with a reason.
"""

from collections.abc import Collection
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import anyio
import structlog
from anyio.abc import TaskGroup
from werkzeug.exceptions import HTTPException

from portico.core.settings import Settings
from portico.server.db.database import Database, UnavailableError, is_new
from portico.server.models.catalogue import Catalogue, ServiceKeyError
from portico.server.models.provider import ModelError, Reply, UnknownModelError
from portico.server.runs.endings import (
    BROKEN,
    STOPPED,
    UNSTORED,
    ending_of,
    key_error,
    tell_end,
)
from portico.server.runs.live import LiveTurn, Shape
from portico.server.runs.traces import Traces
from portico.server.runs.turn import Ending, Opening, Trace
from portico.server.samplers import LifespanHandler

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()

BEAT_S: Final = 0.5
"""How often leases are renewed, events stored and cancellations of other processes seen."""
SWEEP_BEATS: Final = 20
LAST_S: Final = 1.0
"""What is left of the grace to store the end of turns and to send the last events."""
RETRY_WAITS_S: Final = (0.1, 0.3, 1.0, 2.0)
"""Between the attempts to store the end of a turn; less than a lease in all."""


class UnknownAgentError(HTTPException):
    """There is no such agent, or not for this user."""

    code = 404


class OverError(Exception):
    """A turn cannot be ended: it is over already."""


class Runs:
    """The turns of this process."""

    def __init__(self, settings: Settings, database: Database, catalogue: Catalogue) -> None:
        self._settings = settings
        self._database = database
        self._catalogue = catalogue
        self._tasks: TaskGroup | None = None
        self._live: dict[str, LiveTurn] = {}
        self._stopping = False
        self._draining = False
        self.owner = str(uuid4())
        self.traces = Traces(database)

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

    def drain(self) -> None:
        """End what still goes on shortly before the grace is over, so that its readers hear it."""
        if self._tasks is not None and not self._draining:
            self._draining = True
            self._tasks.start_soon(self._stop_in_time)

    async def _stop_in_time(self) -> None:
        grace_s = self._settings.server.grace
        await anyio.sleep(grace_s - min(LAST_S, grace_s / 2))
        await self.stop()

    async def stop(self) -> None:
        """End what goes on, and wait until that is stored; nothing new begins."""
        self._stopping = True
        for turn in list(self._live.values()):
            turn.scope.cancel()
            await turn.finished.wait()
        with suppress(UnavailableError):  # there is no later
            await self.traces.flush()

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
                self._cancel(turn)
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
            error = BROKEN
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
            error = STOPPED
        if error is not None:
            turn.failure, reason = error, "llm_api_error"
        turn.ending = True
        tell_end(turn, error, reason or "end_turn")
        try:
            async with turn.storing:
                ending = ending_of(turn, error, reason or "end_turn", self._settings.telemetry)
                turn.result = ending.response
                self._tell_call(turn, ending, reply)
                await self._store(turn, ending)
        except Exception as raised:
            log.error("turn not stored", exc_info=raised, run_id=turn.begun.run_id)
            turn.failure = UNSTORED
            turn.lost(UNSTORED)
        finally:
            self._live.pop(turn.begun.run_id or turn.begun.step_id, None)
            turn.finish()

    async def _store(self, turn: LiveTurn, ending: Ending) -> None:
        """Store the end of *turn*; where that never works its lease expires, and so it fails."""
        from portico.server.db.queries import turns

        for wait_s in (*RETRY_WAITS_S, None):
            try:
                stored = await self._database.write(
                    lambda s: turns.end(s, turn.begun, turn.agent_id, ending, turn.model)
                )
            except UnavailableError:
                if wait_s is None:
                    raise
                await anyio.sleep(wait_s)
                continue
            if not stored:
                raise OverError("the run or its agent is gone, or its lease had expired")
            return

    def _tell_call(self, turn: LiveTurn, ending: Ending, reply: Reply | None) -> None:
        """Log and trace the call of the model, as the settings have it."""
        telemetry = self._settings.telemetry
        if reply is not None and telemetry.track_provider_trace:
            self.traces.offer(Trace(turn.begun.step_id, reply.request, reply.response))
        if not telemetry.llm_api_logging:
            return
        bodies: dict[str, Any] = {}
        if telemetry.debug and reply is not None:
            bodies = {"request": reply.request, "response": reply.response}
        log.info(
            "model call",
            handle=turn.model.handle,
            status=ending.status,
            latency_ms=ending.duration_ns // 1_000_000,
            prompt_tokens=turn.usage.prompt_tokens,
            completion_tokens=turn.usage.completion_tokens,
            **bodies,
        )

    async def _keep_alive(self) -> None:
        for beat in count():
            # First, so that what a sweep imports is no part of the time to the first answer.
            await anyio.sleep(BEAT_S)
            sweeps = (self._sweep,) if beat % SWEEP_BEATS == 0 else ()
            for work in (*sweeps, self._beat, self.traces.flush):
                try:
                    await work()
                except UnavailableError:
                    break  # the next beat tries again
                except HTTPException as error:
                    log.error("heartbeat failed", error=str(error))

    async def _sweep(self) -> None:
        if is_new(self._settings):
            return  # what opens it takes a second, in which the process could not end

        def fail_abandoned(session: "Session") -> None:
            from portico.server.db.queries import turns  # in the thread: it takes long to import

            turns.fail_abandoned(session)

        await self._database.write(fail_abandoned)

    async def _beat(self) -> None:
        """Renew every lease and store every new event, in one transaction."""
        from portico.server.db.queries import turns

        live = {run_id: turn for run_id, turn in self._live.items() if turn.begun.run_id}
        if not live:
            return
        # A turn that ends stores its events itself, and holds the lock meanwhile.
        going_on = {run_id: turn for run_id, turn in live.items() if not turn.ending}
        for turn in going_on.values():
            turn.storing.acquire_nowait()
        try:
            events = {run_id: turn.unsaved() for run_id, turn in going_on.items()}
            news = {run_id: events.get(run_id, []) for run_id in live}
            unwanted = await self._database.write(lambda s: turns.keep_alive(s, news))
            for run_id, saved in events.items():
                if saved:
                    going_on[run_id].stored = saved[-1][0]
        finally:
            for turn in going_on.values():
                turn.storing.release()
        for run_id in unwanted:
            self._cancel(live[run_id])

    def _cancel(self, turn: LiveTurn) -> None:
        """End *turn*, unless it is a stream that is to go on; its run is cancelled even so."""
        if self._settings.streaming.cancellation_aware or not turn.shape.streams:
            turn.scope.cancel()
