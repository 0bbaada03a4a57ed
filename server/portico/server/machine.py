"""What this machine offers: processors, memory, cgroup bounds, file descriptors. The edge alone."""

import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from portico.core.workers import (
    MIB,
    CgroupPaths,
    Figures,
    parse_cfs,
    parse_cgroup,
    parse_cpu_max,
    parse_meminfo,
    parse_memory_max,
    smallest,
)

CGROUPS: Final = Path("/sys/fs/cgroup")
WARM_WORKER_BYTES: Final = 72 * MIB
"""Resident memory of one worker after some hundred requests: 64 to 70 MiB measured, by engine."""


def read_figures(proc: Path = Path("/proc"), cgroups: Path = CGROUPS) -> Figures:
    """Read what bounds the number of workers; what cannot be read does not bound.

    Args:
        proc: Where the kernel tells of processes.
        cgroups: Where the cgroup hierarchies are mounted.
    """
    paths = parse_cgroup(_read(proc / "self" / "cgroup"))
    memory = parse_meminfo(_read(proc / "meminfo"))
    total = memory.get("MemTotal")
    limit = smallest([total, *_memory_limits(paths, cgroups)])
    return Figures(
        affinity=len(os.sched_getaffinity(0)),
        quotas=tuple(_cpu_quotas(paths, cgroups)),
        memory_limit_bytes=limit,
        memory_others_bytes=_used_by_others(memory) if limit == total else 0,
        worker_rss_bytes=WARM_WORKER_BYTES,
    )


def _used_by_others(memory: Mapping[str, int]) -> int:
    return max(0, memory.get("MemTotal", 0) - memory.get("MemAvailable", 0))


def _cpu_quotas(paths: CgroupPaths, cgroups: Path) -> Iterator[float]:
    unified = (parse_cpu_max(_read(_at(cgroups, path) / "cpu.max")) for path in paths.unified)
    legacy = (
        parse_cfs(
            _read(_at(cgroups / "cpu", path) / "cpu.cfs_quota_us"),
            _read(_at(cgroups / "cpu", path) / "cpu.cfs_period_us"),
        )
        for path in paths.legacy.get("cpu", ())
    )
    yield from (quota for quotas in (unified, legacy) for quota in quotas if quota is not None)


def _memory_limits(paths: CgroupPaths, cgroups: Path) -> Iterator[int | None]:
    for path in paths.unified:
        yield parse_memory_max(_read(_at(cgroups, path) / "memory.max"))
    for path in paths.legacy.get("memory", ()):
        yield parse_memory_max(_read(_at(cgroups / "memory", path) / "memory.limit_in_bytes"))


def _at(root: Path, path: str) -> Path:
    return root / path.removeprefix("/")


def _read(path: Path) -> str:
    """Return a kernel file's text; empty where there is none, as outside Linux or a cgroup."""
    with suppress(OSError):
        return path.read_text()
    return ""


def raise_descriptor_limit() -> None:
    """Raise the soft limit of open files to the hard one: each connection takes one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems refuse "infinity" as a soft limit; the old one stays then.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
