"""The calls of models on their way to the database: off the way of requests, and bounded."""

from collections import deque
from typing import Final

import anyio
import structlog
from werkzeug.exceptions import HTTPException

from portico.server.db.database import Database, UnavailableError
from portico.server.runs.turn import Trace

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()

MOST: Final = 256
"""Traces that wait; more than these are dropped, and counted in the log."""
BATCH: Final = 64


class Traces:
    """The traces of this process that are not stored yet."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[Trace] = deque()
        self._storing = anyio.Lock()
        self._dropped = 0

    def offer(self, trace: Trace) -> None:
        """Take *trace*, if there is room."""
        if len(self._waiting) < MOST:
            self._waiting.append(trace)
        else:
            self._dropped += 1

    async def flush(self) -> None:
        """Store what waits; who is about to read traces calls it too.

        Raises:
            UnavailableError: The database does not answer; all that waits goes on waiting.
        """
        async with self._storing:
            while self._waiting:
                batch = [self._waiting[index] for index in range(min(BATCH, len(self._waiting)))]
                await self._store(batch)
                for _ in batch:
                    self._waiting.popleft()
            if self._dropped:
                log.warning("traces dropped", count=self._dropped, room=MOST)
                self._dropped = 0

    async def _store(self, batch: list[Trace]) -> None:
        from portico.server.db.queries import turns

        try:
            await self._database.write(lambda s: turns.add_traces(s, batch))
        except UnavailableError:
            raise
        except HTTPException as error:  # they would be refused again
            log.error("traces not stored", count=len(batch), error=str(error))
