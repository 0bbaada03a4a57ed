"""Rate limits: the state transition of GCRA, whose budget it is, and what the client is told.

Where the state lives is the shell's affair: a store applies `decide` to one key at a time.

Source: ITU-T I.371 (GCRA); design page "Policy", Rate limit; RFC 6585 4; RFC 9110 10.2.3;
draft-ietf-httpapi-ratelimit-headers.
"""

from dataclasses import dataclass
from ipaddress import IPv6Address
from math import ceil
from typing import Final

from portico.core.events import Headers
from portico.core.problem import Problem, Refusal
from portico.core.settings.kinds import read_rate

__all__ = [
    "FRESH",
    "Rate",
    "RateDecision",
    "RateState",
    "decide",
    "key_of",
    "rate_fields",
    "refuse",
]

_UNIT_S: Final = {"s": 1, "min": 60, "h": 3600, "day": 86_400}
_SLACK: Final = 1e-3
"""Share of an interval that rounding may take; it is never lent twice, for *tat* keeps the debt."""
_NETWORK_BITS: Final = 64
_NOWHERE: Final = "local"
"""Stands for a client without an address, on a Unix socket."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often one key may ask.

    Attributes:
        interval_s: Emission interval: seconds in which one request is earned.
        burst: Requests that may come at once.

    Raises:
        ValueError: One of them is not above 0.
    """

    interval_s: float
    burst: int

    def __post_init__(self) -> None:
        if self.interval_s <= 0 or self.burst < 1:
            raise ValueError(f"a rate needs an interval and a burst above 0: {self!r}")

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Read ``100/s burst 200``; without a burst it is what one unit of time earns.

        Raises:
            RefusalError: The text is no rate.
        """
        requests, unit, burst = read_rate(text)
        return cls(_UNIT_S[unit] / requests, burst or requests)

    @property
    def window_s(self) -> float:
        """Seconds in which a spent burst is earned again."""
        return self.interval_s * self.burst


@dataclass(frozen=True, slots=True)
class RateState:
    """What a store holds for one key.

    Attributes:
        tat: Theoretical arrival time: until then, in seconds, the key is in debt.
    """

    tat: float


FRESH: Final = RateState(float("-inf"))
"""The state of a key that no store holds."""


@dataclass(frozen=True, slots=True)
class RateDecision:
    """What is decided about one request.

    Attributes:
        admitted: Whether it may go on.
        state: What to store; after a refusal it is what was there.
        remaining: Requests that may still come at once.
        retry_after_s: Seconds until it would be admitted, 0.0 if it is.
        reset_s: Seconds until the whole burst is there again; then the state may be forgotten.
    """

    admitted: bool
    state: RateState
    remaining: int
    retry_after_s: float
    reset_s: float


def decide(state: RateState, now: float, rate: Rate, *, cost: int = 1) -> RateDecision:
    """Admit or refuse one request by GCRA.

    Args:
        state: What the store holds for this key: ``tat``, in seconds on the clock of *now*.
        now: Monotonic seconds; the shell passes it.
        rate: Emission interval (s) and burst (requests).
        cost: Requests charged, at least 1.

    Returns:
        The decision, the state to store, and ``retry_after_s`` (0.0 if admitted).

    Raises:
        ValueError: *cost* exceeds the burst, so that no wait could admit it, or is below 1.

    Source: ITU-T I.371, virtual scheduling algorithm.
    """
    if not 1 <= cost <= rate.burst:
        raise ValueError(f"a cost of {cost} cannot be charged to a burst of {rate.burst}")
    debt = max(0.0, state.tat - now)
    owed = debt + cost * rate.interval_s
    wait = owed - rate.window_s
    if wait > _SLACK * rate.interval_s:
        return RateDecision(False, state, _remaining(debt, rate), wait, debt)
    return RateDecision(True, RateState(now + owed), _remaining(owed, rate), 0.0, owed)


def _remaining(debt: float, rate: Rate) -> int:
    return max(0, int((rate.window_s - debt) / rate.interval_s + _SLACK))


def key_of(principal: str | None, client: str | None) -> str:
    """Name whose budget a request is charged to; no principal's name is ever an address's.

    Args:
        principal: Who authenticated, or None.
        client: The client's address, or None without one.

    Returns:
        The principal, else the address, of IPv6 the /64, which is what one subscriber holds.

    Source: RFC 6177 2 (a site has at least a /64); RFC 4291 2.5.5.2 (IPv4-mapped).
    """
    if principal is not None:
        return f"principal:{principal}"
    if client is None:
        return f"address:{_NOWHERE}"
    return f"address:{_network(client) if ':' in client else client}"


def _network(client: str) -> str:
    """Give the /64 of an IPv6 address; what is none stands for itself."""
    try:
        address = IPv6Address(client)
    except ValueError:
        return client
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    prefix = int(address) >> _NETWORK_BITS << _NETWORK_BITS
    return f"{IPv6Address(prefix)}/{_NETWORK_BITS}"


def rate_fields(decision: RateDecision, rate: Rate, *, policy: str = "default") -> Headers:
    """Tell the client its policy and what is left of it, as structured fields.

    Args:
        decision: What was decided.
        rate: By which rate.
        policy: Name of the policy: printable ASCII without quotes.

    Source: draft-ietf-httpapi-ratelimit-headers 3 and 4; RFC 9651 3.3.3 (strings).
    """
    name, window_s = policy.encode("ascii"), max(1, ceil(rate.window_s))
    return [
        (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (name, rate.burst, window_s)),
        (b"ratelimit", b'"%b";r=%d;t=%d' % (name, decision.remaining, ceil(decision.reset_s))),
    ]


def refuse(decision: RateDecision, rate: Rate) -> Refusal:
    """Give the 429 for a request that was not admitted, and when to come again."""
    wait_s = max(1, ceil(decision.retry_after_s))
    detail = f"Too many requests: ask again in {wait_s} s."
    headers = ((b"retry-after", b"%d" % wait_s), *rate_fields(decision, rate))
    return Refusal("rate_limited", Problem(429, detail, headers))
