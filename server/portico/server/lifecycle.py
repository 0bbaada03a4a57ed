"""The health of this process: the core's state machine with this process's clock."""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final

from portico.core.health import Event, Health, Source
from portico.core.readiness import sources
from portico.core.settings import Settings

BEAT_S: Final = 1.0
"""How often the heart beats."""
FEWEST_BEATS: Final = 3
"""A heart that beats once a second cannot be missed sooner, whatever the limit."""


class Lifecycle:
    """Where this process stands between its start and its end (serving.md, Health).

    The application's lifespan reports `started` and `stop`; whoever receives the signal to
    end reports `drain`, before the lifespan hears of it; the samplers report `beat` and `sample`.
    All of them on the event loop's thread.

    Attributes:
        clock: Monotonic seconds, by which all of it is told.
    """

    __slots__ = ("_health", "clock")

    def __init__(
        self,
        table: Mapping[str, Source],
        *,
        stall_limit_s: float = 15.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.clock = clock
        self._health = Health.starting(table, clock(), stall_limit_s=stall_limit_s)

    @classmethod
    def of(cls, settings: Settings, *, clock: Callable[[], float] = monotonic) -> "Lifecycle":
        """Begin the life of a process that *settings* govern."""
        stall_limit_s = max(settings.server.stall_limit, FEWEST_BEATS * BEAT_S)
        return cls(sources(settings.health), stall_limit_s=stall_limit_s, clock=clock)

    @property
    def health(self) -> Health:
        """The health as of now."""
        self._health = self._health.tick(self.clock())
        return self._health

    def started(self) -> None:
        """Start-up is over; after a drain this changes nothing."""
        self._on(Event.STARTED)

    def drain(self) -> None:
        """The process is to end: readiness fails from now on."""
        self._on(Event.DRAIN)

    def stop(self) -> None:
        """The application was shut down."""
        self._on(Event.STOP)

    def beat(self) -> None:
        """The event loop runs."""
        self._health = self._health.heartbeat(self.clock())

    def sample(self, name: str, value: float) -> None:
        """*value* was measured of the source *name*.

        Raises:
            KeyError: The table has no such source.
        """
        self._health = self._health.sample(name, value, self.clock())

    def _on(self, event: Event) -> None:
        self._health = self._health.on(event, self.clock())
