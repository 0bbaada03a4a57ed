"""The throttle: which budgets a request is charged to, and what a spent one answers.

A stage asks the shell to charge a store of rates (`Charges`), and judges what it answers: a
`RateDecision` for each charge, or `StoreFailed`. The memory of this worker never fails.

Source: design page "Policy", Rate limit.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeAlias, cast

from portico.core.pipeline import Question, Verdict
from portico.core.problem import Problem, Refusal
from portico.core.ratelimit import Rate, RateDecision, key_of, rate_fields, refuse
from portico.core.routes import Routes

if TYPE_CHECKING:
    from portico.core.exchange import Exchange

__all__ = [
    "STORE_FAILED",
    "Charge",
    "Charges",
    "Decisions",
    "RateLimit",
    "StoreFailed",
    "StorePolicy",
]

Decisions: TypeAlias = tuple[RateDecision, ...]
Judge: TypeAlias = "Callable[[Exchange, Decisions], Verdict]"

STORE_FAILED: Final = Refusal(
    "rate_store_failed",
    Problem(
        503,
        "This server cannot count requests at the moment, and serves none that it cannot count.",
        ((b"retry-after", b"1"),),
    ),
)
RATE_LIMITED: Final = Refusal("rate_limited", Problem(429, "Too many requests."))
"""Stands for the refusals of `refuse`, whose wait differs."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One budget, and what is taken from it.

    Attributes:
        key: Whose budget.
        rate: How fast it is earned.
        cost: Requests to charge; 0 only looks whether one more would be admitted.
    """

    key: str
    rate: Rate
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Charges:
    """What a store of rates is asked.

    Attributes:
        charges: Each is decided by itself, all at one moment.
        shared: Whether by the store that the workers share, or by the memory of this one.
    """

    charges: tuple[Charge, ...]
    shared: bool = False


@dataclass(frozen=True, slots=True)
class StoreFailed:
    """The shared store's answer when it gave none in time."""


@dataclass(frozen=True, slots=True)
class StorePolicy:
    """Which store is asked, and what its failure means.

    Attributes:
        shared: Whether it is one that the workers share.
        on_failure: Admit all, refuse all, or count in each worker its share of the limit.
        workers: How many workers share the limit then.
    """

    shared: bool = False
    on_failure: Literal["open", "closed", "local"] = "open"
    workers: int = 1

    def ask(self, charges: tuple[Charge, ...], judge: Judge) -> Question:
        """Ask for *charges*; *judge* goes on with the decisions, unless there are none."""

        def receive(exchange: "Exchange", answer: object) -> Verdict:
            if not isinstance(answer, StoreFailed):
                return judge(exchange, cast("Decisions", answer))
            if self.on_failure == "closed":
                return STORE_FAILED
            return self._ask_here(charges, judge) if self.on_failure == "local" else None

        return Question(Charges(charges, self.shared), receive)

    def _ask_here(self, charges: tuple[Charge, ...], judge: Judge) -> Question:
        shares = tuple(replace(charge, rate=self._share(charge.rate)) for charge in charges)
        return StorePolicy().ask(shares, judge)

    def _share(self, rate: Rate) -> Rate:
        return Rate(rate.interval_s * self.workers, max(1, rate.burst // self.workers))


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Limits how often each principal may ask, or each address without one; probes are exempt.

    Attributes:
        rate: How often.
        store: Where that is counted.
        routes: Which requests are probes. CORS answers preflights before they come here.
    """

    rate: Rate
    store: StorePolicy
    routes: Routes
    name: ClassVar[str] = "rate limit"
    reads: ClassVar[frozenset[bytes]] = frozenset()
    settings: ClassVar[tuple[str, ...]] = (
        "ratelimit.default",
        "ratelimit.store",
        "ratelimit.on_store_failure",
    )
    refusals: ClassVar[tuple[Refusal, ...]] = (RATE_LIMITED, STORE_FAILED)

    def request(self, exchange: "Exchange") -> Verdict:
        """Charge the request to its principal, else to its client's address."""
        if self.routes.is_probe(exchange.head):
            return None
        key = f"requests:{key_of(exchange.principal, exchange.client)}"
        return self.store.ask((Charge(key, self.rate),), self._judge)

    def _judge(self, exchange: "Exchange", decisions: Decisions) -> Verdict:
        (decision,) = decisions
        if not decision.admitted:
            return refuse(decision, self.rate)
        exchange.extra += rate_fields(decision, self.rate)
        return None
