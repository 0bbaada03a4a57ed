"""The rate limits that one process keeps in its memory, which is bounded.

Source: design page "Policy", Rate limit.
"""

import time
from collections.abc import Callable
from itertools import islice
from threading import Lock
from typing import Final

from portico.core.events import Ask
from portico.core.ratelimit import FRESH, RateDecision, RateState, decide
from portico.core.throttle import Charge, Charges, Decisions

__all__ = ["RateMemory"]

MOST_KEYS: Final = 1 << 16
_FREED: Final = 8
"""The part of a full memory that is freed at once, so that a new key costs O(1) on the whole."""


class RateMemory:
    """Charges keys at once, without waiting; threads may share it."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, most_keys: int = MOST_KEYS
    ) -> None:
        """Begin with no key.

        Args:
            clock: Monotonic seconds.
            most_keys: Keys that are kept at most; those that are as good as new are dropped first,
                then those that were charged longest ago.
        """
        self._clock = clock
        self._most_keys = most_keys
        self._states: dict[str, RateState] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        """Count the keys that are kept."""
        return len(self._states)

    def answer(self, ask: Ask) -> Decisions | None:
        """Answer what a stage asks of this worker's own memory; None is another's to answer."""
        question = ask.question
        if not isinstance(question, Charges) or question.shared:
            return None
        with self._lock:
            now = self._clock()
            return tuple([self._take(charge, now) for charge in question.charges])

    def _take(self, charge: Charge, now: float) -> RateDecision:
        state = self._states.get(charge.key, FRESH)
        decision = decide(state, now, charge.rate, cost=charge.cost or 1)
        if charge.cost and decision.admitted:
            if state is FRESH:
                self._make_room(now)
            else:
                del self._states[charge.key]  # so that their order is that of the charges
            self._states[charge.key] = decision.state
        return decision

    def _make_room(self, now: float) -> None:
        """Forget the keys whose budget is whole again, then the oldest."""
        if len(self._states) < self._most_keys:
            return
        kept = {key: state for key, state in self._states.items() if state.tat > now}
        room = self._most_keys - max(1, self._most_keys // _FREED)
        self._states = dict(islice(kept.items(), max(0, len(kept) - room), None))
