"""How many workers to start: a plan from given figures.

``auto`` is ``max(1, min(cpu, memory, database))``; an explicit count wins. The figures come from
the edge as numbers; what the kernel keeps as text (cgroup v2 and v1) is parsed here.

Source: design page "Serving", Workers; Linux ``Documentation/admin-guide/cgroup-v2.rst`` and
``cgroup-v1/memory.rst``, ``scheduler/sched-bwc.rst``.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Workload = Literal["general", "gpu", "high-concurrency"]
Bound = Literal["explicit", "cpu", "memory", "database"]

MIB: Final = 1024 * 1024
RESERVE_BYTES: Final = 128 * MIB
"""Left for the supervisor and the page cache."""
GROWTH: Final = 1.3
"""A worker under load, against the same worker warm and idle."""
DATABASE_SHARE: Final = 0.8
"""The rest of the database's connections is for migrations and people."""
UNLIMITED_V1: Final = 2**60
"""cgroup v1 writes "no limit" as the largest page-aligned 63-bit number."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the machine and the database offer; None where a figure does not bound.

    Attributes:
        affinity: CPUs that this process may run on, at least 1.
        quotas: CPU quotas of the own cgroup and its parents, in CPUs.
        memory_limit_bytes: The memory limit that leaves the least, of the machine or a cgroup.
        memory_others_bytes: What others use of it already.
        worker_rss_bytes: Resident memory of one warm worker.
        database_connections: ``max_connections`` of the PostgreSQL that is configured.
        pool: Connections that one worker may open.
        replicas: Nodes that share the database.
    """

    affinity: int
    quotas: tuple[float, ...] = ()
    memory_limit_bytes: int | None = None
    memory_others_bytes: int = 0
    worker_rss_bytes: int = 128 * MIB
    database_connections: int | None = None
    pool: int = 1
    replicas: int = 1


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """How many workers, and why.

    Attributes:
        count: Workers to start, at least 1.
        bound: What decided.
        limits: What each bound would allow by itself; a bound that does not hold is left out.
    """

    count: int
    bound: Bound
    limits: Mapping[Bound, int]

    def __str__(self) -> str:
        """Say it in one line, for the log."""
        workers = f"{self.count} {'worker' if self.count == 1 else 'workers'}"
        if self.bound == "explicit":
            return workers
        allowed = ", ".join(f"{bound} allows {limit}" for bound, limit in self.limits.items())
        return f"{workers}, decided by {self.bound}" + (f" ({allowed})" if allowed else "")


def plan_workers(
    figures: Figures,
    workload: Workload = "general",
    requested: int | Literal["auto"] = "auto",
) -> WorkerPlan:
    """Decide the number of workers.

    Args:
        figures: What the machine and the database offer.
        workload: What ``auto`` aims at.
        requested: ``server.workers``; a number wins over every bound.

    Returns:
        The plan. Of bounds that allow the same, the first of cpu, memory, database is named.

    Source: design page "Serving", Workers.
    """
    if requested != "auto":
        return WorkerPlan(requested, "explicit", {})
    candidates: dict[Bound, int | None] = {
        "cpu": AIMS[workload](_cpus(figures)),
        "memory": _fitting_memory(figures),
        "database": _fitting_database(figures),
    }
    limits = {bound: limit for bound, limit in candidates.items() if limit is not None}
    bound = min(limits, key=limits.__getitem__)
    return WorkerPlan(max(1, limits[bound]), bound, limits)


AIMS: Final[Mapping[Workload, Callable[[int], int]]] = {
    "general": lambda cpus: cpus,
    "gpu": lambda cpus: min(2, cpus),
    "high-concurrency": lambda cpus: min(8, max(4, 2 * cpus)),
}
"""Workers per CPUs, from the reference documentation's table."""


def _cpus(figures: Figures) -> int:
    # A quota below one CPU still runs one worker: the ceiling, never the floor.
    return math.ceil(min((figures.affinity, *figures.quotas)))


def _fitting_memory(figures: Figures) -> int | None:
    if figures.memory_limit_bytes is None:
        return None
    free = figures.memory_limit_bytes - figures.memory_others_bytes - RESERVE_BYTES
    return max(0, int(free // (GROWTH * figures.worker_rss_bytes)))


def _fitting_database(figures: Figures) -> int | None:
    if figures.database_connections is None:
        return None
    return int(DATABASE_SHARE * figures.database_connections // (figures.replicas * figures.pool))


@dataclass(frozen=True, slots=True)
class MemoryBound:
    """One limit of memory, of the machine or of a cgroup.

    Attributes:
        limit_bytes: What all processes under it may use.
        used_bytes: What they use already, page cache aside, which goes when memory is short.
    """

    limit_bytes: int
    used_bytes: int

    @property
    def free_bytes(self) -> int:
        """What is left; less than nothing where a limit was lowered below the use."""
        return self.limit_bytes - self.used_bytes


def tightest(bounds: Iterable[MemoryBound]) -> MemoryBound | None:
    """Return the bound that leaves the least: not always the one with the lowest limit."""
    return min(bounds, key=lambda bound: bound.free_bytes, default=None)


@dataclass(frozen=True, slots=True)
class CgroupPaths:
    """Where the kernel keeps this process's bounds: the own directory first, then its parents.

    Attributes:
        unified: Paths in the v2 hierarchy.
        legacy: Paths in the v1 hierarchies, by controller (``cpu``, ``memory``).
    """

    unified: tuple[str, ...] = ()
    legacy: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def parse_cgroup(text: str) -> CgroupPaths:
    """Read ``/proc/self/cgroup``: ``0::/own/path`` for v2, ``4:cpu,cpuacct:/own/path`` for v1."""
    unified: tuple[str, ...] = ()
    legacy: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            unified = _own_and_parents(path)
        else:
            legacy |= dict.fromkeys(controllers.split(","), _own_and_parents(path))
    return CgroupPaths(unified, legacy)


def _own_and_parents(path: str) -> tuple[str, ...]:
    parts = [part for part in path.split("/") if part]
    return tuple("/" + "/".join(parts[:count]) for count in range(len(parts), -1, -1))


def parse_cpu_max(text: str) -> float | None:
    """Read a v2 ``cpu.max``, ``quota period`` in microseconds.

    Returns:
        The quota in CPUs, or None where nothing bounds (``max``, or no such text).
    """
    match text.split():
        case [quota, period]:
            return parse_cfs(quota, period)
        case _:
            return None


def parse_cfs(quota: str, period: str) -> float | None:
    """Read a v1 ``cpu.cfs_quota_us`` and ``cpu.cfs_period_us``; a quota of -1 does not bound.

    Returns:
        The quota in CPUs, or None where nothing bounds.
    """
    match (_whole(quota), _whole(period)):
        case (int(used), int(of)) if used > 0 and of > 0:
            return used / of
        case _:
            return None


def parse_memory_max(text: str) -> int | None:
    """Read a v2 ``memory.max`` or a v1 ``memory.limit_in_bytes``.

    Returns:
        Bytes, or None where nothing bounds (``max``, v1's largest number, or no such text).
    """
    limit = _whole(text)
    return limit if limit is not None and limit < UNLIMITED_V1 else None


def parse_page_cache(text: str) -> int:
    """Read how much a cgroup's files take in memory from its v2 or v1 ``memory.stat``, in bytes.

    In v1 the lines that include the cgroups below begin with ``total_``; in v2 all include them.
    """
    lines = (line.split() for line in text.splitlines())
    figures = {parts[0]: _whole(parts[1]) or 0 for parts in lines if len(parts) == 2}
    hierarchical = "total_" if "total_inactive_file" in figures else ""
    return sum(figures.get(f"{hierarchical}{kind}_file", 0) for kind in ("inactive", "active"))


def parse_meminfo(text: str) -> Mapping[str, int]:
    """Read ``/proc/meminfo`` into bytes by name, such as ``MemTotal`` and ``MemAvailable``."""
    lines = (line.split() for line in text.splitlines())
    return {
        parts[0].rstrip(":"): int(parts[1]) * 1024
        for parts in lines
        if len(parts) == 3 and parts[1].isdecimal() and parts[2] == "kB"
    }


def smallest(values: Iterable[int | None]) -> int | None:
    """Return the tightest of some bounds, leaving out those that do not hold."""
    return min((value for value in values if value is not None), default=None)


def _whole(text: str) -> int | None:
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdecimal() else None
