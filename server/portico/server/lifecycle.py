"""The health of this process: the core's state machine with this process's clock."""

from collections.abc import Callable
from time import monotonic

from portico.core.health import Event, Health


class Lifecycle:
    """Where this process stands between its start and its end (serving.md, Health).

    The application's lifespan reports `started` and `stop`; whoever receives the signal to
    end reports `drain`, before the lifespan hears of it. Nothing is measured yet, so the
    table of sources is empty.
    """

    __slots__ = ("_clock", "_health")

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._health = Health.starting({}, clock())

    @property
    def health(self) -> Health:
        """The health as of the last event."""
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

    def _on(self, event: Event) -> None:
        self._health = self._health.on(event, self._clock())
