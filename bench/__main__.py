"""``just bench``: measure every figure, print the table, write it into bench/README.md if asked."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import cold_start, host, idle, in_process, over_sockets, processes, report, settings
from bench.measure import Figure

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: rounds, CPU seconds of an in-process batch, requests over sockets."""

    rounds: int
    batch_s: float
    requests: int


FULL = Effort(rounds=11, batch_s=0.05, requests=3000)
QUICK = Effort(rounds=7, batch_s=0.01, requests=1000)
SMOKE = Effort(rounds=2, batch_s=0.001, requests=500)

PARTS: dict[str, Callable[[Effort], list[Figure]]] = {
    "in-process": lambda effort: in_process.measure(effort.rounds, effort.batch_s),
    "settings": lambda effort: settings.measure(effort.rounds, effort.batch_s),
    "processes": lambda effort: processes.measure(effort.rounds),
    "cold-start": lambda effort: cold_start.measure(effort.rounds),
    "sockets": lambda effort: over_sockets.measure(effort.rounds, effort.requests),
    "host": lambda effort: host.measure(effort.rounds, effort.requests),
    "idle": lambda effort: idle.measure(min(effort.rounds, 3)),
}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="just bench", description=__doc__)
    effort = parser.add_mutually_exclusive_group()
    effort.set_defaults(effort=FULL)
    effort.add_argument("--quick", dest="effort", action="store_const", const=QUICK)
    effort.add_argument("--smoke", dest="effort", action="store_const", const=SMOKE)
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part alone")
    parser.add_argument("--write", action="store_true", help="write the table to bench/README.md")
    return parser.parse_args()


def main() -> None:
    """Measure and print; a figure that misses its target is shown, not an error."""
    asked = arguments()
    figures: list[Figure] = []
    for name in asked.only or PARTS:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        figures += PARTS[name](asked.effort)
    print(f"{report.machine()}\n{report.versions()}\n")
    print(f"{report.plain_table(figures)}\n\n{report.closing_line(figures)}")
    if asked.write:
        write(report.document(figures, asked.effort.rounds))


def write(document: str) -> None:
    """Put *document* between the marks of bench/README.md."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{document}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
