"""Listening sockets, and one line for each way in which there is none."""

import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from portico.adapters import sockets
from portico.adapters.sockets import BindError, activated, listening, real_port, url_of
from portico.core.launch import LaunchPlan
from portico.core.settings import Settings


def plan(**changes: Any) -> LaunchPlan:
    return replace(LaunchPlan.from_settings(Settings()), **({"port": 0} | changes))


def refused(made: LaunchPlan) -> str:
    with pytest.raises(BindError) as error, listening(made):
        pass
    return str(error.value)


def test_port_0_gives_a_real_one_that_accepts():
    with listening(plan()) as sock:
        port = real_port(sock)
        assert port
        socket.create_connection(("127.0.0.1", port), timeout=5).close()


def test_a_name_prefers_ipv4():
    with listening(plan(host="localhost")) as sock:
        assert sock.family == socket.AF_INET


def test_a_taken_port():
    with listening(plan()) as sock:
        port = real_port(sock) or 0
        assert refused(plan(port=port)) == (
            f"cannot listen on http://127.0.0.1:{port}: it is in use by another process"
        )


def test_an_address_of_another_machine():
    assert refused(plan(host="203.0.113.1", port=8283)) == (
        "cannot listen on http://203.0.113.1:8283: this machine does not have that address"
    )


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example"])
def test_an_unknown_host(host: str):
    assert refused(plan(host=host)).endswith("the host is unknown")


def test_a_unix_socket_is_open_to_all_and_goes_at_the_end(tmp_path: Path):
    path = tmp_path / "s"
    with listening(plan(uds=str(path))) as sock:
        assert real_port(sock) is None
        assert path.stat().st_mode & 0o777 == 0o666
    assert not path.exists()


def test_a_stale_socket_file_is_replaced(tmp_path: Path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with listening(plan(uds=str(path))):
        pass


def test_a_socket_that_somebody_listens_on_is_left_alone(tmp_path: Path):
    path = tmp_path / "s"
    with listening(plan(uds=str(path))):
        assert refused(plan(uds=str(path))) == (
            f"cannot listen on unix:{path}: it is in use by another process"
        )
        assert path.exists()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path):
    path = tmp_path / "s"
    path.write_text("mine")
    assert refused(plan(uds=str(path))) == (
        f"cannot listen on unix:{path}: there is a file that is no socket"
    )
    assert path.read_text() == "mine"


def test_a_missing_directory(tmp_path: Path):
    assert refused(plan(uds=str(tmp_path / "no" / "s"))).endswith("its directory does not exist")


def test_a_path_that_is_too_long(tmp_path: Path):
    assert refused(plan(uds=str(tmp_path / ("s" * 120)))).endswith("path too long")


def test_the_socket_of_a_successor_is_left_alone(tmp_path: Path):
    path = tmp_path / "s"
    with listening(plan(uds=str(path))), socket.socket(socket.AF_UNIX) as successor:
        path.unlink()
        successor.bind(str(path))
    assert path.exists()


def test_a_descriptor_of_the_parent_is_served():
    with socket.create_server(("127.0.0.1", 0)) as parent:
        port = parent.getsockname()[1]
        made = plan(uds=f"fd://{os.dup(parent.fileno())}")
        with listening(made) as sock:
            assert url_of(made, sock) == f"http://127.0.0.1:{port}"
            assert not sock.get_inheritable()
            socket.create_connection(("127.0.0.1", port), timeout=5).close()


def test_a_unix_socket_of_the_parent_stays_where_it_is(tmp_path: Path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as parent:
        parent.bind(str(path))
        made = plan(uds=f"fd://{os.dup(parent.fileno())}")
        with listening(made) as sock:
            assert url_of(made, sock) == f"unix:{path}"
    assert path.exists()


def test_a_descriptor_that_is_none():
    assert refused(plan(uds="fd://first")) == (
        "cannot listen on fd://first: write fd:// and a descriptor's number"
    )
    assert refused(plan(uds="fd://999999")).endswith("it is no open socket")
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        number = os.dup(datagrams.fileno())
        assert refused(plan(uds=f"fd://{number}")).endswith("no TCP or Unix stream socket")


def test_a_connected_socket_is_no_listening_one():
    left, right = socket.socketpair()
    with left, right:
        assert "cannot listen on fd://" in refused(plan(uds=f"fd://{os.dup(left.fileno())}"))


def test_an_engine_that_serves_one_socket_is_not_given_two(monkeypatch: pytest.MonkeyPatch):
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as two,
    ):
        numbers = [os.dup(one.fileno()), os.dup(two.fileno())]
        monkeypatch.setattr(sockets, "activated", lambda: numbers)
        assert refused(plan(engine="uvicorn")) == "uvicorn serves one inherited socket, not 2"


def test_what_is_activated_for_this_process_is_taken_once():
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b", "A": "b"}
    assert activated(environ) == [3, 4]
    assert environ == {"A": "b"}
    assert activated(environ) == []


def test_what_is_activated_for_another_process_is_left():
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1"}
    assert activated(environ) == []
    assert len(environ) == 2
