"""``portico logs``."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Final

import click

from portico.server.commands.groups import debug_option
from portico.server.commands.output import write

EXIT_NOTHING: Final = 1
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
MAX_LINE: Final = 1024 * 1024
"""A longer line is none of the server's; so much of it is looked at."""

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are shown.

    Attributes:
        fields: What a line must say, by name.
        lowest: Place of the lowest level in `LEVELS`.
    """

    fields: Mapping[str, str]
    lowest: int

    def takes(self, event: Event) -> bool:
        """Say whether a line is shown; an access record has no level and counts as info."""
        level = event.get("level", "info")
        place = LEVELS.index(level) if level in LEVELS else len(LEVELS)
        return place >= self.lowest and all(
            event.get(name) == value for name, value in self.fields.items()
        )


@click.command(params=[debug_option()])
@click.argument("files", nargs=-1, type=click.File("rb", lazy=False), metavar="[FILE]...")
@click.option("--request", "request_id", metavar="ID", help="Lines of this request: x-request-id.")
@click.option("--trace", "trace_id", metavar="ID", help="Lines of this trace.")
@click.option("--run", "run_id", metavar="ID", help="Lines that name this run.")
@click.option("--agent", "agent_id", metavar="ID", help="Lines that name this agent.")
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    default="debug",
    show_default=True,
    help="Lowest level that is shown.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["json", "text"]),
    default="json",
    show_default=True,
    help="The lines as they are, or a short form for a person.",
)
def logs(
    files: tuple[BinaryIO, ...], level: str, output_format: str, **identifiers: str | None
) -> int:
    """Filter log lines in JSON, as the server writes them, from each FILE or standard input.

    Lines of anything else are passed over. Exit 0 if a line was shown, 1 if none was.
    """
    fields = {name: value for name, value in identifiers.items() if value is not None}
    wanted = Wanted(fields, LEVELS.index(level))
    shown = False
    for line, event in read_events(files or (sys.stdin.buffer,)):
        if wanted.takes(event):
            write(sys.stdout, FORMATS[output_format](line, event))
            shown = True
    return 0 if shown else EXIT_NOTHING


def read_events(files: Iterable[BinaryIO]) -> Iterator[tuple[str, Event]]:
    """Give each line that is a JSON object, as it stands and as it reads."""
    for file in files:
        for raw in iter(partial(file.readline, MAX_LINE), b""):
            if not raw.startswith(b"{"):
                continue
            try:
                event = json.loads(raw)
            except (ValueError, RecursionError):
                continue
            yield raw.decode("utf-8", "backslashreplace").rstrip("\r\n") + "\n", event


def describe(_: str, event: Event) -> str:
    """Write a line for a person: when, how grave, what, and all else that it says."""
    rest = {
        name: value
        for name, value in event.items()
        if name not in ("timestamp", "level", "event", "exception")
    }
    said = " ".join(f"{name}={json.dumps(value)}" for name, value in rest.items())
    head = (event.get("timestamp", "-"), event.get("level", "info"), event.get("event", "-"))
    return " ".join([*(json.dumps(word)[1:-1] for word in map(str, head)), said]) + "\n"


def keep(line: str, _: Event) -> str:
    """Write a line as it stands."""
    return line


FORMATS: Final[dict[str, Callable[[str, Event], str]]] = {"json": keep, "text": describe}
