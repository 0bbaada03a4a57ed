"""The table of faults with what was measured for each row.

    python -m tests.faults [--write] [pytest's arguments]

prints Markdown; ``--write`` puts it into docs/faults.md. The exit code is pytest's.
"""

import os
import platform
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.faults.rows import ROWS

FOLDER: Final = Path(__file__).parent
PAGE: Final = FOLDER.parent.parent / "docs" / "faults.md"
HEAD: Final = """# Faults that the server survives

Measured on real processes by `just faults`, which writes this page with `--write`. `hypercorn 2` is
the Trio host with two workers.
"""


@dataclass
class Table:
    """A plugin that collects what tests measured."""

    figures: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    failed: int = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed += report.failed
        if report.when != "call":
            return
        failed = " **failed**" if report.failed else ""
        properties: Any = report.user_properties
        for name, value in properties:
            if name == "fault":
                row, engine, workers, text = value
                self.figures[row].append(f"{engine} {workers}: {text}{failed}")

    def lines(self) -> Iterator[str]:
        yield HEAD
        yield f"{os.cpu_count()} processors, Python {platform.python_version()}.\n"
        yield "| fault | must hold | measured |"
        yield "|---|---|---|"
        for key, row in ROWS.items():
            measured = "<br>".join(self.figures.get(key, ["not run"]))
            yield f"| {row.fault} | {row.holds} | {measured} |"


def main(arguments: list[str]) -> int:
    write = "--write" in arguments
    rest = [argument for argument in arguments if argument != "--write"]
    table = Table()
    chosen = ["-q", "-m", "thorough or not thorough", *(rest or [str(FOLDER)])]
    code = pytest.main(chosen, plugins=[table])
    text = "\n".join(table.lines()) + "\n"
    print(text)
    if write and code == pytest.ExitCode.OK:
        PAGE.write_text(text, encoding="utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
