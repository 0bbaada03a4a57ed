"""The harness that other tests stand on."""

import signal
import sys
from pathlib import Path

import pytest

from tests.servers import EndedEarlyError, address_of, environment, request_bytes, serve, start

LISTENER = """
import json, socket, sys
ANSWER = b"HTTP/1.1 200 OK\\r\\nX-A: 1\\r\\nX-A: 2\\r\\nContent-Length: 2\\r\\n\\r\\nok"
listener = socket.create_server(("127.0.0.1", 0))
print("a line that is no event", flush=True)
url = "http://127.0.0.1:%d" % listener.getsockname()[1]
print(json.dumps({"event": "listening", "url": url}), flush=True)
print("said on stderr", file=sys.stderr, flush=True)
while True:
    connection, _ = listener.accept()
    received = connection.recv(65536)
    connection.sendall(ANSWER)
    connection.close()
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_server_is_waited_for_asked_and_ended() -> None:
    with serve(command=python(LISTENER)) as server:
        answer = server.get("/")
        assert (answer.status, answer.values("x-a"), answer.body) == (200, ["1", "2"], b"ok")
        assert answer.header("x-a") == "1, 2"
        assert answer.header("absent") is None
        assert server.stop() == -signal.SIGTERM
        assert server.stderr.text == "said on stderr"
    assert not server.alive()
    assert not server.directory.exists()


def test_two_answers_on_one_connection_are_told_apart() -> None:
    one = LISTENER.replace("sendall(ANSWER)", "sendall(2 * ANSWER)")
    with serve(command=python(one)) as server, server.connect() as connection:
        connection.send(request_bytes("GET", "/"))
        assert [connection.response().body for _ in range(2)] == [b"ok", b"ok"]


def test_a_process_that_ends_before_it_listens_is_reported_with_its_output() -> None:
    with (
        pytest.raises(EndedEarlyError, match="went wrong"),
        serve(command=python("exit('went wrong')")),
    ):
        pass


def test_the_environment_holds_no_setting_of_the_caller(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LETTA_PORT", "1")
    assert "LETTA_PORT" not in environment(home=tmp_path)
    assert environment({"LETTA_PORT": "2"}, home=tmp_path)["LETTA_PORT"] == "2"


def test_files_stand_in_the_working_directory() -> None:
    with start(python("print(open('a.txt').read())"), files={"a.txt": "text"}) as process:
        assert process.wait() == 0
        assert process.stdout.lines == ["text"]


def test_a_request_is_written_as_given() -> None:
    wire = request_bytes("POST", b"/\xff", [("X-a", " 1")], b"body", host="h")
    assert wire == b"POST /\xff HTTP/1.1\r\nHost: h\r\nX-a:  1\r\nContent-Length: 4\r\n\r\nbody"
    assert request_bytes("GET", "/", host=None) == b"GET / HTTP/1.1\r\n\r\n"


def test_an_address_is_read_from_a_url() -> None:
    assert address_of("http://[::1]:80/a") == ("::1", 80)
    assert address_of("unix:/run/portico.sock") == "/run/portico.sock"
