"""Interleaved measurement: every case once a round, so that a slow moment of the machine hits all.

What counts is the ratio of two cases of the same round. A `Figure` holds one such ratio for each
round; its verdict rests on the median, and its spread is printed beside it.
"""

import gc
import random
import statistics
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import itemgetter
from time import process_time

Costs = Mapping[str, float]
"""What each case cost in one round, by name."""

Part = Callable[[Costs], float]
"""One side of a ratio, computed from the costs of one round."""


class Verdict(StrEnum):
    """What a figure says about its target."""

    PASS = "PASS"
    FAIL = "FAIL"
    INFORMATION = "-"


@dataclass(frozen=True, slots=True)
class Target:
    """A bound that a ratio must keep: ``bound`` at most, or at least where ``floor`` is set."""

    bound: float
    floor: bool = False

    def holds(self, ratio: float) -> bool:
        """Whether *ratio* keeps the bound."""
        return ratio >= self.bound if self.floor else ratio <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.floor else '<='} {self.bound:.3g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One ratio, once for each round.

    Attributes:
        name: What is compared with what.
        ratios: The ratio of each round.
        target: The bound it must keep; None for a row that only informs.
        cost: The measured case's median cost, as text with its unit.
    """

    name: str
    ratios: tuple[float, ...]
    target: Target | None
    cost: str

    @property
    def median(self) -> float:
        """The ratio in the middle of the rounds."""
        return statistics.median(self.ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """The first and third quartile of the rounds."""
        first, _, third = statistics.quantiles(self.ratios, n=4, method="inclusive")
        return first, third

    @property
    def verdict(self) -> Verdict:
        """Whether the median keeps the target."""
        if self.target is None:
            return Verdict.INFORMATION
        return Verdict.PASS if self.target.holds(self.median) else Verdict.FAIL


def interleave(cases: Mapping[str, Callable[[], float]], rounds: int) -> list[Costs]:
    """Measure every case once a round, each round in an order of its own.

    Args:
        cases: The cases by name; each returns its cost in CPU seconds.
        rounds: How many rounds, after one that warms up and is dropped.
    """
    order = list(cases)
    shuffle = random.Random(8283).shuffle
    measured: list[Costs] = []
    for _ in range(rounds + 1):
        shuffle(order)
        measured.append({name: cases[name]() for name in order})
    return measured[1:]


def ratio(
    name: str,
    rounds: list[Costs],
    *,
    of: Part,
    to: Part,
    target: Target | None = None,
) -> Figure:
    """The figure *of* divided by *to*, both in seconds of one round."""
    sides = [(of(costs), to(costs)) for costs in rounds]
    return Figure(
        name,
        tuple(mine / theirs for mine, theirs in sides),
        target,
        format_seconds(statistics.median(mine for mine, _ in sides)),
    )


def speed(
    name: str, rounds: list[Costs], *, of: Part, to: Part, target: Target | None = None
) -> Figure:
    """How often *of* is done in the time of one *to*: the inverse of `ratio`."""
    slowness = ratio(name, rounds, of=of, to=to, target=target)
    return replace(slowness, ratios=tuple(1 / value for value in slowness.ratios))


def whole(name: str) -> Part:
    """The cost of the case of that name."""
    return itemgetter(name)


def above(base: str, name: str) -> Part:
    """What the case *name* costs more than the case *base*."""
    return lambda costs: costs[name] - costs[base]


def cpu_per_call(
    statement: str, names: Mapping[str, object], batch_s: float
) -> Callable[[], float]:
    """A case that runs *statement* for about *batch_s* seconds of CPU and returns seconds a call.

    CPU time of the process, not time of the wall: what else the machine does stays outside.
    """
    timer = timeit.Timer(statement, globals=dict(names), timer=process_time)
    count = calls_within(timer, batch_s)

    def case() -> float:
        gc.collect()
        return timer.timeit(count) / count

    return case


def calls_within(timer: timeit.Timer, batch_s: float) -> int:
    """How many calls fill *batch_s*, estimated from a first batch of at least two milliseconds."""
    count = 1
    while (elapsed := timer.timeit(count)) < 0.002:
        count *= 4
    return max(1, round(count * batch_s / elapsed))


def format_seconds(seconds: float) -> str:
    """*seconds* with the unit that leaves one to three digits before the point."""
    for limit, scale, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "us"), (1.0, 1e3, "ms")):
        if abs(seconds) < limit:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"
