"""Logs: one line per event, whatever is in it and whoever reads it."""

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import structlog

from portico.core.access import MAX_LINE, AccessRecord, Outcome
from portico.core.events import RequestHead
from portico.core.settings import Settings
from portico.core.tracing import Trace
from portico.server.logs import (
    MAX_FRAMES,
    TALKATIVE,
    Format,
    Logs,
    access_line,
    configure,
    encode_line,
    logs_for,
)
from portico.server.output import Output

HOSTILE = "a\nb\x1b[31m\u202e\u2066\u2028\x7f\x85"
REQUEST = {"request_id": "r-1", "agent_id": "agent-1"}


class Pipe:
    """The reading end of what the logs write."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.output = Output(self.writer)

    def text(self) -> str:
        """Return all that was written; nothing can be written after."""
        self.output.close()
        os.close(self.writer)
        with os.fdopen(self.reader, encoding="utf-8", newline="\n") as file:
            return file.read()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def pipe() -> Pipe:
    return Pipe()


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave the process's logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.NOTSET)


def configured(
    pipe: Pipe, form: Format = "json", level: str = "info", context: Mapping[str, Any] = REQUEST
) -> Logs:
    logs = Logs(pipe.output, form, lambda: context)
    logs.configure(level)
    return logs


def test_an_event_is_one_json_object_with_the_requests_identifiers(pipe: Pipe) -> None:
    configured(pipe)
    structlog.get_logger().info("model call", tokens=3)
    [line] = pipe.lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "model call", "level": "info", "tokens": 3, **REQUEST}


def test_what_the_event_says_itself_wins(pipe: Pipe) -> None:
    configured(pipe)
    structlog.get_logger().info("resumed", agent_id="agent-2")
    assert pipe.lines()[0]["agent_id"] == "agent-2"


def test_bound_context_variables_are_on_the_line(pipe: Pipe) -> None:
    configured(pipe)
    with structlog.contextvars.bound_contextvars(job="flush"):
        structlog.get_logger().info("went")
    assert pipe.lines()[0]["job"] == "flush"


@pytest.mark.parametrize(("level", "kept"), [("debug", 4), ("info", 3), ("error", 1)])
def test_the_level_holds_back_events_and_records(pipe: Pipe, level: str, kept: int) -> None:
    configured(pipe, level=level)
    log = structlog.get_logger()
    log.debug("a")
    log.info("b")
    logging.getLogger("portico.test").warning("c")
    log.error("d")
    assert len(pipe.lines()) == kept


def record(**changes: Any) -> AccessRecord:
    made = AccessRecord(
        head=RequestHead("GET", b"/v1/health/", b"", [(b"user-agent", b"curl/8\x1b")]),
        client="127.0.0.1",
        wall=1_700_000_000.0,
        request_id="r-1",
        trace=Trace("a" * 32, "b" * 16),
        context={"agent_id": "agent-1"},
        cors="no-origin",
        outcome=Outcome.COMPLETED,
        reason=None,
        status=200,
        route=None,
        principal=None,
        duration_s=0.00025,
        ttfb_s=0.0002,
        request_bytes=0,
        response_bytes=33,
    )
    return made._replace(**changes)


def test_the_level_does_not_hold_back_access_records(pipe: Pipe) -> None:
    configured(pipe, level="critical").recorder()(record())
    assert pipe.lines() == [record().fields()]


@pytest.mark.parametrize("path", [b"/", b"/" + b"a" * 900, b"/" + b"\xff" * 20_000])
def test_an_access_line_says_what_the_record_says(path: bytes) -> None:
    made = record(head=RequestHead("GET", path, b"", []))
    line = access_line(made)
    assert json.loads(line) == json.loads(made.line())
    assert len(line) <= MAX_LINE


def test_an_access_record_on_the_console_is_a_short_line(pipe: Pipe) -> None:
    configured(pipe, "console").recorder()(record(request_id="r\x1b"))
    text = pipe.text()
    assert "GET /v1/health/ 200" in text
    assert "duration_s=0.00025" in text
    assert "r\\u001b" in text
    assert "reason" not in text
    assert text.count("\n") == 1


@pytest.mark.parametrize(("asked", "chosen"), [("console", "console"), (None, "json")])
def test_the_format_is_the_one_asked_for_else_the_one_for_the_reader(
    asked: Format | None, chosen: str
) -> None:
    telemetry = replace(Settings().telemetry, log_format=asked)
    assert logs_for(telemetry).format == chosen


def test_the_process_is_configured_by_its_settings(capfd: pytest.CaptureFixture[str]) -> None:
    configure(replace(Settings().telemetry, log_level="warning", log_format="json"))
    structlog.get_logger().info("chatter")
    structlog.get_logger().warning("matters")
    assert [json.loads(line)["event"] for line in capfd.readouterr().out.splitlines()] == [
        "matters"
    ]


def test_a_standard_record_looks_like_an_event(pipe: Pipe) -> None:
    configured(pipe)
    logging.getLogger("hypercorn.error").warning("cannot %s", "bind")
    [line] = pipe.lines()
    assert (line["event"], line["logger"], line["level"]) == (
        "cannot bind",
        "hypercorn.error",
        "warning",
    )
    assert line["request_id"] == "r-1"


def test_an_engines_chatter_needs_debug(pipe: Pipe) -> None:
    configured(pipe)
    logging.getLogger("uvicorn.error").info("Started server process")
    configured(pipe, level="debug")
    logging.getLogger("uvicorn.error").info("Started reloader")
    assert [line["event"] for line in pipe.lines()] == ["Started reloader"]


def test_a_broken_record_is_reported_and_raises_nothing(
    pipe: Pipe, capsys: pytest.CaptureFixture[str]
) -> None:
    configured(pipe)
    logging.getLogger("portico.test").warning("%d", "no number")
    assert pipe.text() == ""
    assert "no number" in capsys.readouterr().err


def test_an_exception_is_structured_and_holds_no_values_of_variables(pipe: Pipe) -> None:
    configured(pipe)
    try:
        secret = "hunter2"
        raise ValueError("bad", len(secret))
    except ValueError:
        structlog.get_logger().exception("request failed")
    text = pipe.text()
    [exception] = json.loads(text)["exception"]
    assert exception["exc_type"] == "ValueError"
    assert (
        exception["frames"][0]["name"]
        == test_an_exception_is_structured_and_holds_no_values_of_variables.__name__
    )
    assert "hunter2" not in text


def test_a_deep_traceback_is_bounded(pipe: Pipe) -> None:
    configured(pipe)

    def sink(depth: int) -> None:
        if depth == 0:
            raise RecursionError("deep")
        sink(depth - 1)

    try:
        sink(200)
    except RecursionError as error:
        logging.getLogger("portico.test").error("failed", exc_info=error)
    assert len(pipe.lines()[0]["exception"][0]["frames"]) <= MAX_FRAMES + 1


@pytest.mark.parametrize("text", [HOSTILE, "\ud800", "caf\u00e9", "plain"])
def test_a_json_line_is_ascii_and_says_the_same(text: str) -> None:
    line = encode_line({"path": text})
    assert json.loads(line) == {"path": text}
    assert line.endswith(b"\n")
    assert re.fullmatch(rb"[ -~]*", line[:-1])


def test_what_json_cannot_hold_is_shown_as_python_shows_it() -> None:
    assert json.loads(encode_line({"x": object})) == {"x": repr(object)}


def test_the_console_shows_no_control_character(pipe: Pipe) -> None:
    configured(pipe, "console")
    structlog.get_logger().warning(HOSTILE, path=HOSTILE)
    text = pipe.text()
    assert text.count("\n") == 1
    assert re.fullmatch(r"[ -~]*\n", text)
    assert "\\u202e" in text


def test_a_traceback_on_the_console_keeps_its_lines(pipe: Pipe) -> None:
    configured(pipe, "console")
    try:
        raise ValueError("no\x1b[2J")
    except ValueError:
        structlog.get_logger().exception("request failed")
    text = pipe.text()
    assert "Traceback (most recent call last):\n" in text
    assert "ValueError: no\\u001b[2J" in text
