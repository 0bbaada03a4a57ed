"""What is told of the start, to a person and to a program."""

import json
from dataclasses import replace

import pytest

from portico.core.launch import LaunchPlan
from portico.core.settings import Settings, build
from portico.core.workers import Figures, plan_workers
from portico.server.startup import StartReport

PLAN = replace(LaunchPlan.from_settings(Settings()), workers=2)
WORKERS = plan_workers(Figures(affinity=2))


def report(log_format: str | None, *, debug: bool = False, read: tuple[str, ...] = ()):
    settings = build({"telemetry.log_format": log_format, "telemetry.debug": debug})
    return StartReport(settings, PLAN, WORKERS, "prod", read)


def test_a_program_gets_one_event(capfd: pytest.CaptureFixture[str]):
    report("json", read=("conf.yaml",)).listening("http://127.0.0.1:1")
    out, errors = capfd.readouterr()
    event = json.loads(out)
    assert errors == ""
    assert (event["event"], event["url"]) == ("listening", "http://127.0.0.1:1")
    assert (event["profile"], event["read"]) == ("prod", ["conf.yaml"])
    assert (event["workers"], event["workers_bound"]) == (2, "cpu")


def test_a_person_gets_lines(capsys: pytest.CaptureFixture[str]):
    report("console", read=("conf.yaml", ".env")).listening("http://127.0.0.1:1")
    out, errors = capsys.readouterr()
    assert out == ""
    assert "listens on http://127.0.0.1:1\n" in errors
    assert "hypercorn on trio; 2 workers, decided by cpu" in errors
    assert "profile  prod" in errors
    assert "settings from conf.yaml, .env" in errors


def test_without_a_terminal_a_program_is_meant(capfd: pytest.CaptureFixture[str]):
    report(None).listening("http://127.0.0.1:1")
    assert json.loads(capfd.readouterr().out)["event"] == "listening"


def test_warnings_and_failures_are_lines_on_stderr(capsys: pytest.CaptureFixture[str]):
    made = report("json")
    made.warn(["one thing", "another"])
    assert made.fail(ValueError("it is so"), 78) == 78
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors == "warning: one thing\nwarning: another\nportico: it is so\n"


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]):
    report("json", debug=True).fail(ValueError("it is so"), 2)
    assert "ValueError: it is so" in capsys.readouterr().err
