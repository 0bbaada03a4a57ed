"""A worker that cannot live at all says so once, with a code that no other start would mend."""

import os

import pytest

from portico.core.launch import LaunchPlan
from portico.core.settings import Settings
from portico.server.host import launching
from portico.server.host.foundations import FoundationError
from portico.server.host.supervisor import FINAL
from portico.server.host.worker_process import Lifeline


def test_what_the_host_builds_on_is_looked_for_before_anything_else(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def lacking() -> None:
        raise FoundationError("this installation lacks h11.Connection")

    monkeypatch.setattr(launching, "check", lacking)
    served = launching.Served(
        lambda: pytest.fail("made"), LaunchPlan.from_settings(Settings()), os.getpid
    )
    code = launching._run_worker(served, [], Lifeline(-1, -1))
    assert code in FINAL
    assert "lacks h11.Connection" in "".join(capfd.readouterr())
