"""Reading what the kernel says of this machine, from directories laid out like its own."""

import os
import resource
from collections.abc import Mapping
from pathlib import Path

import pytest

from portico.core.workers import MIB, plan_workers
from portico.server.machine import list_shortages, raise_descriptor_limit, read_figures

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
            "memory/docker/memory.usage_in_bytes": f"{90 * MIB}\n",
            "memory/docker/memory.stat": f"inactive_file 1\ntotal_inactive_file {30 * MIB}\n",
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    figures = read_figures(proc, cgroups)
    assert figures.quotas == (1.5,)
    assert figures.memory_limit_bytes == 256 * MIB
    assert figures.memory_others_bytes == 60 * MIB


def test_version_1_mounted_together_and_seen_from_inside_a_container(tmp_path: Path):
    proc = lay_out(
        tmp_path / "proc", {"self/cgroup": "3:cpuacct,cpu:/docker/4f\n", "meminfo": MEMINFO}
    )
    cgroups = lay_out(
        tmp_path / "cgroup",
        {
            "cpuset/cpuset.cpus": "0-3\n",
            "cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
            "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
    )
    assert read_figures(proc, cgroups).quotas == (0.5,)


def test_what_siblings_use_under_a_parents_limit_is_not_free(tmp_path: Path):
    proc = lay_out(tmp_path / "proc", {"self/cgroup": "0::/pod/app\n", "meminfo": MEMINFO})
    cgroups = lay_out(
        tmp_path / "cgroup",
        {
            "pod/app/memory.max": f"{1024 * MIB}\n",
            "pod/app/memory.current": f"{100 * MIB}\n",
            "pod/memory.max": f"{2048 * MIB}\n",
            "pod/memory.current": f"{1800 * MIB}\n",
            "pod/memory.stat": f"anon 1\ninactive_file {40 * MIB}\nactive_file {10 * MIB}\n",
        },
    )
    figures = read_figures(proc, cgroups)
    assert figures.memory_limit_bytes == 2048 * MIB
    assert figures.memory_others_bytes == 1750 * MIB


def test_a_limit_above_which_the_kernel_throttles_bounds_too(tmp_path: Path):
    proc = lay_out(tmp_path / "proc", {"self/cgroup": "0::/app\n", "meminfo": MEMINFO})
    cgroups = lay_out(
        tmp_path / "cgroup",
        {"app/memory.max": f"{1024 * MIB}\n", "app/memory.high": f"{700 * MIB}\n"},
    )
    assert read_figures(proc, cgroups).memory_limit_bytes == 700 * MIB


def test_a_limit_that_the_machine_cannot_give_does_not_decide(tmp_path: Path):
    proc = lay_out(
        tmp_path / "proc",
        {"self/cgroup": "0::/app\n", "meminfo": MEMINFO.replace("6291456", "1048576")},
    )
    cgroups = lay_out(tmp_path / "cgroup", {"app/memory.max": f"{7168 * MIB}\n"})
    figures = read_figures(proc, cgroups)
    assert figures.memory_limit_bytes == 8192 * MIB
    assert figures.memory_others_bytes == 7168 * MIB


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"app/cpu.max": "100000 100000\n"}, "1 worker, decided by cpu (cpu allows 1, memory"),
        ({"app/memory.max": f"{330 * MIB}\n"}, "2 workers, decided by memory (cpu allows 4,"),
    ],
)
def test_the_plan_says_which_bound_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str], line: str
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    proc = lay_out(tmp_path / "proc", {"self/cgroup": "0::/app\n", "meminfo": MEMINFO})
    plan = plan_workers(read_figures(proc, lay_out(tmp_path / "cgroup", files)))
    assert str(plan).startswith(line)


def test_a_reload_does_not_count_the_own_workers(tmp_path: Path):
    proc = lay_out(tmp_path / "proc", {"meminfo": MEMINFO})
    before = read_figures(proc, tmp_path)
    lay_out(proc, {"meminfo": MEMINFO.replace("6291456", "1048576")})
    assert read_figures(proc, tmp_path) is before


def test_where_the_system_does_not_tell_every_cpu_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delattr(os, "sched_getaffinity")
    assert read_figures(tmp_path, tmp_path).affinity == os.cpu_count()


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


@pytest.mark.parametrize(
    ("hard", "connections", "words"),
    [
        (4096, 1000, []),
        (1064, 1000, []),
        (resource.RLIM_INFINITY, 10**9, []),
        (1063, 1000, ["may open 1063 files here (ulimit -Hn): raise that, or set it to 999"]),
        (32, 5, ["or set it to 1 at most"]),
    ],
)
def test_connections_that_no_descriptor_is_left_for_are_told(
    monkeypatch: pytest.MonkeyPatch, hard: int, connections: int, words: list[str]
):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (16, hard))
    told = list_shortages(connections)
    assert len(told) == len(words)
    assert all(word in line for word, line in zip(words, told, strict=True))


def test_the_old_limit_stays_where_the_hard_one_is_refused(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(resource, "setrlimit", refuse)
    raise_descriptor_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
