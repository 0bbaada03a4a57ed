"""What is told of the start: where the server listens, and what it was configured from."""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from portico.core.engines import RUNTIMES
from portico.core.launch import LaunchPlan
from portico.core.settings import Settings
from portico.core.workers import WorkerPlan
from portico.server.commands.output import warn

STDOUT: Final = 1


@dataclass(frozen=True, slots=True)
class StartReport:
    """What a person, or a program that reads the log, is told of the start; each thing once."""

    settings: Settings
    plan: LaunchPlan
    workers: WorkerPlan
    profile: str | None
    read: tuple[str, ...]

    def listening(self, url: str) -> None:
        """Say where the server listens, as the log's format has it."""
        if self.json:
            self._write(json.dumps(self._event(url), separators=(",", ":")) + "\n")
        else:
            self._say(self._line(url))

    @property
    def json(self) -> bool:
        """Whether a program reads: as said, else unless standard output is a terminal."""
        chosen = self.settings.telemetry.log_format
        return chosen == "json" if chosen else not sys.stdout.isatty()

    def warn(self, warnings: Sequence[str]) -> None:
        """Show what differs from what was asked."""
        for warning in warnings:
            self._say(f"warning: {warning}")

    def fail(self, error: Exception, code: int) -> int:
        """Say in one line why nothing was started; return *code*."""
        if self.settings.telemetry.debug:
            sys.excepthook(type(error), error, error.__traceback__)
        self._say(f"portico: {error}")
        return code

    def _event(self, url: str) -> dict[str, object]:
        return {
            "event": "listening",
            "url": url,
            "engine": self.plan.engine,
            "workers": self.workers.count,
            "workers_bound": self.workers.bound,
            "profile": self.profile,
            "read": list(self.read),
            "version": version("portico"),
        }

    def _line(self, url: str) -> str:
        engine = self.plan.engine
        sources = ", ".join(self.read) or "built-in defaults alone"
        return (
            f"portico {version('portico')} listens on {url}\n"
            f"  engine   {engine} on {RUNTIMES[engine]}; {self.workers}\n"
            f"  profile  {self.profile or 'none'}\n"
            f"  settings from {sources}"
        )

    @staticmethod
    def _write(line: str) -> None:
        """Write *line* at once, for workers share the output; a sink that is full ends nobody."""
        with suppress(OSError):
            sys.stdout.flush()
            os.write(STDOUT, line.encode())

    @staticmethod
    def _say(text: str) -> None:
        warn(text)
