"""``portico logs``: the lines of one request, from files or a pipe."""

import json
import subprocess
from pathlib import Path

from tests.servers import program

LINES = [
    {"event": "access", "request_id": "r1", "trace_id": "t1", "run_id": "run-1", "timestamp": "T1"},
    {"event": "request failed", "level": "error", "request_id": "r1", "exception": ["frame"]},
    {"event": "model call", "level": "debug", "request_id": "r2", "agent_id": "agent-1"},
    {"event": "odd", "level": "NOTICE", "request_id": "r3", "text": "\u2028\x1b[2J"},
]
OTHERS = "plain text\n{not json}\n[1]\n" + "{" + '"a":' * 3 + "\n" + '{"a":' * 100_000 + "\n\xff\n"


def run(*arguments: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        program("logs", *arguments), input=given, capture_output=True, timeout=60, check=False
    )


def log(tmp_path: Path) -> Path:
    path = tmp_path / "server.log"
    text = OTHERS + "".join(json.dumps(line) + "\n" for line in LINES)
    path.write_text(text, encoding="latin-1")
    return path


def test_it_shows_the_lines_of_one_request_as_they_are(tmp_path: Path) -> None:
    done = run(str(log(tmp_path)), "--request", "r1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert [json.loads(line) for line in done.stdout.splitlines()] == LINES[:2]


def test_it_reads_standard_input_and_several_files(tmp_path: Path) -> None:
    path = log(tmp_path)
    assert len(run(given=path.read_bytes()).stdout.splitlines()) == len(LINES)
    assert len(run(str(path), str(path)).stdout.splitlines()) == 2 * len(LINES)


def test_identifiers_and_level_narrow_together(tmp_path: Path) -> None:
    path = str(log(tmp_path))
    for arguments, at in (
        (["--run", "run-1"], [0]),
        (["--trace", "t1", "--request", "r1"], [0]),
        (["--agent", "agent-1"], [2]),
        (["--level", "info", "--request", "r1"], [0, 1]),
        (["--level", "critical"], [3]),
    ):
        lines = [json.loads(line) for line in run(path, *arguments).stdout.splitlines()]
        assert lines == [LINES[index] for index in at], arguments


def test_nothing_found_is_exit_1(tmp_path: Path) -> None:
    done = run(str(log(tmp_path)), "--request", "none")
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


def test_a_missing_file_is_a_usage_error_in_one_line(tmp_path: Path) -> None:
    done = run(str(tmp_path / "none.log"))
    assert done.returncode == 2
    assert b"none.log" in done.stderr
    assert b"Traceback" not in done.stderr


def test_the_short_form_is_safe_on_a_terminal(tmp_path: Path) -> None:
    done = run(str(log(tmp_path)), "--format", "text", "--request", "r3")
    assert done.stdout == b'- NOTICE odd request_id="r3" text="\\u2028\\u001b[2J"\n'
