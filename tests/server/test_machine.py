"""Reading what the kernel says of this machine, from directories laid out like its own."""

import os
import resource
from collections.abc import Mapping
from pathlib import Path

from portico.core.workers import MIB
from portico.server.machine import raise_descriptor_limit, read_figures

MEMINFO = "MemTotal: 8388608 kB\nMemAvailable: 6291456 kB\n"


def lay_out(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_version_2_with_a_bound_in_a_parent(tmp_path: Path):
    proc = lay_out(tmp_path / "proc", {"self/cgroup": "0::/pod/app\n", "meminfo": MEMINFO})
    cgroups = lay_out(
        tmp_path / "cgroup",
        {
            "pod/cpu.max": "50000 100000\n",
            "pod/app/cpu.max": "max 100000\n",
            "pod/memory.max": f"{512 * MIB}\n",
            "pod/app/memory.max": "max\n",
        },
    )
    figures = read_figures(proc, cgroups)
    assert figures.quotas == (0.5,)
    assert (figures.memory_limit_bytes, figures.memory_others_bytes) == (512 * MIB, 0)
    assert figures.affinity == len(os.sched_getaffinity(0))


def test_version_1(tmp_path: Path):
    proc = lay_out(
        tmp_path / "proc",
        {"self/cgroup": "4:memory:/docker\n3:cpu,cpuacct:/docker\n", "meminfo": MEMINFO},
    )
    cgroups = lay_out(
        tmp_path / "cgroup",
        {
            "cpu/docker/cpu.cfs_quota_us": "150000\n",
            "cpu/docker/cpu.cfs_period_us": "100000\n",
            "memory/docker/memory.limit_in_bytes": f"{256 * MIB}\n",
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    figures = read_figures(proc, cgroups)
    assert figures.quotas == (1.5,)
    assert figures.memory_limit_bytes == 256 * MIB


def test_without_cgroups_the_machine_itself_bounds(tmp_path: Path):
    proc = lay_out(tmp_path / "proc", {"self/cgroup": "0::/\n", "meminfo": MEMINFO})
    figures = read_figures(proc, tmp_path / "none")
    assert figures.quotas == ()
    assert figures.memory_limit_bytes == 8 * 1024 * MIB
    assert figures.memory_others_bytes == 2 * 1024 * MIB


def test_where_nothing_can_be_read_nothing_bounds(tmp_path: Path):
    figures = read_figures(tmp_path / "no", tmp_path / "no")
    assert (figures.quotas, figures.memory_limit_bytes) == ((), None)


def test_this_machine_can_be_read():
    assert read_figures().affinity >= 1


def test_the_descriptor_limit_is_raised_to_the_hard_one():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[1]), before[1]))
        raise_descriptor_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
