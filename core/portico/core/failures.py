"""Failures to authenticate: how many an address may have, so that nobody guesses a secret.

An address that has spent its failures is refused before its credentials are compared, right ones
too. All addresses together have a budget as well, against guesses from many of them: while it is
spent, an address that has failed before is refused. One that has not is never refused, so that
nobody can lock the others out.

Source: design page "Policy", Authentication.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Final, TypeAlias

from portico.core.events import Headers
from portico.core.pipeline import Question, Verdict
from portico.core.problem import Problem, Refusal
from portico.core.ratelimit import Rate, key_of, rate_fields
from portico.core.throttle import STORE_FAILED, Charge, Decisions, StorePolicy

if TYPE_CHECKING:
    from portico.core.exchange import Exchange

__all__ = ["FAILURE_REFUSALS", "FailureLimit"]

Authenticate: TypeAlias = "Callable[[Exchange, Headers], Verdict]"

TOO_MANY: Final = Refusal("too_many_failures", Problem(429, "Too many failed authentications."))
"""Stands for those that are given, whose wait differs."""
FAILURE_REFUSALS: Final = (TOO_MANY, STORE_FAILED)

_CROWD: Final = 100
"""Failures of all addresses together, as a multiple of those of one."""
_MEMORY: Final = 10
"""How long an address has failed before, as a multiple of the time that its own budget needs."""
_DENIED: Final = 403


@dataclass(frozen=True, slots=True)
class FailureLimit:
    """Limits failed authentications by address, and those of all addresses together.

    Attributes:
        rate: How many one address may have.
        store: Where they are counted.
    """

    rate: Rate
    store: StorePolicy
    _before: Rate = field(init=False, repr=False)
    _everybody: Rate = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rate = self.rate
        object.__setattr__(self, "_before", Rate(rate.window_s * _MEMORY, 1))
        object.__setattr__(self, "_everybody", Rate(rate.interval_s / _CROWD, rate.burst * _CROWD))

    @classmethod
    def compile(cls, rate: Rate, store: StorePolicy) -> "FailureLimit":
        """Take the limit; where a failing store admits all, failures are counted in each worker.

        Whoever can make the store fail must not be able to guess without end.
        """
        local = replace(store, on_failure="local")
        return cls(rate, local if store.on_failure == "open" else store)

    def guard(
        self, exchange: "Exchange", credentials: Headers, authenticate: Authenticate
    ) -> Verdict:
        """Look before *credentials* are compared, and charge a failure afterwards.

        Args:
            exchange: Of a request that has credentials.
            credentials: Its field lines.
            authenticate: Judges the request by the lines that it is given.
        """

        def look(exchange: "Exchange", decisions: Decisions) -> Verdict:
            if not _is_spent(decisions):
                return self._settle(exchange, authenticate(exchange, credentials))
            # What is open to anybody stays so, but tells nothing about the credentials.
            return None if authenticate(exchange, []) is None else self._refuse(decisions)

        return self.store.ask(self._charges(exchange.client, 0), look)

    def _settle(self, exchange: "Exchange", verdict: Verdict) -> Verdict:
        """Charge the address if *verdict*, once it is found, is that the credentials are wrong."""
        if isinstance(verdict, Question):
            return Question(verdict.question, partial(self._go_on, verdict))
        denied = isinstance(verdict, Refusal) and verdict.problem.status == _DENIED
        if exchange.principal is not None or denied:
            return verdict

        def judge(_: "Exchange", decisions: Decisions) -> Verdict:
            # Others may have failed from this address in the meantime.
            return verdict if verdict is None or decisions[0].admitted else self._refuse(decisions)

        return self.store.ask(self._charges(exchange.client, 1), judge)

    def _go_on(self, question: Question, exchange: "Exchange", answer: object) -> Verdict:
        return self._settle(exchange, question.judge(exchange, answer))

    def _charges(self, client: str | None, cost: int) -> tuple[Charge, ...]:
        """Name the budgets: this address's, whether it has failed before, and everybody's."""
        key = key_of(None, client)
        return (
            Charge(f"failures:{key}", self.rate, cost),
            Charge(f"failed:{key}", self._before, cost),
            Charge("failures:everybody", self._everybody, cost),
        )

    def _refuse(self, decisions: Decisions) -> Refusal:
        own, before, everybody = decisions
        least_s = min(before.retry_after_s, everybody.retry_after_s)
        wait_s = max(1, ceil(least_s if own.admitted else own.retry_after_s))
        detail = f"Too many failed authentications: ask again in {wait_s} s."
        fields = rate_fields(own, self.rate, policy="auth-failures")
        lines = ((b"retry-after", b"%d" % wait_s), *fields)
        return Refusal(TOO_MANY.reason, Problem(429, detail, lines))


def _is_spent(decisions: Decisions) -> bool:
    own, before, everybody = decisions
    return not own.admitted or not (before.admitted or everybody.admitted)
