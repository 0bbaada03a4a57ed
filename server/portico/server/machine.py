"""What this machine offers: processors, memory, cgroup bounds, file descriptors. The edge alone."""

import os
import resource
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from portico.core.workers import (
    MIB,
    CgroupPaths,
    Figures,
    MemoryBound,
    parse_cfs,
    parse_cgroup,
    parse_cpu_max,
    parse_meminfo,
    parse_memory_max,
    parse_page_cache,
    smallest,
    tightest,
)

CGROUPS: Final = Path("/sys/fs/cgroup")
WARM_WORKER_BYTES: Final = 72 * MIB
"""Resident memory of one worker after some hundred requests: 64 to 70 MiB measured, by engine."""
OTHER_DESCRIPTORS: Final = 64
"""What a worker has open besides connections: files, pipes, its listeners, the database."""


@cache
def read_figures(proc: Path = Path("/proc"), cgroups: Path = CGROUPS) -> Figures:
    """Read what bounds the number of workers; what cannot be read does not bound.

    Once in a process: at a reload its own workers would count among what others use.

    Args:
        proc: Where the kernel tells of processes.
        cgroups: Where the cgroup hierarchies are mounted.
    """
    paths = parse_cgroup(_read(proc / "self" / "cgroup"))
    machine = _machine_memory(parse_meminfo(_read(proc / "meminfo")))
    memory = tightest([*machine, *_memory_bounds(paths, cgroups)])
    return Figures(
        affinity=_usable_cpus(),
        quotas=tuple(_cpu_quotas(paths, cgroups)),
        memory_limit_bytes=None if memory is None else memory.limit_bytes,
        memory_others_bytes=0 if memory is None else memory.used_bytes,
        worker_rss_bytes=WARM_WORKER_BYTES,
    )


def _usable_cpus() -> int:
    """Count the CPUs that this process may run on, where the system tells, else all of them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _machine_memory(figures: Mapping[str, int]) -> Iterator[MemoryBound]:
    total = figures.get("MemTotal")
    if total is not None:
        yield MemoryBound(total, max(0, total - figures.get("MemAvailable", total)))


def _cpu_quotas(paths: CgroupPaths, cgroups: Path) -> Iterator[float]:
    unified = (parse_cpu_max(_read(_at(cgroups, path) / "cpu.max")) for path in paths.unified)
    controller = _hierarchy(cgroups, "cpu")
    legacy = (
        parse_cfs(
            _read(_at(controller, path) / "cpu.cfs_quota_us"),
            _read(_at(controller, path) / "cpu.cfs_period_us"),
        )
        for path in paths.legacy.get("cpu", ())
    )
    yield from (quota for quotas in (unified, legacy) for quota in quotas if quota is not None)


def _memory_bounds(paths: CgroupPaths, cgroups: Path) -> Iterator[MemoryBound]:
    controller = _hierarchy(cgroups, "memory")
    unified = (_at(cgroups, path) for path in paths.unified)
    legacy = (_at(controller, path) for path in paths.legacy.get("memory", ()))
    for directory in unified:
        # Above `high` the kernel throttles: workers that must live there are no help.
        limits = ("memory.max", "memory.high")
        yield from _memory_bound(directory, limits, "memory.current")
    for directory in legacy:
        yield from _memory_bound(directory, ("memory.limit_in_bytes",), "memory.usage_in_bytes")


def _memory_bound(directory: Path, limits: Sequence[str], use: str) -> Iterator[MemoryBound]:
    limit = smallest(parse_memory_max(_read(directory / name)) for name in limits)
    if limit is not None:
        used = parse_memory_max(_read(directory / use)) or 0
        cached = parse_page_cache(_read(directory / "memory.stat"))
        yield MemoryBound(limit, max(0, used - cached))


def _hierarchy(cgroups: Path, controller: str) -> Path:
    """Find where a v1 controller is mounted: by itself, or with others as in ``cpu,cpuacct``."""
    together = cgroups.glob(f"*{controller}*")
    found = (path for path in sorted(together) if controller in path.name.split(","))
    return next(found, cgroups / controller)


def _at(root: Path, path: str) -> Path:
    return root / path.removeprefix("/")


def _read(path: Path) -> str:
    """Return a kernel file's text; empty where there is none, as outside Linux or a cgroup."""
    with suppress(OSError):
        return path.read_text()
    return ""


def list_shortages(max_connections: int) -> list[str]:
    """Say what this process may not have of what the settings allow, for a warning each.

    Args:
        max_connections: ``server.max_connections``; each takes a descriptor.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard - OTHER_DESCRIPTORS
    if hard == resource.RLIM_INFINITY or max_connections <= most:
        return []
    return [
        f"server.max_connections is {max_connections}, but a process may open {hard} files here"
        f" (ulimit -Hn): raise that, or set it to {max(1, most)} at most"
    ]


def raise_descriptor_limit() -> None:
    """Raise the soft limit of open files to the hard one: each connection takes one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems refuse "infinity" as a soft limit; the old one stays then.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
