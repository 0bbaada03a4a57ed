"""The supervisor alone: workers that start, fail, block, refuse to end, and are replaced."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest

from tests.processes import children_of, is_running, until
from tests.servers import Server, serve, start

pytestmark = pytest.mark.socket

two = pytest.mark.parametrize("workers", [1, 2])


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.server.host.supervised", *map(str, arguments)]


@contextmanager
def supervised(*arguments: object) -> Iterator[Server]:
    with serve(command=command(*arguments)) as server:
        yield server


def children(server: Server) -> set[int]:
    return children_of(server.popen.pid)


def words(server: Server) -> list[str]:
    """What the service manager was told, the watchdog left out."""
    said = [word for event in server.events("notified") for word in event["words"]]
    return [word.split("=")[0] for word in said if word != "WATCHDOG=1"]


@two
def test_workers_drain_at_sigterm(workers: int):
    with supervised("live", workers) as server:
        assert len(children(server)) == workers
        assert server.stop() == 0
    assert [event["words"] for event in server.events("told")] == ["d"] * workers
    assert words(server) == ["READY", "STOPPING"]
    assert server.events("closed")


def test_the_watchdog_is_fed():
    with supervised("live", 1) as server:
        fed = {"words": ["WATCHDOG=1"]}
        until(lambda: sum(fed.items() <= e.items() for e in server.events("notified")) > 2, 5)
        assert server.stop() == 0


def test_a_worker_that_does_not_end_is_killed_and_told():
    with supervised("ignore", 2) as server:
        assert server.stop() == 1
    assert server.events("drain_overdue")


def test_a_second_signal_kills():
    with supervised("ignore", 2) as server:
        server.signal(signal.SIGTERM)
        server.wait_for_event("draining")
        server.signal(signal.SIGINT)
        assert server.wait(1) == 1
    assert server.events("ending_now")


@two
def test_starts_that_fail_are_given_up_with_growing_pauses(workers: int):
    with start(command("refuse", workers)) as process:
        assert process.wait(20) == 3
    times = [event["at"] for event in process.events("tried")]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert len(times) == 6
    assert pauses[-1] > 2 * pauses[1]
    assert [event["starts"] for event in process.events("crash_loop")] == [6]


def test_workers_that_die_as_soon_as_they_are_ready_are_a_crash_loop_too():
    with start(command("die_young", 1)) as process:
        assert process.wait(20) == 3
    assert len(process.events("tried")) == 6


def test_an_error_in_a_worker_is_its_exit_code():
    with start(command("raise_error", 1)) as process:
        assert process.wait(20) == 3
    assert {event["status"] for event in process.events("worker_ended")} == {1}


def test_what_another_start_would_not_mend_ends_it():
    with start(command("refuse_for_good", 2)) as process:
        assert process.wait(10) == 78
    assert not process.events("worker_ended") or len(process.events("worker_ended")) <= 2


def test_a_blocked_worker_is_replaced_and_its_stack_told():
    with supervised("block", 1) as server:
        event = server.wait_for_event("worker_blocked", deadline_s=1.5)
        assert "in block" in event["stack"]
        until(lambda: children(server) not in (set(), {event["worker"]}), 5)
        server.kill()


def test_a_killed_worker_is_replaced():
    with supervised("live", 2) as server:
        killed = min(children(server))
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(children(server) - {killed}) == 2, 2, "full strength")
        assert server.wait_for_event("worker_ended")["status"] == -signal.SIGKILL
        assert server.stop() == 0


def test_a_successor_comes_before_its_predecessor_goes():
    with supervised("ask_for_successor", 1) as server:
        told = server.wait_for_event("told")
        assert told["words"] == "q"
        until(lambda: not is_running(told["pid"]), 5)
        assert len(children(server)) == 1
        assert server.stop() == 0


@two
def test_a_reload_replaces_every_worker(workers: int):
    with supervised("live", workers, "live") as server:
        before = children(server)
        server.signal(signal.SIGHUP)
        until(lambda: len(children(server) - before) == workers, 5, "new workers")
        until(lambda: not any(map(is_running, before)), 5, "the old ones end")
        assert words(server)[:4] == ["READY", "RELOADING", "MONOTONIC_USEC", "READY"]
        assert server.stop() == 0
    assert sum(event["words"] == "q" for event in server.events("told")) == workers


@pytest.mark.parametrize(("then", "event"), [("", "reload_refused"), ("raise", "reload_failed")])
def test_a_reload_without_a_configuration_changes_nothing(then: str, event: str):
    with supervised("live", 2, *filter(None, [then])) as server:
        before = children(server)
        server.signal(signal.SIGHUP)
        server.wait_for_event(event)
        until(lambda: words(server).count("READY") == 2, 5)
        assert children(server) == before
        assert server.stop() == 0


def test_a_reload_that_does_not_start_is_undone():
    with supervised("live", 2, "refuse") as server:
        before = children(server)
        server.signal(signal.SIGHUP)
        server.wait_for_event("reload_undone", deadline_s=20)
        assert before <= children(server)
        assert server.stop() == 0


def test_sighup_in_a_drain_is_too_late():
    with supervised("ignore", 1, "live") as server:
        server.signal(signal.SIGTERM)
        server.wait_for_event("draining")
        server.signal(signal.SIGHUP)
        assert server.wait(5) == 1
    assert not server.events("reloading")


def test_workers_end_with_their_supervisor():
    with supervised("ignore", 2) as server:
        workers = children(server)
        os.kill(server.popen.pid, signal.SIGKILL)
        until(lambda: not any(map(is_running, workers)), 1, "the workers end")
