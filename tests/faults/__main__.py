"""The table of faults with what was measured for each row.

    python -m tests.faults [--write] [pytest's arguments]

prints Markdown; ``--write`` puts it into docs/faults.md. The exit code is pytest's.
"""

import os
import platform
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from portico.core.faults import EXPOSURES
from tests.faults.rows import ROWS

FOLDER: Final = Path(__file__).parent
PAGE: Final = FOLDER.parent.parent / "docs" / "faults.md"
HEAD: Final = """# Faults that the server survives

Measured on real processes by `just faults`, which writes this page with `--write`. `hypercorn 2` is
the Trio host with two workers.
"""


def is_of_input(nodeid: str) -> bool:
    """Whether a test belongs to the row of malformed input."""
    return any(f"test_{kind}" in nodeid for kind in ("malformed", "fuzz", "smuggling"))


@dataclass(eq=False)
class Table:
    """A plugin that collects what tests measured."""

    figures: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    inputs: Counter[str] = field(default_factory=Counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call":
            return
        if is_of_input(report.nodeid):
            self.inputs[report.outcome] += 1
        failed = " **failed**" if report.failed else ""
        properties: Any = report.user_properties
        for name, value in properties:
            if name == "fault":
                row, engine, workers, text = value
                self.figures[row].append(f"{engine} {workers}: {text}{failed}")

    def lines(self) -> Iterator[str]:
        if self.inputs:
            told = ", ".join(f"{count} {outcome}" for outcome, count in self.inputs.items())
            self.figures["malformed"].append(
                f"tests of malformed input, fuzzers, smuggling: {told}"
            )
        yield HEAD
        yield f"{os.cpu_count()} processors, Python {platform.python_version()}.\n"
        yield "| fault | must hold | measured |"
        yield "|---|---|---|"
        for key, row in ROWS.items():
            measured = "<br>".join(self.figures.get(key, ["not run"]))
            yield f"| {row.fault} | {row.holds} | {measured} |"
        yield "\n## What the other engines do not survive, or less well\n"
        yield "`portico plan` states it.\n\n| fault | uvicorn | granian |\n|---|---|---|"
        reasons = {
            engine: {exposure.fault: exposure.why for exposure in EXPOSURES[engine]}
            for engine in ("uvicorn", "granian")
        }
        for key, row in ROWS.items():
            cells = [reasons[engine].get(key, "") for engine in reasons]
            if any(cells):
                yield f"| {row.fault} | {cells[0]} | {cells[1]} |"


def main(arguments: list[str]) -> int:
    write = "--write" in arguments
    rest = [argument for argument in arguments if argument != "--write"]
    table = Table()
    named = any(Path(argument.partition("::")[0]).exists() for argument in rest)
    chosen = ["-q", "-m", "thorough or not thorough", *rest, *([] if named else [str(FOLDER)])]
    code = pytest.main(chosen, plugins=[table])
    text = "\n".join(table.lines()) + "\n"
    print(text)
    if write and code == pytest.ExitCode.OK:
        PAGE.write_text(text, encoding="utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
