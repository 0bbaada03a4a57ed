"""The figures as a table, and the machine and versions that they belong to."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from bench.measure import Figure, Verdict

PACKAGES = (
    *("portico", "hypercorn", "uvicorn", "granian", "quart", "quart-trio", "trio", "uvloop"),
    *("fastapi", "starlette", "pydantic", "pydantic-settings", "quart-cors", "environs", "click"),
)
HEADINGS = ("figure", "ratio", "quartiles", "target", "verdict", "cost")

Row = tuple[str, ...]


def row(figure: Figure) -> Row:
    """One figure's cells, in the order of `HEADINGS`."""
    low, high = figure.spread
    return (
        figure.name,
        f"{figure.median:.3g}",
        f"{low:.3g} to {high:.3g}",
        str(figure.target or ""),
        figure.verdict.value,
        figure.cost,
    )


def plain_table(figures: list[Figure]) -> str:
    """The figures in aligned columns, for a terminal."""
    rows = [HEADINGS, *map(row, figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in rows
    )


def markdown_table(figures: list[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *map(row, figures)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def machine() -> str:
    """The machine in one line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"


def versions() -> str:
    """Python and the packages that were measured, in one line."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"Python {platform.python_version()}, {packages}"


def closing_line(figures: list[Figure]) -> str:
    """How many figures keep their targets."""
    verdicts = [figure.verdict for figure in figures]
    kept, missed = verdicts.count(Verdict.PASS), verdicts.count(Verdict.FAIL)
    return f"{kept} figures keep their target, {missed} miss it"


def document(figures: list[Figure], rounds: int) -> str:
    """The generated part of bench/README.md."""
    return "\n".join(
        (
            f"Machine: {machine()}.",
            "",
            f"Versions: {versions()}.",
            "",
            f"Medians of {rounds} interleaved rounds; the quartiles are the rounds' spread.",
            "",
            markdown_table(figures),
            "",
            f"{closing_line(figures)}.",
        )
    )
