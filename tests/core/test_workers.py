"""Worker plans from given figures, and the kernel's texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.workers import (
    MIB,
    CgroupPaths,
    Figures,
    MemoryBound,
    Workload,
    parse_cfs,
    parse_cgroup,
    parse_cpu_max,
    parse_meminfo,
    parse_memory_max,
    parse_page_cache,
    plan_workers,
    smallest,
    tightest,
)


@pytest.mark.parametrize(
    ("figures", "count", "bound"),
    [
        (Figures(affinity=4), 4, "cpu"),
        (Figures(affinity=8, quotas=(1.5,)), 2, "cpu"),
        (Figures(affinity=8, quotas=(4.0, 0.2)), 1, "cpu"),
        (
            Figures(affinity=8, memory_limit_bytes=512 * MIB, worker_rss_bytes=100 * MIB),
            2,
            "memory",
        ),
        (Figures(affinity=8, memory_limit_bytes=64 * MIB), 1, "memory"),
        (
            Figures(
                affinity=8,
                memory_limit_bytes=1024 * MIB,
                memory_others_bytes=500 * MIB,
                worker_rss_bytes=100 * MIB,
            ),
            3,
            "memory",
        ),
        (Figures(affinity=8, database_connections=100, pool=35), 2, "database"),
        (Figures(affinity=8, database_connections=100, pool=35, replicas=3), 1, "database"),
        (Figures(affinity=2, memory_limit_bytes=10**12, database_connections=10**6), 2, "cpu"),
    ],
)
def test_auto_takes_the_tightest_bound(figures: Figures, count: int, bound: str):
    plan = plan_workers(figures)
    assert (plan.count, plan.bound) == (count, bound)


@pytest.mark.parametrize(
    ("workload", "cpus", "count"),
    [
        ("general", 1, 1),
        ("general", 16, 16),
        ("gpu", 1, 1),
        ("gpu", 16, 2),
        ("high-concurrency", 1, 4),
        ("high-concurrency", 3, 6),
        ("high-concurrency", 16, 8),
    ],
)
def test_workload_says_what_auto_aims_at(workload: Workload, cpus: int, count: int):
    assert plan_workers(Figures(affinity=cpus), workload).count == count


def test_memory_bounds_every_workload():
    figures = Figures(affinity=4, memory_limit_bytes=300 * MIB, worker_rss_bytes=100 * MIB)
    plan = plan_workers(figures, "high-concurrency")
    assert (plan.count, plan.bound) == (1, "memory")


def test_an_explicit_count_wins():
    plan = plan_workers(Figures(affinity=1, memory_limit_bytes=1), "gpu", 7)
    assert (plan.count, plan.bound, dict(plan.limits)) == (7, "explicit", {})
    assert str(plan) == "7 workers"


def test_the_log_line_names_every_bound():
    figures = Figures(affinity=1, database_connections=100, pool=10)
    assert str(plan_workers(figures)) == (
        "1 worker, decided by cpu (cpu allows 1, database allows 8)"
    )


def test_of_equal_bounds_the_first_is_named():
    figures = Figures(affinity=2, database_connections=5, pool=2)
    assert plan_workers(figures).bound == "cpu"


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("0::/\n", CgroupPaths(unified=("/",))),
        ("0::/a/b.slice\n", CgroupPaths(unified=("/a/b.slice", "/a", "/"))),
        (
            "12:memory:/docker/x\n4:cpu,cpuacct:/docker\n1:name=systemd:/\n0::/unified\n",
            CgroupPaths(
                unified=("/unified", "/"),
                legacy={
                    "memory": ("/docker/x", "/docker", "/"),
                    "cpu": ("/docker", "/"),
                    "cpuacct": ("/docker", "/"),
                    "name=systemd": ("/",),
                },
            ),
        ),
        ("", CgroupPaths()),
    ],
)
def test_parse_cgroup_gives_own_directory_and_parents(text: str, paths: CgroupPaths):
    assert parse_cgroup(text) == paths


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("150000 100000\n", 1.5),
        ("max 100000\n", None),
        ("50000", None),
        ("", None),
        ("100000 0", None),
        ("-5 100000", None),
    ],
)
def test_parse_cpu_max(text: str, cpus: float | None):
    assert parse_cpu_max(text) == cpus


@pytest.mark.parametrize(
    ("quota", "period", "cpus"),
    [("200000\n", "100000\n", 2.0), ("-1\n", "100000\n", None), ("x", "y", None), ("0", "1", None)],
)
def test_parse_cfs(quota: str, period: str, cpus: float | None):
    assert parse_cfs(quota, period) == cpus


@pytest.mark.parametrize(
    ("text", "limit"),
    [("536870912\n", 512 * MIB), ("max\n", None), ("9223372036854771712\n", None), ("", None)],
)
def test_parse_memory_max(text: str, limit: int | None):
    assert parse_memory_max(text) == limit


def test_parse_meminfo_leaves_out_what_is_no_size():
    text = "MemTotal:  2048 kB\nMemAvailable: 1024 kB\nHugePages_Total:  0\nOdd: x kB\n"
    assert parse_meminfo(text) == {"MemTotal": 2048 * 1024, "MemAvailable": 1024 * 1024}


def test_smallest_leaves_out_what_does_not_bound():
    assert smallest([None, 3, 2, None]) == 2
    assert smallest([None]) is None


@pytest.mark.parametrize(
    ("text", "cached"),
    [
        ("anon 900\ninactive_file 100\nactive_file 20\n", 120),
        ("inactive_file 1\nactive_file 2\ntotal_inactive_file 30\ntotal_active_file 4\n", 34),
        ("inactive_file 100\nactive_file many\nodd\n", 100),
        ("", 0),
    ],
)
def test_parse_page_cache(text: str, cached: int):
    assert parse_page_cache(text) == cached


def test_the_tightest_bound_is_the_one_that_leaves_the_least():
    roomy, full = MemoryBound(512 * MIB, 0), MemoryBound(1024 * MIB, 900 * MIB)
    assert tightest([roomy, full]) == full
    assert tightest([roomy]) == roomy
    assert tightest([]) is None


BOUNDS = st.builds(MemoryBound, st.integers(0, 2**50), st.integers(0, 2**50))


@given(bounds=st.lists(BOUNDS, min_size=1))
def test_no_bound_leaves_less_than_the_tightest(bounds: list[MemoryBound]):
    found = tightest(bounds)
    assert found in bounds
    assert found is not None
    assert all(found.free_bytes <= bound.free_bytes for bound in bounds)


FIGURES = st.builds(
    Figures,
    affinity=st.integers(1, 512),
    quotas=st.lists(st.floats(0.001, 512)).map(tuple),
    memory_limit_bytes=st.none() | st.integers(0, 2**42),
    memory_others_bytes=st.integers(0, 2**42),
    worker_rss_bytes=st.integers(1, 2**34),
    database_connections=st.none() | st.integers(0, 10_000),
    pool=st.integers(1, 100),
    replicas=st.integers(1, 100),
)


@given(figures=FIGURES, workload=st.sampled_from(["general", "gpu", "high-concurrency"]))
def test_a_plan_is_within_every_bound_or_is_one_worker(figures: Figures, workload: Workload):
    plan = plan_workers(figures, workload)
    assert plan.count >= 1
    assert plan.count == 1 or all(plan.count <= limit for limit in plan.limits.values())
    assert plan.limits[plan.bound] == min(plan.limits.values())
    assert f"decided by {plan.bound}" in str(plan)


@given(text=st.text())
def test_any_text_of_the_kernel_is_read(text: str):
    assert parse_page_cache(text) >= 0
    assert parse_memory_max(text) is None or text.strip().isdecimal()
    assert all(size >= 0 for size in parse_meminfo(text).values())
    parse_cgroup(text)
    parse_cpu_max(text)
