"""Reading a turn's events: from this process where it goes on, else as they are stored."""

from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Any, Final

import anyio

from portico.core.settings.request import StreamingSettings
from portico.core.sse import Beat, BehindError, Keepalive, format_comment
from portico.server.db.database import Database
from portico.server.db.ids import new_id, now
from portico.server.runs.frames import frame, show_ping
from portico.server.runs.live import LiveTurn

POLL_S: Final = 0.2
"""How often stored events are asked for, where a run goes on elsewhere."""
SILENCE_S: Final = 1800.0
"""Silence after which a stream ends (reference-api.md, SSE)."""
COMMENT: Final = format_comment("keepalive")


class Reader:
    """One client's way through the events of a run.

    Only its place is its own: the events are kept once for all, so that a slow client holds up
    nobody and costs nothing but its place.
    """

    def __init__(
        self,
        run_id: str | None,
        settings: StreamingSettings,
        *,
        after: int = 0,
        pings: bool = False,
        numbered: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._run_id = run_id
        self._seen = after
        self._pings = pings and settings.keepalive
        self._numbered = numbered
        self._clock = clock
        interval_s = settings.keepalive_interval if settings.keepalive else None
        self._alive = Keepalive.starting(
            clock(), interval_s=interval_s, limit_s=SILENCE_S, pings=self._pings
        )

    async def read_live(self, turn: LiveTurn, database: Database) -> AsyncIterator[bytes]:
        """Give the events of a turn that goes on here, to its end."""
        if self._pings:
            yield self._ping()
        while True:
            over = turn.finished.is_set()
            try:
                events = turn.read(self._seen)
            except BehindError:
                for frame_ in await self._stored(database):
                    yield frame_
                continue
            for event in events:
                self._seen = event.sequence
                self._alive = self._alive.heard(self._clock())
                yield event.frame
            if over and not events:
                return
            if not events:
                with anyio.move_on_after(max(0.0, self._alive.due_at - self._clock())):
                    await turn.wait()
            for beat in self._beats():
                if beat is None:
                    return
                yield beat

    async def read_stored(
        self, database: Database, is_over: Callable[[Any], bool]
    ) -> AsyncIterator[bytes]:
        """Give the events of a run as they are stored, until *is_over* and all are read."""
        if self._pings:
            yield self._ping()
        while True:
            over = await database.read(is_over)
            frames = await self._stored(database)
            for stored in frames:
                self._alive = self._alive.heard(self._clock())
                yield stored
            if over and not frames:
                return
            if not frames:
                await anyio.sleep(POLL_S)
            for beat in self._beats():
                if beat is None:
                    return
                yield beat

    async def _stored(self, database: Database) -> list[bytes]:
        from portico.server.db.queries import turns

        run_id, seen = str(self._run_id), self._seen
        events = await database.read(lambda s: turns.read_events(s, run_id, seen))
        if events:
            self._seen = events[-1].seq
        return [event.payload.encode() for event in events]

    def _beats(self) -> list[bytes | None]:
        """Give what a quiet stream is due: None is its end."""
        beat = self._alive.decide(self._clock())
        if beat is Beat.NOTHING:
            return []
        if beat is Beat.END:
            return [None]
        self._alive = self._alive.beaten(self._clock())
        return [self._ping() if beat is Beat.PING else COMMENT]

    def _ping(self) -> bytes:
        seen = self._seen if self._numbered else None
        return frame(show_ping(self._run_id, seen, new_id("ping"), now()))
