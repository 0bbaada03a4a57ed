"""CPU of whole processes: what an import or a command costs from a cold start."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import Costs, Figure, Part, Target, above, interleave, ratio, whole
from bench.servers import environment

PORTICO = str(Path(sys.executable).with_name("portico"))
CORE = Path(__file__).parent.parent / "core"


def core_modules() -> str:
    """Every module of the core, as an import statement takes them."""
    files = sorted((CORE / "portico" / "core").rglob("*.py"))
    modules = (path.parent if path.name == "__init__.py" else path for path in files)
    return ", ".join(".".join(m.relative_to(CORE).with_suffix("").parts) for m in modules)


def importing(modules: str) -> list[str]:
    """The command that imports *modules* and ends."""
    return [sys.executable, "-c", f"import {modules}" if modules else ""]


def commands() -> dict[str, list[str]]:
    """The measured processes by name."""
    return {
        "interpreter": importing(""),
        "import settings": importing("portico.core.settings"),
        "import core": importing(core_modules()),
        "import pydantic-settings": importing("pydantic_settings"),
        "import parsers and click": importing("environs, yaml, click"),
        "import click": importing("click"),
        "config check": [PORTICO, "config", "check"],
        "help": [PORTICO, "--help"],
    }


def process_cpu(command: Sequence[str], folder: str) -> Callable[[], float]:
    """The case that runs *command* in *folder* and returns its CPU seconds, user and system.

    Raises:
        RuntimeError: The command failed, so that its cost means nothing.
    """

    def case() -> float:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{command!r} ended with {process.returncode}")
        return usage.ru_utime + usage.ru_stime

    return case


def measure(rounds: int) -> list[Figure]:
    """The figures of cold starts, in an empty folder so that no configuration file is read."""
    with TemporaryDirectory() as folder:
        cases = {name: process_cpu(command, folder) for name, command in commands().items()}
        return figures(interleave(cases, rounds))


def net(name: str) -> Part:
    """The cost of the process of that name without the interpreter's own start."""
    return above("interpreter", name)


def figures(rounds: list[Costs]) -> list[Figure]:
    """The ratios of the measured rounds; imports count without the interpreter's start."""
    less_start = "the same, both less the interpreter's start"
    return [
        ratio(
            "import portico.core.settings / import pydantic-settings",
            rounds,
            of=net("import settings"),
            to=net("import pydantic-settings"),
            target=Target(0.5),
        ),
        ratio(
            "import every module of portico.core / import pydantic-settings",
            rounds,
            of=net("import core"),
            to=net("import pydantic-settings"),
            target=Target(0.5),
        ),
        ratio(
            "portico config check / importing environs, PyYAML and click",
            rounds,
            of=whole("config check"),
            to=whole("import parsers and click"),
            target=Target(1.5),
        ),
        ratio(less_start, rounds, of=net("config check"), to=net("import parsers and click")),
        ratio(
            "portico --help / importing click",
            rounds,
            of=whole("help"),
            to=whole("import click"),
            target=Target(3),
        ),
        ratio(less_start, rounds, of=net("help"), to=net("import click")),
    ]
