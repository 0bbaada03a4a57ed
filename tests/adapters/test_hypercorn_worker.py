"""The guard around Hypercorn refuses to run on names that are no longer there."""

import os
import socket

import pytest
import trio
import trio.testing
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio import run as hypercorn_run
from hypercorn.trio.tcp_server import TCPServer

from portico.adapters.hypercorn import parameters
from portico.adapters.hypercorn_worker import Connections, check_names, leaves, make_config
from portico.core.launch import EngineParameters, LaunchPlan
from portico.core.settings import Settings


def test_this_hypercorn_has_the_names():
    check_names()


def test_a_hypercorn_with_other_names_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(H11Protocol, "_check_protocol")
    with pytest.raises(RuntimeError, match="needed"):
        check_names()


def test_a_hypercorn_that_starts_connections_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(hypercorn_run, "TCPServer")
    with pytest.raises(RuntimeError, match="needed"):
        check_names()


def test_the_guard_takes_its_names_back():
    with Connections(1).guarded():
        assert vars(hypercorn_run)["TCPServer"] is not TCPServer
    assert vars(hypercorn_run)["TCPServer"] is TCPServer


def test_every_parameter_is_set():
    words = parameters(LaunchPlan.from_settings(Settings()))
    with socket.socket() as sock:
        descriptor = os.dup(sock.fileno())
        config = make_config(words, descriptor)
        os.close(descriptor)
    assert config.bind == [f"fd://{descriptor}"]
    assert config.keep_alive_timeout == 5.0
    assert config.accesslog is None


def test_an_unknown_parameter_is_refused():
    with pytest.raises(RuntimeError, match="no parameter keep_alive_tiemout"):
        make_config(EngineParameters("hypercorn", {"keep_alive_tiemout": 5}), 0)


def test_leaves_of_nested_groups():
    first, second = ValueError("first"), OSError("second")
    group = ExceptionGroup("outer", [ExceptionGroup("inner", [first]), second])
    assert leaves(group) == [first, second]
    assert leaves(first) == [first]


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (trio.BrokenResourceError(), "DEBUG"),
        (ExceptionGroup("tasks", [ConnectionResetError()]), "DEBUG"),
        (RuntimeError("broken"), "ERROR"),
        (ExceptionGroup("tasks", [KeyError("x")]), "ERROR"),
    ],
)
def test_no_error_leaves_its_connection(
    error: Exception, level: str, caplog: pytest.LogCaptureFixture
):
    async def fail() -> None:
        raise error

    async def main() -> None:
        stream, _ = trio.testing.memory_stream_pair()
        await Connections(1)._serve(stream, fail)

    caplog.set_level("DEBUG", logger="hypercorn.error")
    trio.run(main)
    assert [record.levelname for record in caplog.records] == [level]


def test_cancellation_passes_the_guard():
    async def main() -> bool:
        stream, _ = trio.testing.memory_stream_pair()
        with trio.move_on_after(0) as scope:
            await Connections(1)._serve(stream, trio.sleep_forever)
        return scope.cancelled_caught

    assert trio.run(main)
