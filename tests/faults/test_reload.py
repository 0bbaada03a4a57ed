"""SIGHUP and recycling: workers are replaced one by one, and no client notices."""

import json
import signal
from pathlib import Path

import pytest

from tests.adapters.certificates import make_certificate
from tests.faults.conftest import Measured
from tests.faults.harness import Load, on_the_host, pid_that_answers, serving, thorough
from tests.processes import is_running, until
from tests.servers import Server
from tests.wire import request_bytes

pytestmark = pytest.mark.socket

CONF = """
server:
  max_target: {target}
telemetry:
  log_level: {level}
"""


def pids(server: Server) -> set[int]:
    """The workers that started so far."""
    return {event["pid"] for event in server.events("lifespan.startup")}


def ended(server: Server) -> set[int]:
    """The workers that shut down so far."""
    return {event["pid"] for event in server.events("lifespan.shutdown")}


@on_the_host
def test_a_reload_under_load(workers: int, measured: Measured) -> None:
    """A good file takes effect, a broken one changes nothing; no request fails in either case."""
    files = {"conf.yaml": CONF.format(target="8KiB", level="info")}
    with serving(files=files, workers=workers) as server:
        conf = server.directory / "conf.yaml"
        long = request_bytes("GET", "/?" + "a" * 3000)
        with Load(server.address, clients=6) as load:
            load.wait_for_more(100)
            before = pids(server)
            with server.connect() as asked:
                assert asked.ask(long).status == 200

            conf.write_text(CONF.format(target="many", level="debug"))
            server.signal(signal.SIGHUP)
            server.wait_for_event("reload_refused")
            load.wait_for_more(100)
            assert pids(server) == before
            with server.connect() as asked:
                assert asked.ask(long).status == 200

            conf.write_text(CONF.format(target="1KiB", level="warning"))
            server.signal(signal.SIGHUP)
            until(lambda: len(pids(server) - before) == workers, 15, "new workers")
            until(lambda: before <= ended(server), 15, "the old workers end")
            load.wait_for_more(100)
            with server.connect() as asked:
                assert asked.ask(long).status == 414
        assert server.stop() == 0
    measured(
        "hangup",
        f"{len(load.failures)} failures of {load.answers} requests by 6 clients through one "
        f"refused and one good reload",
        workers=workers,
    )
    assert load.failures == []
    assert "max_target" in server.stderr.text


def test_a_changed_log_level_is_in_force() -> None:
    files = {"conf.yaml": CONF.format(target="8KiB", level="error")}
    with serving(files=files) as server:
        old = pid_that_answers(server)
        assert server.get("/fail").status == 500
        conf = server.directory / "conf.yaml"
        conf.write_text(CONF.format(target="8KiB", level="critical"))
        server.signal(signal.SIGHUP)
        until(lambda: old in ended(server), 15, "the old worker ends")
        logged = len(server.events("request failed"))
        assert server.get("/fail").status == 500
        assert server.stop() == 0
    assert logged == 1
    assert len(server.events("request failed")) == logged


@thorough
def test_a_configuration_with_which_no_worker_starts_is_undone(
    tmp_path: Path, measured: Measured
) -> None:
    """A certificate that vanished is found by the workers alone."""
    made = make_certificate(tmp_path)
    tls = f"server:\n  tls_cert: {made.cert}\n  tls_key: {made.key}\n"
    with serving(files={"conf.yaml": "server:\n  max_target: 8KiB\n"}) as server:
        made.key.write_text("no key")
        (server.directory / "conf.yaml").write_text(tls)
        with Load(server.address) as load:
            old = pid_that_answers(server)
            server.signal(signal.SIGHUP)
            undone = server.wait_for_event("reload_undone", deadline_s=30)
            load.wait_for_more(50)
        assert pid_that_answers(server) == old
        assert server.stop() == 0
    measured(
        "hangup",
        f"a key that no worker can read: undone after {undone['starts']} starts, "
        f"{len(load.failures)} failures of {load.answers}",
    )
    assert load.failures == []


@on_the_host
def test_workers_are_recycled_after_their_requests(workers: int, measured: Measured) -> None:
    limits = ("--max-requests", "200", "--max-requests-jitter", "50")
    with serving(*limits, workers=workers) as server:
        with Load(server.address, clients=6) as load:
            until(lambda: len(ended(server)) >= 2 * workers, 40, "recycled workers")
        assert server.stop() == 0
    measured(
        "recycled",
        f"max_requests 200, jitter 50: {len(ended(server)) - workers} workers replaced, "
        f"{len(load.failures)} failures of {load.answers}",
        workers=workers,
    )
    assert load.failures == []


@on_the_host
def test_a_worker_that_grew_is_recycled(workers: int, measured: Measured) -> None:
    with serving("--max-memory", "250MiB", workers=workers) as server:
        with Load(server.address, clients=6) as load:
            grown = int(server.get("/grow?mib=250").body)
            until(lambda: grown in ended(server), 20, "the grown worker ends")
            load.wait_for_more(100)
        with_grown = {json.loads(body) for body in load.bodies}
        assert pid_that_answers(server) != grown
        assert server.stop() == 0
    measured(
        "recycled",
        f"max_memory: {len(load.failures)} failures of {load.answers}",
        workers=workers,
    )
    assert load.failures == []
    assert len(with_grown - {grown}) >= 1
    assert not is_running(grown)
