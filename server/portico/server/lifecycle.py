"""The phases of one process, as its readiness tells them (serving.md, Health)."""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """Where a process stands between its start and its end."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    STOPPED = "stopped"


NEXT: Final[dict[Phase, frozenset[Phase]]] = {
    Phase.STARTING: frozenset({Phase.SERVING, Phase.DRAINING, Phase.STOPPED}),
    Phase.SERVING: frozenset({Phase.DRAINING, Phase.STOPPED}),
    Phase.DRAINING: frozenset({Phase.STOPPED}),
    Phase.STOPPED: frozenset(),
}


class Lifecycle:
    """The phase of this process; it only ever moves forward.

    The application's lifespan reports `serving` and `stopped`; whoever receives the signal
    to end reports `draining`, before the lifespan hears of it.
    """

    __slots__ = ("_phase",)

    def __init__(self) -> None:
        self._phase = Phase.STARTING

    @property
    def phase(self) -> Phase:
        """The present phase."""
        return self._phase

    def move(self, phase: Phase) -> bool:
        """Go on to *phase*.

        Returns:
            False when that would be a step back or no step: draining absorbs, so a late
            `serving` changes nothing.
        """
        if phase not in NEXT[self._phase]:
            return False
        self._phase = phase
        return True
