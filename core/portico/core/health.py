"""Whether a process should get requests (ready) and whether it should be replaced (live).

A pure state machine: time is an argument and never goes back. Samples come from outside; a
source fails only after it was bad for a while, recovers only after it was good for a while, and
falls back to its stale verdict when samples stop coming, so that none sticks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf


class Phase(StrEnum):
    """Where a process is between its start and its end."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    STOPPED = "stopped"


class Event(StrEnum):
    """What moves a process from phase to phase, and the switch of its operator."""

    STARTED = "started"
    DRAIN = "drain"
    STOP = "stop"
    DISABLE = "disable"
    ENABLE = "enable"


# Draining absorbs: from there only the end follows.
TRANSITIONS: Mapping[tuple[Phase, Event], Phase] = {
    (Phase.STARTING, Event.STARTED): Phase.SERVING,
    (Phase.STARTING, Event.DRAIN): Phase.DRAINING,
    (Phase.STARTING, Event.STOP): Phase.STOPPED,
    (Phase.SERVING, Event.DRAIN): Phase.DRAINING,
    (Phase.SERVING, Event.STOP): Phase.STOPPED,
    (Phase.DRAINING, Event.STOP): Phase.STOPPED,
}


@dataclass(frozen=True, slots=True)
class Source:
    """How one measured thing bears on readiness.

    Attributes:
        over: A sample above it is bad.
        fail_after_s: How long it must be bad before it counts.
        recover_after_s: How long it must be good before it no longer counts.
        ttl_s: How long a sample speaks for the time after it.
        gating: Whether readiness depends on it.
        stale_bad: Whether it counts as bad when no sample speaks for it.
    """

    over: float
    fail_after_s: float
    recover_after_s: float
    ttl_s: float = 5.0
    gating: bool = True
    stale_bad: bool = False


@dataclass(frozen=True, slots=True)
class SourceState:
    """What is known of a source.

    Attributes:
        bad: How it reads: its last sample, or its stale verdict once that no longer speaks.
        since: From when on it reads so, in monotonic seconds.
        sampled_at: When it was last measured.
        active: Whether it counts: bad for so long that it fails, or not yet good for long enough.
        value: What was measured last, or None before.
    """

    bad: bool
    since: float
    sampled_at: float = -inf
    active: bool = False
    value: float | None = None

    def at(self, source: Source, now: float) -> "SourceState":
        """The state as *now* finds it, when nothing was sampled since."""
        expires = self.sampled_at + source.ttl_s
        state = self
        if now > expires and self.bad is not source.stale_bad:
            settled = self._settled(source, expires)
            state = replace(settled, bad=source.stale_bad, since=expires)
        return state._settled(source, now)

    def sampled(self, source: Source, value: float, now: float) -> "SourceState":
        """The state after *value* was measured."""
        current = self.at(source, now)
        bad = value > source.over
        since = current.since if bad is current.bad else now
        state = replace(current, bad=bad, since=since, sampled_at=now, value=value)
        return state._settled(source, now)

    def _settled(self, source: Source, now: float) -> "SourceState":
        window_s = source.fail_after_s if self.bad else source.recover_after_s
        if self.bad is self.active or now - self.since < window_s:
            return self
        return replace(self, active=self.bad)


@dataclass(frozen=True, slots=True)
class Health:
    """The state of one process; every method gives the next one.

    Attributes:
        sources: The closed table of what is measured.
        now: The time of the last event, in monotonic seconds.
        stall_limit_s: How old the heartbeat may be before the process is not live.
    """

    sources: Mapping[str, Source]
    now: float
    stall_limit_s: float = 15.0
    phase: Phase = Phase.STARTING
    disabled: bool = False
    beat_at: float = -inf
    states: Mapping[str, SourceState] = field(default_factory=dict)

    @classmethod
    def starting(
        cls, sources: Mapping[str, Source], now: float, *, stall_limit_s: float = 15.0
    ) -> "Health":
        """A process at its start: it lives, and nothing was measured yet."""
        states = {
            name: SourceState(bad=source.stale_bad, since=now) for name, source in sources.items()
        }
        return cls(sources, now, stall_limit_s, beat_at=now, states=states)

    def on(self, event: Event, now: float) -> "Health":
        """After *event*; one that the phase does not know changes nothing but the time."""
        phase = TRANSITIONS.get((self.phase, event), self.phase)
        disabled = event is Event.DISABLE or (self.disabled and event is not Event.ENABLE)
        return replace(self.tick(now), phase=phase, disabled=disabled)

    def sample(self, name: str, value: float, now: float) -> "Health":
        """After *value* was measured of the source *name*.

        Raises:
            KeyError: the table has no such source.
        """
        source = self.sources[name]
        ticked = self.tick(now)
        state = ticked.states[name].sampled(source, value, ticked.now)
        return replace(ticked, states={**ticked.states, name: state})

    def heartbeat(self, now: float) -> "Health":
        """After the event loop showed that it runs."""
        ticked = self.tick(now)
        return replace(ticked, beat_at=ticked.now)

    def tick(self, now: float) -> "Health":
        """As time passes; a time before the last one counts as the last one."""
        now = max(now, self.now)
        states = {name: state.at(self.sources[name], now) for name, state in self.states.items()}
        return replace(self, now=now, states=states)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The gating sources that count now, in the order of the table."""
        return tuple(
            name
            for name, source in self.sources.items()
            if source.gating and self.states[name].active
        )

    @property
    def ready(self) -> bool:
        """Whether the process should get requests."""
        return self.phase is Phase.SERVING and not self.disabled and not self.reasons

    @property
    def live(self) -> bool:
        """Whether the process should go on; the heartbeat alone decides."""
        return self.now - self.beat_at <= self.stall_limit_s

    @property
    def status(self) -> str:
        """One word: ready, or why not."""
        return next((word for word, holds in _STATUSES if holds(self)), "ready")


# Why a process is not ready, the first that holds.
_STATUSES: tuple[tuple[str, Callable[[Health], bool]], ...] = (
    ("stopped", lambda health: health.phase is Phase.STOPPED),
    ("draining", lambda health: health.phase is Phase.DRAINING),
    ("starting", lambda health: health.phase is Phase.STARTING),
    ("disabled", lambda health: health.disabled),
    ("degraded", lambda health: bool(health.reasons)),
)
