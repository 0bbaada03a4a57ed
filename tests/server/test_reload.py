"""``--reload``: the command again as a child, whatever the engine."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from portico.server.reload import MARK, Child, is_watched, watched_directories
from tests.servers import Process, program, start
from tests.wire import NoAnswerError, get

pytestmark = pytest.mark.socket

APPLICATION = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": b"{answer}"}})
"""


def source(answer: str) -> str:
    return APPLICATION.format(answer=answer)


def answers(server: Process, wanted: bytes, after: int) -> bool:
    """Wait for the next listening line after *after* of them, and ask there."""
    seen: list[str] = []

    def fresh(event: dict[str, object]) -> bool:
        url = str(event["url"])
        seen.append(url)
        return len(seen) > after

    url = str(server.wait_for_event("listening", fresh)["url"])
    try:
        return get(url + "/").body == wanted
    except NoAnswerError:
        return False


@pytest.mark.parametrize("engine", ["hypercorn", "uvicorn", "granian"])
def test_a_change_starts_the_server_again(engine: str):
    command = program("serve", "--reload", "--port", "0", "--engine", engine, "reloaded:app")
    with start(command, files={"reloaded.py": source("first")}) as server:
        assert answers(server, b"first", 0)
        (server.directory / "reloaded.py").write_text(source("second"))
        assert answers(server, b"second", 1)
        assert "reloaded.py changed: starting again" in server.stderr.text
        assert server.stop() == 0


def test_a_crash_is_shown_and_the_next_change_is_waited_for():
    command = program("serve", "--reload", "--port", "0", "reloaded:app")
    with start(command, files={"reloaded.py": source("first")}) as server:
        assert answers(server, b"first", 0)
        (server.directory / "reloaded.py").write_text("app = (")
        server.stderr.wait_for_line(lambda line: "waiting for a change" in line, 20)
        assert "SyntaxError: '(' was never closed" in server.stderr.text
        assert "Traceback" not in server.stderr.text
        (server.directory / "reloaded.py").write_text(source("second"))
        assert answers(server, b"second", 1)
        assert server.stop() == 0


def test_a_first_start_without_a_port_ends():
    with start(program("serve", "--reload", "--host", "203.0.113.1")) as process:
        assert process.wait(20) == 2
        assert "this machine does not have that address" in process.stderr.text


def test_the_child_does_not_outlive_a_killed_parent():
    command = program("serve", "--reload", "--port", "0", "reloaded:app")
    with start(command, files={"reloaded.py": source("first")}) as server:
        assert answers(server, b"first", 0)
        server.signal(signal.SIGKILL)
        server.wait()  # the output ends when the child, which holds it too, has ended


def test_a_child_that_does_not_end_is_killed():
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
    )
    with Child([sys.executable, "-c", f"{stubborn}; time.sleep(60)"], 0.1) as child:
        assert child.stop() == 0
        child.start()
        assert child.stop() in {-signal.SIGKILL, -signal.SIGTERM}


def test_a_process_without_the_mark_is_not_watched():
    assert not is_watched({})
    assert not is_watched({MARK: "x"})


def test_a_watched_process_is_told_when_its_parent_ends():
    reader, writer = os.pipe()
    told = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: told.set())
    try:
        assert is_watched({MARK: str(reader)})
        os.close(writer)
        assert told.wait(5)
    finally:
        signal.signal(signal.SIGTERM, before)
        os.close(reader)


def test_the_current_directory_is_watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    assert watched_directories()[0] == tmp_path
